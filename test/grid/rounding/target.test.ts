import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { factorsOf } from '../../../src/grid/rounding/factor.ts';
import { retarget } from '../../../src/grid/rounding/target.ts';
import { loadWasm, normals, random } from '../../helpers.ts';
import { throws } from '../../throws.ts';
import { inputs } from './problems.ts';

const wasm = await loadWasm();

/** Inputs x, what they become, y, and their products. */
function pair(cols: number, samples: number, seed: number) {
  const { first: x } = inputs(cols, 1, samples, seed);
  const next = random(seed + 1);
  const y = x.map((v) => v + 0.2 * (next() - 0.5) + 0.05);
  const gram = new Float32Array(cols * cols);
  const cross = new Float32Array(cols * cols);
  for (let i = 0; i < cols; i++)
    for (let j = 0; j < cols; j++) {
      let [g, c] = [0, 0];
      for (let s = 0; s < samples; s++) {
        g += y[s * cols + i]! * y[s * cols + j]!;
        c += x[s * cols + i]! * y[s * cols + j]!;
      }
      gram[i * cols + j] = g / samples;
      cross[i * cols + j] = c / samples;
    }
  return { x, y, gram, cross };
}

/** w (C - H), the rows of w in as many parts as there are groups. */
function pullOf(w: Float32Array, cols: number, gram: Float32Array, cross: Float32Array, groups = 1): Float32Array {
  const rows = w.length / cols;
  return w.map((_, at) => {
    const [r, j] = [Math.floor(at / cols), at % cols];
    const from = Math.floor((r * groups) / rows) * cols * cols;
    let sum = 0;
    for (let i = 0; i < cols; i++) sum += w[r * cols + i]! * (cross[from + i * cols + j]! - gram[from + i * cols + j]!);
    return sum;
  });
}

test('the new weights satisfy the normal equations, w C + damp w = v (H + damp I)', () => {
  for (const [rows, cols] of [
    [1, 1],
    [3, 5],
    [6, 33],
    [4, 70],
  ] as const) {
    const { gram, cross } = pair(cols, 4 * cols, cols);
    const w = normals(rows * cols, random(rows));
    const v = retarget(wasm, w, rows, cols, { gram, groups: 1 }, pullOf(w, cols, gram, cross), 1);
    const { damp } = factorsOf(wasm, { gram, groups: 1 }, cols)[0]!;
    for (let r = 0; r < rows; r++)
      for (let j = 0; j < cols; j++) {
        let [left, right] = [damp * w[r * cols + j]!, damp * v[r * cols + j]!];
        let size = 0;
        for (let i = 0; i < cols; i++) {
          left += w[r * cols + i]! * cross[i * cols + j]!;
          right += v[r * cols + i]! * gram[i * cols + j]!;
          size += Math.abs(w[r * cols + i]! * cross[i * cols + j]!);
        }
        assert.ok(
          Math.abs(left - right) <= 2e-5 * (size + 1),
          `[${rows}, ${cols}] row ${r}, column ${j}: ${left}, ${right}`,
        );
      }
  }
});

test('outputs on the other inputs come nearer to the original ones; a share goes part of the way', () => {
  const [rows, cols, samples] = [5, 12, 200];
  const { x, y, gram, cross } = pair(cols, samples, 5);
  const w = normals(rows * cols, random(6));
  const error = (v: Float32Array) => {
    let sum = 0;
    for (let s = 0; s < samples; s++)
      for (let r = 0; r < rows; r++) {
        let e = 0;
        for (let c = 0; c < cols; c++) e += w[r * cols + c]! * x[s * cols + c]! - v[r * cols + c]! * y[s * cols + c]!;
        sum += e * e;
      }
    return sum;
  };
  const pull = pullOf(w, cols, gram, cross);
  const errors = [0, 0.5, 1].map((share) => error(retarget(wasm, w, rows, cols, { gram, groups: 1 }, pull, share)));
  assert.ok(errors[2]! < errors[1]! && errors[1]! < errors[0]!, `${errors}`);
  assert.equal(retarget(wasm, w, rows, cols, { gram, groups: 1 }, pull, 0), w);
});

test('inputs that did not change leave the weights; so does a Gram matrix without a factor', () => {
  const cols = 7;
  const { gram } = inputs(cols, 2, 30, 7);
  const w = normals(4 * cols, random(8));
  const same = retarget(wasm, w, 4, cols, { gram, groups: 2 }, pullOf(w, cols, gram, gram, 2), 1);
  assert.equal(same, w);
  const broken = gram.slice();
  broken.fill(0, cols * cols);
  const cross = gram.map((v) => 0.9 * v);
  const pull = pullOf(w, cols, gram, cross, 2);
  const half = retarget(wasm, w, 4, cols, { gram: broken, groups: 2 }, pull, 1);
  assert.equal(half.slice(2 * cols), w.slice(2 * cols));
  assert.not.equal(half.slice(0, 2 * cols), w.slice(0, 2 * cols));
  const nothing = retarget(
    wasm,
    w,
    4,
    cols,
    { gram, groups: 2 },
    w.map(() => Number.NaN),
    1,
  );
  assert.equal(nothing, w);
});

test('a pull of another size is refused', () => {
  const { gram } = inputs(3, 1, 10, 9);
  throws(
    () => retarget(wasm, normals(6, random(1)), 2, 3, { gram, groups: 1 }, gram.slice(1), 1),
    RangeError,
    /pull: expected 6 floats, found 8/,
  );
});

test.run();
