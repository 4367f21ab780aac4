import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { agree, floats, integers, ints, runHere } from './compare.ts';

test('any order of any number of axes', async () => {
  const shapes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 6 }).chain((dims) =>
    fc.tuple(
      fc.constant(dims),
      fc.shuffledSubarray(
        dims.map((_, i) => i),
        { minLength: dims.length },
      ),
    ),
  );
  await fc.assert(
    fc.asyncProperty(shapes, fc.boolean(), async ([dims, perm], floating) => {
      const x = floating ? floats(dims) : integers('int64', dims, -99, 99);
      await agree('Transpose', [x], { perm: ints(...perm) });
    }),
    { numRuns: 100, seed: 10 },
  );
});

test('without perm the axes are reversed', async () => {
  await agree('Transpose', [floats([2, 3, 4, 5, 6])]);
  await agree('Transpose', [floats([67, 129])]);
  await agree('Transpose', [floats([0, 3])]);
});

test('what is no order of the axes', () => {
  assert.throws(
    () => runHere('Transpose', [floats([2, 3])], { perm: ints(0, 0) }),
    /expected an order of the 2 axes of \[2,3\], found \[0,0\]/,
  );
});

test('every type', async () => {
  for (const dtype of ['double', 'int64', 'uint64', 'int32', 'uint16', 'int8', 'bool', 'float16'] as const)
    await agree('Transpose', [integers(dtype, [2, 3, 4], 0, 1)], { perm: ints(2, 0, 1) });
});

test.run();
