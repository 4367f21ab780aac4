/**
 * Integer codes of 8 and 16 bits to and from floats under one scale and zero point, as QuantizeLinear and DequantizeLinear
 * define them. `type`: 0 u8, 1 i8, 2 u16, 3 i16.
 */

/** y = (code - zero) * scale */
export function codes_to_f32(codes: usize, n: i32, type: i32, zero: i32, scale: f32, y: usize): void {
  const z = i32x4.splat(zero);
  const s = f32x4.splat(scale);
  let i = 0;
  if (type < 2) {
    for (; i + 16 <= n; i += 16) {
      const c = v128.load(codes + <usize>i);
      const low = type == 0 ? i16x8.extend_low_i8x16_u(c) : i16x8.extend_low_i8x16_s(c);
      const high = type == 0 ? i16x8.extend_high_i8x16_u(c) : i16x8.extend_high_i8x16_s(c);
      const o = y + (<usize>i << 2);
      v128.store(o, value(i32x4.extend_low_i16x8_s(low), z, s));
      v128.store(o, value(i32x4.extend_high_i16x8_s(low), z, s), 16);
      v128.store(o, value(i32x4.extend_low_i16x8_s(high), z, s), 32);
      v128.store(o, value(i32x4.extend_high_i16x8_s(high), z, s), 48);
    }
  } else {
    for (; i + 8 <= n; i += 8) {
      const c = v128.load(codes + (<usize>i << 1));
      const low = type == 2 ? i32x4.extend_low_i16x8_u(c) : i32x4.extend_low_i16x8_s(c);
      const high = type == 2 ? i32x4.extend_high_i16x8_u(c) : i32x4.extend_high_i16x8_s(c);
      const o = y + (<usize>i << 2);
      v128.store(o, value(low, z, s));
      v128.store(o, value(high, z, s), 16);
    }
  }
  for (; i < n; i++) {
    let c: i32 = 0;
    if (type == 0) c = <i32>load<u8>(codes + <usize>i);
    else if (type == 1) c = <i32>load<i8>(codes + <usize>i);
    else if (type == 2) c = <i32>load<u16>(codes + (<usize>i << 1));
    else c = <i32>load<i16>(codes + (<usize>i << 1));
    store<f32>(y + (<usize>i << 2), <f32>(c - zero) * scale);
  }
}

// @ts-ignore: decorator
@inline
function value(c: v128, z: v128, s: v128): v128 {
  return f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(c, z)), s);
}

/** code = clamp(roundeven(x / scale) + zero, lo, hi) */
export function f32_to_codes(
  x: usize,
  n: i32,
  type: i32,
  zero: i32,
  scale: f32,
  lo: i32,
  hi: i32,
  codes: usize,
): void {
  store_codes<f32>(x, n, type, zero, scale, lo, hi, codes);
}

/** code = clamp(roundeven(x * factor) + zero, lo, hi) for sums x of i32, converted to float first */
export function i32_to_codes(
  x: usize,
  n: i32,
  type: i32,
  zero: i32,
  factor: f32,
  lo: i32,
  hi: i32,
  codes: usize,
): void {
  store_codes<i32>(x, n, type, zero, factor, lo, hi, codes);
}

/** 1.5 * 2^23: added to a number below 2^22 in size it leaves the nearest whole number, ties to even, in the low bits. */
const ROUND: f32 = 12582912;

/** Four codes at x, zero point not yet added: of floats over the scale, of integers times it. low and high are whole numbers. */
// @ts-ignore: decorator
@inline
function four<T>(x: usize, s: v128, low: v128, high: v128): v128 {
  const q = isFloat<T>()
    ? f32x4.div(v128.load(x), s)
    : f32x4.mul(f32x4.convert_i32x4_s(v128.load(x)), s);
  // pmin and pmax pass on a NaN in their first operand; it becomes 0.
  const c = f32x4.pmin(f32x4.pmax(q, low), high);
  const r = f32x4.add(v128.and(c, f32x4.eq(c, c)), f32x4.splat(ROUND));
  return i32x4.sub(r, f32x4.splat(ROUND));
}

/** Numbers of one run of memory that are read beside the next such run. */
const PAGE = 2048;

/** Sixteen codes at x as signed bytes. */
// @ts-ignore: decorator
@inline
function sixteen<T>(x: usize, s: v128, low: v128, high: v128, z: v128): v128 {
  const a = i16x8.narrow_i32x4_s(four<T>(x, s, low, high), four<T>(x + 16, s, low, high));
  const b = i16x8.narrow_i32x4_s(four<T>(x + 32, s, low, high), four<T>(x + 48, s, low, high));
  return i8x16.narrow_i16x8_s(i16x8.add(a, z), i16x8.add(b, z));
}

// @ts-ignore: decorator
@inline
function store_codes<T>(
  x: usize,
  n: i32,
  type: i32,
  zero: i32,
  scale: f32,
  lo: i32,
  hi: i32,
  codes: usize,
): void {
  const s = f32x4.splat(scale);
  const z = i32x4.splat(zero);
  // Bounds before the zero point is added: whole numbers of at most 17 bits, exact in float.
  const bottom: f32 = <f32>(lo - zero);
  const top: f32 = <f32>(hi - zero);
  const low = f32x4.splat(bottom);
  const high = f32x4.splat(top);
  let i = 0;
  if (type < 2) {
    // Codes as signed bytes; 128 more is 128 less, the top bit turned over.
    const shift: i32 = type == 0 ? 128 : 0;
    const zz = i16x8.splat(<i16>(zero - shift));
    const flips = i8x16.splat(<i8>shift);
    // Two runs at once keep two of the processor's prefetchers busy: memory is what bounds long ones.
    for (; i + 2 * PAGE <= n; i += PAGE) {
      for (const end = i + PAGE; i < end; i += 16) {
        const p = x + (<usize>i << 2);
        v128.store(codes + <usize>i, v128.xor(sixteen<T>(p, s, low, high, zz), flips));
        v128.store(codes + <usize>i, v128.xor(sixteen<T>(p + 4 * PAGE, s, low, high, zz), flips), PAGE);
      }
    }
    for (; i + 16 <= n; i += 16) {
      v128.store(codes + <usize>i, v128.xor(sixteen<T>(x + (<usize>i << 2), s, low, high, zz), flips));
    }
  } else {
    for (; i + 8 <= n; i += 8) {
      const p = x + (<usize>i << 2);
      const a = i32x4.add(four<T>(p, s, low, high), z);
      const b = i32x4.add(four<T>(p + 16, s, low, high), z);
      v128.store(codes + (<usize>i << 1), type == 2 ? i16x8.narrow_i32x4_u(a, b) : i16x8.narrow_i32x4_s(a, b));
    }
  }
  for (; i < n; i++) {
    const p = x + (<usize>i << 2);
    const q: f32 = isFloat<T>() ? load<f32>(p) / scale : <f32>load<i32>(p) * scale;
    const r = min<f32>(max<f32>(nearest<f32>(q), bottom), top);
    // A NaN becomes the zero point.
    const c = (r == r ? <i32>r : 0) + zero;
    if (type < 2) store<u8>(codes + <usize>i, <u8>c);
    else store<u16>(codes + (<usize>i << 1), <u16>c);
  }
}
