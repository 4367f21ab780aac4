import { test } from 'uvu';
import { ModelError, UnsupportedError } from '../../src/errors.ts';
import { tensor, type Tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { agree, float, floats, int, integers, ints, of, runHere, same } from './compare.ts';
import { narrowed, widened } from './wide.ts';

const parameters = (c: number): Tensor[] => [floats([c]), floats([c]), floats([c]), floats([c], 0.1, 2)];

test('BatchNormalization', async () => {
  for (const opset of [7, 9, 14, 15]) {
    await agree('BatchNormalization', [floats([3, 5, 7, 9]), ...parameters(5)], {}, { opset });
    await agree('BatchNormalization', [floats([3, 5]), ...parameters(5)], { epsilon: float(0.01) }, { opset });
  }
  const wide = [floats([3, 5, 2, 2]), ...parameters(5)].map(widened);
  await agree('BatchNormalization', wide, {}, { rtol: 1e-12, atol: 1e-12 });
  // One dimension: a single channel.
  await agree('BatchNormalization', [floats([6]), ...parameters(1)]);
});

test('BatchNormalization in training gives running statistics', async () => {
  const inputs = [floats([3, 5, 4, 2]), ...parameters(5)];
  const a = { training_mode: int(1), momentum: float(0.75) };
  await agree('BatchNormalization', inputs, a, { opset: 15, outputs: 3, rtol: 1e-4, atol: 1e-5 });
  // Two elements 1 and 3: mean 2, variance 1.
  const x = of([2, 1], 1, 3);
  const [y, mean, variance, savedMean, savedVariance] = runHere(
    'BatchNormalization',
    [x, of([1], 2), of([1], 1), of([1], 10), of([1], 5)],
    { momentum: float(0.5), epsilon: float(0) },
    { opset: 9, outputs: 5 },
  );
  same(y!, of([2, 1], -1, 3), 'y');
  same(mean!, of([1], 6), 'running mean');
  same(variance!, of([1], 3), 'running variance');
  same(savedMean!, of([1], 2), 'mean');
  same(savedVariance!, of([1], 1), 'variance');
});

test('BatchNormalization of version 7 with statistics for every element', () => {
  const x = of([2, 1, 2], 1, 2, 3, 4);
  const [y] = runHere(
    'BatchNormalization',
    [x, of([1, 2], 2, 3), of([1, 2], 0, 1), of([1, 2], 1, 2), of([1, 2], 1, 4)],
    { spatial: int(0), epsilon: float(0) },
    { opset: 7 },
  );
  same(y!, of([2, 1, 2], 0, 1, 4, 4), 'per element');
});

test('InstanceNormalization', async () => {
  await agree('InstanceNormalization', [floats([3, 5, 7, 9]), floats([5]), floats([5])]);
  await agree('InstanceNormalization', [floats([3, 5, 11]), floats([5]), floats([5])], { epsilon: float(0.01) });
  await agree('InstanceNormalization', [floats([2, 3, 2, 3, 4]), floats([3]), floats([3])]);
});

test('GroupNormalization: a scale a group before version 21, then a channel', async () => {
  const x = floats([2, 6, 5, 3]);
  for (const groups of [1, 2, 6]) {
    const a = { num_groups: int(groups) };
    const [scale, bias] = [floats([6]), floats([6])];
    await agree('GroupNormalization', [x, scale, bias], a, { opset: 21, rtol: 1e-4, atol: 1e-5 });
    const own = [floats([groups]), floats([groups])] as const;
    const repeat = (t: Tensor) =>
      of([6], ...Array.from({ length: 6 }, (_, j) => Number(t.data[Math.floor((j * groups) / 6)])));
    const old = runHere('GroupNormalization', [x, ...own], a, { opset: 18 })[0]!;
    same(old, runHere('GroupNormalization', [x, ...own.map(repeat)], a, { opset: 21 })[0]!, `${groups} groups`);
  }
});

test('LpNormalization', async () => {
  for (const axis of [0, 1, -1])
    for (const p of [1, 2]) await agree('LpNormalization', [floats([3, 4, 5])], { axis: int(axis), p: int(p) });
  const zero = runHere('LpNormalization', [of([2, 2], 0, 0, 3, 4)])[0]!;
  same(zero, of([2, 2], 0, 0, 0.6, 0.8), 'a row of zeros');
});

test('MeanVarianceNormalization', async () => {
  await agree('MeanVarianceNormalization', [floats([3, 4, 5, 6])]);
  await agree('MeanVarianceNormalization', [floats([3, 4, 5, 6])], { axes: ints(0, 1, 2, 3) });
  const [y] = runHere('MeanVarianceNormalization', [of([2, 2], 1, 3, 10, 30)], { axes: ints(-1) });
  same(y!, of([2, 2], -1, 1, -1, 1), 'rows');
});

test('LRN', async () => {
  for (const size of [1, 3, 5, 9]) await agree('LRN', [floats([2, 7, 3, 5])], { size: int(size) });
  const a = { size: int(3), alpha: float(0.5), beta: float(0.4), bias: float(2) };
  await agree('LRN', [floats([2, 7, 3, 5])], a);
  // An even window reaches one further ahead: 1 / (1 + (1 + 4) / 2), 2 / (1 + 4 / 2).
  const [y] = runHere('LRN', [of([1, 2, 1], 1, 2)], { size: int(2), alpha: float(1), beta: float(1) });
  same(y!, of([1, 2, 1], 1 / 3.5, 2 / 3), 'size 2');
});

test('double runs in double, float16 through float', () => {
  const c = [floats([4]), floats([4])];
  const x = floats([2, 4, 3]);
  for (const [op, inputs, a, opset] of [
    ['InstanceNormalization', [x, ...c], {}, 17],
    ['GroupNormalization', [x, ...c], { num_groups: int(2) }, 21],
    ['LpNormalization', [x], {}, 17],
    ['MeanVarianceNormalization', [x], { axes: ints(0, 2) }, 17],
    ['LRN', [x], { size: int(3) }, 17],
  ] as const)
    same(
      narrowed(runHere(op, inputs.map(widened), a, { opset })[0]!),
      runHere(op, inputs, a, { opset })[0]!,
      op,
      1e-5,
      1e-5,
    );
  const half = tensor('float16', [2], Uint16Array.of(0x4200, 0x4400));
  const [y] = runHere('LpNormalization', [half]);
  same(y!, tensor('float16', [2], Uint16Array.of(0x38cd, 0x3a66)), 'halves');
  // float16 values with float statistics, as version 15 allows.
  const one = of([1], 1);
  const [b, mean] = runHere(
    'BatchNormalization',
    [
      tensor('float16', [2, 1], half.data),
      tensor('float16', [1], Uint16Array.of(0x3c00)),
      tensor('float16', [1], Uint16Array.of(0)),
      one,
      one,
    ],
    { training_mode: int(1), epsilon: float(0), momentum: float(0) },
    { opset: 15, outputs: 3 },
  );
  same(b!, tensor('float16', [2, 1], Uint16Array.of(0xbc00, 0x3c00)), 'halves');
  same(mean!, of([1], 3.5), 'mean');
});

test('what does not fit is said', () => {
  const x = floats([3, 5, 2]);
  const [s, b] = [floats([5]), floats([5])];
  throws(
    () => runHere('BatchNormalization', [floats([3, 5]), ...parameters(4)]),
    ModelError,
    /scale: expected shape \[5\], found \[4\]/,
  );
  throws(() => runHere('BatchNormalization', [floats([]), ...parameters(1)]), ModelError, /found a scalar/);
  throws(() => runHere('InstanceNormalization', [x, s, floats([4])]), ModelError, /B: expected shape \[5\]/);
  throws(
    () => runHere('GroupNormalization', [x, s, b], { num_groups: int(2) }, { opset: 21 }),
    ModelError,
    /5 channels are not a multiple of 2 groups/,
  );
  throws(() => runHere('GroupNormalization', [x, s, b], {}, { opset: 21 }), ModelError, /"num_groups" is missing/);
  throws(() => runHere('LpNormalization', [x], { p: int(3) }), ModelError, /"p": expected 1 or 2/);
  throws(() => runHere('LpNormalization', [x], { axis: int(3) }), ModelError, /axis: expected -3\.\.2/);
  throws(() => runHere('LRN', [x]), ModelError, /"size" is missing/);
  throws(() => runHere('MeanVarianceNormalization', [x]), ModelError, /axes: expected -3\.\.2/);
  throws(() => runHere('LRN', [integers('int32', [1, 2, 3], 0, 9)], { size: int(3) }), UnsupportedError, /found int32/);
});

test.run();
