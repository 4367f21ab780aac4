import { test } from 'uvu';
import { ModelError, UnsupportedError } from '../../src/errors.ts';
import { DATA_TYPES, type DType, tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { agree, floats, int, integers, of, runHere, same, scalar, string } from './compare.ts';

test('Bitwise operators', async () => {
  for (const op of ['BitwiseAnd', 'BitwiseOr', 'BitwiseXor'])
    for (const type of ['int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64'] as const)
      await agree(op, [integers(type, [3, 4], 0, 100), integers(type, [4], 0, 100)], {}, { opset: 18 });
  await agree('BitwiseNot', [integers('int32', [5], -9, 9)], {}, { opset: 18 });
  await agree('BitwiseNot', [integers('uint64', [5], 0, 9)], {}, { opset: 18 });
});

test('BitShift', async () => {
  for (const direction of ['LEFT', 'RIGHT'])
    for (const type of ['uint8', 'uint32', 'uint64'] as const)
      await agree('BitShift', [integers(type, [6], 0, 255), integers(type, [6], 0, 7)], {
        direction: string(direction),
      });
  const left = { direction: string('LEFT') };
  const far = runHere('BitShift', [scalar('uint32', 1), scalar('uint32', 40)], left);
  same(far[0]!, scalar('uint32', 0), 'a shift by more than the width');
  throws(() => runHere('BitShift', [scalar('int32', 1), scalar('int32', 1)], left), ModelError, /unsigned/);
  throws(
    () => runHere('BitShift', [scalar('uint8', 1), scalar('uint8', 1)], { direction: string('UP') }),
    UnsupportedError,
    /"direction": expected one of LEFT, RIGHT, found "UP"/,
  );
});

const to = (dtype: DType) => ({ to: int(DATA_TYPES[dtype]) });
const cast = (x: Parameters<typeof runHere>[1][0], dtype: DType) =>
  runHere('BitCast', [x], to(dtype), { opset: 26 })[0]!;

test('BitCast there and back', () => {
  const x = of([2, 2], 1, -2, Number.POSITIVE_INFINITY, 0);
  const bits = tensor('uint32', [2, 2], Uint32Array.of(0x3f800000, 0xc0000000, 0x7f800000, 0));
  same(cast(x, 'uint32'), bits, 'float to uint32');
  same(cast(bits, 'float'), x, 'uint32 to float', 0, 0);
  const wide = tensor('double', [1], Float64Array.of(1));
  same(cast(wide, 'int64'), tensor('int64', [1], BigInt64Array.of(0x3ff0000000000000n)), 'double to int64');
  same(
    cast(tensor('float16', [1], Uint16Array.of(0x3c00)), 'bfloat16'),
    tensor('bfloat16', [1], Uint16Array.of(0x3c00)),
    'halves',
  );
  same(cast(tensor('int4', [3], Int8Array.of(-1, -8, 7)), 'uint4'), tensor('uint4', [3], Uint8Array.of(15, 8, 7)), '4');
  same(cast(tensor('uint2', [3], Uint8Array.of(3, 2, 1)), 'int2'), tensor('int2', [3], Int8Array.of(-1, -2, 1)), '2');
  same(cast(tensor('int8', [2], Int8Array.of(1, 0)), 'bool'), tensor('bool', [2], Uint8Array.of(1, 0)), 'bool');
});

test('BitCast to another width', () => {
  throws(() => cast(floats([2]), 'int64'), ModelError, /"to": expected a type of 32 bits as float, found int64/);
  throws(() => runHere('BitCast', [floats([2])], { to: int(8) }, { opset: 26 }), UnsupportedError, /element type 8/);
});

test.run();
