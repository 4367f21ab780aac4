import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import fc from 'fast-check';
import { difference, interleave, median, normDifference, speedRatio, timeOf } from '../../bench/speed/measure.ts';
import { throws } from '../throws.ts';

const test = suite('bench/measure');

test('the median is the middle one, or the mean of the middle two, whatever the order', () => {
  assert.is(median([3]), 3);
  assert.is(median([9, 1, 5]), 5);
  assert.is(median([4, 1, 100, 2]), 3);
  fc.assert(
    fc.property(fc.array(fc.double({ min: -1e9, max: 1e9, noNaN: true }), { minLength: 1 }), (values) => {
      const given = [...values];
      const m = median(values);
      assert.equal(values, given, 'the values are left alone');
      const half = values.length / 2;
      assert.ok(values.filter((v) => v < m).length <= half && values.filter((v) => v > m).length <= half);
    }),
  );
  throws(() => median([]), RangeError, /finite numbers/);
  throws(() => median([1, Number.NaN]), RangeError, /finite numbers/);
});

test('a ratio is the peer over ours', () => {
  assert.is(speedRatio(2, 5), 2.5);
  assert.is(speedRatio(4, 1), 0.25);
  for (const [a, b] of [
    [0, 1],
    [1, 0],
    [1, Number.NaN],
    [Number.POSITIVE_INFINITY, 1],
    [-1, 1],
  ] as const)
    throws(() => speedRatio(a, b), RangeError, /above 0/);
});

test('works take turns, every second round in reverse, each the same number of times', async () => {
  const calls: string[] = [];
  const work = (name: string) => () => {
    calls.push(name);
  };
  const later = async () => {
    await null;
    calls.push('c');
  };
  const timings = await interleave([work('a'), work('b'), later], { rounds: 4, least: 0, warmUp: 0 });
  assert.is(calls.join(''), 'abccbaabccba');
  assert.is(timings.length, 3);
  for (const { cpu, wall } of timings) assert.ok(cpu > 0 && wall >= 0);
});

test('the warm-up comes before the rounds and sets how often a short work is repeated', async () => {
  let calls = 0;
  await interleave([() => calls++], { rounds: 3, least: 5, warmUp: 5 });
  assert.ok(calls > 3 + 2, `${calls} calls`);
});

test('what times itself elsewhere is asked for its own times', async () => {
  const times = [8, 2, 4].map((wall) => ({ cpu: wall / 2, wall }));
  const elsewhere = async () => times.shift()!;
  const [timing] = await interleave([{ elsewhere }], { rounds: 3, least: 0, warmUp: 0 });
  assert.equal(timing, { cpu: 2, wall: 4 });
  assert.is(timeOf(timing!, 'wall'), 4);
  assert.is(timeOf(timing!, 'cpu'), 2);
});

test('a work that throws ends the measuring', async () => {
  const broken = interleave([() => assert.unreachable('boom')], { rounds: 1, least: 0, warmUp: 0 });
  assert.match(String(await broken.catch((error) => error)), /boom/);
});

test('differences are relative to the largest element, and nothing hides', () => {
  assert.is(difference([1, 2, 4], [1, 2, 4]), 0);
  assert.is(difference([1, 2, 4], [1, 3, 4]), 0.25);
  assert.is(difference([0, 0], [0, 0]), 0);
  assert.is(difference([1], [1, 2]), Number.POSITIVE_INFINITY);
  assert.is(difference([Number.NaN], [1]), Number.POSITIVE_INFINITY);
  assert.is(difference([1], [Number.NaN]), Number.POSITIVE_INFINITY);
  assert.is(difference([Number.POSITIVE_INFINITY], [1]), Number.POSITIVE_INFINITY);
  assert.is(difference([Number.NaN, Number.POSITIVE_INFINITY], [Number.NaN, Number.POSITIVE_INFINITY]), 0);
  assert.is(normDifference([3, 4], [3, 4]), 0);
  assert.is(normDifference([3, 3], [3, 4]), 0.2);
  assert.is(normDifference([1], [1, 2]), Number.POSITIVE_INFINITY);
  assert.is(normDifference([Number.NaN], [1]), Number.POSITIVE_INFINITY);
});

test.run();
