import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { findLayers } from '../../src/graph/index.ts';
import { type Coded, decode, encode, fromHalf, type Granularity, type GridSpec, toHalf } from '../../src/grid/index.ts';
import { weightRows } from '../../src/grid/weight.ts';
import { tensor } from '../../src/tensor.ts';
import { TunedWeight } from '../../src/tune/weight.ts';
import { graph, modelOf, node } from '../graph/build.ts';
import { loadWasm, normals, random } from '../helpers.ts';

const wasm = await loadWasm();

/** Stored [19, 20], rows along the second axis: 20 rows of 19. */
const stored = tensor('float', [19, 20], normals(380, random(3)));
const [layer] = findLayers(
  modelOf(graph(['x:float[N,19]'], ['y'], [node('MatMul', 'x,w', 'y')], { w: stored })),
).layers;
const float = weightRows(wasm, layer!, stored);
const specOf =
  (granularity: Granularity, symmetric: boolean, scaleType: GridSpec['scaleType'] = 'float16') =>
  (bits: number): GridSpec => ({ bits, granularity, symmetric, clip: 'mse', scaleType });
const rowBits = Array.from({ length: 20 }, (_, r) => [2, 3, 5][r % 3]!);
const FORMS: readonly (readonly [string, Coded])[] = [
  ['a channel, 3 bits', encode(wasm, float, 20, 19, 3, specOf('channel', false), 'nearest')],
  ['blocks of 8, 2 bits', encode(wasm, float, 20, 19, 2, specOf(8, true), 'nearest')],
  ['a tensor, 4 bits', encode(wasm, float, 20, 19, 4, specOf('tensor', false, 'float'), 'nearest')],
  ['rows of 2, 3 and 5 bits', encode(wasm, float, 20, 19, rowBits, specOf('channel', false), 'nearest')],
  ['16 bits', encode(wasm, float, 20, 19, 16, specOf('channel', true), 'nearest')],
];
const gradient = normals(380, random(4));
const STILL = { positions: 0, scales: 0 };

for (const [name, coded] of FORMS) {
  test(`${name}: it starts as it was coded, in the weight's own layout`, () => {
    const weight = new TunedWeight(wasm, layer!, coded);
    assert.equal(weight.coded(), coded);
    assert.equal(Array.from(weightRows(wasm, layer!, weight.tensor())), Array.from(decode(wasm, coded)));
    weight.step(gradient, STILL);
    assert.equal(weight.coded(), coded);
  });

  test(`${name}: a step moves every code against its own gradient, or leaves it, within its width`, () => {
    const weight = new TunedWeight(wasm, layer!, coded);
    weight.step(gradient, { positions: 1, scales: 0 });
    const inRows = weightRows(wasm, layer!, tensor('float', [19, 20], gradient));
    let moved = 0;
    weight.coded().forEach((slice, s) => {
      const before = coded[s]!;
      assert.equal(slice.grid, before.grid);
      slice.codes.forEach((code, i) => {
        const row = slice.rows ? slice.rows[Math.floor(i / 19)]! : Math.floor(i / 19);
        const change = code - before.codes[i]!;
        const g = inRows[row * 19 + (i % 19)]!;
        assert.ok(change === 0 || Math.sign(change) === -Math.sign(g), `${change} against ${g}`);
        assert.ok(code >= 0 && code < 2 ** slice.grid.bits);
        if (change !== 0) moved++;
      });
    });
    assert.ok(moved > 100, `${moved} moved`);
  });

  test(`${name}: a scale moves against the slope of the score in it, and stays what the file can hold`, () => {
    const weight = new TunedWeight(wasm, layer!, coded);
    weight.step(gradient, { positions: 0, scales: 0.01 });
    const inRows = weightRows(wasm, layer!, tensor('float', [19, 20], gradient));
    const score = (c: Coded) => decode(wasm, c).reduce((sum, v, i) => sum + v * inRows[i]!, 0);
    const scaled = (slice: number, scale: number, by: number): Coded =>
      coded.map((c, s) => {
        if (s !== slice) return c;
        const scales = c.grid.scales.slice();
        scales[scale] = scales[scale]! * by;
        return { ...c, grid: { ...c.grid, scales } };
      });
    weight.coded().forEach((slice, s) => {
      const { scales, scaleType } = slice.grid;
      assert.equal(slice.codes, coded[s]!.codes);
      scales.forEach((scale, i) => {
        const before = coded[s]!.grid.scales[i]!;
        const slope = score(scaled(s, i, 1.01)) - score(scaled(s, i, 0.99));
        if (Math.abs(slope) < 1e-4) return;
        assert.ok(Math.abs(Math.abs(scale / before - 1) - 0.01) < 1e-3, `${before} to ${scale}`);
        assert.is(Math.sign(scale - before), -Math.sign(slope));
      });
      if (scaleType === 'float16') assert.equal(fromHalf(wasm, toHalf(wasm, scales)), scales);
    });
  });
}

test('positions come back once the gradient turns', () => {
  const [, coded] = FORMS[0]!;
  const weight = new TunedWeight(wasm, layer!, coded);
  const up = new Float32Array(380).fill(-1);
  const down = new Float32Array(380).fill(1);
  for (let i = 0; i < 40; i++) weight.step(up, { positions: 0.5, scales: 0 });
  assert.ok(weight.coded()[0]!.codes.every((c) => c === 7));
  // None lies further than half a code beyond the last one: where Adam has turned, all come down at once.
  for (let i = 0; i < 60; i++) weight.step(down, { positions: 0.5, scales: 0 });
  assert.ok(weight.coded()[0]!.codes.every((c) => c === 0));
});

test('what a snapshot holds stays, whatever is trained after it', () => {
  const [, coded] = FORMS[3]!;
  const weight = new TunedWeight(wasm, layer!, coded);
  const before = weight.coded();
  for (let i = 0; i < 5; i++) weight.step(gradient, { positions: 0.3, scales: 0.01 });
  assert.equal(before, coded);
  assert.not.equal(weight.coded(), coded);
});

test.run();
