import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  packDense,
  packInt4,
  planesOf,
  splitPlanes,
  toInt16,
  toInt8,
  unpackDense,
  unpackInt4,
} from '../../src/grid/index.ts';
import { loadWasm } from '../helpers.ts';
import { throws } from '../throws.ts';

const wasm = await loadWasm();
const codes = (bits: number) => fc.uint8Array({ max: 2 ** bits - 1, minLength: 1, maxLength: 300 });

/** Bits [shift, shift + p) of code i go to bit p (i mod 8/p) of byte floor(i p / 8). */
function naivePlane(x: Uint8Array, shift: number, p: number): Uint8Array {
  const out = new Uint8Array(Math.ceil(x.length / 8) * p);
  for (let i = 0; i < x.length; i++) {
    const byte = Math.floor((i * p) / 8);
    out[byte]! |= ((x[i]! >> shift) & (2 ** p - 1)) << (p * (i % (8 / p)));
  }
  return out;
}

for (const bits of [2, 3, 4, 5, 6, 7, 8]) {
  test(`${bits} bits: planes agree with their twin and unpack to the codes`, () => {
    fc.assert(
      fc.property(codes(bits), (x) => {
        const packed = packDense(wasm, x, bits);
        const size = bits === 8 ? x.length : Math.ceil(x.length / 8) * bits;
        assert.is(packed.length, size);
        if (bits < 8) {
          const planes = splitPlanes(packed, x.length, bits);
          for (const [i, plane] of planesOf(bits).entries())
            assert.equal(planes[i]!.slice(), naivePlane(x, plane.shift, plane.p));
        }
        assert.equal(unpackDense(wasm, packed, x.length, bits), x);
      }),
      { numRuns: 50 },
    );
  });
}

test('planes cover each width once, low bits first', () => {
  for (const bits of [2, 3, 4, 5, 6, 7, 8]) {
    let next = 0;
    for (const { p, shift } of planesOf(bits)) {
      assert.is(shift, next);
      next += p;
    }
    assert.is(next, bits);
  }
  assert.throws(() => planesOf(9), /bits: expected 2..8, found 9/);
});

test('int4 is two nibbles a byte, the first one low, in two’s complement', () => {
  assert.equal(packInt4(wasm, Uint8Array.of(0, 15, 8)), Uint8Array.of(0x78, 0x00));
  fc.assert(fc.property(codes(4), (x) => assert.equal(unpackInt4(wasm, packInt4(wasm, x), x.length), x)));
});

test('int8 and int16 are the codes less half their number', () => {
  for (const bits of [2, 5, 8]) {
    const all = Uint8Array.from({ length: 2 ** bits }, (_, c) => c);
    assert.equal(
      toInt8(wasm, all, bits),
      Int8Array.from(all, (c) => c - 2 ** (bits - 1)),
    );
  }
  const wide = Uint16Array.of(0, 1, 32767, 32768, 65535);
  assert.equal(toInt16(wasm, wide), Int16Array.of(-32768, -32767, -1, 0, 32767));
});

test('packed bytes of another length are refused', () => {
  assert.throws(() => unpackDense(wasm, new Uint8Array(2), 8, 3), /expected 3 bytes for 8 codes of 3 bits, found 2/);
  throws(() => unpackInt4(wasm, new Uint8Array(2), 5), RangeError);
});

test.run();
