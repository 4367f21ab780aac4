import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '../../../src/errors.ts';
import { tensor } from '../../../src/tensor.ts';
import { throws } from '../../throws.ts';
import { agree, floats, int, list, of, runHere, same, scalar, string } from '../compare.ts';

const contrib = { domain: 'com.microsoft', atol: 1e-4, rtol: 1e-4 };

test('Inverse', async () => {
  await agree('Inverse', [floats([3, 2, 5, 5])], {}, contrib);
  await agree('Inverse', [of([2, 2], 0, 2, 1, 0)], {}, contrib);
  throws(() => runHere('Inverse', [of([2, 2], 1, 2, 2, 4)], {}, contrib), ModelError, /singular/);
  throws(() => runHere('Inverse', [floats([2, 3])], {}, contrib), ModelError, /square/);
});

test('CDist', async () => {
  for (const metric of ['euclidean', 'sqeuclidean'])
    await agree('CDist', [floats([5, 7]), floats([3, 7])], { metric: string(metric) }, contrib);
  throws(() => runHere('CDist', [floats([5, 7]), floats([3, 6])], {}, contrib), ModelError, /rows of one length/);
});

test('ExpandDims, Trilu, GatherND, Range, Unique, Pad', async () => {
  for (const axis of [0, 2, -1]) await agree('ExpandDims', [floats([3, 4]), scalar('int32', axis)], {}, contrib);
  await agree('Trilu', [floats([4, 5]), scalar('int64', 1)], { upper: int(0) }, contrib);
  await agree('GatherND', [floats([3, 4]), tensor('int64', [2, 1], BigInt64Array.of(2n, 0n))], {}, contrib);
  await agree('Range', [scalar('int32', 2), scalar('int32', 9)], {}, contrib);
  await agree('Range', [scalar('float', 2), scalar('float', 9), scalar('float', 1.5)], {}, contrib);
  await agree('Unique', [of([6], 3, 1, 3, 2, 1, 3)], {}, { ...contrib, outputs: 3 });
  await agree('Pad', [floats([2, 3]), list(1, 0, 0, 2), of([1], 0.5)], { mode: string('constant') }, contrib);
  await agree('GridSample', [floats([1, 2, 4, 5]), floats([1, 3, 3, 2], -1.2, 1.2)], {}, contrib);
});

test('NhwcConv is Conv with channels last; BiasAdd adds three', () => {
  const x = floats([1, 5, 6, 3]);
  const w = floats([4, 3, 2, 2]);
  const [y] = runHere('NhwcConv', [x, w], {}, contrib);
  assert.equal([...y!.dims], [1, 4, 5, 4]);
  let sum = 0;
  for (let c = 0; c < 3; c++)
    for (let i = 0; i < 2; i++)
      for (let j = 0; j < 2; j++)
        sum += Number(x.data[(i * 6 + j) * 3 + c]) * Number(w.data[((1 * 3 + c) * 2 + i) * 2 + j]);
  assert.ok(Math.abs(sum - Number(y!.data[1])) < 1e-5);
  same(
    runHere('BiasAdd', [of([1, 2, 2], 1, 2, 3, 4), of([2], 10, 20), of([1, 2, 2], 1, 1, 1, 1)], {}, contrib)[0]!,
    of([1, 2, 2], 12, 23, 14, 25),
    'BiasAdd',
  );
});

test.run();
