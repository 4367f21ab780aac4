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

/**
 * Of the same words, two at a time: the first step in 16-bit lanes, the second as products 1 and 4^bits added in pairs. `pairs`
 * holds 2^bits in every 16-bit lane, `fours` 1 and 4^bits in turn.
 */
// @ts-ignore: decorator
@inline
function squeeze2(x: v128, bits: i32, pairs: v128, fours: v128): v128 {
  x = i16x8.add(v128.and(x, i16x8.splat(0xff)), i16x8.mul(i16x8.shr_u(x, 8), pairs));
  x = i32x4.dot_i16x8_s(x, fours);
  return v128.or(v128.and(x, i64x2.splat(0xffffffff)), i64x2.shl(i64x2.shr_u(x, 32), 4 * bits));
}

/** Picks the first `bits` bytes of either half; the rest becomes 0. */
function halves(bits: i32): v128 {
  let low: u64 = 0;
  let high: u64 = 0;
  for (let j = 0; j < 16; j++) {
    const from = <u64>(j < bits ? j : j < 2 * bits ? 8 + j - bits : 0xff);
    if (j < 8) low |= from << (<u64>j << 3);
    else high |= from << (<u64>(j - 8) << 3);
  }
  return i64x2.replace_lane(i64x2.splat(low), 1, high);
}

/** Pairs of nibbles, each in a byte of its own, in eight bits of 16-bit lanes. */
// @ts-ignore: decorator
@inline
function nibbles(codes: usize, shift: i32, flips: v128): v128 {
  const c = v128.and(v128.xor(i16x8.shr_u(v128.load(codes), shift), flips), i8x16.splat(15));
  return v128.and(v128.or(c, i16x8.shr_u(c, 4)), i16x8.splat(0xff));
}

/** ((code >> shift) ^ flip) & (2^bits - 1), packed; bits 1..7. */
function pack(codes: usize, n: i32, shift: i32, bits: i32, flip: i32, out: usize): void {
  const low = i8x16.splat(<i8>((<i32>1 << bits) - 1));
  const flips = i8x16.splat(<i8>flip);
  const step = <usize>bits;
  const end = out + ((<usize>n * step + 7) >> 3);
  let i = 0;
  if (bits == 4) {
    for (; i + 32 <= n; i += 32, out += 16) {
      const p = codes + <usize>i;
      v128.store(out, i8x16.narrow_i16x8_u(nibbles(p, shift, flips), nibbles(p + 16, shift, flips)));
    }
  }
  const pairs = i16x8.splat(<i16>(<i32>1 << bits));
  const fours = i32x4.splat(1 | (<i32>1 << (2 * bits + 16)));
  const join = halves(bits);
  // A store is 16 bytes wide whatever `bits`; what it writes too much the next one overwrites.
  for (; i + 16 <= n && out + 16 <= end; i += 16, out += 2 * step) {
    const c = v128.xor(i16x8.shr_u(v128.load(codes + <usize>i), shift), flips);
    v128.store(out, i8x16.swizzle(squeeze2(v128.and(c, low), bits, pairs, fours), join));
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

/** Sixteen-bit lane j of eight codes: the two bytes that its bits lie in, from the byte `from` on. */
function windows(bits: i32, from: i32): v128 {
  let low: u64 = 0;
  let high: u64 = 0;
  for (let j = 0; j < 4; j++) {
    const a = <u64>(from + ((j * bits) >> 3));
    const b = <u64>(from + (((j + 4) * bits) >> 3));
    low |= (a | ((a + 1) << 8)) << (<u64>j << 4);
    high |= (b | ((b + 1) << 8)) << (<u64>j << 4);
  }
  return i64x2.replace_lane(i64x2.splat(low), 1, high);
}

/** 2^(16 - bits - first bit) for each of the eight lanes of `windows`: brings the code to the top of its lane. */
function lifts(bits: i32): v128 {
  let low: u64 = 0;
  let high: u64 = 0;
  for (let j = 0; j < 4; j++) {
    low |= <u64>(1 << (16 - bits - ((j * bits) & 7))) << (<u64>j << 4);
    high |= <u64>(1 << (16 - bits - (((j + 4) * bits) & 7))) << (<u64>j << 4);
  }
  return i64x2.replace_lane(i64x2.splat(low), 1, high);
}

/** The two nibbles of each 16-bit lane's low byte, in a byte of their own. */
// @ts-ignore: decorator
@inline
function apart(x: v128): v128 {
  return v128.and(v128.or(x, i16x8.shl(x, 4)), i8x16.splat(15));
}

// @ts-ignore: decorator
@inline
function put(codes: usize, values: v128, flips: v128, shift: i32, merge: bool): void {
  let x = i16x8.shl(v128.xor(values, flips), shift);
  if (merge) x = v128.or(x, v128.load(codes));
  v128.store(codes, x);
}

/** codes = (value ^ flip) << shift, ORed into what is there when `merge`; bits 1..7. */
// @ts-ignore: decorator
@inline
function unpack(packed: usize, n: i32, shift: i32, bits: i32, flip: i32, merge: bool, codes: usize): void {
  const first = windows(bits, 0);
  const second = windows(bits, bits);
  const lift = lifts(bits);
  const down = 16 - bits;
  const flips = i8x16.splat(<i8>flip);
  const end = packed + ((<usize>n * <usize>bits + 7) >> 3);
  let i = 0;
  if (bits == 4) {
    for (; i + 32 <= n; i += 32, packed += 16) {
      const v = v128.load(packed);
      put(codes + <usize>i, apart(i16x8.extend_low_i8x16_u(v)), flips, shift, merge);
      put(codes + <usize>i + 16, apart(i16x8.extend_high_i8x16_u(v)), flips, shift, merge);
    }
  }
  for (; i + 16 <= n && packed + 16 <= end; i += 16, packed += <usize>(2 * bits)) {
    const v = v128.load(packed);
    const a = i16x8.shr_u(i16x8.mul(i8x16.swizzle(v, first), lift), down);
    const b = i16x8.shr_u(i16x8.mul(i8x16.swizzle(v, second), lift), down);
    put(codes + <usize>i, i8x16.narrow_i16x8_u(a, b), flips, shift, merge);
  }
  for (; i < n; i += 8) {
    const count = min(8, n - i);
    const bytes = (count * bits + 7) >> 3;
    let x: u64 = 0;
    for (let j = 0; j < bytes; j++, packed++) x |= <u64>load<u8>(packed) << (<u64>j << 3);
    x = (spread(x, bits) ^ (0x0101010101010101 * <u64>flip)) << shift;
    for (let j = 0; j < count; j++, x >>>= 8) {
      const p = codes + <usize>(i + j);
      store<u8>(p, merge ? load<u8>(p) | <u8>x : <u8>x);
    }
  }
}

/** The low 8 bits of codes are the codes. */
// @ts-ignore: decorator
@inline
function copy_codes(from: usize, n: i32, merge: bool, to: usize): void {
  if (!merge) {
    memory.copy(to, from, <usize>n);
    return;
  }
  let i = 0;
  for (; i + 16 <= n; i += 16) {
    v128.store(to + <usize>i, v128.or(v128.load(to + <usize>i), v128.load(from + <usize>i)));
  }
  for (; i < n; i++) store<u8>(to + <usize>i, load<u8>(to + <usize>i) | load<u8>(from + <usize>i));
}

export function pack_plane(codes: usize, n: i32, shift: i32, p: i32, out: usize): void {
  if (p == 8) copy_codes(codes, n, false, out);
  else pack(codes, n, shift, p, 0, out);
}
export function unpack_plane(packed: usize, n: i32, shift: i32, p: i32, codes: usize): void {
  if (p == 8) copy_codes(packed, n, true, codes);
  else unpack(packed, n, shift, p, 0, true, codes);
}
export function pack_dense(codes: usize, n: i32, bits: i32, out: usize): void {
  if (bits == 8) copy_codes(codes, n, false, out);
  else pack(codes, n, 0, bits, 0, out);
}
export function unpack_dense(packed: usize, n: i32, bits: i32, codes: usize): void {
  if (bits == 8) copy_codes(packed, n, false, codes);
  else unpack(packed, n, 0, bits, 0, false, codes);
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
