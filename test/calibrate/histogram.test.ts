import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Cells, Histogram } from '../../src/calibrate/histogram.ts';
import { normals, random } from '../helpers.ts';

const test = suite('calibrate/histogram');

function cellsOf(...batches: readonly Float32Array[]): Cells {
  const h = new Histogram();
  for (const b of batches) h.add(b);
  return h.read();
}

const float = fc.float({ noNaN: true, noDefaultInfinity: true });

test('cells hold what lies in them, zeros and all else apart', () => {
  fc.assert(
    fc.property(fc.array(float, { minLength: 1, maxLength: 200 }), (values) => {
      const x = Float32Array.from(values);
      const { width, first, counts, zeros, min, max } = cellsOf(x);
      assert.is(min, x.reduce((a, b) => Math.min(a, b)) + 0);
      assert.is(max, x.reduce((a, b) => Math.max(a, b)) + 0);
      assert.is(zeros, x.filter((v) => v === 0).length);
      for (let i = 0; i < counts.length; i++) {
        if (counts[i] === 0) continue;
        const [from, to] = [(first + i) * width, (first + i + 1) * width];
        assert.is(counts[i], x.filter((v) => v !== 0 && v >= from && v < to).length);
      }
      assert.is(
        counts.reduce((a, n) => a + n, zeros),
        x.length,
      );
    }),
  );
});

test('neither order nor batches matter', () => {
  fc.assert(
    fc.property(fc.array(fc.array(float, { maxLength: 30 }), { minLength: 1, maxLength: 6 }), (batches) => {
      const all = batches.map((b) => Float32Array.from(b));
      const whole = Float32Array.from(batches.flat());
      assert.equal(cellsOf(...all), cellsOf(whole));
      assert.equal(cellsOf(...[...all].reverse()), cellsOf(whole));
    }),
  );
});

test('memory is fixed: values of any size take as many cells', () => {
  const next = random(1);
  const small = cellsOf(normals(1000, next, 1e-30));
  const large = cellsOf(normals(1000, next, 1e-30), normals(1000, next, 1e30));
  assert.is(small.counts.length, large.counts.length);
  assert.ok(small.counts.filter((n) => n > 0).length > 300);
  assert.ok(large.width > 1e20);
});

test('what is not finite is left out', () => {
  const odd = Float32Array.of(1, Number.NaN, Number.POSITIVE_INFINITY, -2, Number.NEGATIVE_INFINITY);
  assert.equal(cellsOf(odd), cellsOf(Float32Array.of(1, -2)));
  const none = cellsOf(Float32Array.of(Number.NaN), new Float32Array(0));
  assert.equal([none.min, none.max, none.zeros, none.counts.some((n) => n > 0)], [0, 0, 0, false]);
});

test.run();
