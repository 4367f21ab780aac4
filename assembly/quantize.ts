/**
 * Uniform affine quantization of rows in blocks: code = clamp(roundeven(w / scale) + zero), w ~ (code - zero) * scale
 * (ONNX QuantizeLinear and DequantizeLinear; Jacob et al., arXiv 1712.05877). Codes are bytes up to 8 bits, else 16-bit words.
 */
import { add_lanes_f64, high_f64, load_tail, low_f64, store_tail } from './lanes';

/** 1.5 * 2^23: added to a number below 2^22 in size it leaves the nearest whole number, ties to even, in the low bits. */
const ROUND: f32 = 12582912;

/** x / s kept within [lo, hi], which are whole numbers, so that clamping before rounding is as good as after; 0 for NaN. */
// @ts-ignore: decorator
@inline
function level(x: v128, s: v128, lo: v128, hi: v128): v128 {
  const q = f32x4.pmin(f32x4.pmax(f32x4.div(x, s), lo), hi);
  return v128.and(q, f32x4.eq(q, q));
}

/** roundeven of a level as integers. */
// @ts-ignore: decorator
@inline
function whole(q: v128): v128 {
  return i32x4.sub(f32x4.add(q, f32x4.splat(ROUND)), f32x4.splat(ROUND));
}

/** A scale of 0 sends every weight to the zero point: x / Infinity is 0. */
// @ts-ignore: decorator
@inline
function divisor(scale: f32): v128 {
  return f32x4.splat(scale == 0 ? Infinity : scale);
}

// @ts-ignore: decorator
@inline
function zero_at(zeros: usize, i: i32, bits: i32): i32 {
  if (!zeros) return 1 << (bits - 1);
  return bits <= 8 ? <i32>load<u8>(zeros + <usize>i) : <i32>load<u16>(zeros + (<usize>i << 1));
}

/** Weights of one run of memory that are read beside the next such run. */
const PAGE = 2048;

/** The codes of the sixteen weights at p. */
// @ts-ignore: decorator
@inline
function sixteen(p: usize, s: v128, lo: v128, hi: v128, z: v128): v128 {
  const a = whole(level(v128.load(p), s, lo, hi));
  const b = whole(level(v128.load(p, 16), s, lo, hi));
  const c = whole(level(v128.load(p, 32), s, lo, hi));
  const d = whole(level(v128.load(p, 48), s, lo, hi));
  const ab = i16x8.add(i16x8.narrow_i32x4_s(a, b), z);
  const cd = i16x8.add(i16x8.narrow_i32x4_s(c, d), z);
  return i8x16.narrow_i16x8_u(ab, cd);
}

/** n weights with one scale and zero point -> n bytes. */
function quantize_block8(w: usize, n: i32, scale: f32, zero: i32, top: i32, codes: usize): void {
  const s = divisor(scale);
  const lo = f32x4.splat(<f32>-zero);
  const hi = f32x4.splat(<f32>(top - zero));
  const z = i16x8.splat(<i16>zero);
  let i = 0;
  // Two runs at once keep two of the processor's prefetchers busy: memory is what bounds long ones.
  for (; i + 2 * PAGE <= n; i += PAGE) {
    for (const end = i + PAGE; i < end; i += 16) {
      const p = w + (<usize>i << 2);
      v128.store(codes + <usize>i, sixteen(p, s, lo, hi, z));
      v128.store(codes + <usize>i, sixteen(p + 4 * PAGE, s, lo, hi, z), PAGE);
    }
  }
  for (; i + 16 <= n; i += 16) v128.store(codes + <usize>i, sixteen(w + (<usize>i << 2), s, lo, hi, z));
  for (; i < n; i += 4) {
    const p = w + (<usize>i << 2);
    const x = n - i >= 4 ? v128.load(p) : load_tail(p, n - i, 0);
    const a = whole(level(x, s, lo, hi));
    const ab = i16x8.add(i16x8.narrow_i32x4_s(a, a), z);
    let word = i32x4.extract_lane(i8x16.narrow_i16x8_u(ab, ab), 0);
    const to = codes + <usize>i;
    if (n - i >= 4) store<i32>(to, word);
    else for (let j = 0; j < n - i; j++, word >>>= 8) store<u8>(to + <usize>j, <u8>word);
  }
}

/** n weights with one scale and zero point -> n 16-bit words. */
function quantize_block16(w: usize, n: i32, scale: f32, zero: i32, top: i32, codes: usize): void {
  const s = divisor(scale);
  const lo = f32x4.splat(<f32>-zero);
  const hi = f32x4.splat(<f32>(top - zero));
  const z = i32x4.splat(zero);
  for (let i = 0; i < n; i += 4) {
    const p = w + (<usize>i << 2);
    const x = n - i >= 4 ? v128.load(p) : load_tail(p, n - i, 0);
    const a = i32x4.add(whole(level(x, s, lo, hi)), z);
    let word = i64x2.extract_lane(i16x8.narrow_i32x4_u(a, a), 0);
    const to = codes + (<usize>i << 1);
    if (n - i >= 4) store<i64>(to, word);
    else for (let j = 0; j < n - i; j++, word >>>= 16) store<u16>(to + (<usize>j << 1), <u16>word);
  }
}

export function quantize_rows(
  w: usize,
  rows: i32,
  cols: i32,
  block: i32,
  scales: usize,
  zeros: usize,
  bits: i32,
  symmetric: i32,
  codes: usize,
): void {
  const top = (1 << bits) - 1;
  const at = symmetric ? <usize>0 : zeros;
  let index = 0;
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; index++) {
      const n = min(block, cols - c);
      const scale = load<f32>(scales + (<usize>index << 2));
      const zero = zero_at(at, index, bits);
      if (bits <= 8) {
        quantize_block8(w, n, scale, zero, top, codes);
        codes += <usize>n;
      } else {
        quantize_block16(w, n, scale, zero, top, codes);
        codes += <usize>n << 1;
      }
      w += <usize>n << 2;
      c += n;
    }
  }
}

/** Four whole numbers times the scale. */
// @ts-ignore: decorator
@inline
function times(levels: v128, s: v128): v128 {
  return f32x4.mul(f32x4.convert_i32x4_s(levels), s);
}

function dequantize_block8(codes: usize, n: i32, scale: f32, zero: i32, y: usize): void {
  const s = f32x4.splat(scale);
  const z = i16x8.splat(<i16>zero);
  let i = 0;
  for (; i + 16 <= n; i += 16) {
    const o = y + (<usize>i << 2);
    const c = v128.load(codes + <usize>i);
    const low = i16x8.sub(i16x8.extend_low_i8x16_u(c), z);
    const high = i16x8.sub(i16x8.extend_high_i8x16_u(c), z);
    v128.store(o, times(i32x4.extend_low_i16x8_s(low), s));
    v128.store(o, times(i32x4.extend_high_i16x8_s(low), s), 16);
    v128.store(o, times(i32x4.extend_low_i16x8_s(high), s), 32);
    v128.store(o, times(i32x4.extend_high_i16x8_s(high), s), 48);
  }
  for (; i < n; i++) {
    store<f32>(y + (<usize>i << 2), <f32>(<i32>load<u8>(codes + <usize>i) - zero) * scale);
  }
}

function dequantize_block16(codes: usize, n: i32, scale: f32, zero: i32, y: usize): void {
  const s = f32x4.splat(scale);
  const z = i32x4.splat(zero);
  let i = 0;
  for (; i + 8 <= n; i += 8) {
    const o = y + (<usize>i << 2);
    const c = v128.load(codes + (<usize>i << 1));
    v128.store(o, times(i32x4.sub(i32x4.extend_low_i16x8_u(c), z), s));
    v128.store(o, times(i32x4.sub(i32x4.extend_high_i16x8_u(c), z), s), 16);
  }
  for (; i < n; i++) {
    store<f32>(y + (<usize>i << 2), <f32>(<i32>load<u16>(codes + (<usize>i << 1)) - zero) * scale);
  }
}

export function dequantize_rows(
  codes: usize,
  rows: i32,
  cols: i32,
  block: i32,
  scales: usize,
  zeros: usize,
  bits: i32,
  y: usize,
): void {
  let index = 0;
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; index++) {
      const n = min(block, cols - c);
      const scale = load<f32>(scales + (<usize>index << 2));
      const zero = zero_at(zeros, index, bits);
      if (bits <= 8) {
        dequantize_block8(codes, n, scale, zero, y);
        codes += <usize>n;
      } else {
        dequantize_block16(codes, n, scale, zero, y);
        codes += <usize>n << 1;
      }
      y += <usize>n << 2;
      c += n;
    }
  }
}

/** The value a weight comes back as. */
// @ts-ignore: decorator
@inline
function back(x: v128, d: v128, s: v128, lo: v128, hi: v128): v128 {
  const q = f32x4.add(level(x, d, lo, hi), f32x4.splat(ROUND));
  return f32x4.mul(f32x4.sub(q, f32x4.splat(ROUND)), s);
}

export function fake_quantize_rows(
  w: usize,
  rows: i32,
  cols: i32,
  block: i32,
  scales: usize,
  zeros: usize,
  bits: i32,
  symmetric: i32,
  y: usize,
): void {
  const top = (1 << bits) - 1;
  const at = symmetric ? <usize>0 : zeros;
  let index = 0;
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; index++) {
      const n = min(block, cols - c);
      const scale = load<f32>(scales + (<usize>index << 2));
      const zero = zero_at(at, index, bits);
      const s = f32x4.splat(scale);
      const d = divisor(scale);
      const lo = f32x4.splat(<f32>-zero);
      const hi = f32x4.splat(<f32>(top - zero));
      let i = 0;
      for (; i + 8 <= n; i += 8, w += 32, y += 32) {
        const a = back(v128.load(w), d, s, lo, hi);
        const b = back(v128.load(w, 16), d, s, lo, hi);
        v128.store(y, a);
        v128.store(y, b, 16);
      }
      for (; i + 4 <= n; i += 4, w += 16, y += 16) v128.store(y, back(v128.load(w), d, s, lo, hi));
      if (i < n) {
        store_tail(y, back(load_tail(w, n - i, 0), d, s, lo, hi), n - i);
        w += <usize>(n - i) << 2;
        y += <usize>(n - i) << 2;
      }
      c += n;
    }
  }
}

export function quantize_error(x: usize, n: i32, scale: f32, zero: i32, qmin: i32, qmax: i32, out: usize): void {
  const s = f32x4.splat(scale);
  const d = divisor(scale);
  const lo = f32x4.splat(<f32>(qmin - zero));
  const hi = f32x4.splat(<f32>(qmax - zero));
  let s0 = f64x2.splat(0);
  let s1 = s0;
  for (let i = 0; i < n; i += 4) {
    const p = x + (<usize>i << 2);
    const v = n - i >= 4 ? v128.load(p) : load_tail(p, n - i, 0);
    let e = f32x4.sub(v, back(v, d, s, lo, hi));
    // Where fewer than four are left, the lanes past the end (0) need not quantize to 0.
    if (n - i < 4) e = v128.and(e, i32x4.gt_s(i32x4.splat(n - i), i32x4(0, 1, 2, 3)));
    const l = low_f64(e);
    const h = high_f64(e);
    s0 = f64x2.add(s0, f64x2.mul(l, l));
    s1 = f64x2.add(s1, f64x2.mul(h, h));
  }
  store<f64>(out, add_lanes_f64(f64x2.add(s0, s1)));
}
