import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { sigmaMax } from '../../src/wasm/sigma-max.ts';
import { svd } from '../../src/wasm/svd.ts';
import { close } from '../assembly/bench.ts';
import { loadWasm, random } from '../helpers.ts';

const wasm = await loadWasm();

test('agrees with the whole decomposition, small and large, tall and wide', () => {
  for (const [m, n] of [
    [1, 1],
    [5, 40],
    [33, 33],
    [60, 45],
    [40, 200],
    [130, 70],
  ] as const) {
    const next = random(m + n);
    const a = Float64Array.from({ length: m * n }, () => next() - 0.5);
    close([sigmaMax(wasm, a, m, n)], [svd(wasm, a, m, n).sigma[0]!], { relative: 1e-11 }, `${m} x ${n}`);
    const narrow = Float32Array.from(a);
    const sigma = svd(wasm, Float64Array.from(narrow), m, n).sigma[0]!;
    close([sigmaMax(wasm, narrow, m, n)], [sigma], { relative: 1e-11 }, `${m} x ${n}, floats`);
  }
});

test('large: a known largest value among many', () => {
  const n = 1100;
  const next = random(3);
  const a = Float32Array.from({ length: n * n }, () => (next() - 0.5) / 64);
  // Ones add a direction with singular value n / 32, well above the others (about sqrt(n / 12) / 32).
  for (let i = 0; i < a.length; i++) a[i]! += 1 / 32;
  const found = sigmaMax(wasm, a, n, n);
  assert.ok(Math.abs(found / (n / 32) - 1) < 0.01, `${found}`);
});

test('one direction, equal directions, one element, none', () => {
  const rank1 = Float64Array.from({ length: 50 * 40 }, (_, at) => (Math.floor(at / 40) + 1) * ((at % 40) - 3));
  let squares = 0;
  for (const v of rank1) squares += v * v;
  close([sigmaMax(wasm, rank1, 50, 40)], [Math.sqrt(squares)], { relative: 1e-12 }, 'rank 1');
  const identity = Float64Array.from({ length: 64 * 64 }, (_, at) => (at % 65 === 0 ? 3 : 0));
  close([sigmaMax(wasm, identity, 64, 64)], [3], { relative: 1e-13 }, 'identity');
  const single = new Float64Array(40 * 60);
  single[777] = -1e-200;
  close([sigmaMax(wasm, single, 40, 60)], [1e-200], { relative: 1e-12 }, 'one element');
  assert.is(sigmaMax(wasm, new Float64Array(40 * 40), 40, 40), 0);
  assert.is(sigmaMax(wasm, new Float64Array(0), 0, 3), 0);
});

test('two largest values close together', () => {
  const n = 48;
  const a = new Float64Array(n * n);
  for (let i = 0; i < n; i++) a[i * n + i] = i === 7 ? 1 + 1e-7 : 1 - (i % 5) * 1e-6;
  close([sigmaMax(wasm, a, n, n)], [1 + 1e-7], { relative: 1e-11 }, 'cluster');
});

test('NaN is refused', () => {
  assert.throws(
    () => sigmaMax(wasm, Float64Array.of(Number.NaN), 1, 1),
    (e: Error) => e instanceof RangeError,
  );
});

test.run();
