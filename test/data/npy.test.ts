import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { numpyName } from '../../src/data/names.ts';
import { readNpy, writeNpy } from '../../src/data/npy.ts';
import { DataError, UnsupportedError } from '../../src/errors.ts';
import type { DType, TypedArray } from '../../src/tensor.ts';
import { arrayOf, sizeOf, tensor } from '../../src/tensor.ts';
import { join8, survives, throwsKappa } from '../onnx/build.ts';

/** An .npy file with that header text, as numpy would frame it. */
function npy(header: string, body: Uint8Array = new Uint8Array(0), major = 1): Uint8Array {
  const text = major === 3 ? new TextEncoder().encode(header) : Uint8Array.from(header, (c) => c.charCodeAt(0));
  const size = major === 1 ? [text.length & 255, text.length >> 8] : [text.length & 255, text.length >> 8, 0, 0];
  return join8(Uint8Array.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, major, 0, ...size]), text, body);
}
const dict = (descr: string, shape: string, order = 'False') =>
  `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }\n`;
const bytesOf = (a: TypedArray) => new Uint8Array(a.buffer, a.byteOffset, a.byteLength);
const fails = (bytes: Uint8Array, pattern: RegExp) => throwsKappa(() => readNpy(bytes, 'a'), DataError, pattern);

const TYPES: readonly (readonly [string, DType])[] = [
  ['<f4', 'float'],
  ['<f8', 'double'],
  ['<f2', 'float16'],
  ['|u1', 'uint8'],
  ['|i1', 'int8'],
  ['<u2', 'uint16'],
  ['<i2', 'int16'],
  ['<u4', 'uint32'],
  ['<i4', 'int32'],
  ['<u8', 'uint64'],
  ['<i8', 'int64'],
  ['|b1', 'bool'],
];

test('every type, in every format version, at every alignment', () => {
  for (const [descr, dtype] of TYPES) {
    const data = new (arrayOf(dtype))(6);
    bytesOf(data).forEach((_, i, all) => {
      all[i] = dtype === 'bool' ? i % 2 : (i * 37) & 127;
    });
    for (const major of [1, 2, 3]) {
      for (let pad = 0; pad < 8; pad++) {
        const whole = join8(new Uint8Array(pad), npy(dict(descr, '(2, 3)'), bytesOf(data), major));
        const t = readNpy(whole.subarray(pad));
        assert.is(t.dtype, dtype);
        assert.equal(t.dims, [2, 3]);
        assert.equal(bytesOf(t.data), bytesOf(data));
      }
    }
  }
});

test('header as others write it', () => {
  const one = new Uint8Array(4);
  const dims = (shape: string, body: Uint8Array = one) => readNpy(npy(dict('<f4', shape), body)).dims;
  assert.equal(dims('()'), []);
  assert.equal(dims('(1,)'), [1]);
  assert.equal(dims('(1, 1)'), [1, 1]);
  assert.equal(dims('( 1L,1L, )'), [1, 1]);
  assert.equal(dims('(3, 0)', new Uint8Array(0)), [3, 0]);
  assert.equal(readNpy(npy(`{"shape":(1,),"fortran_order":False,"descr":"<f4"}`, one)).dims, [1]);
  assert.is(readNpy(npy(dict('<u1', '(1,)'), Uint8Array.of(9))).dtype, 'uint8');
});

test('Fortran order becomes C order', () => {
  // a[i, j, k] = 100 i + 10 j + k over [2, 3, 4], first index fastest
  const stored: number[] = [];
  const wanted: number[] = [];
  for (let k = 0; k < 4; k++) for (let j = 0; j < 3; j++) for (let i = 0; i < 2; i++) stored.push(100 * i + 10 * j + k);
  for (let i = 0; i < 2; i++) for (let j = 0; j < 3; j++) for (let k = 0; k < 4; k++) wanted.push(100 * i + 10 * j + k);
  const t = readNpy(npy(dict('<i2', '(2, 3, 4)', 'True'), bytesOf(Int16Array.from(stored))));
  assert.equal([...(t.data as Int16Array)], wanted);
  assert.equal(
    [...(readNpy(npy(dict('<i2', '(3,)', 'True'), bytesOf(Int16Array.of(1, 2, 3)))).data as Int16Array)],
    [1, 2, 3],
  );
  assert.equal(
    readNpy(npy(dict('<i8', '(2, 2)', 'True'), bytesOf(BigInt64Array.of(1n, 2n, 3n, 4n)))).data,
    BigInt64Array.of(1n, 3n, 2n, 4n),
  );
});

test('written and read back', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...TYPES),
      fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
      fc.infiniteStream(fc.integer({ min: 0, max: 255 })),
      ([, dtype], dims, bytes) => {
        const data = new (arrayOf(dtype))(sizeOf(dims));
        const raw = bytesOf(data);
        for (let i = 0; i < raw.length; i++) raw[i] = dtype === 'bool' ? bytes.next().value % 2 : bytes.next().value;
        const file = writeNpy(tensor(dtype, dims, data));
        const back = readNpy(file);
        assert.is((file.length - raw.length) % 64, 0);
        assert.equal([back.dtype, back.dims], [dtype, dims]);
        assert.ok(Buffer.from(bytesOf(back.data)).equals(Buffer.from(raw)));
      },
    ),
    { seed: 4, numRuns: 300 },
  );
});

test('the very bytes numpy.save writes', () => {
  const expected = npy(`${dict('<f4', '(2,)').trimEnd().padEnd(117)}\n`, bytesOf(Float32Array.of(1, 2)));
  assert.is(expected.length, 128 + 8);
  assert.equal(writeNpy(tensor('float', [2], Float32Array.of(1, 2))), expected);
});

test('what cannot be written', () => {
  throwsKappa(() => writeNpy(tensor('int4', [1], new Int8Array(1))), UnsupportedError, /NumPy has no type for int4/);
  assert.throws(
    () => writeNpy({ dtype: 'float', dims: [3], data: new Float32Array(2) }),
    /\[3\] has 3 elements, got 2/,
  );
  assert.equal([numpyName('float'), numpyName('double'), numpyName('int64')], ['float32', 'float64', 'int64']);
});

test('damaged files', () => {
  const ok = npy(dict('<f4', '(2,)'), new Uint8Array(8));
  fails(new Uint8Array(0), /a: not an \.npy array/);
  for (let n = 6; n < ok.length; n++) fails(ok.subarray(0, n), /cut off|needs 8 bytes of elements/);
  fails(join8(ok, new Uint8Array(1)), /float \(2\) needs 8 bytes of elements, found 9/);
  fails(npy(dict('<f4', '(2,)'), new Uint8Array(8), 4), /format 4\.0, expected 1\.0, 2\.0 or 3\.0/);
  fails(npy(dict('<f4', '(9007199254740991, 2)')), /more elements than can exist/);
  fails(npy(dict('<f4', '(1099511627776,)'), new Uint8Array(4)), /needs 4398046511104 bytes/);
  fails(npy(dict('<f4', `(${'1,'.repeat(65)})`), new Uint8Array(4)), /more than 64 dimensions/);
  fails(npy(' '.repeat(20_000)), /a header of 20000 bytes|header of 20000 bytes, expected 10000/);
  fails(npy(dict('|b1', '(1,)'), Uint8Array.of(2)), /neither 0 nor 1/);
});

test('types that are not read', () => {
  const of = (descr: string) => npy(dict(descr, '(1,)'), new Uint8Array(8));
  fails(of('>f4'), /big-endian/);
  fails(of('|O'), /holds Python objects/);
  fails(of('<U5'), /elements of type '<U5', expected one of <f4/);
  fails(of('<c8'), /elements of type '<c8'/);
  fails(npy(`{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (1,)}`), /a structured array/);
});

test('headers that are no such dictionary', () => {
  const of = (header: string) => npy(header, new Uint8Array(4));
  fails(of(''), /expected '\{'/);
  fails(of(`{'descr': '<f4', 'fortran_order': False}`), /lacks one of/);
  fails(of(`{'descr': '<f4', 'descr': '<f4'}`), /key 'descr' is unknown or there twice/);
  fails(of(`{'extra': 1}`), /key 'extra' is unknown/);
  fails(of(`{'shape': (1)}`), /',' after a lone dimension/);
  fails(of(`{'shape': (1 1)}`), /',' or '\)'/);
  fails(of(`{'shape': (-1,)}`), /expected a dimension, found '-1,\)\}'/);
  fails(of(`{'shape': (99999999999999999999,)}`), /expected a dimension/);
  fails(of(`{'descr': '<f4' 'shape': (1,)}`), /',' or '\}'/);
  fails(of(`{'descr': f4}`), /expected a string/);
  fails(of(`{'descr': '<f4`), /expected a short string/);
  fails(of(`{'fortran_order': 0}`), /expected 'False'/);
  fails(of(`${dict('<f4', '(1,)')}import os`), /expected the end, found 'import os'/);
  fails(of(`{'descr': '<f4', 'shape': (`), /expected a dimension/);
});

test('mutated files parse or are refused by a KappaError', () => {
  const ok = npy(dict('<f4', '(2, 3)', 'True'), new Uint8Array(24));
  let refused = 0;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(ok.length - 1), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 }),
      (edits) => {
        const bytes = ok.slice();
        for (const [at, value] of edits) bytes[at] = value;
        if (!survives(() => readNpy(bytes))) refused++;
      },
    ),
    { seed: 5, numRuns: 5000 },
  );
  assert.ok(refused > 100);
});

test.run();
