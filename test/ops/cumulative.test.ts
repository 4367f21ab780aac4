import { test } from 'uvu';
import { ModelError } from '../../src/errors.ts';
import { tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { agree, agreeIfThere, doubles, floats, int, integers, of, runHere, same, scalar } from './compare.ts';

test('CumSum', async () => {
  for (const exclusive of [0, 1])
    for (const reverse of [0, 1])
      for (const axis of [0, 1, -1])
        await agree('CumSum', [floats([3, 4, 5]), scalar('int64', axis)], {
          exclusive: int(exclusive),
          reverse: int(reverse),
        });
  await agree('CumSum', [integers('int64', [7], -9, 9), scalar('int32', 0)]);
  for (const type of ['int32', 'uint32', 'uint64'] as const)
    await agreeIfThere('CumSum', [integers(type, [7], 0, 9), scalar('int32', 0)]);
  await agree('CumSum', [doubles([3], 0.1, 0.2, 0.3), scalar('int32', 0)], {}, { rtol: 1e-15, atol: 0 });
});

test('integers wrap', () => {
  const x = tensor('int32', [3], Int32Array.of(2 ** 31 - 1, 1, 1));
  const sums = tensor('int32', [3], Int32Array.of(2 ** 31 - 1, -(2 ** 31), 1 - 2 ** 31));
  same(runHere('CumSum', [x, scalar('int64', 0)])[0]!, sums, 'CumSum');
  const y = tensor('uint64', [2], BigUint64Array.of(2n ** 63n, 3n));
  const products = tensor('uint64', [2], BigUint64Array.of(2n ** 63n, 2n ** 63n));
  same(runHere('CumProd', [y, scalar('int64', 0)], {}, { opset: 26 })[0]!, products, 'CumProd');
});

test('CumProd', () => {
  const x = of([2, 3], 1, 2, 3, 4, 5, 6);
  const run = (axis: number, attributes = {}) =>
    runHere('CumProd', [x, scalar('int64', axis)], attributes, { opset: 26 })[0]!;
  same(run(1), of([2, 3], 1, 2, 6, 4, 20, 120), 'axis 1');
  same(run(-2), of([2, 3], 1, 2, 3, 4, 10, 18), 'axis -2');
  same(run(1, { exclusive: int(1) }), of([2, 3], 1, 1, 2, 1, 4, 20), 'exclusive');
  same(run(1, { reverse: int(1) }), of([2, 3], 6, 6, 3, 120, 30, 6), 'reverse');
  same(run(1, { reverse: int(1), exclusive: int(1) }), of([2, 3], 6, 3, 1, 30, 6, 1), 'both');
});

test('bad axes', () => {
  throws(() => runHere('CumSum', [floats([2]), scalar('int64', 1)]), ModelError, /axis: expected -1..0 for rank 1/);
  throws(() => runHere('CumSum', [floats([2]), integers('int64', [2], 0, 0)]), ModelError, /expected one element/);
  throws(() => runHere('CumSum', [floats([]), scalar('int64', 0)]), ModelError, /axis/);
});

test.run();
