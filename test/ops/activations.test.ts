import { test } from 'uvu';
import { ModelError } from '../../src/errors.ts';
import type { Tensor } from '../../src/tensor.ts';
import { tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import {
  agree,
  agreeIfThere,
  type Attributes,
  doubles,
  float,
  floats,
  integers,
  of,
  runHere,
  same,
  string,
} from './compare.ts';

const x = floats([3, 7, 11], -6, 6);

test('against onnxruntime', async () => {
  const cases: [string, Attributes?, number?][] = [
    ['HardSigmoid'],
    ['HardSigmoid', { alpha: float(0.7), beta: float(0.1) }],
    ['HardSwish', {}, 14],
    ['LeakyRelu'],
    ['LeakyRelu', { alpha: float(0.3) }],
    ['Gelu', {}, 20],
    ['Gelu', { approximate: string('tanh') }, 20],
    ['Elu'],
    ['Elu', { alpha: float(1.7) }],
    ['Selu'],
    ['Selu', { alpha: float(1.5), gamma: float(0.8) }],
    ['Celu'],
    ['Celu', { alpha: float(2.5) }],
    ['Softplus'],
    ['Softsign'],
    ['Mish', {}, 18],
    ['ThresholdedRelu', { alpha: float(0.6) }],
    ['Shrink', { lambd: float(1.5), bias: float(1.25) }],
    ['Shrink'],
  ];
  for (const [op, attributes = {}, opset = 17] of cases) {
    await agree(op, [x], attributes, { opset, rtol: 1e-5 });
    await agree(op, [floats([])], attributes, { opset, rtol: 1e-5 });
    await agree(op, [floats([0, 3])], attributes, { opset });
  }
});

/** The functions as the specification writes them, in double. */
const DEFINED: [string, number, (v: number) => number, Attributes?][] = [
  ['LeakyRelu', 16, (v) => (v < 0 ? 0.5 * v : v), { alpha: float(0.5) }],
  ['Elu', 22, (v) => (v < 0 ? 1.5 * (Math.exp(v) - 1) : v), { alpha: float(1.5) }],
  ['Celu', 12, (v) => Math.max(0, v) + Math.min(0, -2 * (Math.exp(v / -2) - 1)), { alpha: float(-2) }],
  ['Selu', 22, (v) => 2 * (v <= 0 ? 1.5 * (Math.exp(v) - 1) : v), { alpha: float(1.5), gamma: float(2) }],
  ['HardSigmoid', 22, (v) => Math.max(0, Math.min(1, 0.25 * v + 0.5)), { alpha: float(0.25) }],
  ['HardSwish', 22, (v) => v * Math.max(0, Math.min(1, v / 6 + 0.5))],
  ['Softplus', 22, (v) => Math.log(1 + Math.exp(v))],
  ['Softsign', 22, (v) => v / (1 + Math.abs(v))],
  ['Mish', 22, (v) => v * Math.tanh(Math.log(1 + Math.exp(v)))],
  ['Swish', 24, (v) => v / (1 + Math.exp(-v))],
  ['Swish', 24, (v) => v / (1 + Math.exp(-0.5 * v)), { alpha: float(0.5) }],
  ['ThresholdedRelu', 22, (v) => (v > 1 ? v : 0)],
  ['Shrink', 9, (v) => (v < -1.5 ? v + 0.5 : v > 1.5 ? v - 0.5 : 0), { lambd: float(1.5), bias: float(0.5) }],
  [
    'Gelu',
    20,
    (v) => (v / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))),
    { approximate: string('tanh') },
  ],
];

test('float and double against their definitions', () => {
  for (const [op, opset, f, attributes = {}] of DEFINED) {
    const values = Array.from(x.data as Float32Array);
    const [single] = runHere(op, [x], attributes, { opset });
    same(single!, of(x.dims, ...values.map(f)), op, 2e-6, 3e-7);
    const [double] = runHere(op, [doubles(x.dims, ...values)], attributes, { opset });
    same(double!, doubles(x.dims, ...values.map(f)), `${op} in double`, 1e-9, 1e-12);
  }
});

test('Gelu in double', () => {
  const [y] = runHere('Gelu', [doubles([3], -1, 0.5, 2)], {}, { opset: 20 });
  // Values of x Phi(x) from tables of the normal distribution.
  same(y!, doubles([3], -0.15865525393145707, 0.34573123063700656, 1.9544997361036416), 'Gelu', 1e-14);
});

test('Shrink of integers', async () => {
  const attributes = { lambd: float(2.5), bias: float(1) };
  for (const type of ['int8', 'uint8', 'int32', 'int64'] as const)
    await agreeIfThere('Shrink', [integers(type, [9], 0, 6)], attributes);
  const y = runHere('Shrink', [tensor('int64', [4], BigInt64Array.of(-5n, -2n, 2n, 5n))], attributes);
  same(y[0]!, tensor('int64', [4], BigInt64Array.of(-4n, 0n, 0n, 4n)), 'int64');
  // A bias that is not whole is taken off before the result is truncated.
  for (const type of ['int32', 'int64'] as const)
    await agree('Shrink', [integers(type, [9], -6, 6)], { lambd: float(0.5), bias: float(0.7) });
});

test('PRelu broadcasts its slope', async () => {
  for (const dims of [[3, 4, 5], [5], [1], [4, 1], [3, 1, 1], []])
    await agree('PRelu', [floats([3, 4, 5]), floats(dims)]);
  const integersOf = (t: Tensor) => runHere('PRelu', [t, t])[0]!;
  same(
    integersOf(tensor('int32', [3], Int32Array.of(-3, 0, 2))),
    tensor('int32', [3], Int32Array.of(9, 0, 2)),
    'int32',
  );
  const wide = tensor('int64', [2], BigInt64Array.of(-3n, 2n));
  same(integersOf(wide), tensor('int64', [2], BigInt64Array.of(9n, 2n)), 'int64');
  throws(() => runHere('PRelu', [floats([3]), floats([2, 3])]), ModelError, /slope: shape \[2,3\] does not broadcast/);
});

test('an alpha that divides by zero', () => {
  throws(() => runHere('Celu', [x], { alpha: float(0) }), ModelError, /"alpha": expected a number other than 0/);
});

test.run();
