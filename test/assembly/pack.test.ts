import fc from 'fast-check';
import { test } from 'uvu';
import { loadWasm, random } from '../helpers.ts';
import { Bench, eachSkew, LENGTHS, same } from './bench.ts';

const wasm = await loadWasm();
const { k } = wasm;
const WIDTHS = [1, 2, 3, 4, 5, 6, 7, 8];

/** Fields of `bits` bits, the first in the lowest bits of the first byte. */
function stream(values: ArrayLike<number>, bits: number): Uint8Array {
  const out = new Uint8Array(Math.ceil((values.length * bits) / 8));
  for (let i = 0; i < values.length; i++) {
    for (let b = 0; b < bits; b++) {
      const at = i * bits + b;
      if ((values[i]! >> b) & 1) out[at >> 3]! |= 1 << (at & 7);
    }
  }
  return out;
}

function codes(n: number, bits: number, seed: number): Uint8Array {
  const next = random(seed);
  return Uint8Array.from({ length: n }, () => Math.floor(next() * 2 ** bits));
}

test('pack_dense and unpack_dense: every width and length', () => {
  for (const bits of WIDTHS)
    for (const n of [...LENGTHS, 6, 10, 11, 12, 13, 14, 63, 64, 72]) {
      eachSkew(wasm, (bench) => {
        const c = codes(n, bits, n);
        const packed = stream(c, bits);
        const out = bench.u8(packed.length);
        k.pack_dense(bench.put(c), n, bits, out.ptr);
        same(out.read(), packed, `pack_dense ${bits} bits, n=${n}`);
        const back = bench.u8(n);
        k.unpack_dense(bench.put(packed), n, bits, back.ptr);
        same(back.read(), c, `unpack_dense ${bits} bits, n=${n}`);
      });
    }
});

test('pack_plane and unpack_plane: any bits of a code, planes put together again', () => {
  for (const n of LENGTHS)
    for (const p of [1, 2, 4, 8])
      for (let shift = 0; shift + p <= 8; shift++) {
        eachSkew(wasm, (bench) => {
          const c = codes(n, 8, n);
          const expected = stream(
            c.map((v) => (v >> shift) & ((1 << p) - 1)),
            p,
          );
          const out = bench.u8(expected.length);
          k.pack_plane(bench.put(c), n, shift, p, out.ptr);
          same(out.read(), expected, `pack_plane bits ${shift}..${shift + p}, n=${n}`);
          const before = c.map((v) => v & ~(((1 << p) - 1) << shift));
          const back = bench.u8(n);
          wasm.arena.put(back.ptr, before);
          k.unpack_plane(out.ptr, n, shift, p, back.ptr);
          same(back.read(), c, `unpack_plane bits ${shift}..${shift + p}, n=${n}`);
        });
      }
});

test('pack_int4 and unpack_int4: two nibbles a byte, two complement', () => {
  for (const n of LENGTHS) {
    eachSkew(wasm, (bench) => {
      const c = codes(n, 4, n);
      const expected = stream(
        c.map((v) => (v - 8) & 15),
        4,
      );
      const out = bench.u8(expected.length);
      k.pack_int4(bench.put(c), n, out.ptr);
      same(out.read(), expected, `pack_int4 n=${n}`);
      const back = bench.u8(n);
      k.unpack_int4(out.ptr, n, back.ptr);
      same(back.read(), c, `unpack_int4 n=${n}`);
    });
  }
});

test('codes_to_int8 and codes_to_int16', () => {
  for (const n of LENGTHS) {
    eachSkew(wasm, (bench) => {
      for (const bits of WIDTHS) {
        const c = codes(n, bits, n);
        const out = bench.i8(n);
        k.codes_to_int8(bench.put(c), n, bits, out.ptr);
        same(
          out.read(),
          Array.from(c, (v) => v - 2 ** (bits - 1)),
          `codes_to_int8 ${bits} bits n=${n}`,
        );
      }
      for (const bits of [9, 16]) {
        const next = random(n);
        const c = Uint16Array.from({ length: n }, () => Math.floor(next() * 2 ** bits));
        const out = bench.i16(n);
        k.codes_to_int16(bench.put(c), n, bits, out.ptr);
        same(
          out.read(),
          Array.from(c, (v) => v - 2 ** (bits - 1)),
          `codes_to_int16 ${bits} bits n=${n}`,
        );
      }
    });
  }
});

test('any codes come back from any width', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 8 }),
      fc.uint8Array({ maxLength: 300 }),
      fc.integer({ min: 0, max: 15 }),
      (bits, raw, skew) => {
        const bench = new Bench(wasm, skew);
        const c = raw.map((v) => v & (2 ** bits - 1));
        const packed = bench.u8(Math.ceil((c.length * bits) / 8));
        const back = bench.u8(c.length);
        k.pack_dense(bench.put(c), c.length, bits, packed.ptr);
        k.unpack_dense(packed.ptr, c.length, bits, back.ptr);
        same(packed.read(), stream(c, bits), 'packed');
        same(back.read(), c, 'unpacked');
        bench.dispose();
      },
    ),
    { seed: 1, numRuns: 300 },
  );
});

test.run();
