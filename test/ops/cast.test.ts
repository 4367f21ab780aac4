import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { arrayOf, DATA_TYPES, type DType, tensor } from '../../src/tensor.ts';
import { agree, floats, int, integers, of, runHere, same } from './compare.ts';

const WHOLE = ['int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64'] as const;
const to = (dtype: DType) => ({ to: int(DATA_TYPES[dtype]) });

test('between all types that onnxruntime takes', async () => {
  const targets = [...WHOLE, 'float', 'double', 'float16', 'bool'] as const;
  for (const target of targets) {
    await agree('Cast', [of([9], 0, 1, -0, 2.5, 3.999, 100.7, 0.25, 1e-3, 127)], to(target));
    await agree('Cast', [tensor('double', [4], Float64Array.of(0, 1.5, 99.99, 1e-20))], to(target));
    await agree('Cast', [tensor('float16', [4], Uint16Array.of(0, 0x3c00, 0x4248, 0x5640))], to(target));
    await agree('Cast', [integers('bool', [5], 0, 1)], to(target));
    for (const source of WHOLE) await agree('Cast', [integers(source, [11], 0, 127)], to(target));
  }
});

test('negative numbers and wrapping integers', async () => {
  for (const target of ['int8', 'int16', 'int32', 'int64', 'float', 'double'] as const)
    await agree('Cast', [of([5], -1, -2.5, -3.999, -100, 0.5)], to(target));
  for (const target of WHOLE) {
    await agree(
      'Cast',
      [tensor('int64', [6], BigInt64Array.of(-1n, 300n, -40000n, 2n ** 31n, 2n ** 40n + 5n, -(2n ** 63n)))],
      to(target),
    );
    await agree('Cast', [tensor('int32', [4], Int32Array.of(-1, 300, -40000, 2147483647))], to(target));
  }
});

test('float to the narrow types: halves and out of range', async () => {
  await agree(
    'Cast',
    [of([8], 65504, 65520, 1e-8, 6e-8, 1 / 3, -0, Number.POSITIVE_INFINITY, Number.NaN)],
    to('float16'),
  );
  await agree('Cast', [of([3], Number.NaN, 0, -0)], to('bool'));
  await agree('Cast', [of([3], 3e9, -5, 9e18)], to('int64'));
  for (const target of WHOLE) await agree('Cast', [of([4], 300.5, -300.5, 70000, -70000)], to(target));
});

test('4-bit types through float', async () => {
  const values = integers('int8', [16], -8, 7);
  const int4 = runHere('Cast', [values], to('int4'), { opset: 21 });
  assert.is(int4[0]!.dtype, 'int4');
  assert.equal([...int4[0]!.data], [...values.data]);
  for (const dtype of ['int4', 'uint4'] as const) {
    const [lo, hi] = dtype === 'int4' ? [-8, 7] : [0, 15];
    const x = integers(dtype, [3, 5], lo!, hi!);
    await agree('Cast', [x], to('float'), { opset: 21, constants: [0] });
    await agree('Cast', [x], to('int32'), { opset: 21, constants: [0] });
  }
  for (const dtype of ['int2', 'uint2'] as const) {
    const x = integers(dtype, [5], dtype === 'int2' ? -2 : 0, dtype === 'int2' ? 1 : 3);
    same(
      runHere('Cast', [x], to('float'), { opset: 25 })[0]!,
      tensor('float', [5], Float32Array.from(x.data as Int8Array)),
      dtype,
    );
  }
});

test('a type Kappa has not', () => {
  assert.throws(
    () => runHere('Cast', [floats([2])], { to: int(8) }),
    /Cast node "node": attribute "to": element type 8/,
  );
});

test('every type has an array', () => {
  for (const dtype of Object.keys(DATA_TYPES) as DType[]) assert.type(arrayOf(dtype), 'function');
});

test.run();
