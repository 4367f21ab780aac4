import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GramAccumulator } from '../../src/calibrate/gram.ts';
import type { Window } from '../../src/graph/window.ts';
import { loadWasm, normals, random } from '../helpers.ts';

const test = suite('calibrate/gram');
const wasm = await loadWasm();

function inWasm(x: Float32Array, body: (at: number) => void) {
  wasm.arena.scope((alloc) => {
    const at = alloc(x.byteLength);
    wasm.arena.put(at, x);
    body(at);
  });
}

/** Largest difference from the naive mean of x x'. */
function difference(found: Float32Array, inputs: readonly number[][], cols: number, offset = 0): number {
  let worst = 0;
  for (let i = 0; i < cols; i++)
    for (let j = 0; j < cols; j++) {
      let sum = 0;
      for (const x of inputs) sum += x[i]! * x[j]!;
      worst = Math.max(worst, Math.abs(found[offset + i * cols + j]! - sum / inputs.length));
    }
  return worst;
}

function assertMean(found: Float32Array, inputs: readonly number[][]): void {
  for (const [i, v] of found.entries()) {
    const expected = inputs.reduce((sum, x) => sum + x[i]!, 0) / inputs.length;
    assert.ok(Math.abs(v - expected) < 1e-6, `mean ${i}: ${v}, not ${expected}`);
  }
}

test('rows: the mean of x x’ and of x, over several batches of odd sizes', () => {
  for (const cols of [1, 3, 17, 33]) {
    const gram = new GramAccumulator(wasm, 1, cols);
    const all: number[][] = [];
    for (const rows of [1, 5, 31]) {
      const x = normals(rows * cols, random(rows * cols));
      inWasm(x, (at) => gram.addRows(at, rows));
      for (let r = 0; r < rows; r++) all.push([...x.subarray(r * cols, (r + 1) * cols)]);
    }
    const worst = difference(gram.read(), all, cols);
    const mean = gram.mean();
    gram.dispose();
    assert.ok(worst < 1e-5, `cols ${cols}: ${worst}`);
    assertMean(mean, all);
  }
});

test('windows: every receptive field of a padded, strided, dilated, grouped convolution', () => {
  const window: Window = {
    input: [7, 6],
    kernel: [3, 2],
    strides: [2, 1],
    dilations: [1, 2],
    pads: [1, 0, 1, 1],
    output: [4, 5],
    outputDims: [4, 5],
  };
  const [images, groups, c] = [3, 2, 2];
  const [h, w] = window.input;
  const cols = c * 6;
  const x = normals(images * groups * c * h * w, random(4));
  const gram = new GramAccumulator(wasm, groups, cols);
  inWasm(x, (at) => gram.addWindows(at, images, c, window));
  const found = gram.read();
  const mean = gram.mean();
  gram.dispose();
  for (let g = 0; g < groups; g++) {
    const fields: number[][] = [];
    for (let n = 0; n < images; n++)
      for (let oy = 0; oy < 4; oy++)
        for (let ox = 0; ox < 5; ox++) {
          const field: number[] = [];
          for (let ic = 0; ic < c; ic++)
            for (let ky = 0; ky < 3; ky++)
              for (let kx = 0; kx < 2; kx++) {
                const y = oy * 2 - 1 + ky;
                const col = ox + 2 * kx;
                const inside = y >= 0 && y < h && col >= 0 && col < w;
                field.push(inside ? x[(((n * groups + g) * c + ic) * h + y) * w + col]! : 0);
              }
          fields.push(field);
        }
    const worst = difference(found, fields, cols, g * cols * cols);
    assert.ok(worst < 1e-5, `group ${g}: ${worst}`);
    assertMean(mean.subarray(g * cols, (g + 1) * cols), fields);
  }
});

test('more columns than are made at once: symmetric', () => {
  const [rows, cols] = [7, 150];
  const x = normals(rows * cols, random(8));
  const gram = new GramAccumulator(wasm, 1, cols);
  inWasm(x, (at) => gram.addRows(at, rows));
  const all = Array.from({ length: rows }, (_, r) => [...x.subarray(r * cols, (r + 1) * cols)]);
  const found = gram.read();
  gram.dispose();
  assert.ok(difference(found, all, cols) < 1e-5);
});

test('of many images a few windows each, from other places in the next', () => {
  const [images, c, side] = [80, 4, 8];
  const window: Window = {
    input: [side, side],
    kernel: [3, 3],
    strides: [1, 1],
    dilations: [1, 1],
    pads: [1, 1, 1, 1],
    output: [side, side],
    outputDims: [side, side],
  };
  const cols = c * 9;
  const each = c * side * side;
  const x = normals(images * each, random(14));
  const gram = new GramAccumulator(wasm, 1, cols, images);
  for (let n = 0; n < images; n += 20)
    inWasm(x.subarray(n * each, (n + 20) * each), (at) => gram.addWindows(at, 20, c, window));
  const found = gram.read();
  gram.dispose();
  // 64 windows of 80 images are more than 32 for each of 36 columns by a factor of 4.4: every second along both axes will do.
  const fields: number[][] = [];
  for (let n = 0; n < images; n++)
    for (let oy = n % 2; oy < side; oy += 2)
      for (let ox = (n >> 1) % 2; ox < side; ox += 2) {
        const field: number[] = [];
        for (let ic = 0; ic < c; ic++)
          for (let ky = oy - 1; ky <= oy + 1; ky++)
            for (let kx = ox - 1; kx <= ox + 1; kx++) {
              const inside = ky >= 0 && ky < side && kx >= 0 && kx < side;
              field.push(inside ? x[((n * c + ic) * side + ky) * side + kx]! : 0);
            }
        fields.push(field);
      }
  const worst = difference(found, fields, cols);
  assert.ok(worst < 1e-5, `${worst}`);
});

test('frees its memory', () => {
  const before = wasm.arena.used;
  const gram = new GramAccumulator(wasm, 2, 9);
  assert.equal([...gram.read()], new Array(162).fill(0));
  gram.dispose();
  assert.is(wasm.arena.used, before);
});

test.run();
