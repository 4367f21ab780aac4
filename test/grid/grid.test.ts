import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  dequantize,
  fakeQuantize,
  fitGrid,
  fromHalf,
  GRID_BITS,
  type Grid,
  gridBytes,
  type GridSpec,
  quantize,
  toHalf,
} from '../../src/grid/index.ts';
import { loadWasm, normals, random } from '../helpers.ts';
import { throws } from '../throws.ts';

const wasm = await loadWasm();
const base: GridSpec = { bits: 4, granularity: 'channel', symmetric: true, clip: 'max', scaleType: 'float' };

const matrices = fc.record({
  rows: fc.integer({ min: 1, max: 9 }),
  cols: fc.integer({ min: 1, max: 40 }),
  seed: fc.nat(),
  size: fc.constantFrom(1e-6, 0.05, 1, 3000),
});
const specs = fc.record({
  bits: fc.constantFrom(...GRID_BITS),
  granularity: fc.constantFrom<GridSpec['granularity']>('tensor', 'channel', 1, 3, 8, 100),
  symmetric: fc.boolean(),
  clip: fc.constantFrom<GridSpec['clip']>('max', 'mse'),
  scaleType: fc.constantFrom<GridSpec['scaleType']>('float', 'float16'),
});

/** Index of the scale of weight (r, c). */
function scaleAt({ cols, block }: Grid, r: number, c: number): number {
  return block > cols ? 0 : r * Math.ceil(cols / block) + Math.floor(c / block);
}

const roundEven = (x: number): number => {
  const f = Math.floor(x);
  const d = x - f;
  return d < 0.5 ? f : d > 0.5 ? f + 1 : f % 2 === 0 ? f : f + 1;
};

test('codes and values agree with their twin, any width, granularity and kind', () => {
  fc.assert(
    fc.property(matrices, specs, ({ rows, cols, seed, size }, spec) => {
      const w = normals(rows * cols, random(seed), size);
      const grid = fitGrid(wasm, w, rows, cols, spec);
      const codes = quantize(wasm, w, grid);
      const values = dequantize(wasm, codes, grid);
      for (let i = 0; i < w.length; i++) {
        const at = scaleAt(grid, Math.floor(i / cols), i % cols);
        const scale = grid.scales[at]!;
        const zero = grid.zeros ? grid.zeros[at]! : 2 ** (spec.bits - 1);
        const code = roundEven(Math.fround(w[i]! / scale)) + zero;
        assert.is(codes[i], Math.min(Math.max(code, 0), 2 ** spec.bits - 1));
        assert.is(values[i], Math.fround((codes[i]! - zero) * scale));
      }
      assert.equal(fakeQuantize(wasm, w, grid), values);
      const count = grid.scales.length;
      assert.is(count, spec.granularity === 'tensor' ? 1 : rows * Math.ceil(cols / grid.block));
      if (spec.scaleType === 'float16') assert.equal(fromHalf(wasm, toHalf(wasm, grid.scales)), grid.scales);
      for (const s of grid.scales) assert.ok(s > 0 && Number.isFinite(s));
    }),
    { numRuns: 300 },
  );
});

test('symmetric max is max|w| / (2^(b-1) - 1) and leaves code 0 unused', () => {
  const w = normals(600, random(3), 0.1);
  for (const bits of GRID_BITS) {
    const grid = fitGrid(wasm, w, 6, 100, { ...base, bits });
    const codes = quantize(wasm, w, grid);
    for (let r = 0; r < 6; r++) {
      const row = w.subarray(r * 100, r * 100 + 100);
      const peak = row.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
      assert.is(grid.scales[r], Math.fround(peak / (2 ** (bits - 1) - 1)));
    }
    assert.ok(codes.every((c) => c >= 1));
  }
});

test('with max no weight is farther than half a step from its value', () => {
  fc.assert(
    fc.property(matrices, specs, ({ rows, cols, seed, size }, spec) => {
      const w = normals(rows * cols, random(seed), size);
      const grid = fitGrid(wasm, w, rows, cols, { ...spec, clip: 'max' });
      const values = fakeQuantize(wasm, w, grid);
      for (let i = 0; i < w.length; i++) {
        const scale = grid.scales[scaleAt(grid, Math.floor(i / cols), i % cols)]!;
        // An integer zero point moves the range by up to half a step more.
        const bound = (spec.symmetric ? 0.5 : 1) * scale * (1 + 2 ** -6) + Math.abs(w[i]!) * 2 ** -22;
        assert.ok(Math.abs(w[i]! - values[i]!) <= bound, `${w[i]} -> ${values[i]} at scale ${scale}`);
      }
    }),
    { numRuns: 200 },
  );
});

test('quantizing values that are on the grid changes nothing', () => {
  fc.assert(
    fc.property(matrices, specs, ({ rows, cols, seed, size }, spec) => {
      const w = normals(rows * cols, random(seed), size);
      const grid = fitGrid(wasm, w, rows, cols, spec);
      const values = fakeQuantize(wasm, w, grid);
      assert.equal(fakeQuantize(wasm, values, grid), values);
    }),
  );
});

test('the error falls about fourfold with every bit', () => {
  const w = normals(64 * 256, random(5), 0.05);
  const mse = (bits: number): number => {
    const v = fakeQuantize(wasm, w, fitGrid(wasm, w, 64, 256, { ...base, bits, clip: 'mse' }));
    return v.reduce((s, x, i) => s + (x - w[i]!) ** 2, 0);
  };
  for (let bits = 3; bits <= 8; bits++) {
    const ratio = mse(bits - 1) / mse(bits);
    assert.ok(ratio > 3.2 && ratio < 4.2, `${bits - 1} to ${bits} bits: ${ratio}`);
  }
});

test('zeros, single values, tiny and huge weights have usable grids', () => {
  for (const bits of [2, 5, 8, 16]) {
    for (const symmetric of [true, false]) {
      for (const clip of ['max', 'mse'] as const) {
        for (const scaleType of ['float', 'float16'] as const) {
          for (const v of [0, -0, 1, -1, 1e-45, -1e-38, 1e-7, 6e4, -3.4e38]) {
            const grid = fitGrid(wasm, new Float32Array(12).fill(v), 2, 6, {
              ...base,
              bits,
              symmetric,
              clip,
              scaleType,
            });
            const values = fakeQuantize(wasm, new Float32Array(12).fill(v), grid);
            assert.ok(grid.scales.every((s) => s > 0 && Number.isFinite(s)));
            assert.ok(values.every(Number.isFinite), `${v} at ${bits} bits`);
            const exact = Math.abs(v) > 1e-30 && scaleType === 'float';
            if (exact) assert.ok(Math.abs(values[0]! - v) <= Math.abs(v) * 1e-6, `${v} -> ${values[0]}`);
            if (v === 0) assert.ok(values.every((x) => x === 0));
          }
        }
      }
    }
  }
});

test('weights that are not finite are named by index', () => {
  const w = normals(20, random(1));
  w[13] = Number.NaN;
  assert.throws(() => fitGrid(wasm, w, 4, 5, base), /expected finite numbers, found NaN at index 13/);
  w[13] = Number.NEGATIVE_INFINITY;
  assert.throws(() => fitGrid(wasm, w, 4, 5, base), /found -Infinity at index 13/);
});

test('gridBytes counts planes, scales and zero points', () => {
  const of = (rows: number, cols: number, spec: Partial<GridSpec>) => gridBytes(rows, cols, { ...base, ...spec });
  assert.is(of(10, 784, { bits: 4 }), 3920 + 40);
  assert.is(of(10, 784, { bits: 4, scaleType: 'float16' }), 3920 + 20);
  assert.is(of(3, 3, { bits: 3, granularity: 'tensor' }), 2 * 3 + 4);
  assert.is(of(3, 3, { bits: 8, granularity: 'tensor', symmetric: false }), 9 + 4 + 1);
  assert.is(of(2, 5, { bits: 16, symmetric: false }), 20 + 8 + 4);
  assert.is(of(2, 40, { bits: 2, granularity: 32, scaleType: 'float16', symmetric: false }), (2 * 64 * 2) / 8 + 4 * 3);
});

test('wrong arguments are named', () => {
  const w = normals(20, random(1));
  assert.throws(() => fitGrid(wasm, w, 4, 6, base), /expected 24, found 20/);
  assert.throws(
    () => fitGrid(wasm, w, 4, 5, { ...base, bits: 9 }),
    /bits: expected one of 2, 3, 4, 5, 6, 7, 8, 16, found 9/,
  );
  assert.throws(() => fitGrid(wasm, w, 4, 5, { ...base, granularity: 0 }), /granularity/);
  throws(() => fitGrid(wasm, w, 4, 5, { ...base, clip: 'gram' }), TypeError);
  assert.throws(
    () => fitGrid(wasm, w, 4, 5, { ...base, clip: 'gram' }, new Float32Array(24)),
    /expected 25 floats, found 24/,
  );
  assert.throws(() => fitGrid(wasm, w, 4, 5, { ...base, clip: 'gram' }, new Float32Array(75), 3), /groups/);
  const grid = fitGrid(wasm, w, 4, 5, base);
  throws(() => dequantize(wasm, new Uint16Array(20), grid), TypeError);
  throws(() => dequantize(wasm, new Uint8Array(19), grid), RangeError);
  assert.throws(() => quantize(wasm, w, { ...grid, scales: new Float32Array(3) }), /expected 4 scales, found 3/);
  assert.throws(() => quantize(wasm, w, { ...grid, block: 0 }), /block/);
});

test.run();
