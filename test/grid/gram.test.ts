import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { fakeQuantize, fitGrid, gramError, gramErrorRows, type GridSpec } from '../../src/grid/index.ts';
import { loadWasm, normals, random } from '../helpers.ts';

const wasm = await loadWasm();

/** E[x x'] of correlated inputs with a mean, [groups, cols, cols]. */
function grams(groups: number, cols: number, seed: number): Float32Array {
  const next = random(seed);
  const gram = new Float32Array(groups * cols * cols);
  const samples = 3 * cols;
  for (let g = 0; g < groups; g++) {
    for (let s = 0; s < samples; s++) {
      const x = normals(cols, next, 1 + g);
      for (let i = 1; i < cols; i++) x[i] = Math.max(-0.5, 0.8 * x[i - 1]! + x[i]!);
      for (let i = 0; i < cols; i++)
        for (let j = 0; j < cols; j++) gram[(g * cols + i) * cols + j]! += (x[i]! * x[j]!) / samples;
    }
  }
  return gram;
}

function naiveRows(w: Float32Array, v: Float32Array, rows: number, cols: number, gram: Float32Array, groups: number) {
  return Float64Array.from({ length: rows }, (_, r) => {
    const g = Math.floor(r / (rows / groups));
    let e = 0;
    for (let i = 0; i < cols; i++) {
      for (let j = 0; j < cols; j++)
        e +=
          (w[r * cols + i]! - v[r * cols + i]!) *
          gram[(g * cols + i) * cols + j]! *
          (w[r * cols + j]! - v[r * cols + j]!);
    }
    return e;
  });
}

test('gramError agrees with its twin, with and without groups', () => {
  for (const [rows, cols, groups] of [
    [1, 1, 1],
    [6, 13, 1],
    [6, 13, 3],
    [8, 30, 8],
    [33, 7, 1],
  ] as const) {
    const w = normals(rows * cols, random(rows), 0.1);
    const v = normals(rows * cols, random(rows + 50), 0.1);
    const gram = grams(groups, cols, cols);
    const ours = gramErrorRows(wasm, w, v, rows, cols, gram, groups);
    const naive = naiveRows(w, v, rows, cols, gram, groups);
    for (const [r, e] of naive.entries())
      assert.ok(Math.abs(ours[r]! - e) <= 1e-5 * e, `row ${r}: ${ours[r]}, twin ${e}`);
    const sum = naive.reduce((a, b) => a + b, 0);
    assert.ok(Math.abs(gramError(wasm, w, v, rows, cols, gram, groups) - sum) <= 1e-5 * sum);
    assert.is(gramError(wasm, w, w, rows, cols, gram, groups), 0);
  }
});

test('more rows than one product holds', () => {
  const rows = 1050;
  const cols = 1024;
  const w = normals(rows * cols, random(3), 0.1);
  const v = new Float32Array(w.length);
  const gram = new Float32Array(cols * cols);
  for (let i = 0; i < cols; i++) gram[i * cols + i] = 2;
  const ours = gramErrorRows(wasm, w, v, rows, cols, gram);
  for (const r of [0, 1023, 1024, 1049]) {
    const norm = w.subarray(r * cols, (r + 1) * cols).reduce((s, x) => s + x * x, 0);
    assert.ok(Math.abs(ours[r]! - 2 * norm) <= 1e-5 * norm);
  }
});

for (const symmetric of [true, false]) {
  for (const granularity of ['tensor', 'channel', 10] as const) {
    test(`clip gram has the least error of the three: ${symmetric ? 'symmetric' : 'asymmetric'}, ${granularity}`, () => {
      const rows = 24;
      const cols = 36;
      const groups = 2;
      const w = normals(rows * cols, random(11), 0.05);
      const gram = grams(groups, cols, 5);
      for (const scaleType of ['float', 'float16'] as const) {
        for (const bits of [2, 3, 4, 8]) {
          const errors = (['max', 'mse', 'gram'] as const).map((clip) => {
            const spec: GridSpec = { bits, granularity, symmetric, clip, scaleType };
            const v = fakeQuantize(wasm, w, fitGrid(wasm, w, rows, cols, spec, gram, groups));
            return granularity === 'tensor'
              ? [gramError(wasm, w, v, rows, cols, gram, groups)]
              : [...gramErrorRows(wasm, w, v, rows, cols, gram, groups)];
          });
          errors[2]!.forEach((e, r) => {
            assert.ok(e <= errors[0]![r]! * (1 + 1e-4) && e <= errors[1]![r]! * (1 + 1e-4), `row ${r} at ${bits} bits`);
          });
          const total = errors.map((rows) => rows.reduce((a, b) => a + b, 0));
          assert.ok(bits > 3 || total[2]! < total[1]!, `${bits} bits: gram ${total[2]}, mse ${total[1]}`);
        }
      }
    });
  }
}

test('wrong arguments are named, nothing stays allocated', () => {
  const w = normals(20, random(1));
  assert.throws(() => gramError(wasm, w, w, 4, 5, new Float32Array(24)), /expected 25 floats, found 24/);
  assert.throws(() => gramError(wasm, w, w.subarray(1), 4, 5, new Float32Array(25)), /values/);
  assert.throws(
    () => gramError(wasm, w, w, 4, 5, new Float32Array(75), 3),
    /groups: expected a divisor of 4 rows, found 3/,
  );
  assert.is(wasm.arena.used, 0);
});

test.run();
