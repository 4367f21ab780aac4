import type { Wasm } from '../wasm/wasm.ts';

/** One bit plane: bits [shift, shift + p) of every code, 8 / p codes a byte, the first in the low bits. */
export interface Plane {
  readonly p: 1 | 2 | 4 | 8;
  readonly shift: number;
}

const PLANES: Readonly<Record<number, readonly Plane['p'][]>> = {
  2: [2],
  3: [2, 1],
  4: [4],
  5: [4, 1],
  6: [4, 2],
  7: [4, 2, 1],
  8: [8],
};

/** The planes of a width 2..8, low bits first. @throws RangeError for any other width */
export function planesOf(bits: number): readonly Plane[] {
  const widths = PLANES[bits];
  if (!widths) throw new RangeError(`bits: expected 2..8, found ${bits}`);
  let shift = 0;
  return widths.map((p) => {
    const plane = { p, shift };
    shift += p;
    return plane;
  });
}

/** Bytes of one plane of n codes, n rounded up to a multiple of 8 below 8 bits. */
export function planeBytes(n: number, plane: Plane): number {
  return plane.p === 8 ? n : Math.ceil(n / 8) * plane.p;
}

/** The planes of packed codes, low bits first, as views into `packed`. */
export function splitPlanes(packed: Uint8Array, n: number, bits: number): Uint8Array[] {
  let at = 0;
  return planesOf(bits).map((plane) => {
    const size = planeBytes(n, plane);
    at += size;
    return packed.subarray(at - size, at);
  });
}

/**
 * Codes 0..2^bits-1 as bit planes one after the other, low bits first: ceil(n / 8) * bits bytes, n for 8 bits; the codes
 * beyond n are 0.
 * @throws TypeError, RangeError for arguments that do not fit together
 */
export function packDense(wasm: Wasm, codes: Uint8Array, bits: number): Uint8Array {
  if (!(codes instanceof Uint8Array)) throw new TypeError(`codes: expected a Uint8Array, found ${typeof codes}`);
  const planes = planesOf(bits);
  if (bits === 8) return codes.slice();
  const n = Math.ceil(codes.length / 8) * 8;
  const { k, arena } = wasm;
  return arena.scope((alloc) => {
    const from = alloc(n);
    const to = alloc((n / 8) * bits);
    arena.put(from, codes);
    arena.u8(from + codes.length, n - codes.length).fill(0);
    let at = to;
    for (const plane of planes) {
      k.pack_plane(from, n, plane.shift, plane.p, at);
      at += planeBytes(n, plane);
    }
    return arena.u8(to, (n / 8) * bits).slice();
  });
}

/** The n codes that `packDense` packed. @throws RangeError where `packed` has another length */
export function unpackDense(wasm: Wasm, packed: Uint8Array, n: number, bits: number): Uint8Array {
  const planes = planesOf(bits);
  const size = planes.reduce((sum, plane) => sum + planeBytes(n, plane), 0);
  if (packed.length !== size)
    throw new RangeError(`packed codes: expected ${size} bytes for ${n} codes of ${bits} bits, found ${packed.length}`);
  if (bits === 8) return packed.slice();
  const padded = Math.ceil(n / 8) * 8;
  const { k, arena } = wasm;
  return arena.scope((alloc) => {
    const from = alloc(packed.length);
    const to = alloc(padded);
    arena.put(from, packed);
    arena.u8(to, padded).fill(0);
    let at = from;
    for (const plane of planes) {
      k.unpack_plane(at, padded, plane.shift, plane.p, to);
      at += planeBytes(n, plane);
    }
    return arena.u8(to, n).slice();
  });
}

/** Codes 0..15 as two's complement nibbles of code - 8, the first in the low half of a byte: ceil(n / 2) bytes. */
export function packInt4(wasm: Wasm, codes: Uint8Array): Uint8Array {
  const { k, arena } = wasm;
  return arena.scope((alloc) => {
    const size = Math.ceil(codes.length / 2);
    const from = alloc(codes.length);
    const to = alloc(size);
    arena.put(from, codes);
    k.pack_int4(from, codes.length, to);
    return arena.u8(to, size).slice();
  });
}

/** The n codes 0..15 that `packInt4` packed. @throws RangeError where `packed` has another length */
export function unpackInt4(wasm: Wasm, packed: Uint8Array, n: number): Uint8Array {
  if (packed.length !== Math.ceil(n / 2))
    throw new RangeError(
      `packed codes: expected ${Math.ceil(n / 2)} bytes for ${n} codes of 4 bits, found ${packed.length}`,
    );
  const { k, arena } = wasm;
  return arena.scope((alloc) => {
    const from = alloc(packed.length);
    const to = alloc(n);
    arena.put(from, packed);
    k.unpack_int4(from, n, to);
    return arena.u8(to, n).slice();
  });
}

/** code - 2^(bits-1) of codes of 2..8 bits. */
export function toInt8(wasm: Wasm, codes: Uint8Array, bits: number): Int8Array {
  const { k, arena } = wasm;
  return arena.scope((alloc) => {
    const from = alloc(codes.length);
    const to = alloc(codes.length);
    arena.put(from, codes);
    k.codes_to_int8(from, codes.length, bits, to);
    return arena.i8(to, codes.length).slice();
  });
}

/** code - 2^15 of codes of 16 bits. */
export function toInt16(wasm: Wasm, codes: Uint16Array): Int16Array {
  const { k, arena } = wasm;
  return arena.scope((alloc) => {
    const from = alloc(codes.byteLength);
    const to = alloc(codes.byteLength);
    arena.put(from, codes);
    k.codes_to_int16(from, codes.length, 16, to);
    return arena.i16(to, codes.length).slice();
  });
}
