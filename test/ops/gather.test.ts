import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '../../src/errors.ts';
import { throws } from '../throws.ts';
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

test('GatherND', async () => {
  for (const batch of [0, 1, 2])
    await agree(
      'GatherND',
      [floats([2, 3, 4, 5]), integers('int64', [2, 3, 2], -2, 1)],
      { batch_dims: int(batch) },
      { opset: 13 },
    );
  await agree('GatherND', [integers('bool', [2, 3, 40], 0, 1), integers('int64', [5, 1], -2, 1)], {}, { opset: 13 });
  const run =
    (dims: number[], shape: number[], batch = 0) =>
    () =>
      runHere('GatherND', [floats(dims), integers('int64', shape, 0, 2)], { batch_dims: int(batch) });
  throws(run([3, 3], [1, 3]), ModelError, /indices: expected 1..2 for the last axis, found \[1,3\]/);
  throws(run([3, 3], [2, 1], 1), ModelError, /differ in batch axis 0/);
  throws(run([3, 3], [3, 1], 2), ModelError, /attribute "batch_dims": expected 0..1/);
  throws(
    () => runHere('GatherND', [floats([2]), list(2)]),
    ModelError,
    /indices: expected -2..1, found 2 at element 0/,
  );
});

test.run();
