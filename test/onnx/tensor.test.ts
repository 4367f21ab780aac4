import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError, UnsupportedError } from '../../src/errors.ts';
import {
  makeInitializer,
  pack,
  rawBytes,
  readTensor,
  readTensorProto,
  typeName,
  unpack,
} from '../../src/onnx/tensor.ts';
import type { DType } from '../../src/tensor.ts';
import { arrayOf, bitsOf, DATA_TYPES, tensor } from '../../src/tensor.ts';
import { fixed32, fixed64, int, join8, len, tensorProto, throwsKappa, varint } from './build.ts';

const elements = (bytes: Uint8Array) => [...(readTensor(bytes, 't').tensor().data as Float32Array)];
const fails = (bytes: Uint8Array, pattern: RegExp) =>
  throwsKappa(() => readTensor(bytes, 't').tensor(), ModelError, pattern);
const packed = (field: number, values: (number | bigint)[]) => len(field, join8(...values.map(varint)));

test('raw_data of every type, aligned or not', () => {
  for (const dtype of Object.keys(DATA_TYPES) as DType[]) {
    const bits = bitsOf(dtype);
    const Ctor = arrayOf(dtype);
    const data = new Ctor(6);
    const low = dtype.startsWith('int') ? -1 : 0;
    const values = dtype === 'bool' ? [0, 1, 1, 0, 1, 0] : [1, low, 0, 1, low, 1];
    for (let i = 0; i < 6; i++)
      (data as Float32Array)[i] = (dtype.endsWith('64') ? BigInt(values[i]!) : values[i]!) as number;
    const t = tensor(dtype, [2, 3], data);
    const raw = rawBytes(t);
    assert.is(raw.length, Math.ceil((6 * bits) / 8), dtype);
    for (let pad = 0; pad < 8; pad++) {
      const bytes = join8(new Uint8Array(pad), tensorProto('n', DATA_TYPES[dtype], [2, 3], len(9, raw))).subarray(pad);
      const back = readTensor(bytes, 't').tensor();
      assert.is(back.dtype, dtype);
      assert.equal(back.dims, [2, 3]);
      assert.equal(back.data, data);
    }
  }
});

test('raw_data that is aligned is not copied', () => {
  const bytes = tensorProto('n', 1, [4], len(9, new Uint8Array(16)));
  let views = 0;
  for (let pad = 0; pad < 4; pad++) {
    const whole = join8(new Uint8Array(pad), bytes);
    if (readTensor(whole.subarray(pad), 't').tensor().data.buffer === whole.buffer) views++;
  }
  assert.is(views, 1);
});

test('typed fields, packed and one by one', () => {
  assert.equal(elements(tensorProto('', 1, [2], fixed32(4, 0.5), fixed32(4, -2))), [0.5, -2]);
  assert.equal(elements(tensorProto('', 1, [2], len(4, new Uint8Array(Float32Array.of(0.5, -2).buffer)))), [0.5, -2]);
  assert.equal(
    elements(tensorProto('', 1, [2], fixed32(4, 0.5), len(4, new Uint8Array(Float32Array.of(7).buffer)))),
    [0.5, 7],
  );
  assert.equal(elements(tensorProto('', 11, [2], fixed64(10, 0.1), fixed64(10, -3))), [0.1, -3]);
  assert.equal(elements(tensorProto('', 6, [3], int(5, -1), packed(5, [2 ** 31 - 1, -(2 ** 31)]))), [
    -1,
    2 ** 31 - 1,
    -(2 ** 31),
  ]);
  for (const [type, values] of [
    [2, [0, 255]],
    [3, [-128, 127]],
    [4, [0, 65535]],
    [5, [-32768, 32767]],
    [9, [0, 1]],
    [10, [0x3c00, 0xffff]],
  ] as const)
    assert.equal(elements(tensorProto('', type, [2], packed(5, [...values]))), [...values], `type ${type}`);
  const big = [2n ** 63n - 1n, -(2n ** 63n), 0n, -1n, 2n ** 53n + 1n];
  assert.equal(readTensor(tensorProto('', 7, [5], packed(7, big)), 't').tensor().data, BigInt64Array.from(big));
  assert.equal(
    readTensor(tensorProto('', 13, [2], packed(11, [2n ** 64n - 1n, 5n])), 't').tensor().data,
    BigUint64Array.of(2n ** 64n - 1n, 5n),
  );
  assert.equal(elements(tensorProto('', 12, [2], packed(11, [2 ** 32 - 1, 5]))), [2 ** 32 - 1, 5]);
});

test('4 and 2 bits: low bits first, in raw_data and int32_data', () => {
  assert.equal(elements(tensorProto('', 22, [3], len(9, Uint8Array.of(0x8f, 0x07)))), [-1, -8, 7]);
  assert.equal(elements(tensorProto('', 21, [3], len(9, Uint8Array.of(0x8f, 0x07)))), [15, 8, 7]);
  assert.equal(elements(tensorProto('', 25, [5], len(9, Uint8Array.of(0b11100100, 1)))), [0, 1, 2, 3, 1]);
  assert.equal(elements(tensorProto('', 26, [5], len(9, Uint8Array.of(0b11100100, 2)))), [0, 1, -2, -1, -2]);
  assert.equal(elements(tensorProto('', 22, [3], packed(5, [0x8f, 0x07]))), [-1, -8, 7]);
  assert.equal(elements(tensorProto('', 21, [2], packed(5, [-1]))), [15, 15]);
});

test('pack and unpack are inverse', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(2, 4),
      fc.boolean(),
      fc.array(fc.integer({ min: 0, max: 15 }), { maxLength: 40 }),
      (bits, signed, raw) => {
        const low = signed ? -(1 << (bits - 1)) : 0;
        const Ctor = signed ? Int8Array : Uint8Array;
        const values = Ctor.from(raw.map((v) => low + (v % (1 << bits))));
        assert.equal(unpack(pack(values, bits), values.length, bits, signed), values);
      },
    ),
    { seed: 1, numRuns: 200 },
  );
});

test('scalars and empty tensors', () => {
  assert.equal(elements(tensorProto('', 1, [], fixed32(4, 3))), [3]);
  assert.equal(elements(tensorProto('', 1, [0, 5])), []);
  assert.equal(elements(tensorProto('', 1, [0, 5], len(9, ''))), []);
  assert.equal(elements(tensorProto('', 6, [2], len(9, ''), packed(5, [1, 2]))), [1, 2]);
});

test('shape and elements disagree', () => {
  fails(
    tensorProto('w', 1, [3], len(9, new Uint8Array(8))),
    /t 'w' \(float \[3\]\): expected 12 bytes of raw_data, found 8/,
  );
  fails(tensorProto('w', 1, [3], fixed32(4, 1)), /expected 3 elements in float_data, found 1/);
  fails(tensorProto('w', 7, [2], packed(7, [1])), /expected 2 entries in int64_data, found 1/);
  fails(tensorProto('w', 22, [5], packed(5, [1, 2])), /expected 3 entries in int32_data, found 2/);
  fails(tensorProto('w', 1, [2]), /expected 2 elements in float_data, found 0/);
  fails(tensorProto('w', 1, [-1], len(9, '')), /dimension -1 in \[-1\]/);
  fails(tensorProto('w', 1, [1], fixed32(4, 1), len(9, new Uint8Array(4))), /both in raw_data and in float_data/);
  fails(tensorProto('w', 1, new Array(65).fill(1), fixed32(4, 1)), /65 dimensions, expected 64/);
});

test('enormous shapes are refused before anything is allocated', () => {
  fails(
    tensorProto('w', 1, [2n ** 40n], len(9, new Uint8Array(8))),
    /expected 4398046511104 bytes of raw_data, found 8/,
  );
  fails(tensorProto('w', 7, [2n ** 45n], packed(7, [1])), /expected 35184372088832 entries/);
  fails(tensorProto('w', 22, [2n ** 50n], packed(5, [1])), /expected 562949953421312 entries/);
  fails(tensorProto('w', 1, [2n ** 40n, 2n ** 40n], len(9, '')), /more elements than can exist/);
  fails(tensorProto('w', 1, [2n ** 63n - 1n], len(9, '')), /dimension 9223372036854776000/);
});

test('values outside their type', () => {
  fails(tensorProto('w', 2, [1], packed(5, [256])), /int32_data\[0\] is 256, which is no uint8/);
  fails(tensorProto('w', 3, [2], packed(5, [0, 128])), /int32_data\[1\] is 128, which is no int8/);
  fails(tensorProto('w', 9, [1], packed(5, [2])), /is 2, which is no bool/);
  fails(tensorProto('w', 12, [1], packed(11, [2 ** 32])), /is 4294967296, which is no uint32/);
});

test('types without a DType', () => {
  for (const [type, name] of [
    [8, 'string'],
    [17, 'float8e4m3fn'],
    [23, 'float4e2m1'],
    [99, 'type 99'],
  ] as const) {
    assert.is(typeName(type), name);
    const t = readTensor(tensorProto('w', type, [1], len(9, new Uint8Array(2))), 't');
    assert.is(t.dataType, type);
    throwsKappa(() => t.tensor(), UnsupportedError, new RegExp(`t 'w': elements of ${name}`));
  }
});

test('external data', () => {
  const entry = (key: string, value: string) => len(13, join8(len(1, key), len(2, value)));
  const bytes = (...entries: Uint8Array[]) => tensorProto('w', 1, [2], ...entries, int(14, 1));
  const place = [entry('location', 'm.data'), entry('offset', '4096'), entry('length', '8')];
  throwsKappa(() => readTensor(bytes(...place), 't').tensor(), UnsupportedError, /t 'w': .* in 'm\.data'/);
  const asked: unknown[] = [];
  const external = (...args: unknown[]) => {
    asked.push(args);
    return new Uint8Array(Float32Array.of(1, 2).buffer);
  };
  assert.equal([...(readTensor(bytes(...place), 't', { external }).tensor().data as Float32Array)], [1, 2]);
  readTensor(bytes(place[0]!), 't', { external }).tensor();
  assert.equal(asked, [
    ['m.data', 4096, 8],
    ['m.data', 0, 8],
  ]);
  const short = () => new Uint8Array(4);
  throwsKappa(
    () => readTensor(bytes(...place), 't', { external: short }).tensor(),
    ModelError,
    /in 'm\.data'\): expected 8 bytes.*found 4/,
  );
  throwsKappa(
    () => readTensor(bytes(entry('location', 'm'), entry('offset', '-1')), 't'),
    ModelError,
    /offset is '-1'/,
  );
  throwsKappa(() => readTensor(bytes(), 't'), ModelError, /without a location/);
});

test('decoded once', () => {
  const t = readTensor(tensorProto('w', 1, [1], fixed32(4, 1)), 't');
  assert.is(t.tensor(), t.tensor());
});

test('floats as the file has them, without a copy; a large copy is shared while it is held', () => {
  const data = Float32Array.from({ length: 40000 }, (_, i) => i / 7);
  for (const pad of [1, 2, 3, 4]) {
    const bytes = new Uint8Array(data.buffer);
    const proto = tensorProto('x'.repeat(pad), 1, [200, 200], len(9, bytes));
    const t = readTensor(proto, 't');
    const found = t.floatBytes!()!;
    assert.is(found.buffer, proto.buffer);
    assert.is(Buffer.compare(found, bytes), 0);
    const one = t.tensor().data;
    assert.is(t.tensor().data, one);
    assert.equal(one.subarray(0, 9), data.subarray(0, 9));
  }
  const typed = readTensor(tensorProto('a', 1, [1], fixed32(4, 0x3f800000)), 't');
  assert.is(typed.floatBytes!(), undefined);
  const short = readTensor(tensorProto('a', 1, [3], len(9, new Uint8Array(8))), 't');
  assert.is(short.floatBytes!(), undefined);
  assert.is(readTensor(tensorProto('a', 6, [2], len(9, new Uint8Array(8))), 't').floatBytes!(), undefined);
});

test('makeInitializer', () => {
  const w = makeInitializer('w', tensor('int4', [3], Int8Array.of(-8, 7, 0)));
  assert.equal([w.name, w.dataType, w.dims, w.wire], ['w', 22, [3], undefined]);
  assert.throws(
    () => makeInitializer('w', tensor('int4', [1], Int8Array.of(8))),
    /8 is outside int4, expected -8\.\.7/,
  );
  assert.throws(
    () => makeInitializer('w', tensor('uint2', [1], Uint8Array.of(4))),
    /4 is outside uint2, expected 0\.\.3/,
  );
  assert.throws(() => makeInitializer('', tensor('float', [], new Float32Array(1))), /expected a name/);
  assert.throws(
    () => makeInitializer('w', { dtype: 'float', dims: [2], data: new Float32Array(3) }),
    /\[2\] has 2 elements, got 3/,
  );
  assert.throws(
    () => makeInitializer('w', { dtype: 'float', dims: [3], data: new Int8Array(3) }),
    /needs Float32Array, got Int8Array/,
  );
  assert.throws(
    () => makeInitializer('w', { dtype: 'complex64' as DType, dims: [3], data: new Int8Array(3) }),
    /unknown type complex64/,
  );
  assert.throws(() => makeInitializer('w', { dtype: 'int8', dims: [-1], data: new Int8Array(0) }), /dimension -1/);
});

test('readTensorProto', () => {
  const { name, tensor: t } = readTensorProto(tensorProto('x', 1, [1], fixed32(4, 2)), 'input_0.pb');
  assert.is(name, 'x');
  assert.equal(t.data, Float32Array.of(2));
  throwsKappa(
    () => readTensorProto(tensorProto('x', 1, [9]), 'input_0.pb'),
    ModelError,
    /input_0\.pb 'x' \(float \[9\]\)/,
  );
});

test.run();
