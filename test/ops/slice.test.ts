import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { agree, floats, int, integers, ints, list, runHere } from './compare.ts';

const bound = fc.integer({ min: -9, max: 9 });
const axis = fc.record({ start: bound, end: bound, step: fc.constantFrom(1, 1, 2, 3, -1, -2) });

test('Slice by inputs', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(axis, { minLength: 1, maxLength: 3 }),
      fc.shuffledSubarray([0, 1, 2], { minLength: 3 }),
      fc.boolean(),
      async (s, order, floating) => {
        const axes = order.slice(0, s.length).map((a, i) => (i % 2 ? a - 3 : a));
        const x = floating ? floats([4, 5, 6]) : integers('int64', [4, 5, 6], -99, 99);
        await agree('Slice', [
          x,
          list(...s.map((a) => a.start)),
          list(...s.map((a) => a.end)),
          list(...axes),
          list(...s.map((a) => a.step)),
        ]);
      },
    ),
    { numRuns: 100, seed: 8 },
  );
});

test('Slice to the ends of the int64 range, without axes and steps', async () => {
  const far = [list(-9007199254740991), list(9007199254740991)];
  await agree('Slice', [floats([7]), ...far]);
  await agree('Slice', [floats([7]), far[1], far[0], list(0), list(-1)]);
  await agree('Slice', [floats([4, 5]), list(1, 0), list(3, -1)]);
});

test('Slice by attributes', async () => {
  await agree('Slice', [floats([4, 5])], { starts: ints(1), ends: ints(-1), axes: ints(1) }, { opset: 9 });
  await agree('Slice', [floats([4, 5])], { starts: ints(1, 2), ends: ints(3, 100) }, { opset: 9 });
});

test('Slice refuses', () => {
  assert.throws(
    () => runHere('Slice', [floats([4]), list(0), list(2), list(0), list(0)]),
    /steps: expected values other than 0/,
  );
  assert.throws(
    () => runHere('Slice', [floats([4]), list(0), list(2), list(1)]),
    /axes: expected -1..0 for rank 1, found 1/,
  );
  assert.throws(() => runHere('Slice', [floats([4]), list(0, 1), list(2)]), /expected one length, found 2, 1/);
});

test('Concat', async () => {
  for (const a of [0, 1, -1]) {
    const dims = (n: number) => [2, 3, 4].map((d, i) => (i === (a + 3) % 3 ? n : d));
    await agree('Concat', [floats(dims(2)), floats(dims(0)), floats(dims(5))], { axis: int(a) });
  }
  await agree('Concat', [list(1, 2), list(3)], { axis: int(0) });
  assert.throws(
    () => runHere('Concat', [floats([2, 3]), floats([3, 4])], { axis: int(0) }),
    /shapes \[2,3\] and \[3,4\] differ outside axis 0/,
  );
});

test('Split', async () => {
  await agree('Split', [floats([6, 4])], { axis: int(0), split: ints(1, 2, 3) }, { opset: 11, outputs: 3 });
  await agree('Split', [floats([4, 6])], { axis: int(-1) }, { opset: 11, outputs: 3 });
  await agree('Split', [floats([6, 4]), list(4, 2)], { axis: int(0) }, { outputs: 2 });
  await agree('Split', [floats([7, 4])], { axis: int(0), num_outputs: int(3) }, { opset: 18, outputs: 3 });
  await agree('Split', [integers('int64', [5], 0, 9), list(2, 0, 3)], {}, { opset: 18, outputs: 3 });
  const many = { num_outputs: int(2 ** 40) };
  assert.equal([...runHere('Split', [floats([2])], many, { opset: 18 })[0]!.dims], [1]);
  const few = runHere('Split', [floats([2])], { num_outputs: int(3) }, { opset: 18, outputs: 3 });
  assert.equal(
    few.map((t) => t.dims),
    [[1], [1], [0]],
  );
  assert.throws(
    () => runHere('Split', [floats([6]), list(4, 3)], {}, { outputs: 2 }),
    /sizes that add up to 6, found \[4,3\]/,
  );
  assert.throws(
    () => runHere('Split', [floats([7])], {}, { outputs: 2 }),
    /an axis of 7 does not split into 2 equal parts/,
  );
});

test.run();
