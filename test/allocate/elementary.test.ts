import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { exp2, log2 } from '../../src/allocate/elementary.ts';
import { random } from '../helpers.ts';
import { throws } from '../throws.ts';

test('log2 is right to a few units in the last place over the whole range', () => {
  const next = random(1);
  for (let i = 0; i < 20000; i++) {
    const x = (1 + 0.999 * next()) * 2 ** Math.floor(next() * 2090 - 1067);
    const want = Math.log2(x);
    assert.ok(Math.abs(log2(x) - want) <= 4e-16 * Math.max(1, Math.abs(want)), `${x}: ${log2(x)} against ${want}`);
  }
  for (let k = -1074; k <= 1023; k++) assert.is(log2(2 ** k), k);
  assert.is(log2(Number.MAX_VALUE), 1024);
});

test('exp2 is right to a few units in the last place, exact at integers', () => {
  const next = random(2);
  for (let i = 0; i < 20000; i++) {
    const x = next() * 2000 - 1000;
    const want = 2 ** x;
    assert.ok(Math.abs(exp2(x) - want) <= 2e-15 * want, `${x}: ${exp2(x)} against ${want}`);
  }
  for (let k = -1074; k <= 1023; k++) assert.is(exp2(k), 2 ** k);
  assert.equal(
    [exp2(1024), exp2(1e9), exp2(-1100), exp2(-1e9)],
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 0, 0],
  );
});

test('numbers without a logarithm are refused', () => {
  for (const x of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) throws(() => log2(x), RangeError);
  throws(() => exp2(Number.NaN), RangeError);
});

test.run();
