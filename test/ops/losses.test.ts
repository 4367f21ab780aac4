import { test } from 'uvu';
import { ModelError, UnsupportedError } from '../../src/errors.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { type Attributes, agree, doubles, floats, int, integers, of, runHere, same, string } from './compare.ts';

const SHAPES = [
  [3, 5],
  [2, 4, 3],
  [2, 3, 2, 2],
  [1, 3, 2, 1, 2],
];

test('against onnxruntime: ranks, reductions, weights, an ignored class', async () => {
  for (const [n, c, ...inner] of SHAPES as [number, number, ...number[]][])
    for (const reduction of ['none', 'sum', 'mean'])
      for (const weighted of [false, true])
        for (const ignore of [undefined, 1, -100]) {
          const target = integers(inner.length > 1 ? 'int32' : 'int64', [n, ...inner], 0, c - 1);
          const attributes: Attributes = {
            reduction: string(reduction),
            ...(ignore === undefined ? {} : { ignore_index: int(ignore) }),
          };
          const inputs = [floats([n, c, ...inner]), target, ...(weighted ? [floats([c], 0.5, 2)] : [])];
          // A mean over ignored targets alone is 0 / 0.
          const counted = (target.data as Int32Array).some((t: number | bigint) => Number(t) !== ignore);
          if (reduction === 'mean' && !counted) continue;
          await agree('NegativeLogLikelihoodLoss', inputs, attributes, { opset: 13 });
          await agree('SoftmaxCrossEntropyLoss', inputs, attributes, { opset: 13 });
          await agree('SoftmaxCrossEntropyLoss', inputs, attributes, { opset: 13, outputs: 2 });
        }
});

const labels = (...v: number[]): Tensor => tensor('int64', [v.length], BigInt64Array.from(v, BigInt));

test('double by hand, and the mean over nothing', () => {
  const [loss] = runHere('SoftmaxCrossEntropyLoss', [doubles([1, 2], 0, 0), labels(1)]);
  same(loss!, doubles([], Math.log(2)), 'log 2', 1e-15);
  const [none] = runHere('NegativeLogLikelihoodLoss', [of([1, 2], -1, -2), labels(1)], { ignore_index: int(1) });
  same(none!, of([], Number.NaN), 'nothing counts');
  const half = tensor('float16', [1, 2], Uint16Array.of(0xbc00, 0xc000));
  same(
    runHere('NegativeLogLikelihoodLoss', [half, labels(1)])[0]!,
    tensor('float16', [], Uint16Array.of(0x4000)),
    'half',
  );
});

test('bad input', () => {
  const run =
    (...inputs: Tensor[]) =>
    () =>
      runHere('NegativeLogLikelihoodLoss', inputs);
  const x = floats([2, 3]);
  throws(run(x, labels(0, 3)), ModelError, /target: element 1 is class 3, expected 0..2/);
  throws(run(x, labels(0, -1)), ModelError, /target: element 1 is class -1/);
  throws(run(x, labels(0)), ModelError, /target: expected shape \[2\], found \[1\]/);
  throws(run(x, floats([2])), ModelError, /target: expected type int64 or int32, found float/);
  throws(run(x, labels(0, 1), floats([2])), ModelError, /weight: expected shape \[3\], found \[2\]/);
  throws(run(floats([3]), labels(0)), ModelError, /input: expected rank >= 2/);
  throws(run(integers('int32', [2, 3], 0, 1), labels(0, 1)), ModelError, /floating type, found int32/);
  throws(
    () => runHere('SoftmaxCrossEntropyLoss', [x, labels(0, 1)], { reduction: string('max') }),
    UnsupportedError,
    /"reduction": expected one of none, sum, mean, found "max"/,
  );
});

test.run();
