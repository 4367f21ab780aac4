import { test } from 'uvu';
import { ModelError, UnsupportedError } from '../../../src/errors.ts';
import { throws } from '../../throws.ts';
import { type Attributes, agree, float, floats, int, ints, runHere, same, string } from '../compare.ts';

const contrib = { domain: 'com.microsoft', atol: 1e-5 };

test('FusedMatMul: scale, transpositions and batches', async () => {
  await agree('FusedMatMul', [floats([5, 7]), floats([7, 9])], { alpha: float(0.3) }, contrib);
  await agree('FusedMatMul', [floats([7, 5]), floats([7, 9])], { transA: int(1) }, contrib);
  await agree('FusedMatMul', [floats([5, 7]), floats([9, 7])], { transB: int(1) }, contrib);
  await agree('FusedMatMul', [floats([3, 7, 5]), floats([9, 7])], { transA: int(1), transB: int(1) }, contrib);
  await agree('FusedMatMul', [floats([2, 1, 5, 7]), floats([3, 9, 7])], { transB: int(1), alpha: float(-2) }, contrib);
  await agree('FusedMatMul', [floats([7]), floats([3, 7, 9])], {}, contrib);
  await agree('FusedMatMul', [floats([5, 3, 7]), floats([3, 7, 9])], { transBatchA: int(1) }, contrib);
  await agree(
    'FusedMatMul',
    [floats([5, 2, 3, 7]), floats([7, 2, 3, 9])],
    { transBatchA: int(1), transBatchB: int(1) },
    contrib,
  );
  const all = { transBatchA: int(1), transBatchB: int(1), transA: int(1), transB: int(1) };
  await agree('FusedMatMul', [floats([7, 3, 5]), floats([9, 3, 7])], all, contrib);
  await agree('TransposeMatMul', [floats([3, 7, 5]), floats([3, 9, 7])], { transA: int(1), transB: int(1) }, contrib);
  throws(
    () => runHere('FusedMatMul', [floats([5, 7]), floats([7, 9])], { transB: int(1) }, contrib),
    ModelError,
    /inner sizes 7 and 9 differ/,
  );
});

test('FusedGemm with each activation', async () => {
  const inputs = () => [floats([5, 7]), floats([7, 9]), floats([9])];
  const cases: readonly Attributes[] = [
    { activation: string('Relu') },
    { activation: string('Sigmoid'), alpha: float(0.5), beta: float(2) },
    { activation: string('Tanh') },
    { activation: string('LeakyRelu'), activation_alpha: float(0.2) },
    { activation: string('HardSigmoid'), activation_alpha: float(0.3), activation_beta: float(0.4) },
  ];
  for (const attributes of cases) await agree('FusedGemm', inputs(), attributes, contrib);
  await agree(
    'FusedGemm',
    [floats([7, 5]), floats([9, 7])],
    { transA: int(1), transB: int(1), activation: string('Relu') },
    contrib,
  );
  throws(
    () => runHere('FusedGemm', inputs(), { activation: string('constructor') }, contrib),
    UnsupportedError,
    /attribute "activation": "constructor"/,
  );
});

test('FusedMatMulActivation', () => {
  const inputs = [floats([5, 7]), floats([7, 9])];
  const [y] = runHere('FusedMatMulActivation', inputs, { activation: string('Relu') }, contrib);
  const [z] = runHere('FusedMatMul', inputs, {}, contrib);
  const negative = (z!.data as Float32Array).some((v) => v < 0);
  const relu = (z!.data as Float32Array).every((v, i) => y!.data[i] === Math.max(v, 0));
  if (!negative || !relu) throw new Error('expected the product with its negative elements at 0');
});

test('GemmFastGelu is a product, then FastGelu', () => {
  const [x, w, bias] = [floats([2, 5, 7]), floats([7, 9]), floats([9])];
  const [product] = runHere('FusedMatMul', [x, w], {}, contrib);
  const [want] = runHere('FastGelu', [product, bias], {}, contrib);
  same(runHere('GemmFastGelu', [x, w, bias], {}, contrib)[0]!, want!, 'GemmFastGelu');
});

test('FusedConv with an activation and a sum', async () => {
  const x = floats([2, 4, 7, 8]);
  const w = floats([6, 4, 3, 3]);
  const pads = { pads: ints(1, 1, 1, 1), kernel_shape: ints(3, 3) };
  await agree('FusedConv', [x, w, floats([6])], { ...pads, activation: string('Relu') }, contrib);
  await agree('FusedConv', [x, w], { strides: ints(2, 2), activation: string('Tanh') }, contrib);
  for (const [name, ...parameters] of [
    ['LeakyRelu', 0.1],
    ['Clip', -0.5, 0.7],
    ['HardSigmoid', 0.2, 0.4],
  ] as const) {
    const activation_params = { type: 'floats', value: parameters.map(Math.fround) } as const;
    await agree('FusedConv', [x, w, floats([6])], { ...pads, activation: string(name), activation_params }, contrib);
  }
  await agree('FusedConv', [x, w, floats([6]), floats([2, 6, 7, 8])], { ...pads, activation: string('Relu') }, contrib);
  throws(
    () => runHere('FusedConv', [x, w, undefined, floats([2, 6, 1, 1])], pads, contrib),
    ModelError,
    /Z: expected shape \[2,6,7,8\]/,
  );
});

test.run();
