import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RowCurve } from '../../src/allocate/row-curve.ts';

/** Damages that fall with the width or not, rows by widths. */
const table = fc
  .record({
    rows: fc.integer({ min: 1, max: 6 }),
    widths: fc.uniqueArray(fc.integer({ min: 0, max: 8 }), { minLength: 1 }),
  })
  .chain(({ rows, widths }) =>
    fc.record({
      rows: fc.constant(rows),
      widths: fc.constant([...widths].sort((a, b) => a - b)),
      damage: fc.array(fc.integer({ min: 0, max: 1000 }), {
        minLength: rows * widths.length,
        maxLength: rows * widths.length,
      }),
      multiplier: fc.double({ min: 0, max: 500, noNaN: true }),
      skip: fc.integer({ min: 0, max: 8 }),
    }),
  );

test('the least cost of every row, the choices that make it, and their number', () => {
  fc.assert(
    fc.property(table, ({ rows, widths, damage, multiplier, skip }) => {
      const allowed = widths.map((_, j) => j).filter((j) => j !== skip || widths.length === 1);
      const bytes = widths.map((b) => (b * 24) / 8);
      const curve = new RowCurve(rows, widths.length, allowed, Float64Array.from(damage), bytes);
      const costOf = (r: number, j: number) => damage[r * widths.length + j]! + multiplier * bytes[j]!;
      let least = 0;
      for (let r = 0; r < rows; r++) least += Math.min(...allowed.map((j) => costOf(r, j)));
      const counts = widths.map(() => 0);
      const cost = curve.cost(multiplier, counts);
      assert.ok(Math.abs(cost - least) <= 1e-9 * (1 + least), `${cost}, not ${least}`);
      const choice = new Uint8Array(rows);
      curve.choose(multiplier, choice);
      const made = choice.reduce((sum, j, r) => sum + costOf(r, j), 0);
      assert.ok(Math.abs(made - least) <= 1e-9 * (1 + least), `chosen: ${made}, not ${least}`);
      assert.equal(
        counts,
        widths.map((_, j) => choice.filter((c) => c === j).length),
      );
    }),
  );
});

test('damages far apart: small ones are not lost beside large ones', () => {
  const damage = Float64Array.from([1e12, 1e-6, 1e12, 2e-6]);
  const curve = new RowCurve(2, 2, [0, 1], damage, [1, 2]);
  assert.is(curve.cost(0), 1e-6 + 2e-6);
});

test.run();
