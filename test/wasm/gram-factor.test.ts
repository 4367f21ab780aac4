import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gramFactor, gramMatrix, isTall } from '../../src/wasm/gram-factor.ts';
import { loadKernels } from '../../src/node.ts';
import { close, same } from '../assembly/bench.ts';
import { loadWasm, normals, random } from '../helpers.ts';

const wasm = await loadWasm();

/** Column-major [tall, size]; the columns from the second on lean towards the first by that share. */
function columns(tall: number, size: number, lean: number): Float64Array {
  const a = Float64Array.from(normals(tall * size, random(tall + size)));
  for (let i = tall; i < a.length; i++) a[i] = lean * a[i % tall]! + (1 - lean) * a[i]!;
  return a;
}

function factor(a: Float64Array, tall: number, size: number, factors: Float64Array): Float64Array | undefined {
  return wasm.arena.scope((alloc) => {
    const matrix = alloc(a.byteLength);
    wasm.arena.put(matrix, a);
    const lower = alloc(8 * size * size);
    if (!gramFactor(wasm, alloc, matrix, tall, size, factors, lower)) return undefined;
    return wasm.arena.f64(lower, size * size).slice();
  });
}

test('L L’ = D A’A D, lower triangular, column by column', () => {
  for (const [tall, size] of [
    [90, 32],
    [130, 37],
    [1500, 66],
  ] as const) {
    const a = columns(tall, size, 0);
    const factors = Float64Array.from({ length: size }, (_, j) => 2 ** -(j % 50));
    const l = factor(a, tall, size, factors)!;
    const expected = new Float64Array(size * size);
    const found = new Float64Array(size * size);
    for (let i = 0; i < size; i++)
      for (let j = 0; j <= i; j++) {
        const at = i * size + j;
        for (let r = 0; r < tall; r++) expected[at]! += a[i * tall + r]! * a[j * tall + r]!;
        for (let c = 0; c < size; c++) found[at]! += l[c * size + i]! * l[c * size + j]!;
        found[at]! /= factors[i]! * factors[j]!;
      }
    close(found, expected, { absolute: 1e-12 * tall }, `${tall} x ${size}`);
    for (let j = 0; j < size; j++) for (let i = 0; i < j; i++) assert.is(l[j * size + i], 0);
  }
});

test('refused where the Gram matrix would lose what the columns hold', () => {
  const ones = new Float64Array(40).fill(1);
  assert.ok(factor(columns(200, 40, 0.1), 200, 40, ones));
  for (const lean of [0.9, 0.999, 1 - 1e-9, 1]) assert.is(factor(columns(200, 40, lean), 200, 40, ones), undefined);
  const broken = columns(200, 40, 0);
  broken[777] = Number.NaN;
  assert.is(factor(broken, 200, 40, ones), undefined);
  assert.is(isTall(200, 40), true);
  assert.is(isTall(60, 40), false);
  assert.is(isTall(200, 4), false);
});

test('the same bits with two threads', async () => {
  const two = await loadKernels({ threads: 2 });
  try {
    for (const size of [1, 2, 45, 130]) {
      const a = columns(300, size, 0);
      const [one, other] = [wasm, two].map((w) =>
        w.arena.scope((alloc) => {
          const matrix = alloc(a.byteLength);
          w.arena.put(matrix, a);
          const gram = w.arena.f64(gramMatrix(w, alloc, matrix, 300, size), size * size);
          return gram.map((v, at) => (at % size <= Math.floor(at / size) ? v : 0)).slice();
        }),
      );
      same(other!, one!, `${size} columns`);
    }
  } finally {
    await two.dispose();
  }
});

test.run();
