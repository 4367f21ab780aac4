import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { tensor } from '../../src/tensor.ts';
import { agree, floats, integers, runHere, same, string } from './compare.ts';

const bools = (dims: number[]) => integers('bool', dims, 0, 1);

test('comparisons', async () => {
  for (const op of ['Equal', 'Less', 'Greater', 'LessOrEqual', 'GreaterOrEqual']) {
    await agree(op, [integers('int64', [4, 5], 0, 3), integers('int64', [5], 0, 3)]);
    await agree(op, [integers('int32', [4, 1], 0, 3), integers('int32', [5], 0, 3)]);
    await agree(op, [floats([3, 4]), floats([3, 1])]);
  }
  await agree('Equal', [bools([6]), bools([6])]);
});

test('logic', async () => {
  for (const op of ['And', 'Or', 'Xor']) await agree(op, [bools([3, 4]), bools([4])]);
  await agree('Not', [bools([7])]);
});

test('bits', async () => {
  for (const op of ['BitwiseAnd', 'BitwiseOr', 'BitwiseXor'])
    for (const type of ['int8', 'uint8', 'int32', 'int64'] as const)
      await agree(op, [integers(type, [3, 4], 0, 100), integers(type, [4], 0, 100)], {}, { opset: 18 });
  await agree('BitwiseNot', [integers('int32', [5], -9, 9)], {}, { opset: 18 });
  await agree('BitwiseNot', [integers('uint64', [5], 0, 9)], {}, { opset: 18 });
});

test('BitShift', async () => {
  for (const direction of ['LEFT', 'RIGHT'])
    for (const type of ['uint8', 'uint32', 'uint64'] as const)
      await agree('BitShift', [integers(type, [6], 0, 255), integers(type, [6], 0, 7)], {
        direction: string(direction),
      });
  const far = runHere(
    'BitShift',
    [tensor('uint32', [1], Uint32Array.of(1)), tensor('uint32', [1], Uint32Array.of(40))],
    { direction: string('LEFT') },
  );
  same(far[0]!, tensor('uint32', [1], Uint32Array.of(0)), 'a shift by more than the width');
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
