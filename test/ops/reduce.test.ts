import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { agree, floats, int, integers, ints, list, runHere, scalar } from './compare.ts';

const ALL = [
  'ReduceSum',
  'ReduceMean',
  'ReduceMax',
  'ReduceMin',
  'ReduceProd',
  'ReduceSumSquare',
  'ReduceL1',
  'ReduceL2',
  'ReduceLogSum',
  'ReduceLogSumExp',
];

test('every reduction over any axes, as attribute and as input', async () => {
  const axes = fc.subarray([0, 1, 2, 3], { minLength: 1 });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...ALL), axes, fc.boolean(), fc.boolean(), async (op, a, keep, negative) => {
      const x = op === 'ReduceLogSum' ? floats([2, 3, 4, 5], 0.1, 2) : floats([2, 3, 4, 5]);
      const v = negative ? a.map((i) => i - 4) : a;
      await agree(op, [x, list(...v)], { keepdims: int(Number(keep)) }, { opset: 18 });
      if (op !== 'ReduceSum') await agree(op, [x], { axes: ints(...v), keepdims: int(Number(keep)) });
    }),
    { numRuns: 60, seed: 6 },
  );
});

test('no axes: everything, or nothing on request', async () => {
  for (const op of ALL) {
    await agree(op, [floats([3, 4], 0.1, 2)], {}, { opset: 18 });
    await agree(op, [floats([3, 4], 0.1, 2)], { keepdims: int(0) }, { opset: 13 });
  }
  for (const op of ['ReduceSum', 'ReduceMean', 'ReduceMax'])
    await agree(op, [floats([3, 4]), list()], { noop_with_empty_axes: int(1) }, { opset: 18 });
});

test('integers', async () => {
  for (const type of ['int32', 'int64'] as const)
    for (const op of ['ReduceSum', 'ReduceMax', 'ReduceMin', 'ReduceProd'])
      await agree(op, [integers(type, [3, 4], -5, 5), list(1)], {}, { opset: 18 });
  assert.throws(() => runHere('ReduceSum', [floats([2, 3]), list(2)]), /axes: expected -2..1 for rank 2, found 2/);
  assert.throws(() => runHere('ReduceSum', [floats([2, 3]), list(1, -1)]), /axis 1 is named twice/);
});

test('ArgMax, ArgMin', async () => {
  for (const op of ['ArgMax', 'ArgMin'])
    for (const axis of [0, 1, -1])
      for (const last of [0, 1]) {
        const a = { axis: int(axis), select_last_index: int(last), keepdims: int(last) };
        await agree(op, [floats([3, 5, 7])], a);
        await agree(op, [integers('int32', [3, 5, 7], 0, 3)], a);
      }
});

test('CumSum', async () => {
  for (const exclusive of [0, 1])
    for (const reverse of [0, 1])
      for (const axis of [0, 1, -1])
        await agree('CumSum', [floats([3, 4, 5]), scalar('int64', axis)], {
          exclusive: int(exclusive),
          reverse: int(reverse),
        });
  await agree('CumSum', [integers('int64', [7], -9, 9), scalar('int32', 0)]);
});

test.run();
