import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as fc from 'fast-check';
import { RunningStatistics } from '../../src/calibrate/statistics.ts';
import { loadWasm, normals, random } from '../helpers.ts';

const test = suite('calibrate/statistics');
const wasm = await loadWasm();

function feed(x: Float32Array, batches: readonly number[], rows: number, cols: number) {
  const running = new RunningStatistics(wasm);
  let first = 0;
  for (const samples of batches) {
    const n = samples * rows * cols;
    wasm.arena.scope((alloc) => {
      const at = alloc(4 * n);
      wasm.arena.put(at, x.subarray(first, first + n));
      running.add(at, samples, rows, cols);
    });
    first += n;
  }
  return running.read();
}

test('agrees with a two-pass computation in f64', () => {
  const [samples, rows, cols] = [7, 3, 5];
  const x = normals(samples * rows * cols, random(1), 3).map((v) => v + 100);
  const s = feed(x, [samples], rows, cols);
  const mean = x.reduce((a, v) => a + v, 0) / x.length;
  const variance = x.reduce((a, v) => a + (v - mean) ** 2, 0) / x.length;
  assert.is(s.count, x.length);
  assert.ok(Math.abs(s.mean - mean) < 1e-9 * Math.abs(mean), `${s.mean} ${mean}`);
  assert.ok(Math.abs(s.variance - variance) < 1e-6 * variance, `${s.variance} ${variance}`);
  assert.is(s.min, Math.min(...x));
  assert.is(s.max, Math.max(...x));
  let row = 0;
  let sample = 0;
  for (let i = 0; i < samples; i++) {
    let sum = 0;
    for (let r = 0; r < rows; r++) {
      const part = x.subarray((i * rows + r) * cols, (i * rows + r + 1) * cols).reduce((a, v) => a + v * v, 0);
      row = Math.max(row, part);
      sum += part;
    }
    sample = Math.max(sample, sum);
  }
  assert.ok(Math.abs(s.maxRowNorm - Math.sqrt(row)) < 1e-9 * s.maxRowNorm);
  assert.ok(Math.abs(s.maxSampleNorm - Math.sqrt(sample)) < 1e-9 * s.maxSampleNorm);
});

test('however the samples are cut into batches', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 6 }), fc.nat(), (cut, seed) => {
      const samples = cut.reduce((a, b) => a + b, 0);
      const x = normals(samples * 6, random(seed), 2);
      const whole = feed(x, [samples], 2, 3);
      const parts = feed(x, cut, 2, 3);
      assert.is(parts.count, whole.count);
      assert.is(parts.min, whole.min);
      assert.is(parts.max, whole.max);
      assert.is(parts.maxRowNorm, whole.maxRowNorm);
      assert.is(parts.maxSampleNorm, whole.maxSampleNorm);
      assert.ok(Math.abs(parts.mean - whole.mean) < 1e-12);
      assert.ok(Math.abs(parts.variance - whole.variance) < 1e-10);
    }),
    { numRuns: 50 },
  );
});

test('nothing seen is all zeros', () => {
  const s = new RunningStatistics(wasm).read();
  assert.equal(s, { count: 0, mean: 0, variance: 0, min: 0, max: 0, maxRowNorm: 0, maxSampleNorm: 0 });
});

test.run();
