import { test } from 'uvu';
import * as assert from 'uvu/assert';
import fc from 'fast-check';
import { fakeQuantize, fitGrid, type Grid, type GridSpec } from '../../src/grid/index.ts';
import { loadWasm, normals, random } from '../helpers.ts';

const wasm = await loadWasm();
const base: GridSpec = { bits: 4, granularity: 'channel', symmetric: true, clip: 'mse', scaleType: 'float' };

function squaredError(w: Float32Array, grid: Grid): number {
  const v = fakeQuantize(wasm, w, grid);
  return w.reduce((s, x, i) => s + (x - v[i]!) ** 2, 0);
}

const cases = fc.record({
  rows: fc.integer({ min: 1, max: 5 }),
  cols: fc.integer({ min: 1, max: 90 }),
  seed: fc.nat(),
  /** An outlier of that many standard deviations in every row. */
  outlier: fc.constantFrom(0, 4, 15, -60),
  bits: fc.constantFrom(2, 3, 4, 5, 6, 7, 8, 16),
  granularity: fc.constantFrom<GridSpec['granularity']>('tensor', 'channel', 16),
  scaleType: fc.constantFrom<GridSpec['scaleType']>('float', 'float16'),
});

function weights(rows: number, cols: number, seed: number, outlier: number): Float32Array {
  const w = normals(rows * cols, random(seed), 0.05);
  if (outlier) for (let r = 0; r < rows; r++) w[r * cols] = outlier * 0.05;
  return w;
}

test('mse is never worse than max, and asymmetric mse never worse than symmetric mse', () => {
  fc.assert(
    fc.property(cases, ({ rows, cols, seed, outlier, bits, granularity, scaleType }) => {
      const w = weights(rows, cols, seed, outlier);
      const error = (symmetric: boolean, clip: 'max' | 'mse'): number =>
        squaredError(w, fitGrid(wasm, w, rows, cols, { bits, granularity, symmetric, clip, scaleType }));
      const slack = 1 + 1e-5;
      const floor = 1e-12 * rows * cols;
      assert.ok(error(true, 'mse') <= error(true, 'max') * slack + floor);
      assert.ok(error(false, 'mse') <= error(false, 'max') * slack + floor);
      assert.ok(error(false, 'mse') <= error(true, 'mse') * slack + floor);
    }),
    { numRuns: 300 },
  );
});

/** Least squared error over very many scales and every zero point. */
function bruteForce(w: Float32Array, bits: number, symmetric: boolean): number {
  const peak = w.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
  const top = 2 ** bits - 1;
  const zeros = symmetric ? [2 ** (bits - 1)] : Array.from({ length: top + 1 }, (_, z) => z);
  let best = Number.POSITIVE_INFINITY;
  for (const zero of zeros) {
    for (let i = 1; i <= 3000; i++) {
      const scale = (2.2 * peak * i) / 3000;
      let error = 0;
      for (const x of w) {
        const q = Math.min(Math.max(Math.round(x / scale), -zero), top - zero);
        error += (x - q * scale) ** 2;
      }
      best = Math.min(best, error);
    }
  }
  return best;
}

for (const symmetric of [true, false]) {
  test(`${symmetric ? 'symmetric' : 'asymmetric'} mse comes near the brute-force optimum of short rows`, () => {
    let ours = 0;
    let theirs = 0;
    for (const bits of [2, 3, 4]) {
      for (const n of [2, 5, 9, 27, 64]) {
        for (let seed = 0; seed < 6; seed++) {
          const w = normals(n, random(100 * n + seed), 0.1);
          const error = squaredError(w, fitGrid(wasm, w, 1, n, { ...base, bits, symmetric }));
          const best = bruteForce(w, bits, symmetric);
          const energy = w.reduce((s, x) => s + x * x, 0);
          assert.ok(
            error <= best * 1.35 + energy * 5e-4,
            `${bits} bits, ${n} weights, seed ${seed}: ${error}, brute force ${best}`,
          );
          ours += error / energy;
          theirs += best / energy;
        }
      }
    }
    assert.ok(ours <= theirs * 1.02, `in all ${ours}, brute force ${theirs}`);
  });
}

test('mse of a long normal row is near the optimum of a dense sweep', () => {
  const w = normals(4096, random(8), 0.05);
  for (const bits of [2, 3, 4, 6]) {
    const error = squaredError(w, fitGrid(wasm, w, 1, 4096, { ...base, bits }));
    const best = bruteForce(w, bits, true);
    assert.ok(error <= best * 1.001, `${bits} bits: ${error}, sweep ${best}`);
  }
});

test('a lone outlier is clipped where that pays, and kept where it does not', () => {
  const w = normals(1024, random(2), 0.05);
  w[77] = 1.5;
  const scale = (bits: number, clip: 'max' | 'mse') => fitGrid(wasm, w, 1, 1024, { ...base, bits, clip }).scales[0]!;
  assert.ok(scale(3, 'mse') < scale(3, 'max') * 0.5);
  assert.ok(scale(8, 'mse') > scale(8, 'max') * 0.9);
});

test('each block is fitted by itself', () => {
  const w = normals(3 * 50, random(4), 0.05);
  const whole = fitGrid(wasm, w, 3, 50, { ...base, granularity: 16, symmetric: false });
  assert.is(whole.scales.length, 12);
  for (let r = 0; r < 3; r++) {
    for (let b = 0; b < 4; b++) {
      const part = w.slice(r * 50 + b * 16, Math.min(r * 50 + b * 16 + 16, r * 50 + 50));
      const alone = fitGrid(wasm, part, 1, part.length, { ...base, symmetric: false });
      assert.is(alone.scales[0], whole.scales[r * 4 + b]);
      assert.is(alone.zeros![0], whole.zeros![r * 4 + b]);
    }
  }
});

test('results do not depend on what ran before', () => {
  const w = normals(40 * 65, random(6), 0.05);
  const spec: GridSpec = { ...base, symmetric: false, scaleType: 'float16' };
  const first = fitGrid(wasm, w, 40, 65, spec);
  fitGrid(wasm, normals(1000, random(7)), 10, 100, { ...spec, granularity: 8 });
  assert.equal(fitGrid(wasm, w, 40, 65, spec), first);
  assert.is(wasm.arena.used, 0);
});

test.run();
