import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { gaussianNoise } from '../../src/curvature/noise.ts';

const test = suite('curvature/noise');

test('mean, deviation, tails and independence of neighbours', () => {
  const n = 100_000;
  const y = gaussianNoise(new Float32Array(n).fill(3), 0.5, 7);
  const z = Float64Array.from(y, (v) => (v - 3) / 0.5);
  const mean = z.reduce((a, v) => a + v, 0) / n;
  const variance = z.reduce((a, v) => a + (v - mean) ** 2, 0) / n;
  assert.ok(Math.abs(mean) < 4 / Math.sqrt(n), `mean ${mean}`);
  assert.ok(Math.abs(variance - 1) < 4 * Math.sqrt(2 / n), `variance ${variance}`);
  const beyond = (t: number) => z.reduce((a, v) => a + (Math.abs(v) > t ? 1 : 0), 0) / n;
  assert.ok(Math.abs(beyond(1) - 0.317) < 0.01);
  assert.ok(Math.abs(beyond(2) - 0.0455) < 0.004);
  for (const lag of [1, 2, 12]) {
    let sum = 0;
    for (let i = lag; i < n; i++) sum += z[i]! * z[i - lag]!;
    assert.ok(Math.abs(sum / n) < 5 / Math.sqrt(n), `lag ${lag}`);
  }
});

test('the same seed gives the same noise, another another; any integer is a seed', () => {
  const x = new Float32Array(64);
  for (const seed of [0, 1, -5, 0x9e3779b9, 2 ** 31, 2 ** 40]) {
    const y = gaussianNoise(x, 1, seed);
    assert.equal(gaussianNoise(x, 1, seed), y);
    assert.ok(y.every(Number.isFinite) && y.some((v) => v !== y[0]), `${seed}`);
    assert.not.equal(gaussianNoise(x, 1, seed + 1), y);
  }
});

test('what was given stays as it is; deviation 0 copies it', () => {
  const x = Float32Array.from([1, -2, 3]);
  assert.equal(gaussianNoise(x, 0, 3), x);
  gaussianNoise(x, 5, 3);
  assert.equal([...x], [1, -2, 3]);
});

test('the values themselves: Marsaglia’s generator (13, 17, 5) in whole numbers of any size', () => {
  let state = BigInt.asUintN(32, 42n ^ 0x9e3779b9n);
  const expected = Array.from({ length: 8 }, () => {
    let sum = 0n;
    for (let j = 0; j < 12; j++) {
      state = BigInt.asUintN(32, state ^ (state << 13n));
      state ^= state >> 17n;
      state = BigInt.asUintN(32, state ^ (state << 5n));
      sum += state;
    }
    return Math.fround(Number(sum) / 2 ** 32 - 6);
  });
  assert.equal([...gaussianNoise(new Float32Array(8), 1, 42)], expected);
});

test.run();
