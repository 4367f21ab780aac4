import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { agree, floats, int, integers, list, runHere } from './compare.ts';

test('Gather along any axis with negative indices', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: -3, max: 2 }),
      fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }),
      async (axis, shape) => {
        const dims = [4, 5, 6];
        const n = dims[axis < 0 ? axis + 3 : axis]!;
        await agree('Gather', [floats(dims), integers('int64', shape, -n, n - 1)], { axis: int(axis) });
      },
    ),
    { numRuns: 40, seed: 7 },
  );
  await agree('Gather', [integers('int64', [9], 0, 99), integers('int32', [], 0, 8)]);
});

test('Gather outside the axis', () => {
  assert.throws(
    () => runHere('Gather', [floats([4, 2]), list(0, 4)]),
    /Gather node "node": indices: expected -4..3, found 4 at element 1/,
  );
});

test('GatherElements', async () => {
  for (const axis of [0, 1, -1])
    await agree('GatherElements', [floats([3, 3, 3]), integers('int64', [2, 3, 1], -3, 2)], { axis: int(axis) });
  assert.throws(
    () => runHere('GatherElements', [floats([3, 3]), integers('int64', [2, 4], 0, 2)]),
    /expected a shape within \[3,3\]/,
  );
});

test.run();
