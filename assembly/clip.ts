/**
 * Scales and zero points of whole matrices: the search for the range that a grid should cover.
 *
 * A block of n weights x is coded as q = clamp(round(x / s), -z, 2^b - 1 - z) and read back as q s; z is 2^(b-1) where the
 * grid is symmetric. The error is sum h (x - q s)^2, h = 1 where no column weights are given. What bounds the search: if a
 * grid already found has error E, a better one leaves no weight farther outside its range than sqrt(E / h).
 */

const HALF_MAX: f32 = 65504;
const HALF_MIN: f32 = 5.9604644775390625e-8; // 2^-24, the smallest positive half
const FLOAT_MIN: f32 = 1.401298464324817e-45; // 2^-149
/** Below this scale squared errors vanish in f32 and reciprocals overflow: nothing to search by. */
const SEARCHABLE: f32 = 1e-18;

/** The nearest half (ties to even), kept within the positive finite halves. */
// @ts-ignore: decorator
@inline
export function nearestHalf(s: f32): f32 {
  if (s >= HALF_MAX) return HALF_MAX;
  if (s < 6.103515625e-5) return max<f32>(nearest<f32>(s * 16777216.0) * HALF_MIN, HALF_MIN);
  const u = reinterpret<u32>(s);
  return min<f32>(reinterpret<f32>((u + 0xfff + ((u >> 13) & 1)) & 0xffffe000), HALF_MAX);
}

/** The smallest half >= s, kept within the positive finite halves. */
// @ts-ignore: decorator
@inline
function upperHalf(s: f32): f32 {
  const h = nearestHalf(s);
  if (h >= s || h >= HALF_MAX) return h;
  if (h < 6.103515625e-5) return h + HALF_MIN;
  return min<f32>(reinterpret<f32>(reinterpret<u32>(h) + 0x2000), HALF_MAX);
}

// @ts-ignore: decorator
@inline
function storable(s: f64, half: bool): f32 {
  const f = max<f32>(<f32>min<f64>(s, 3.4028234663852886e38), FLOAT_MIN);
  return half ? nearestHalf(f) : f;
}

// @ts-ignore: decorator
@inline
function lanes(v: v128): f64 {
  return (
    <f64>f32x4.extract_lane(v, 0) +
    <f64>f32x4.extract_lane(v, 1) +
    (<f64>f32x4.extract_lane(v, 2) + <f64>f32x4.extract_lane(v, 3))
  );
}

/** sum h (x - q s)^2, q = clamp(round(x / s), lo, hi); h: f32[n] or 0. f32 within 512 elements, f64 across. */
function rangeError(x: usize, n: i32, h: usize, s: f32, lo: f32, hi: f32): f64 {
  const inv = f32x4.splat(<f32>1 / s);
  const vs = f32x4.splat(s);
  const vlo = f32x4.splat(lo);
  const vhi = f32x4.splat(hi);
  let total: f64 = 0;
  let i = 0;
  while (i + 8 <= n) {
    const end = min(i + 512, n);
    let a0 = f32x4.splat(0);
    let a1 = f32x4.splat(0);
    for (; i + 8 <= end; i += 8) {
      const p = x + ((<usize>i) << 2);
      const x0 = v128.load(p);
      const x1 = v128.load(p, 16);
      const q0 = f32x4.pmax(vlo, f32x4.pmin(vhi, f32x4.nearest(f32x4.mul(x0, inv))));
      const q1 = f32x4.pmax(vlo, f32x4.pmin(vhi, f32x4.nearest(f32x4.mul(x1, inv))));
      const e0 = f32x4.sub(x0, f32x4.mul(q0, vs));
      const e1 = f32x4.sub(x1, f32x4.mul(q1, vs));
      if (h) {
        const g = h + ((<usize>i) << 2);
        a0 = f32x4.add(a0, f32x4.mul(v128.load(g), f32x4.mul(e0, e0)));
        a1 = f32x4.add(a1, f32x4.mul(v128.load(g, 16), f32x4.mul(e1, e1)));
      } else {
        a0 = f32x4.add(a0, f32x4.mul(e0, e0));
        a1 = f32x4.add(a1, f32x4.mul(e1, e1));
      }
    }
    total += lanes(f32x4.add(a0, a1));
  }
  const inverse: f32 = <f32>1 / s;
  for (; i < n; i++) {
    const v = load<f32>(x + ((<usize>i) << 2));
    const q = max<f32>(lo, min<f32>(hi, nearest<f32>(v * inverse)));
    const e = v - q * s;
    total += (h ? <f64>load<f32>(h + ((<usize>i) << 2)) : 1) * <f64>e * <f64>e;
  }
  return total;
}

/** The scale that is best for the codes which `s` gives: sum h x q / sum h q^2; s itself where all codes are 0. */
function fittedScale(x: usize, n: i32, h: usize, s: f32, lo: f32, hi: f32): f64 {
  const inv = f32x4.splat(<f32>1 / s);
  const vlo = f32x4.splat(lo);
  const vhi = f32x4.splat(hi);
  let xq: f64 = 0;
  let qq: f64 = 0;
  let i = 0;
  while (i + 4 <= n) {
    const end = min(i + 256, n);
    let a = f32x4.splat(0);
    let b = f32x4.splat(0);
    for (; i + 4 <= end; i += 4) {
      const v = v128.load(x + ((<usize>i) << 2));
      const q = f32x4.pmax(vlo, f32x4.pmin(vhi, f32x4.nearest(f32x4.mul(v, inv))));
      const hq = h ? f32x4.mul(q, v128.load(h + ((<usize>i) << 2))) : q;
      a = f32x4.add(a, f32x4.mul(v, hq));
      b = f32x4.add(b, f32x4.mul(q, hq));
    }
    xq += lanes(a);
    qq += lanes(b);
  }
  const inverse: f32 = <f32>1 / s;
  for (; i < n; i++) {
    const v = load<f32>(x + ((<usize>i) << 2));
    const q = max<f32>(lo, min<f32>(hi, nearest<f32>(v * inverse)));
    const g: f64 = h ? <f64>load<f32>(h + ((<usize>i) << 2)) : 1;
    xq += g * <f64>v * <f64>q;
    qq += g * <f64>q * <f64>q;
  }
  return qq > 0 && xq > 0 ? xq / qq : <f64>s;
}

/** max over i of (sign x_i - sqrt(error / h_i)): how far the range must reach on that side for a smaller error than `error`. */
function mustReach(x: usize, n: i32, h: usize, error: f64, sign: f32, extreme: f32): f64 {
  if (!h) return <f64>extreme - sqrt<f64>(error);
  let reach: f64 = -Infinity;
  for (let i = 0; i < n; i++) {
    const g: f64 = load<f32>(h + ((<usize>i) << 2));
    if (g > 0) reach = max<f64>(reach, <f64>(sign * load<f32>(x + ((<usize>i) << 2))) - sqrt<f64>(error / g));
  }
  return reach;
}

/** The scale at which the codes reach from low <= 0 to high >= 0, at least where scales are halves. */
function coveringScale(low: f32, high: f32, bits: i32, symmetric: bool, half: bool): f32 {
  const span: f64 = symmetric
    ? <f64>max<f32>(-low, high) / <f64>((1 << (bits - 1)) - 1)
    : (<f64>high - <f64>low) / <f64>((1 << bits) - 1);
  const s = storable(span, false);
  return half ? upperHalf(s) : s;
}

/** Best scale of a symmetric grid of codes -2^(b-1)..2^(b-1)-1, at least as good as the scale `first`. */
function searchSymmetric(x: usize, n: i32, h: usize, bits: i32, half: bool, low: f32, high: f32, first: f32): f32 {
  const qn = <f32>(1 << (bits - 1));
  const qp = qn - 1;
  let best = first;
  let error = rangeError(x, n, h, best, -qn, qp);
  if (error == 0) return best;
  const top = <f64>first * (n < 64 ? 2.0 : 1.06);
  let bottom = max<f64>(mustReach(x, n, h, error, 1, high) / <f64>qp, mustReach(x, n, h, error, -1, -low) / <f64>qn);
  bottom = min<f64>(max<f64>(bottom, <f64>first * 0.01), <f64>first);
  const count = n <= 16 ? 160 : n < 64 ? 96 : n < 512 ? 64 : 40;
  let step = (top - bottom) / <f64>count;
  for (let i = 0; i <= count; i++) {
    const s = storable(bottom + step * <f64>i, half);
    const e = rangeError(x, n, h, s, -qn, qp);
    if (e < error) {
      error = e;
      best = s;
    }
  }
  for (let level = 0; level < 2; level++) {
    const centre = <f64>best;
    for (let i = -4; i <= 4; i++) {
      if (i == 0) continue;
      const s = storable(max<f64>(centre + step * <f64>i * 0.2, centre * 0.1), half);
      const e = rangeError(x, n, h, s, -qn, qp);
      if (e < error) {
        error = e;
        best = s;
      }
    }
    step *= 0.2;
  }
  for (let i = 0; i < 4; i++) {
    const s = storable(fittedScale(x, n, h, best, -qn, qp), half);
    const e = rangeError(x, n, h, s, -qn, qp);
    if (!(e < error)) break;
    error = e;
    best = s;
  }
  return best;
}

/** Best scale and zero point; the scale is stored at `scale`, the zero point returned. Starts from (s, z) and from the best symmetric grid. */
function searchAsymmetric(x: usize, n: i32, h: usize, bits: i32, half: bool, low: f32, high: f32, s0: f32, z0: i32, scale: usize): i32 {
  const levels = (1 << bits) - 1;
  let s = s0;
  let z = z0;
  let error = rangeError(x, n, h, s, -(<f32>z), <f32>(levels - z));
  if (error > 0) {
    const slackHigh = max<f64>(0, <f64>high - max<f64>(0, mustReach(x, n, h, error, 1, high)));
    const slackLow = max<f64>(0, -(<f64>low) - max<f64>(0, mustReach(x, n, h, error, -1, -low)));
    const count = n <= 16 ? 16 : n < 64 && bits < 5 ? 12 : 9;
    for (let i = 0; i <= count; i++) {
      const from = min<f64>(0, <f64>low + (slackLow * <f64>i) / <f64>count);
      for (let j = 0; j <= count; j++) {
        const to = max<f64>(0, <f64>high - (slackHigh * <f64>j) / <f64>count);
        if (!(to > from)) continue;
        const t = storable((to - from) / <f64>levels, half);
        const y = min<i32>(levels, max<i32>(0, <i32>nearest<f64>(-from / <f64>t)));
        const e = rangeError(x, n, h, t, -(<f32>y), <f32>(levels - y));
        if (e < error) {
          error = e;
          s = t;
          z = y;
        }
      }
    }
    if (n <= 16 && bits <= 4) {
      // So few weights have many local minima: every zero point, a ladder of scales.
      const step = (2.0 * <f64>max<f32>(-low, high)) / 128;
      for (let y = 0; y <= levels; y++) {
        for (let i = 1; i <= 128; i++) {
          const t = storable(step * <f64>i, half);
          const e = rangeError(x, n, h, t, -(<f32>y), <f32>(levels - y));
          if (e < error) {
            error = e;
            s = t;
            z = y;
          }
        }
      }
    }
    const m = 1 << (bits - 1);
    const first = coveringScale(low, high, bits, true, half);
    const t = searchSymmetric(x, n, h, bits, half, low, high, first);
    const e = rangeError(x, n, h, t, -(<f32>m), <f32>(m - 1));
    if (e < error) {
      error = e;
      s = t;
      z = m;
    }
    // Descent by steps in the scale and the zero point, then the scale fitted to its codes.
    let d: f64 = 0.06;
    for (let round = 0; round < 24 && d > 0.002 && error > 0; round++) {
      const fromS = s;
      const fromZ = z;
      for (let move = 0; move < 6; move++) {
        const y = min<i32>(levels, max<i32>(0, fromZ + (move == 2 || move == 4 ? 1 : move == 3 || move == 5 ? -1 : 0)));
        const factor: f64 = move == 0 || move == 4 ? 1 + d : move == 1 || move == 5 ? 1 - d : 1;
        const u = storable(<f64>fromS * factor, half);
        const f = rangeError(x, n, h, u, -(<f32>y), <f32>(levels - y));
        if (f < error) {
          error = f;
          s = u;
          z = y;
        }
      }
      if (s == fromS && z == fromZ) d *= 0.5;
    }
    for (let i = 0; i < 4; i++) {
      const u = storable(fittedScale(x, n, h, s, -(<f32>z), <f32>(levels - z)), half);
      const f = rangeError(x, n, h, u, -(<f32>z), <f32>(levels - z));
      if (!(f < error)) break;
      error = f;
      s = u;
    }
  }
  store<f32>(scale, s);
  return z;
}

/**
 * Scales (f32) and, where asymmetric, zero points (u8; u16 above 8 bits) of w [rows, cols], one for every `block` consecutive
 * weights of a row, the last block of a row shorter where cols % block != 0: scales and zeros are [rows, ceil(cols / block)].
 * search 0: the range is [-max|w|, max|w|], or [min(w, 0), max(w, 0)]; 1: the range of least error. half: scales are halves,
 * rounded up for search 0 so that nothing falls outside. h: f32[cols] weights of the columns' squared errors, >= 0, or 0.
 * A block of zeros has scale 1. All w must be finite. Each result has an error no larger than search 0's.
 */
export function fit_rows(
  w: usize, rows: i32, cols: i32, block: i32, bits: i32, symmetric: i32, search: i32, half: i32, h: usize, scales: usize, zeros: usize,
): void {
  const blocks = (cols + block - 1) / block;
  const levels = (1 << bits) - 1;
  const halves = half != 0;
  for (let r = 0; r < rows; r++) {
    for (let k = 0; k < blocks; k++) {
      const start = k * block;
      const n = min(block, cols - start);
      const x = w + (((<usize>r) * (<usize>cols) + (<usize>start)) << 2);
      const g = h ? h + ((<usize>start) << 2) : 0;
      const at = (<usize>r) * (<usize>blocks) + (<usize>k);
      let low: f32 = 0;
      let high: f32 = 0;
      for (let i = 0; i < n; i++) {
        const v = load<f32>(x + ((<usize>i) << 2));
        low = min<f32>(low, v);
        high = max<f32>(high, v);
      }
      let s: f32 = 1;
      let z: i32 = symmetric ? 1 << (bits - 1) : 0;
      if (low < 0 || high > 0) {
        s = coveringScale(low, high, bits, symmetric != 0, halves);
        const find = search != 0 && s > SEARCHABLE;
        if (symmetric) {
          if (find) s = searchSymmetric(x, n, g, bits, halves, low, high, s);
        } else {
          z = min<i32>(levels, max<i32>(0, <i32>nearest<f64>(-(<f64>low) / <f64>s)));
          if (find) {
            z = searchAsymmetric(x, n, g, bits, halves, low, high, s, z, scales + (at << 2));
            s = load<f32>(scales + (at << 2));
          }
        }
      }
      store<f32>(scales + (at << 2), s);
      if (!symmetric) {
        if (bits > 8) store<u16>(zeros + (at << 1), <u16>z);
        else store<u8>(zeros + at, <u8>z);
      }
    }
  }
}
