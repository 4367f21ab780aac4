import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GramAccumulator } from '../../src/calibrate/gram.ts';
import { PullAccumulator } from '../../src/calibrate/pull.ts';
import type { Window } from '../../src/graph/window.ts';
import { loadWasm, normals, random } from '../helpers.ts';

const test = suite('calibrate/pull');
const wasm = await loadWasm();

function inWasm(x: Float32Array, body: (at: number) => void) {
  wasm.arena.scope((alloc) => {
    const at = alloc(x.byteLength);
    wasm.arena.put(at, x);
    body(at);
  });
}

/** E[(w d) y'] of the rows of one group's weights; d and y are [n, cols]. */
function naive(w: Float32Array, d: Float32Array, y: Float32Array, cols: number): number[] {
  const n = d.length / cols;
  return Array.from(w, (_, at) => {
    const [r, j] = [Math.floor(at / cols), at % cols];
    let sum = 0;
    for (let s = 0; s < n; s++) {
      let made = 0;
      for (let c = 0; c < cols; c++) made += w[r * cols + c]! * d[s * cols + c]!;
      sum += made * y[s * cols + j]!;
    }
    return sum / n;
  });
}

const furthest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((most, v, i) => Math.max(most, Math.abs(v - b[i]!)), 0);

test('rows of few and of many outputs, over batches of odd sizes: E[(w x - w y) y’]', () => {
  const before = wasm.arena.used;
  for (const [rows, cols] of [
    [1, 1],
    [3, 17],
    [40, 9],
  ] as const) {
    const w = normals(rows * cols, random(rows));
    const gram = new GramAccumulator(wasm, 1, cols);
    const pull = new PullAccumulator(wasm, 1, rows, cols, w);
    const [ds, ys]: [number[], number[]] = [[], []];
    for (const n of [1, 4, 19]) {
      const d = normals(n * cols, random(n), 0.1).map((v) => v + 0.05);
      const y = normals(n * cols, random(n + 1));
      inWasm(d, (by) => inWasm(y, (at) => gram.addRows(at, n, { by, to: pull })));
      ds.push(...d);
      ys.push(...y);
    }
    const expected = naive(w, Float32Array.from(ds), Float32Array.from(ys), cols);
    assert.ok(furthest(pull.read(), expected) < 1e-5, `[${rows}, ${cols}]`);
    pull.dispose();
    gram.dispose();
  }
  assert.is(wasm.arena.used, before);
});

test('windows of grouped convolutions, few and many outputs a group', () => {
  const [images, c, groups, h, width] = [3, 2, 2, 5, 4];
  const window: Window = {
    input: [h, width],
    kernel: [2, 3],
    strides: [1, 1],
    dilations: [1, 1],
    pads: [0, 1, 0, 1],
    output: [4, 4],
    outputDims: [4, 4],
  };
  const cols = c * 6;
  /** Receptive fields of a group, [images * places, cols]. */
  const fields = (x: Float32Array, g: number): Float32Array => {
    const out: number[] = [];
    for (let n = 0; n < images; n++)
      for (let oy = 0; oy < 4; oy++)
        for (let ox = 0; ox < 4; ox++)
          for (let ic = 0; ic < c; ic++)
            for (let ky = 0; ky < 2; ky++)
              for (let kx = 0; kx < 3; kx++) {
                const col = ox - 1 + kx;
                const inside = col >= 0 && col < width;
                out.push(inside ? x[(((n * groups + g) * c + ic) * h + oy + ky) * width + col]! : 0);
              }
    return Float32Array.from(out);
  };
  for (const each of [2, 9]) {
    const w = normals(groups * each * cols, random(each));
    const d = normals(images * groups * c * h * width, random(3), 0.2);
    const y = normals(d.length, random(4));
    const gram = new GramAccumulator(wasm, groups, cols);
    const pull = new PullAccumulator(wasm, groups, groups * each, cols, w);
    inWasm(d, (by) => inWasm(y, (at) => gram.addWindows(at, images, c, window, { by, to: pull })));
    const found = pull.read();
    pull.dispose();
    gram.dispose();
    for (let g = 0; g < groups; g++) {
      const part = (a: Float32Array) => a.subarray(g * each * cols, (g + 1) * each * cols);
      assert.ok(furthest(part(found), naive(part(w), fields(d, g), fields(y, g), cols)) < 1e-5, `group ${g}`);
    }
  }
});

test('nothing seen: zeros', () => {
  const pull = new PullAccumulator(wasm, 1, 3, 2, new Float32Array(6).fill(1));
  assert.equal([...pull.read()], [0, 0, 0, 0, 0, 0]);
  pull.dispose();
});

test.run();
