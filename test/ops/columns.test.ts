import { test } from 'uvu';
import { ModelError } from '../../src/errors.ts';
import { tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { agree, floats, ints, list, of, runHere, same } from './compare.ts';

const i64 = (dims: number[], ...v: number[]) => tensor('int64', dims, BigInt64Array.from(v, BigInt));

test('Col2Im over one, two and three axes', async () => {
  await agree('Col2Im', [floats([2, 3 * 6, 16]), list(5, 6), list(2, 3)], {}, { opset: 18 });
  const a = { strides: ints(2, 1), pads: ints(1, 0, 1, 0), dilations: ints(2, 1) };
  await agree('Col2Im', [floats([2, 3 * 6, 12]), list(5, 6), list(2, 3)], a, { opset: 18 });
  await agree('Col2Im', [floats([2, 2 * 8, 24]), list(3, 4, 5), list(2, 2, 2)], {}, { opset: 18 });
  const [line] = runHere('Col2Im', [of([1, 2, 2], 1, 2, 3, 4), list(3), list(2)], {}, { opset: 18 });
  same(line!, of([1, 1, 3], 1, 5, 4), 'one axis');
});

test('Col2Im refuses', () => {
  const run = (dims: number[], image: number[], block: number[]) => () =>
    runHere('Col2Im', [floats(dims), list(...image), list(...block)], {}, { opset: 18 });
  throws(run([1, 4, 5], [3, 3], [2, 2]), ModelError, /expected shape \[N, C \* 4, 4\]/);
  throws(run([1, 3, 4], [3, 3], [2, 2]), ModelError, /expected shape \[N, C \* 4, 4\]/);
  throws(run([1, 4, 4], [3, 3], [2]), ModelError, /block_shape: expected 2 values/);
  throws(run([1, 4, 4], [3, 0], [2, 2]), ModelError, /image_shape: expected sizes >= 1/);
});

test('MaxUnpool', async () => {
  const x = floats([1, 1, 2, 2]);
  const a = { kernel_shape: ints(2, 2), strides: ints(2, 2) };
  await agree('MaxUnpool', [x, i64([1, 1, 2, 2], 5, 7, 13, 15)], a, { opset: 11 });
  await agree('MaxUnpool', [floats([1, 2, 3]), i64([1, 2, 3], 0, 3, 5, 6, 8, 11)], {
    kernel_shape: ints(2),
    strides: ints(2),
  });
  // A larger output holds the inferred 2 x 2 one in its corner.
  const [y] = runHere('MaxUnpool', [of([1, 1, 1, 1], 7), i64([1, 1, 1, 1], 3), list(1, 1, 3, 3)], {
    kernel_shape: ints(2, 2),
  });
  same(y!, of([1, 1, 3, 3], 0, 0, 0, 0, 7, 0, 0, 0, 0), 'output_shape');
  throws(() => runHere('MaxUnpool', [x, i64([1, 1, 2, 2], 0, 1, 2, 16)], a), ModelError, /I: expected 0..15, found 16/);
  throws(() => runHere('MaxUnpool', [x, i64([1, 1, 2, 2], 0, 1, 2, -1)], a), ModelError, /found -1 at element 3/);
  throws(
    () => runHere('MaxUnpool', [x, i64([1, 1, 2, 2], 0, 1, 2, 3), list(1, 1, 3, 4)], a),
    ModelError,
    /output_shape: expected at least \[1,1,4,4\]/,
  );
  throws(() => runHere('MaxUnpool', [x, i64([4], 0, 1, 2, 3)], a), ModelError, /I: expected int64 \[1,1,2,2\]/);
});

test.run();
