/** Sums of 8-bit products to codes and to floats, by rows and columns. */

/** Which factor and addend an element takes: of its column (0) or of its row (1). */
// @ts-ignore: decorator
@inline
function at(base: usize, by: i32, i: i32, j: i32): usize {
  return base + ((<usize>(by ? i : j)) << 2);
}

/** Four codes of 32 bits: roundeven(x factor) between low and high, which have the zero point taken off, plus it; it for NaN. */
// @ts-ignore: decorator
@inline
export function code_four(x: v128, factor: v128, low: v128, high: v128, zero: v128): v128 {
  const q = f32x4.mul(f32x4.convert_i32x4_s(x), factor);
  return i32x4.add(i32x4.trunc_sat_f32x4_s(f32x4.min(f32x4.max(f32x4.nearest(q), low), high)), zero);
}

/** Four sums, plus an addend, as floats. */
// @ts-ignore: decorator
@inline
function sum4(x: usize, bias: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.add(v128.load(x), bias));
}

/**
 * code = clamp(roundeven((x + bias) factor) + zero, lo, hi) of sums x, i32 [rows, cols], rows ldx apart: x + bias wraps, the product
 * is in float. factors: f32, bias: i32 or 0; both one a column (by 0) or a row (by 1). codes: bytes, u8 (type 0) or i8 (1), rows ldo
 * apart.
 */
export function requantize(
  x: usize,
  rows: i32,
  cols: i32,
  ldx: i32,
  by: i32,
  bias: usize,
  factors: usize,
  type: i32,
  zero: i32,
  lo: i32,
  hi: i32,
  codes: usize,
  ldo: i32,
): void {
  const bottom: f32 = <f32>(lo - zero);
  const top: f32 = <f32>(hi - zero);
  const low = f32x4.splat(bottom);
  const high = f32x4.splat(top);
  const z = i32x4.splat(zero);
  for (let i = 0; i < rows; i++) {
    const from = x + ((<usize>i * <usize>ldx) << 2);
    const to = codes + <usize>i * <usize>ldo;
    let b = i32x4.splat(by && bias ? load<i32>(bias + ((<usize>i) << 2)) : 0);
    let f = f32x4.splat(by ? load<f32>(factors + ((<usize>i) << 2)) : 0);
    let j = 0;
    for (; j + 4 <= cols; j += 4) {
      const o = (<usize>j) << 2;
      if (!by) {
        f = v128.load(factors + o);
        if (bias) b = v128.load(bias + o);
      }
      const c = code_four(i32x4.add(v128.load(from + o), b), f, low, high, z);
      const h = i16x8.narrow_i32x4_s(c, c);
      v128.store32_lane(to + <usize>j, type == 0 ? i8x16.narrow_i16x8_u(h, h) : i8x16.narrow_i16x8_s(h, h), 0);
    }
    for (; j < cols; j++) {
      const own: i32 = bias ? load<i32>(at(bias, by, i, j)) : 0;
      const q: f32 = <f32>(load<i32>(from + ((<usize>j) << 2)) + own) * load<f32>(at(factors, by, i, j));
      const r = min<f32>(max<f32>(nearest<f32>(q), bottom), top);
      // A NaN becomes the zero point.
      store<u8>(to + <usize>j, <u8>((r == r ? <i32>r : 0) + zero));
    }
  }
}

/** y = (x + addend) factor + bias, rounded after each step, of sums x, i32 [rows, cols]; addends i32, bias f32 [cols] or 0; factors f32 [cols]. y may be x. */
export function scale_sums(x: usize, rows: i32, cols: i32, addends: usize, factors: usize, bias: usize, y: usize): void {
  for (let i = 0; i < rows; i++) {
    let j = 0;
    for (; j + 4 <= cols; j += 4, x += 16, y += 16) {
      const o = (<usize>j) << 2;
      let v = f32x4.mul(
        sum4(x, addends ? v128.load(addends + o) : i32x4.splat(0)),
        v128.load(factors + o),
      );
      if (bias) v = f32x4.add(v, v128.load(bias + o));
      v128.store(y, v);
    }
    for (; j < cols; j++, x += 4, y += 4) {
      const o = (<usize>j) << 2;
      let v: f32 = <f32>(load<i32>(x) + (addends ? load<i32>(addends + o) : 0)) * load<f32>(factors + o);
      if (bias) v += load<f32>(bias + o);
      store<f32>(y, v);
    }
  }
}

/** y = x of n i32, rounded to float */
export function i32_to_f32(x: usize, n: i32, y: usize): void {
  let i = 0;
  for (; i + 4 <= n; i += 4, x += 16, y += 16) v128.store(y, f32x4.convert_i32x4_s(v128.load(x)));
  for (; i < n; i++, x += 4, y += 4) store<f32>(y, <f32>load<i32>(x));
}
