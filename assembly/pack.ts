/**
 * Codes in as many bits as they need. Eight codes, one a byte of a 64-bit word, are squeezed together in three steps
 * that halve the number of gaps (bytes to pairs, pairs to fours, fours to eight); unpacking runs the steps backwards.
 */

/** Low `bits` bits of each of the eight bytes, the others 0 -> the low 8*bits bits. */
// @ts-ignore: decorator
@inline
function squeeze(x: u64, bits: i32): u64 {
  const b = <u64>bits;
  x = (x & 0x00ff00ff00ff00ff) | ((x & 0xff00ff00ff00ff00) >>> (8 - b));
  x = (x & 0x0000ffff0000ffff) | ((x & 0xffff0000ffff0000) >>> (16 - 2 * b));
  return (x & 0x00000000ffffffff) | ((x & 0xffffffff00000000) >>> (32 - 4 * b));
}

/** The inverse of squeeze; bits above 8*bits do not count. */
// @ts-ignore: decorator
@inline
function spread(x: u64, bits: i32): u64 {
  const b = <u64>bits;
  const fours = (<u64>1 << (4 * b)) - 1;
  const twos = 0x0000000100000001 * ((<u64>1 << (2 * b)) - 1);
  const ones = 0x0001000100010001 * ((<u64>1 << b) - 1);
  x = (x & fours) | (((x >>> (4 * b)) & fours) << 32);
  x = (x & twos) | ((x & (twos << (2 * b))) << (16 - 2 * b));
  return (x & ones) | ((x & (ones << b)) << (8 - b));
}

/** ((code >> shift) ^ flip) & (2^bits - 1), packed. */
// @ts-ignore: decorator
@inline
function pack(codes: usize, n: i32, shift: i32, bits: i32, flip: i32, out: usize): void {
  const mask = 0x0101010101010101 * <u64>((1 << bits) - 1);
  const flips = 0x0101010101010101 * <u64>flip;
  const end = out + ((<usize>n * <usize>bits + 7) >> 3);
  let i = 0;
  // The store is 8 bytes wide whatever `bits`; what it writes too much the next group overwrites.
  for (; i + 8 <= n && out + 8 <= end; i += 8, out += <usize>bits) {
    store<u64>(out, squeeze(((load<u64>(codes + <usize>i) >>> shift) ^ flips) & mask, bits));
  }
  for (; i < n; i += 8) {
    const count = min(8, n - i);
    let x: u64 = 0;
    for (let j = 0; j < count; j++) {
      const c = ((<u64>load<u8>(codes + <usize>(i + j)) >>> shift) ^ <u64>flip) & <u64>((1 << bits) - 1);
      x |= c << (<u64>j << 3);
    }
    x = squeeze(x, bits);
    const bytes = (count * bits + 7) >> 3;
    for (let j = 0; j < bytes; j++, out++, x >>>= 8) store<u8>(out, <u8>x);
  }
}

/** codes = (value ^ flip) << shift, ORed into what is there when `merge`. */
// @ts-ignore: decorator
@inline
function unpack(packed: usize, n: i32, shift: i32, bits: i32, flip: i32, merge: bool, codes: usize): void {
  const flips = 0x0101010101010101 * <u64>flip;
  const end = packed + ((<usize>n * <usize>bits + 7) >> 3);
  let i = 0;
  for (; i + 8 <= n && packed + 8 <= end; i += 8, packed += <usize>bits) {
    let x = (spread(load<u64>(packed), bits) ^ flips) << shift;
    if (merge) x |= load<u64>(codes + <usize>i);
    store<u64>(codes + <usize>i, x);
  }
  for (; i < n; i += 8) {
    const count = min(8, n - i);
    const bytes = (count * bits + 7) >> 3;
    let x: u64 = 0;
    for (let j = 0; j < bytes; j++, packed++) x |= <u64>load<u8>(packed) << (<u64>j << 3);
    x = (spread(x, bits) ^ flips) << shift;
    for (let j = 0; j < count; j++, x >>>= 8) {
      const p = codes + <usize>(i + j);
      store<u8>(p, merge ? load<u8>(p) | <u8>x : <u8>x);
    }
  }
}

export function pack_plane(codes: usize, n: i32, shift: i32, p: i32, out: usize): void {
  pack(codes, n, shift, p, 0, out);
}
export function unpack_plane(packed: usize, n: i32, shift: i32, p: i32, codes: usize): void {
  unpack(packed, n, shift, p, 0, true, codes);
}
export function pack_dense(codes: usize, n: i32, bits: i32, out: usize): void {
  pack(codes, n, 0, bits, 0, out);
}
export function unpack_dense(packed: usize, n: i32, bits: i32, codes: usize): void {
  unpack(packed, n, 0, bits, 0, false, codes);
}

/** code - 8 in two's complement is code with its top bit turned over. */
export function pack_int4(codes: usize, n: i32, out: usize): void {
  pack(codes, n, 0, 4, 8, out);
}
export function unpack_int4(packed: usize, n: i32, codes: usize): void {
  unpack(packed, n, 0, 4, 8, false, codes);
}

export function codes_to_int8(codes: usize, n: i32, bits: i32, out: usize): void {
  const zero = <i8>(<i32>1 << (bits - 1));
  const zeros = i8x16.splat(zero);
  let i = 0;
  for (; i + 16 <= n; i += 16) v128.store(out + <usize>i, i8x16.sub(v128.load(codes + <usize>i), zeros));
  for (; i < n; i++) store<i8>(out + <usize>i, load<i8>(codes + <usize>i) - zero);
}

export function codes_to_int16(codes: usize, n: i32, bits: i32, out: usize): void {
  const zero = <i16>(<i32>1 << (bits - 1));
  const zeros = i16x8.splat(zero);
  let i = 0;
  for (; i + 8 <= n; i += 8) {
    const o = <usize>i << 1;
    v128.store(out + o, i16x8.sub(v128.load(codes + o), zeros));
  }
  for (; i < n; i++) {
    const o = <usize>i << 1;
    store<i16>(out + o, load<i16>(codes + o) - zero);
  }
}
