import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { tensor, type DType } from '../../src/tensor.ts';
import { ModelError, UnsupportedError } from '../../src/errors.ts';
import { throws } from '../throws.ts';
import { agree, floats, int, integers, of, runHere, same, scalar } from './compare.ts';

const RANGE: Partial<Record<DType, [number, number]>> = {
  int4: [-8, 7],
  uint4: [0, 15],
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
};

test('DequantizeLinear: per tensor, per axis, blocked', async () => {
  for (const [type, [lo, hi]] of Object.entries(RANGE) as [DType, [number, number]][]) {
    const c = { opset: 21, constants: [0, 1, 2] };
    const x = integers(type, [6, 8], lo, hi);
    await agree('DequantizeLinear', [x, scalar('float', 0.03)], {}, c);
    await agree('DequantizeLinear', [x, scalar('float', 0.03), integers(type, [], lo, hi)], {}, c);
    await agree('DequantizeLinear', [x, floats([8], 0.01, 0.2), integers(type, [8], lo, hi)], {}, c);
    await agree('DequantizeLinear', [x, floats([6], 0.01, 0.2)], { axis: int(0) }, c);
    for (const axis of [0, 1]) {
      const scale = axis === 0 ? [3, 8] : [6, 4];
      await agree(
        'DequantizeLinear',
        [x, floats(scale, 0.01, 0.2), integers(type, scale, lo, hi)],
        { axis: int(axis), block_size: int(2) },
        c,
      );
    }
  }
  await agree('DequantizeLinear', [integers('int32', [5], -1e6, 1e6), scalar('float', 1e-3)], {}, { opset: 13 });
  await agree(
    'DequantizeLinear',
    [integers('uint8', [5, 3], 0, 255), scalar('float', 1e-3), scalar('uint8', 128)],
    {},
    { opset: 10 },
  );
});

test('a last block that is not full', () => {
  const x = tensor('int8', [2, 5], Int8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
  const y = runHere('DequantizeLinear', [x, of([2, 3], 1, 10, 100, 2, 20, 200)], { block_size: int(2) }, { opset: 21 });
  same(y[0]!, of([2, 5], 1, 2, 30, 40, 500, 12, 14, 160, 180, 2000), 'blocks of 2 over 5');
});

test('a float16 scale gives float16', () => {
  const y = runHere(
    'DequantizeLinear',
    [tensor('int8', [2], Int8Array.of(2, -3)), tensor('float16', [], Uint16Array.of(0x3800))],
    {},
    { opset: 21 },
  );
  same(y[0]!, tensor('float16', [2], Uint16Array.of(0x3c00, 0xbe00)), '2 and -3 times 1/2');
});

test('QuantizeLinear', async () => {
  const x = floats([6, 8], -3, 3);
  for (const type of ['int8', 'uint8', 'int16', 'uint16'] as const) {
    const [lo, hi] = RANGE[type]!;
    const zero = (dims: number[]) => integers(type, dims, lo, hi);
    await agree('QuantizeLinear', [x, scalar('float', 0.02), zero([])], {}, { opset: 21 });
    await agree('QuantizeLinear', [x, floats([6], 0.001, 0.2), zero([6])], { axis: int(0) }, { opset: 21 });
    await agree('QuantizeLinear', [x, floats([6, 4], 0.001, 0.2), zero([6, 4])], { block_size: int(2) }, { opset: 21 });
  }
  await agree('QuantizeLinear', [x, scalar('float', 0.02)], {}, { opset: 10 });
  // Ties go to even, ends saturate.
  const ties = runHere('QuantizeLinear', [
    of([6], 0.5, 1.5, 2.5, -0.5, 300, -300),
    scalar('float', 1),
    scalar('int8', 0),
  ]);
  assert.equal(
    [...ties[0]!.data],
    [0, 2, 2, 0, 127, -128].map((v) => v + 0),
  );
});

test('DynamicQuantizeLinear', async () => {
  await agree('DynamicQuantizeLinear', [floats([4, 5], -1, 3)], {}, { outputs: 3 });
  await agree('DynamicQuantizeLinear', [floats([4, 5], 1, 3)], {}, { outputs: 3 });
});

test('codes of two bits', () => {
  const x = of([2, 4], -9, -1, 0.4, 0.6, 1.5, 2.5, 3, 9);
  const c = { opset: 25 };
  const signed = runHere('QuantizeLinear', [x, scalar('float', 1), scalar('int2', 0)], {}, c)[0]!;
  same(signed, tensor('int2', [2, 4], Int8Array.of(-2, -1, 0, 1, 1, 1, 1, 1)), 'int2');
  const unsigned = runHere('QuantizeLinear', [x, scalar('float', 1)], { output_dtype: int(25) }, c)[0]!;
  same(unsigned, tensor('uint2', [2, 4], Uint8Array.of(0, 0, 0, 1, 2, 2, 3, 3)), 'uint2');
  const back = runHere('DequantizeLinear', [unsigned, scalar('float', 0.5), scalar('uint2', 1)], {}, c)[0]!;
  same(back, of([2, 4], -0.5, -0.5, -0.5, 0, 0.5, 0.5, 1, 1), 'back');
});

test('blocks along the first axis, with zero points', () => {
  const x = tensor('uint8', [4, 2], Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
  const scale = of([2, 2], 1, 10, 100, 1000);
  const zero = tensor('uint8', [2, 2], Uint8Array.of(0, 1, 2, 3));
  const a = { axis: int(0), block_size: int(2) };
  const y = runHere('DequantizeLinear', [x, scale, zero], a, { opset: 21 })[0]!;
  same(y, of([4, 2], 1, 10, 3, 30, 300, 3000, 500, 5000), 'values');
  same(runHere('QuantizeLinear', [y, scale, zero], a, { opset: 21 })[0]!, x, 'codes');
});

test('the quotient has the precision of the scale, or the one asked for', () => {
  // 1 / 0.00039983 is 2501.1 in float, and 2502 in float16, whose steps are 2 there.
  const x = tensor('float16', [1], Uint16Array.of(0x3c00));
  const scale = tensor('float16', [1], Uint16Array.of(0x0e8d));
  const zero = tensor('uint16', [1], Uint16Array.of(0));
  const c = { opset: 23 };
  assert.is(runHere('QuantizeLinear', [x, scale, zero], {}, c)[0]!.data[0], 2502);
  assert.is(runHere('QuantizeLinear', [x, scale, zero], { precision: int(1) }, c)[0]!.data[0], 2501);
});

test('types that do not fit', () => {
  const x = floats([4]);
  const one = scalar('float', 1);
  throws(() => runHere('QuantizeLinear', [x, one], { output_dtype: int(1) }, { opset: 21 }), UnsupportedError, /float/);
  throws(
    () => runHere('QuantizeLinear', [x, one, scalar('int8', 0)], { output_dtype: int(2) }, { opset: 21 }),
    ModelError,
    /"output_dtype": expected int8/,
  );
  throws(() => runHere('QuantizeLinear', [x, scalar('double', 1)]), UnsupportedError, /y_scale: .* found double/);
  throws(() => runHere('DequantizeLinear', [x, one]), UnsupportedError, /x: type float/);
  const codes = integers('int8', [4], 0, 9);
  throws(() => runHere('DequantizeLinear', [codes, one, scalar('uint8', 0)]), ModelError, /x_zero_point/);
  throws(
    () => runHere('DequantizeLinear', [codes, one], { block_size: int(-1) }, { opset: 21 }),
    ModelError,
    /"block_size": expected >= 0/,
  );
  throws(
    () => runHere('DequantizeLinear', [codes, one], { output_dtype: int(11) }, { opset: 23 }),
    UnsupportedError,
    /"output_dtype"/,
  );
  throws(() => runHere('DynamicQuantizeLinear', [codes]), UnsupportedError, /x: expected type float/);
});

test('scales that do not fit', () => {
  const x = integers('int8', [4, 6], -9, 9);
  assert.throws(
    () => runHere('DequantizeLinear', [x, floats([5])]),
    /scale: expected shape \[6\] for axis 1 of \[4,6\], found \[5\]/,
  );
  assert.throws(
    () => runHere('DequantizeLinear', [x, floats([4, 2])], { block_size: int(2) }, { opset: 21 }),
    /scale: expected shape \[4,3\] for blocks of 2 along axis 1 of \[4,6\], found \[4,2\]/,
  );
});

test('bfloat16: the quotient is rounded to it, and so is what is decoded', () => {
  const brain = (dims: number[], ...bits: number[]) => tensor('bfloat16', dims, Uint16Array.from(bits));
  // 3 / 0.75 = 4; 100.5 / 0.75 = 134, of 8 bits.
  const x = brain([2], 0x4040, 0x42c9);
  const codes = runHere('QuantizeLinear', [x, brain([], 0x3f40), scalar('uint8', 1)], {}, { opset: 21 })[0]!;
  same(codes, tensor('uint8', [2], Uint8Array.of(5, 135)), 'codes');
  const y = runHere('DequantizeLinear', [codes, brain([], 0x3f40), scalar('uint8', 1)], {}, { opset: 21 })[0]!;
  same(y, brain([2], 0x4040, 0x42c9), 'values');
  const wanted = { output_dtype: int(16) };
  const z = runHere('DequantizeLinear', [codes, of([], 0.75), scalar('uint8', 1)], wanted, { opset: 23 })[0]!;
  same(z, y, 'output_dtype');
});

test.run();
