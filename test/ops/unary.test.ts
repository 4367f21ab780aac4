import { test } from 'uvu';
import { ModelError } from '../../src/errors.ts';
import { tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { agree, agreeIfThere, floats, int, integers, of, runHere, same } from './compare.ts';

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

test('double and the halves', async () => {
  const x = tensor('double', [7], Float64Array.of(-3, -0.25, 0, 0.5, 1, 2.75, 40));
  for (const op of [
    'Exp',
    'Log',
    'Sqrt',
    'Reciprocal',
    'Tanh',
    'Erf',
    'Sigmoid',
    'Floor',
    'Ceil',
    'Relu',
    'Neg',
    'Abs',
  ])
    await agreeIfThere(op, [x], {}, { rtol: 1e-12, atol: 1e-14 });
  same(
    runHere('Exp', [x])[0]!,
    tensor(
      'double',
      [7],
      Float64Array.from(x.data as Float64Array, (v) => Math.exp(v)),
    ),
    'Exp',
    1e-15,
  );
  // 1, -2, 0.5 and, in bfloat16, the same and 3
  const half = tensor('float16', [3], Uint16Array.of(0x3c00, 0xc000, 0x3800));
  same(runHere('Neg', [half])[0]!, tensor('float16', [3], Uint16Array.of(0xbc00, 0x4000, 0xb800)), 'Neg', 0, 0);
  const brain = tensor('bfloat16', [4], Uint16Array.of(0x3f80, 0xc000, 0x3f00, 0x4040));
  same(runHere('Abs', [brain])[0]!, tensor('bfloat16', [4], Uint16Array.of(0x3f80, 0x4000, 0x3f00, 0x4040)), 'Abs');
});

test('IsNaN', async () => {
  await agree('IsNaN', [edge]);
});

test('IsInf', async () => {
  await agree('IsInf', [edge]);
  await agree('IsInf', [edge], { detect_negative: int(0) });
  await agree('IsInf', [edge], { detect_positive: int(0) });
  await agree('IsInf', [tensor('double', [2], Float64Array.of(Number.NEGATIVE_INFINITY, 1))]);
  const half = tensor('float16', [3], Uint16Array.of(0x7c00, 0xfc00, 0x7e00));
  same(runHere('IsInf', [half], {}, { opset: 20 })[0]!, tensor('bool', [3], Uint8Array.of(1, 1, 0)), 'float16');
  same(runHere('IsNaN', [half], {}, { opset: 20 })[0]!, tensor('bool', [3], Uint8Array.of(0, 0, 1)), 'float16');
});

test('what a type cannot do is said', () => {
  throws(
    () => runHere('Exp', [tensor('int32', [1], Int32Array.of(1))]),
    ModelError,
    /^Exp node "node": X: expected a floating type, found int32$/,
  );
  throws(() => runHere('Neg', [tensor('bool', [1], Uint8Array.of(1))]), ModelError, /numeric type, found bool/);
});

test.run();
