/** Ranges and histograms of activations and weights. */
import { add_lanes_f64, high_f64, load_tail, low_f64, max_lanes, min_lanes } from './lanes';

/**
 * Four chains of pmin / pmax, which compile to one instruction each but pass over NaN in one operand order: NaN is
 * caught apart, by a running "x != x".
 */
export function min_max(x: usize, n: i32, out: usize): void {
  let l0 = f32x4.splat(Infinity);
  let l1 = l0;
  let l2 = l0;
  let l3 = l0;
  let h0 = f32x4.splat(-Infinity);
  let h1 = h0;
  let h2 = h0;
  let h3 = h0;
  let nan = i32x4.splat(0);
  let i = 0;
  for (; i + 16 <= n; i += 16) {
    const p = x + ((<usize>i) << 2);
    const a = v128.load(p);
    const b = v128.load(p, 16);
    const c = v128.load(p, 32);
    const d = v128.load(p, 48);
    l0 = f32x4.pmin(l0, a);
    l1 = f32x4.pmin(l1, b);
    l2 = f32x4.pmin(l2, c);
    l3 = f32x4.pmin(l3, d);
    h0 = f32x4.pmax(h0, a);
    h1 = f32x4.pmax(h1, b);
    h2 = f32x4.pmax(h2, c);
    h3 = f32x4.pmax(h3, d);
    // A comparison of two vectors is unordered where either is NaN: one test serves both.
    nan = v128.or(nan, v128.or(f32x4.ne(a, a), f32x4.ne(b, b)));
    nan = v128.or(nan, v128.or(f32x4.ne(c, c), f32x4.ne(d, d)));
  }
  for (; i < n; i += 4) {
    const p = x + ((<usize>i) << 2);
    const rest = n - i;
    const a = rest >= 4 ? v128.load(p) : load_tail(p, rest, load<f32>(p));
    l0 = f32x4.pmin(l0, a);
    h0 = f32x4.pmax(h0, a);
    nan = v128.or(nan, f32x4.ne(a, a));
  }
  const any_nan = v128.any_true(nan);
  const low = min_lanes(f32x4.pmin(f32x4.pmin(l0, l1), f32x4.pmin(l2, l3)));
  const high = max_lanes(f32x4.pmax(f32x4.pmax(h0, h1), f32x4.pmax(h2, h3)));
  store<f32>(out, any_nan ? NaN : low);
  store<f32>(out, any_nan ? NaN : high, 4);
}

/** Bin floor((x - lo) * (bins / (hi - lo))), in f64, kept within [0, bins). */
export function histogram(x: usize, n: i32, lo: f32, hi: f32, bins: i32, out: usize): void {
  const scale = <f64>bins / (<f64>hi - <f64>lo);
  for (let i = 0; i < n; i++) {
    const v = load<f32>(x + ((<usize>i) << 2));
    if (v != v) continue;
    const at = <i32>floor<f64>((<f64>v - <f64>lo) * scale);
    const bin = out + ((<usize>max(0, min(bins - 1, at))) << 2);
    store<u32>(bin, load<u32>(bin) + 1);
  }
}

/** Count, sum, sum of squares, least and greatest of the finite ones of n floats, to out. */
function finite_moments(x: usize, n: i32, out: usize): void {
  let s = f64x2.splat(0);
  let q = s;
  let low = f32x4.splat(Infinity);
  let high = f32x4.splat(-Infinity);
  let count = i32x4.splat(0);
  for (let i = 0; i < n; i += 4) {
    const p = x + (<usize>i << 2);
    const a = n - i >= 4 ? v128.load(p) : load_tail(p, n - i, NaN);
    const finite = f32x4.lt(f32x4.abs(a), f32x4.splat(Infinity));
    const v = v128.and(a, finite);
    const l = low_f64(v);
    const h = high_f64(v);
    s = f64x2.add(s, f64x2.add(l, h));
    q = f64x2.add(q, f64x2.add(f64x2.mul(l, l), f64x2.mul(h, h)));
    low = f32x4.pmin(low, v128.bitselect(a, f32x4.splat(Infinity), finite));
    high = f32x4.pmax(high, v128.bitselect(a, f32x4.splat(-Infinity), finite));
    count = i32x4.sub(count, finite);
  }
  const pairs = i32x4.add(count, v128.shuffle<i32>(count, count, 2, 3, 0, 1));
  store<f64>(out, <f64>(i32x4.extract_lane(pairs, 0) + i32x4.extract_lane(pairs, 1)));
  store<f64>(out, add_lanes_f64(s), 8);
  store<f64>(out, add_lanes_f64(q), 16);
  store<f64>(out, <f64>min_lanes(low), 24);
  store<f64>(out, <f64>max_lanes(high), 32);
}

/**
 * One pass over rows that hold neither NaN nor infinity, which their squares tell; the others are gone through again. Squares of
 * floats do not overflow in f64.
 */
export function moments(x: usize, samples: i32, rows: i32, cols: i32, out: usize): void {
  let count: f64 = 0;
  let total: f64 = 0;
  let squares: f64 = 0;
  let least = f32x4.splat(Infinity);
  let most = f32x4.splat(-Infinity);
  let longest: f64 = 0;
  let largest: f64 = 0;
  for (let s = 0; s < samples; s++) {
    let sample: f64 = 0;
    for (let r = 0; r < rows; r++, x += <usize>cols << 2) {
      let s0 = f64x2.splat(0);
      let s1 = s0;
      let q0 = s0;
      let q1 = s0;
      let low = least;
      let high = most;
      let i = 0;
      for (; i + 4 <= cols; i += 4) {
        const a = v128.load(x + (<usize>i << 2));
        const l = low_f64(a);
        const h = high_f64(a);
        s0 = f64x2.add(s0, l);
        s1 = f64x2.add(s1, h);
        q0 = f64x2.add(q0, f64x2.mul(l, l));
        q1 = f64x2.add(q1, f64x2.mul(h, h));
        low = f32x4.pmin(low, a);
        high = f32x4.pmax(high, a);
      }
      let sum = add_lanes_f64(f64x2.add(s0, s1));
      let square = add_lanes_f64(f64x2.add(q0, q1));
      for (; i < cols; i++) {
        const v = load<f32>(x + (<usize>i << 2));
        sum += <f64>v;
        square += <f64>v * <f64>v;
        low = f32x4.pmin(low, f32x4.splat(v));
        high = f32x4.pmax(high, f32x4.splat(v));
      }
      sample += square;
      if (square > longest) longest = square;
      if (square < Infinity) {
        count += <f64>cols;
        total += sum;
        squares += square;
        least = low;
        most = high;
      } else {
        finite_moments(x, cols, out);
        count += load<f64>(out);
        total += load<f64>(out, 8);
        squares += load<f64>(out, 16);
        least = f32x4.pmin(least, f32x4.splat(<f32>load<f64>(out, 24)));
        most = f32x4.pmax(most, f32x4.splat(<f32>load<f64>(out, 32)));
      }
    }
    if (sample > largest) largest = sample;
  }
  store<f64>(out, count);
  store<f64>(out, total, 8);
  store<f64>(out, squares, 16);
  store<f64>(out, <f64>min_lanes(least), 24);
  store<f64>(out, <f64>max_lanes(most), 32);
  store<f64>(out, longest, 40);
  store<f64>(out, largest, 48);
}
