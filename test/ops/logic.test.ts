import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '../../src/errors.ts';
import { throws } from '../throws.ts';
import { agree, agreeIfThere, floats, integers, runHere } from './compare.ts';

const bools = (dims: number[]) => integers('bool', dims, 0, 1);

test('comparisons', async () => {
  for (const op of ['Equal', 'Less', 'Greater', 'LessOrEqual', 'GreaterOrEqual']) {
    await agree(op, [integers('int64', [4, 5], 0, 3), integers('int64', [5], 0, 3)]);
    await agree(op, [integers('int32', [4, 1], 0, 3), integers('int32', [5], 0, 3)]);
    await agree(op, [floats([3, 4]), floats([3, 1])]);
  }
  await agree('Equal', [bools([6]), bools([6])]);
  for (const op of ['Equal', 'Less', 'Greater', 'LessOrEqual', 'GreaterOrEqual'])
    for (const type of ['int8', 'uint8', 'int16', 'uint16', 'uint32', 'uint64', 'double'] as const)
      await agreeIfThere(op, [integers(type, [4, 5], 0, 3), integers(type, [5], 0, 3)]);
  throws(() => runHere('Less', [bools([1]), bools([1])]), ModelError, /numeric type, found bool/);
});

test('logic', async () => {
  for (const op of ['And', 'Or', 'Xor']) await agree(op, [bools([3, 4]), bools([4])]);
  await agree('Not', [bools([7])]);
});

test('Where', async () => {
  await agree('Where', [bools([3, 1]), floats([4]), floats([2, 1, 1])]);
  await agree('Where', [bools([5]), integers('int64', [5], 0, 9), integers('int64', [], 0, 9)]);
  assert.throws(
    () => runHere('Where', [floats([2]), floats([2]), floats([2])]),
    /condition: expected type bool, found float/,
  );
});

test.run();
