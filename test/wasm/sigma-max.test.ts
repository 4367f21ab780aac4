import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { sigmaMax, type Unfolded, unfoldedSigmaMax } from '../../src/wasm/sigma-max.ts';
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

test('floats [m, c, taps] unfolded, with limits below and above the value', () => {
  for (const [m, c, down, across] of [
    [1, 1, 3, 3],
    [1, 5, 1, 3],
    [4, 3, 3, 1],
    [20, 30, 2, 3],
    [70, 12, 1, 4],
    [24, 24, 3, 3],
  ] as const) {
    const taps = down * across;
    const [rows, cols] = [m * down, c * across];
    const next = random(m + c);
    const x = Float32Array.from({ length: m * c * taps }, () => next() - 0.3);
    const a = new Float64Array(x.length);
    for (let i = 0; i < m; i++)
      for (let j = 0; j < c; j++)
        for (let t = 0; t < taps; t++)
          a[(i * down + Math.floor(t / across)) * cols + j * across + (t % across)] = x[(i * c + j) * taps + t]!;
    const sigma = svd(wasm, a, rows, cols).sigma[0]!;
    const row = Array.from({ length: taps }, (_, t) => Math.floor(t / across));
    const col = row.map((_, t) => t % across);
    wasm.arena.scope((alloc) => {
      const address = alloc(x.byteLength);
      wasm.arena.put(address, x);
      const unfolded: Unfolded = { address, m, c, rowTaps: down, colTaps: across, row, col };
      const what = `[${m}, ${c}, ${down} x ${across}]`;
      close([unfoldedSigmaMax(wasm, unfolded)], [sigma], { relative: 1e-11 }, what);
      close([unfoldedSigmaMax(wasm, unfolded, sigma * 1.01)], [sigma], { relative: 1e-11 }, `${what}, a limit above`);
      const cut = unfoldedSigmaMax(wasm, unfolded, 0.1 * sigma);
      // Small matrices are decomposed whole, and no limit ends that.
      if (Math.min(rows, cols) > 32) assert.is(cut, Number.POSITIVE_INFINITY, what);
      else close([cut], [sigma], { relative: 1e-11 }, `${what}, a limit below`);
    });
  }
});

test('NaN is refused', () => {
  assert.throws(
    () => sigmaMax(wasm, Float64Array.of(Number.NaN), 1, 1),
    (e: Error) => e instanceof RangeError,
  );
});

test.run();
