import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { erf } from '../../src/ops/erf.ts';

test('erf of doubles', () => {
  // Abramowitz and Stegun, table 7.1, and Mathematica's further digits.
  const values: [number, number][] = [
    [0.1, 0.1124629160182849],
    [0.5, 0.5204998778130465],
    [1, 0.8427007929497149],
    [2, 0.9953222650189527],
    [3, 0.9999779095030014],
    [4, 0.9999999845827421],
  ];
  for (const [x, want] of values) {
    assert.ok(Math.abs(erf(x) - want) < 4e-16, `erf(${x}) = ${erf(x)}`);
    assert.is(erf(-x), -erf(x));
  }
  assert.is(erf(0), 0);
  assert.is(erf(Number.POSITIVE_INFINITY), 1);
  assert.is(erf(-40), -1);
  assert.ok(Number.isNaN(erf(Number.NaN)));
  assert.ok(Math.abs(erf(2.5) - erf(2.5 - 1e-12)) < 1e-14, 'both branches meet');
});

test.run();
