import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { UnsupportedError } from '../../src/errors.ts';
import { tensor } from '../../src/tensor.ts';
import { agree, float, floats, integers, of, runHere, scalar, string } from './compare.ts';

const EDGE = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5];
const edge = of([EDGE.length], ...EDGE);

test('float functions', async () => {
  for (const op of [
    'Relu',
    'Sigmoid',
    'Tanh',
    'Erf',
    'Exp',
    'Log',
    'Sqrt',
    'Reciprocal',
    'Neg',
    'Abs',
    'Floor',
    'Ceil',
    'Round',
    'Sign',
  ]) {
    await agree(op, [floats([3, 7, 11], -4, 4)], {}, { rtol: 1e-5 });
    // Without a finite answer runtimes differ on NaN in Relu and Sign only.
    if (op !== 'Relu' && op !== 'Sign') await agree(op, [edge], {}, { rtol: 1e-5 });
    await agree(op, [floats([])]);
    await agree(op, [floats([0, 3])]);
  }
});

test('exp and tanh keep their range', async () => {
  await agree('Exp', [floats([500], -100, 88)], {}, { rtol: 1e-5, atol: 1e-37 });
  await agree('Tanh', [floats([500], -20, 20)]);
  await agree('Erf', [floats([500], -5, 5)]);
});

test('integers', async () => {
  for (const type of ['int32', 'int64', 'int8'] as const)
    for (const op of ['Neg', 'Abs']) await agree(op, [integers(type, [9], -100, 100)]);
  for (const type of ['int32', 'int64'] as const) await agree('Sign', [integers(type, [9], -2, 2)]);
});

test('HardSigmoid, HardSwish', async () => {
  await agree('HardSigmoid', [floats([3, 5])]);
  await agree('HardSigmoid', [floats([7])], { alpha: float(0.7), beta: float(0.1) });
  await agree('HardSwish', [floats([3, 5, 7])], {}, { opset: 14 });
});

test('LeakyRelu, Gelu', async () => {
  await agree('LeakyRelu', [floats([3, 5])]);
  await agree('LeakyRelu', [floats([3, 5])], { alpha: float(0.3) });
  await agree('Gelu', [floats([9, 9], -6, 6)], {}, { opset: 20 });
  await agree('Gelu', [floats([9, 9], -6, 6)], { approximate: string('tanh') }, { opset: 20 });
});

test('Clip by attributes and by inputs', async () => {
  const x = floats([4, 5], -3, 3);
  await agree('Clip', [x], { min: float(-1), max: float(0.5) }, { opset: 7 });
  await agree('Clip', [x], {}, { opset: 7 });
  await agree('Clip', [x, scalar('float', -1), scalar('float', 0.5)]);
  await agree('Clip', [x, undefined, scalar('float', 0.5)]);
  await agree('Clip', [x, scalar('float', -1)]);
  await agree('Clip', [x]);
  await agree('Clip', [integers('int64', [9], -9, 9), scalar('int64', -2), scalar('int64', 3)]);
  await agree('Clip', [integers('uint8', [9], 0, 200), scalar('uint8', 10), scalar('uint8', 100)]);
});

test('IsNaN', async () => {
  await agree('IsNaN', [edge]);
});

test('what a type cannot do is said', () => {
  assert.throws(
    () => runHere('Exp', [tensor('double', [1], Float64Array.of(1))]),
    (e: Error) =>
      e instanceof UnsupportedError && e.message === 'Exp node "node": X: expected type float, found double',
  );
});

test.run();
