/**
 * Few rows of floats times panels of codes (panels.ts) with a scale for every block of rows, straight from the codes.
 *
 * The floats are turned into integers, a power of two or a scale for every group of them, so that sums over a group are exact
 * integer dot products: 8-bit words where the caller wants them rounded, else two words of 16 bits, which hold a float to within
 * 2^-29 of its group's largest: less than what a float sum of the group would lose.
 */
import { NR, pair, panel_bytes, rows16 } from './panels';

/** The largest of n floats in magnitude; NaN where one is NaN. */
function largest(x: usize, n: i32): f32 {
  let v = f32x4.splat(0);
  let i = 0;
  for (; i + 4 <= n; i += 4, x += 16) v = f32x4.max(v, f32x4.abs(v128.load(x)));
  let m = max<f32>(
    max<f32>(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)),
    max<f32>(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)),
  );
  for (; i < n; i++, x += 4) m = max<f32>(m, abs<f32>(load<f32>(x)));
  return m;
}

/** Four floats times s, to the nearest integer. */
// @ts-ignore: decorator
@inline
function rounded(x: v128, s: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(x, s)));
}

/**
 * One row of k floats as words: pairs of i16, `gap` bytes from one pair to the next, k16 words (k up to a multiple of 16, zeros past
 * k), and with `wide` as many low words behind them, x = (32768 high + low) scale; scales and sums (of x as the words hold it): f32, one for every `group` floats, a multiple of
 * 16. Returns 1, or 0 where a float or a sum is not finite: the words mean nothing then.
 */
export function code_words(
  x: usize,
  k: i32,
  group: i32,
  wide: i32,
  words: usize,
  gap: i32,
  scales: usize,
  sums: usize,
): i32 {
  const step = <usize>gap;
  let low = words + <usize>(rows16(k) >> 1) * step;
  for (let from = 0; from < k; from += group, scales += 4, sums += 4) {
    const n = min(group, k - from);
    const m = largest(x, n);
    if (!(m < Infinity)) return 0;
    let scale: f32;
    let inverse: f32;
    if (wide) {
      // 2^e with m < 2^(e + 30): high words stay below 2^15 in magnitude.
      const e = max<i32>((reinterpret<u32>(m) >>> 23) - 126 - 30, -126);
      scale = reinterpret<f32>((e + 127) << 23);
      inverse = reinterpret<f32>((127 - e) << 23);
    } else {
      scale = m / 127;
      inverse = scale == 0 ? 0 : 1 / scale;
      // A scale whose inverse overflows belongs to floats that are nothing beside it.
      if (!(inverse < Infinity)) inverse = 0;
    }
    const s = f32x4.splat(inverse);
    const half = f32x4.splat(32768);
    const over = f32x4.splat(1.0 / 32768);
    const words16 = rows16(n);
    let total = f64x2.splat(0);
    for (let i = 0; i < words16; i += 4, words += 2 * step) {
      let v: v128;
      if (i + 4 <= n) v = v128.load(x);
      else {
        v = f32x4.splat(0);
        if (i < n) v = f32x4.replace_lane(v, 0, load<f32>(x));
        if (i + 1 < n) v = f32x4.replace_lane(v, 1, load<f32>(x, 4));
        if (i + 2 < n) v = f32x4.replace_lane(v, 2, load<f32>(x, 8));
      }
      x += 16;
      if (wide) {
        const t = f32x4.mul(v, s);
        const h = f32x4.floor(f32x4.mul(t, over));
        const l = f32x4.nearest(f32x4.sub(t, f32x4.mul(h, half)));
        const high = i32x4.trunc_sat_f32x4_s(h);
        const rest = i32x4.trunc_sat_f32x4_s(l);
        const both = i16x8.narrow_i32x4_s(high, rest);
        v128.store32_lane(words, both, 0);
        v128.store32_lane(words + step, both, 1);
        v128.store32_lane(low, both, 2);
        v128.store32_lane(low + step, both, 3);
        low += 2 * step;
        total = f64x2.add(total, f64x2.add(f64x2.promote_low_f32x4(v), f64x2.promote_low_f32x4(v128.shuffle<i64>(v, v, 1, 1))));
      } else {
        const q = rounded(v, s);
        const both = i16x8.narrow_i32x4_s(q, q);
        v128.store32_lane(words, both, 0);
        v128.store32_lane(words + step, both, 1);
        total = f64x2.add(total, f64x2.add(f64x2.convert_low_i32x4_s(q), f64x2.convert_low_i32x4_s(v128.shuffle<i64>(q, q, 1, 1))));
      }
    }
    x -= (<usize>(words16 - n)) << 2;
    const sum = f64x2.extract_lane(total, 0) + f64x2.extract_lane(total, 1);
    const whole: f32 = wide ? <f32>sum : <f32>sum * scale;
    if (!(abs<f32>(whole) < Infinity)) return 0;
    store<f32>(scales, scale);
    store<f32>(sums, whole);
  }
  return 1;
}

// @ts-ignore: decorator
@inline
function dot(acc: v128, a: v128, b: v128): v128 {
  return i32x4.add(acc, i32x4.dot_i16x8_s(a, b));
}

/** One row times one panel: y [8] = the sums over all groups of (sum scaleA - zero sumA) s. */
// @ts-ignore: decorator
@inline
function panel8(
  bits: i32,
  wide: bool,
  k: i32,
  group: i32,
  per: i32,
  words: usize,
  scalesA: usize,
  sumsA: usize,
  panel: usize,
  s: usize,
  zeros: usize,
  y: usize,
): void {
  let y0 = f32x4.splat(0);
  let y1 = f32x4.splat(0);
  const low = (<usize>rows16(k)) << 1;
  for (let from = 0, i = per; from < k; from += group) {
    const end = panel + <usize>rows16(min(group, k - from)) * <usize>bits;
    let h0 = i32x4.splat(0);
    let h1 = i32x4.splat(0);
    let l0 = i32x4.splat(0);
    let l1 = i32x4.splat(0);
    for (; panel < end; panel += 32) {
      const b0 = v128.load(panel);
      const b1 = v128.load(panel, 16);
      let w0 = pair(b0, bits, 0);
      let w1 = pair(b1, bits, 0);
      let a = v128.load32_splat(words);
      h0 = dot(h0, a, w0);
      h1 = dot(h1, a, w1);
      if (wide) {
        a = v128.load32_splat(words + low);
        l0 = dot(l0, a, w0);
        l1 = dot(l1, a, w1);
      }
      w0 = pair(b0, bits, 1);
      w1 = pair(b1, bits, 1);
      a = v128.load32_splat(words, 4);
      h0 = dot(h0, a, w0);
      h1 = dot(h1, a, w1);
      if (wide) {
        a = v128.load32_splat(words + low, 4);
        l0 = dot(l0, a, w0);
        l1 = dot(l1, a, w1);
      }
      if (bits <= 4) {
        w0 = pair(b0, bits, 2);
        w1 = pair(b1, bits, 2);
        a = v128.load32_splat(words, 8);
        h0 = dot(h0, a, w0);
        h1 = dot(h1, a, w1);
        if (wide) {
          a = v128.load32_splat(words + low, 8);
          l0 = dot(l0, a, w0);
          l1 = dot(l1, a, w1);
        }
        w0 = pair(b0, bits, 3);
        w1 = pair(b1, bits, 3);
        a = v128.load32_splat(words, 12);
        h0 = dot(h0, a, w0);
        h1 = dot(h1, a, w1);
        if (wide) {
          a = v128.load32_splat(words + low, 12);
          l0 = dot(l0, a, w0);
          l1 = dot(l1, a, w1);
        }
      }
      if (bits == 2) {
        w0 = pair(b0, bits, 4);
        w1 = pair(b1, bits, 4);
        a = v128.load32_splat(words, 16);
        h0 = dot(h0, a, w0);
        h1 = dot(h1, a, w1);
        if (wide) {
          a = v128.load32_splat(words + low, 16);
          l0 = dot(l0, a, w0);
          l1 = dot(l1, a, w1);
        }
        w0 = pair(b0, bits, 5);
        w1 = pair(b1, bits, 5);
        a = v128.load32_splat(words, 20);
        h0 = dot(h0, a, w0);
        h1 = dot(h1, a, w1);
        if (wide) {
          a = v128.load32_splat(words + low, 20);
          l0 = dot(l0, a, w0);
          l1 = dot(l1, a, w1);
        }
        w0 = pair(b0, bits, 6);
        w1 = pair(b1, bits, 6);
        a = v128.load32_splat(words, 24);
        h0 = dot(h0, a, w0);
        h1 = dot(h1, a, w1);
        if (wide) {
          a = v128.load32_splat(words + low, 24);
          l0 = dot(l0, a, w0);
          l1 = dot(l1, a, w1);
        }
        w0 = pair(b0, bits, 7);
        w1 = pair(b1, bits, 7);
        a = v128.load32_splat(words, 28);
        h0 = dot(h0, a, w0);
        h1 = dot(h1, a, w1);
        if (wide) {
          a = v128.load32_splat(words + low, 28);
          l0 = dot(l0, a, w0);
          l1 = dot(l1, a, w1);
        }
      }
      words += 64 / bits;
    }
    let f0 = f32x4.convert_i32x4_s(h0);
    let f1 = f32x4.convert_i32x4_s(h1);
    if (wide) {
      const half = f32x4.splat(32768);
      f0 = f32x4.add(f32x4.mul(f0, half), f32x4.convert_i32x4_s(l0));
      f1 = f32x4.add(f32x4.mul(f1, half), f32x4.convert_i32x4_s(l1));
    }
    const a = v128.load32_splat(scalesA);
    f0 = f32x4.mul(f0, a);
    f1 = f32x4.mul(f1, a);
    if (zeros) {
      const sum = v128.load32_splat(sumsA);
      f0 = f32x4.sub(f0, f32x4.mul(sum, v128.load(zeros)));
      f1 = f32x4.sub(f1, f32x4.mul(sum, v128.load(zeros, 16)));
    }
    y0 = f32x4.add(y0, f32x4.mul(f0, v128.load(s)));
    y1 = f32x4.add(y1, f32x4.mul(f1, v128.load(s, 16)));
    scalesA += 4;
    sumsA += 4;
    if (--i == 0) {
      i = per;
      s += 32;
      if (zeros) zeros += 32;
    }
  }
  v128.store(y, y0);
  v128.store(y, y1, 16);
}

/**
 * Y [m, n] (rows ldy apart) = rows of words, as code_words made them, times panels of codes: row r's words are at words + r * step
 * bytes, its scales and sums at scalesA and sumsA + r * groups floats. A weight is (code - zero) scale; scales and zeros (or 0)
 * are [panels, blocks, 8], a block of `per` groups. edge: 32 bytes.
 */
export function code_rows(
  m: i32,
  n: i32,
  k: i32,
  group: i32,
  per: i32,
  wide: i32,
  words: usize,
  step: i32,
  scalesA: usize,
  sumsA: usize,
  panels: usize,
  bits: i32,
  scales: usize,
  zeros: usize,
  y: usize,
  ldy: i32,
  edge: usize,
): void {
  const groups = (k + group - 1) / group;
  const blocks = (groups + per - 1) / per;
  const bytes = panel_bytes(k, bits);
  for (let j = 0; j < n; j += NR, panels += bytes) {
    const at = (<usize>(j >> 3) * <usize>blocks) << 5;
    const s = scales + at;
    const z = zeros ? zeros + at : 0;
    const cols = min(NR, n - j);
    for (let r = 0; r < m; r++) {
      const to = y + ((<usize>r * <usize>ldy + <usize>j) << 2);
      const out = cols == NR ? to : edge;
      const a = words + <usize>r * <usize>step;
      const o = (<usize>(r * groups)) << 2;
      if (bits == 4) {
        if (wide) panel8(4, true, k, group, per, a, scalesA + o, sumsA + o, panels, s, z, out);
        else panel8(4, false, k, group, per, a, scalesA + o, sumsA + o, panels, s, z, out);
      } else if (bits == 8) {
        if (wide) panel8(8, true, k, group, per, a, scalesA + o, sumsA + o, panels, s, z, out);
        else panel8(8, false, k, group, per, a, scalesA + o, sumsA + o, panels, s, z, out);
      } else {
        if (wide) panel8(2, true, k, group, per, a, scalesA + o, sumsA + o, panels, s, z, out);
        else panel8(2, false, k, group, per, a, scalesA + o, sumsA + o, panels, s, z, out);
      }
      if (cols < NR) memory.copy(to, edge, (<usize>cols) << 2);
    }
  }
}
