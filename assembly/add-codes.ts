/** Sums of codes under one scale and zero point each, as codes: what decoding, adding and encoding give. */

/** Added to a number below 2^22 in size leaves the nearest whole number, ties to even, in the low bits: 1.5 * 2^23. */
const ROUND: f32 = 12582912;

// @ts-ignore: decorator
@inline
function low8(c: v128, type: i32): v128 {
  return type == 0 ? i16x8.extend_low_i8x16_u(c) : i16x8.extend_low_i8x16_s(c);
}

// @ts-ignore: decorator
@inline
function high8(c: v128, type: i32): v128 {
  return type == 0 ? i16x8.extend_high_i8x16_u(c) : i16x8.extend_high_i8x16_s(c);
}

/** (code - zero) scale of four codes in 32 bits. */
// @ts-ignore: decorator
@inline
function value(c: v128, z: v128, s: v128): v128 {
  return f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(c, z)), s);
}

/** roundeven(x / scale) within bounds, 0 for NaN. */
// @ts-ignore: decorator
@inline
function code(x: v128, scale: v128, bottom: v128, top: v128): v128 {
  const c = f32x4.pmin(f32x4.pmax(f32x4.div(x, scale), bottom), top);
  const round = f32x4.splat(ROUND);
  return i32x4.sub(f32x4.add(v128.and(c, f32x4.eq(c, c)), round), round);
}

// @ts-ignore: decorator
@inline
function one(p: usize, type: i32): i32 {
  return type == 0 ? <i32>load<u8>(p) : <i32>load<i8>(p);
}

/**
 * code = clamp(roundeven(((a - zeroA) scaleA + (b - zeroB) scaleB) / scale) + zero, lo, hi) for n bytes each, in float; the zero
 * point for NaN. Types: 0 u8, 1 i8.
 */
export function add_codes(
  a: usize,
  typeA: i32,
  zeroA: i32,
  scaleA: f32,
  b: usize,
  typeB: i32,
  zeroB: i32,
  scaleB: f32,
  n: i32,
  scale: f32,
  type: i32,
  zero: i32,
  lo: i32,
  hi: i32,
  out: usize,
): void {
  const za = i32x4.splat(zeroA);
  const zb = i32x4.splat(zeroB);
  const sa = f32x4.splat(scaleA);
  const sb = f32x4.splat(scaleB);
  const s = f32x4.splat(scale);
  const bottom = f32x4.splat(<f32>(lo - zero));
  const top = f32x4.splat(<f32>(hi - zero));
  const z = i16x8.splat(<i16>zero);
  let i = 0;
  for (; i + 16 <= n; i += 16) {
    const ca = v128.load(a + <usize>i);
    const cb = v128.load(b + <usize>i);
    const la = low8(ca, typeA);
    const ha = high8(ca, typeA);
    const lb = low8(cb, typeB);
    const hb = high8(cb, typeB);
    const w = f32x4.add(value(i32x4.extend_low_i16x8_s(la), za, sa), value(i32x4.extend_low_i16x8_s(lb), zb, sb));
    const x = f32x4.add(value(i32x4.extend_high_i16x8_s(la), za, sa), value(i32x4.extend_high_i16x8_s(lb), zb, sb));
    const low = i16x8.narrow_i32x4_s(code(w, s, bottom, top), code(x, s, bottom, top));
    const y = f32x4.add(value(i32x4.extend_low_i16x8_s(ha), za, sa), value(i32x4.extend_low_i16x8_s(hb), zb, sb));
    const v = f32x4.add(value(i32x4.extend_high_i16x8_s(ha), za, sa), value(i32x4.extend_high_i16x8_s(hb), zb, sb));
    const high = i16x8.narrow_i32x4_s(code(y, s, bottom, top), code(v, s, bottom, top));
    const p = i16x8.add(low, z);
    const q = i16x8.add(high, z);
    v128.store(out + <usize>i, type == 0 ? i8x16.narrow_i16x8_u(p, q) : i8x16.narrow_i16x8_s(p, q));
  }
  for (; i < n; i++) {
    const x: f32 = <f32>(one(a + <usize>i, typeA) - zeroA) * scaleA + <f32>(one(b + <usize>i, typeB) - zeroB) * scaleB;
    const c = i32x4.extract_lane(code(f32x4.splat(x), s, bottom, top), 0);
    store<u8>(out + <usize>i, <u8>(c + zero));
  }
}
