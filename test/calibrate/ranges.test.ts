import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Histogram } from '../../src/calibrate/histogram.ts';
import { type Affine, affineFor, RANGE_METHODS, type RangeMethod, rangeOf } from '../../src/calibrate/ranges.ts';
import { loadWasm, normals, random } from '../helpers.ts';

const test = suite('calibrate/ranges');
const wasm = await loadWasm();

function range(x: Float32Array, method: RangeMethod) {
  const h = new Histogram();
  h.add(x);
  return rangeOf(wasm, h.read(), method, 0, 255);
}

/** Squared error of the elements themselves, rounded as QuantizeLinear rounds them. */
function error(x: Float32Array, { scale, zero, low, high }: Affine): number {
  return x.reduce((sum, v) => {
    const q = Math.max(low, Math.min(high, Math.round(v / scale) + zero));
    return sum + (v - (q - zero) * scale) ** 2;
  }, 0);
}

test('0 is exact, and the ends are within a step of the range', () => {
  const limits = fc.constantFrom([0, 255], [-128, 127], [0, 65535], [-32768, 32767]);
  const end = fc.float({ min: Math.fround(-1e6), max: Math.fround(1e6), noNaN: true });
  fc.assert(
    fc.property(end, end, limits, (a, b, [low, high]) => {
      const [min, max] = [Math.min(a, b), Math.max(a, b)];
      const { scale, zero } = affineFor({ min, max }, low!, high!);
      assert.ok(scale > 0 && Math.fround(scale) === scale);
      assert.ok(Number.isInteger(zero) && zero >= low! && zero <= high!);
      if (max - min < 1e-30) return;
      assert.ok((high! - zero) * scale >= max - scale, `${max}`);
      assert.ok((low! - zero) * scale <= min + scale, `${min}`);
    }),
  );
});

test('a value that is 0 throughout, or overflows a float, has a scale', () => {
  assert.equal(affineFor({ min: 0, max: 0 }, 0, 255), { scale: 1, zero: 0, low: 0, high: 255 });
  const wide = affineFor({ min: -3e38, max: 3e38 }, 0, 1);
  assert.ok(Number.isFinite(wide.scale) && wide.scale > 0);
  for (const method of RANGE_METHODS) assert.equal(range(new Float32Array(5), method), { min: 0, max: 0 });
});

const outliers = normals(20_000, random(2));
outliers[7] = 40;
outliers[8] = -25;

test('minmax is what was seen, percentile and entropy leave outliers out', () => {
  assert.equal(range(outliers, 'minmax'), { min: -25, max: 40 });
  for (const method of ['percentile', 'entropy'] as const) {
    const { min, max } = range(outliers, method);
    assert.ok(min < -2.5 && min > -12 && max > 2.5 && max < 20, `${method}: ${min}..${max}`);
  }
});

test('percentile leaves no more outside than it says', () => {
  const x = normals(50_000, random(3)).map((v) => Math.max(0, v));
  const { min, max } = range(x, 'percentile');
  assert.is(min, 0);
  const outside = x.filter((v) => v > max).length;
  assert.ok(outside <= 5 && max < x.reduce((a, b) => Math.max(a, b)));
});

test('mse has no more error than any other range tried', () => {
  const x = outliers;
  const least = error(x, affineFor(range(x, 'mse'), 0, 255));
  for (let share = 0.05; share <= 1; share += 0.05) {
    const other = error(x, affineFor({ min: -25 * share, max: 40 * share }, 0, 255));
    assert.ok(least <= other * 1.02, `${share}: ${least} > ${other}`);
  }
});

test('entropy keeps a spike that lies far out', () => {
  const x = normals(20_000, random(4)).map(Math.abs);
  x.fill(8, 0, 3000);
  assert.ok(range(x, 'entropy').max >= 7.9);
});

test.run();
