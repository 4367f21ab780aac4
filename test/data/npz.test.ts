import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { zipSync } from 'fflate';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { writeNpy } from '../../src/data/npy.ts';
import { readNpz, writeNpz } from '../../src/data/npz.ts';
import { crc32 } from '../../src/data/zip.ts';
import { DataError, UnsupportedError } from '../../src/errors.ts';
import type { Tensor } from '../../src/tensor.ts';
import { sizeOf, tensor } from '../../src/tensor.ts';
import { ROOT } from '../helpers.ts';
import { join8, survives, throwsKappa } from '../onnx/build.ts';

const x = tensor('float', [3, 2], Float32Array.of(1, 2, 3, 4, 5, 6));
const labels = tensor('int64', [3], BigInt64Array.of(0n, -1n, 2n));
const arrays = new Map<string, Tensor>([
  ['x', x],
  ['labels', labels],
]);
const fails = (bytes: Uint8Array, pattern: RegExp, options = {}) =>
  throwsKappa(() => readNpz(bytes, 'd.npz', options), DataError, pattern);
const zip = (files: Record<string, Uint8Array>, level: 0 | 6 = 0) => zipSync(files, { level });
/** Offsets of the first central directory entry and of the end record (no comment). */
const places = (bytes: Uint8Array) => {
  const end = bytes.length - 22;
  return { end, central: new DataView(bytes.buffer, bytes.byteOffset).getUint32(end + 16, true) };
};
const patched = (bytes: Uint8Array, edit: (view: DataView, at: ReturnType<typeof places>) => void) => {
  const out = bytes.slice();
  edit(new DataView(out.buffer), places(out));
  return out;
};

test('written and read back, deflated or stored', () => {
  assert.equal(readNpz(writeNpz(arrays)), arrays);
  const files = { 'x.npy': writeNpy(x), 'labels.npy': writeNpy(labels) };
  assert.equal(readNpz(zip(files, 0)), arrays);
  assert.equal(readNpz(zip(files, 6)), arrays);
  assert.equal([...readNpz(writeNpz(arrays)).keys()], ['x', 'labels']);
});

test('the same arrays give the same bytes', () => {
  assert.equal(writeNpz(arrays), writeNpz(new Map(arrays)));
  const view = new DataView(writeNpz(arrays).buffer);
  assert.is(view.getUint32(10, true), 0x00210000, 'DOS time of 1980-01-01 00:00');
});

test('an empty archive and empty arrays', () => {
  assert.equal(readNpz(writeNpz(new Map())), new Map());
  const none = new Map([['x', tensor('float', [0, 4], new Float32Array(0))]]);
  assert.equal(readNpz(writeNpz(none)), none);
});

test("the project's data, as numpy wrote it", () => {
  const folder = join(ROOT, 'models');
  const files = readdirSync(folder).filter((name) => name.endsWith('-calib.npz'));
  assert.ok(files.length > 0);
  for (const file of files) {
    const found = readNpz(new Uint8Array(readFileSync(join(folder, file))), file);
    assert.ok(found.has('labels'), file);
    for (const t of found.values()) assert.is(t.data.length, sizeOf(t.dims));
    assert.ok([...found.values()].every((t) => t.dims[0] === found.get('labels')!.dims[0]));
  }
});

test('what is no .npz', () => {
  fails(new Uint8Array(0), /d\.npz: not an \.npz archive: the file is empty/);
  fails(writeNpy(x), /not an \.npz archive but a lone \.npy array: save it with np\.savez/);
  fails(Uint8Array.of(0x1f, 0x8b, 8, 0), /but a gzip file/);
  fails(new TextEncoder().encode('label,x\n1,2\n'), /not an \.npz archive/);
  assert.throws(() => readNpz('d' as unknown as Uint8Array), /expected a Uint8Array/);
});

test('what is in it is no array, or there twice', () => {
  fails(zip({ 'x.txt': new Uint8Array(3) }), /d\.npz: 'x\.txt' is no \.npy array/);
  fails(zip({ 'x.npy': new Uint8Array(3) }), /d\.npz: array 'x': not an \.npy array/);
  const twice = patched(zip({ 'x.npy': writeNpy(x), 'y.npy': writeNpy(x) }), (v, { central }) => {
    const second = central + 46 + v.getUint16(central + 28, true);
    v.setUint8(second + 46, 'x'.charCodeAt(0));
  });
  fails(twice, /array 'x' appears twice/);
});

test('truncated anywhere', () => {
  const whole = writeNpz(arrays);
  for (let n = 4; n < whole.length; n++) fails(whole.subarray(0, n), /truncated|not an \.npz|damaged/);
});

test('a byte changed in the elements is noticed', () => {
  const stored = zip({ 'x.npy': writeNpy(x) });
  fails(
    patched(stored, (v, { central }) => v.setUint8(central - 1, v.getUint8(central - 1) ^ 1)),
    /'x\.npy': its CRC-32 does not match/,
  );
});

test('archives that lie', () => {
  const packed = zip({ 'x.npy': writeNpy(x) }, 6);
  const size = (n: number) => patched(packed, (v, { central }) => v.setUint32(central + 24, n, true));
  fails(size(2 ** 32 - 2), /bytes cannot hold the 4294967294 the directory says/);
  fails(size(153), /inflates to 152 bytes, expected 153/);
  fails(size(151), /its CRC-32 does not match|inflates to/);
  fails(
    patched(packed, (v, { central }) => v.setUint32(central + 20, 2 ** 31, true)),
    /reaches beyond the end/,
  );
  fails(
    patched(packed, (v, { central }) => v.setUint32(central + 42, 2 ** 31, true)),
    /no entry where the directory says/,
  );
  fails(
    patched(packed, (v, { central }) => v.setUint16(central + 8, 1, true)),
    /is encrypted/,
  );
  fails(
    patched(packed, (v, { central }) => v.setUint16(central + 10, 12, true)),
    /zip method 12/,
  );
  fails(
    patched(packed, (v, { end }) => v.setUint16(end + 10, 9, true)),
    /directory is damaged at entry 1 of 9/,
  );
  fails(
    patched(packed, (v, { end }) => v.setUint32(end + 16, 2 ** 31, true)),
    /directory lies outside the file/,
  );
  fails(
    patched(packed, (v, { end }) => v.setUint16(end + 10, 0xffff, true)),
    /zip64/,
  );
});

test('a zip bomb is refused by its ratio, its size, and the limit', () => {
  const zeros = tensor('uint8', [5_000_000], new Uint8Array(5_000_000));
  const bomb = writeNpz(new Map([['x', zeros]]));
  assert.ok(bomb.length < 10_000);
  assert.is(readNpz(bomb).get('x')!.data.length, 5_000_000);
  fails(bomb, /its arrays take 5000128 bytes, more than the 1000000 allowed/, { maxBytes: 1e6 });
  // many entries that are one and the same compressed stream
  const { central, end } = places(bomb);
  const entry = bomb.subarray(central, end);
  const copies = Array.from({ length: 1000 }, () => entry);
  const tail = bomb.slice(end);
  const view = new DataView(tail.buffer);
  view.setUint16(10, copies.length, true);
  view.setUint32(12, entry.length * copies.length, true);
  fails(
    join8(bomb.subarray(0, central), ...copies, tail),
    /its arrays take 5000128000 bytes, more than the 2147483648 allowed/,
  );
});

test('what cannot be written', () => {
  throwsKappa(
    () => writeNpz(new Map([['x', tensor('int4', [1], new Int8Array(1))]])),
    UnsupportedError,
    /NumPy has no type/,
  );
  assert.throws(() => writeNpz(new Map([['', x]])), /without a name/);
});

test('CRC-32: the check value of the standard', () => {
  assert.is(crc32(new TextEncoder().encode('123456789')), 0xcbf43926);
  assert.is(crc32(new Uint8Array(0)), 0);
});

for (const level of [0, 6] as const) {
  const ok = zip({ 'x.npy': writeNpy(x), 'labels.npy': writeNpy(labels) }, level);
  test(`mutated archives (level ${level}) parse or are refused by a KappaError`, () => {
    let refused = 0;
    const edit = fc.tuple(fc.nat(ok.length - 1), fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 30 }));
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
        let bytes: Uint8Array = ok.slice();
        for (const [at, value, kind] of edits) {
          if (kind === 0) bytes = join8(bytes.subarray(0, at), bytes.subarray(at + value));
          else if (kind === 1) bytes = join8(bytes.subarray(0, at), bytes.subarray(at >> 1));
          else if (at < bytes.length) bytes[at] = value;
        }
        if (!survives(() => readNpz(bytes))) refused++;
      }),
      { seed: 6, numRuns: 3000 },
    );
    assert.ok(refused > 1000);
  });
}

test.run();
