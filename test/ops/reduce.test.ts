import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '../../src/errors.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { agree, agreeIfThere, doubles, floats, int, integers, ints, list, runHere, same } from './compare.ts';

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

test('double and whole types', async () => {
  const x = doubles([2, 3], 1, -2, 0.5, 4, 0.25, 3);
  for (const op of ALL) {
    const positive = op === 'ReduceLogSum' ? doubles([2, 3], 1, 2, 0.5, 4, 0.25, 3) : x;
    await agreeIfThere(op, [positive, list(1)], {}, { opset: 18, rtol: 1e-13, atol: 0 });
    for (const type of ['int32', 'int64', 'int8', 'uint8', 'uint32', 'uint64'] as const)
      await agreeIfThere(op, [integers(type, [3, 4], 0, 5), list(1)], {}, { opset: 18 });
  }
  const e = [1, -2, 0.5].map(Math.exp).reduce((a, b) => a + b);
  const [y] = runHere('ReduceLogSumExp', [doubles([3], 1, -2, 0.5)], { keepdims: int(0) });
  same(y!, doubles([], Math.log(e)), 'ReduceLogSumExp', 1e-15);
  const far = runHere('ReduceLogSumExp', [doubles([2], 1000, 1000)], { keepdims: int(0) })[0]!;
  same(far, doubles([], 1000 + Math.log(2)), 'without overflow', 1e-15);
});

test('whole numbers wrap, truncate and reach their ends', () => {
  const run = (op: string, x: Tensor, axes = list(0)) =>
    runHere(op, [x, axes], { keepdims: int(0) }, { opset: 18 })[0]!.data[0];
  const wide = tensor('int32', [2], Int32Array.of(65537, 65537));
  assert.is(run('ReduceProd', wide), 131073);
  assert.is(run('ReduceSumSquare', wide), 262146);
  assert.is(run('ReduceMean', tensor('int32', [2], Int32Array.of(-3, 0))), -1);
  assert.is(run('ReduceMean', tensor('int64', [2], BigInt64Array.of(-3n, 0n))), -1n);
  assert.is(run('ReduceL2', tensor('int64', [2], BigInt64Array.of(3n, 3n))), 4n);
  const [max, min] = [(t: Tensor) => run('ReduceMax', t), (t: Tensor) => run('ReduceMin', t)];
  assert.is(max(integers('int8', [0], 0, 0)), -128);
  assert.is(min(integers('int64', [0], 0, 0)), 2n ** 63n - 1n);
  assert.is(min(integers('uint32', [0], 0, 0)), 2 ** 32 - 1);
  assert.is(max(doubles([0])), Number.NEGATIVE_INFINITY);
  assert.is(run('ReduceSum', doubles([0])), 0);
  assert.is(run('ReduceLogSum', doubles([0])), Number.NEGATIVE_INFINITY);
  const bools = tensor('bool', [2], Uint8Array.of(0, 1));
  assert.is(max(bools), 1);
  assert.is(min(bools), 0);
  throws(() => run('ReduceSum', bools), ModelError, /data: expected a numeric type, found bool/);
});

test.run();
