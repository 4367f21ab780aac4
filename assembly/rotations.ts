/**
 * Four columns of doubles turned by up to four plane rotations in one pass: the pairs (0, 2) and (1, 3), then (0, 3) and (1, 2).
 * Columns are kept as x = d y with d a number, so that a rotation is y0 += p y1, y1 += q y0 (fast rotations, Gentleman 1973).
 */
import { madd_f64 } from './lanes';

/** Products of x0 and x1 with y0 .. y3: out[0..4) are those of x0, out[4..8) those of x1. */
export function cross_products(
  x0: usize,
  x1: usize,
  y0: usize,
  y1: usize,
  y2: usize,
  y3: usize,
  n: i32,
  out: usize,
): void {
  let a0 = f64x2.splat(0);
  let a1 = a0;
  let a2 = a0;
  let a3 = a0;
  let b0 = a0;
  let b1 = a0;
  let b2 = a0;
  let b3 = a0;
  let o: usize = 0;
  const whole = <usize>(n >> 1) << 4;
  for (; o < whole; o += 16) {
    const u = v128.load(x0 + o);
    const v = v128.load(x1 + o);
    let y = v128.load(y0 + o);
    a0 = madd_f64(a0, u, y);
    b0 = madd_f64(b0, v, y);
    y = v128.load(y1 + o);
    a1 = madd_f64(a1, u, y);
    b1 = madd_f64(b1, v, y);
    y = v128.load(y2 + o);
    a2 = madd_f64(a2, u, y);
    b2 = madd_f64(b2, v, y);
    y = v128.load(y3 + o);
    a3 = madd_f64(a3, u, y);
    b3 = madd_f64(b3, v, y);
  }
  store_sums(a0, a1, out);
  store_sums(a2, a3, out + 16);
  store_sums(b0, b1, out + 32);
  store_sums(b2, b3, out + 48);
  if (n & 1) {
    const u = load<f64>(x0 + o);
    const v = load<f64>(x1 + o);
    add_product(out, u, v, load<f64>(y0 + o));
    add_product(out + 8, u, v, load<f64>(y1 + o));
    add_product(out + 16, u, v, load<f64>(y2 + o));
    add_product(out + 24, u, v, load<f64>(y3 + o));
  }
}

/** The two lanes of a added, and those of b. */
// @ts-ignore: decorator
@inline
function store_sums(a: v128, b: v128, out: usize): void {
  v128.store(out, f64x2.add(v128.shuffle<i64>(a, b, 0, 2), v128.shuffle<i64>(a, b, 1, 3)));
}

// @ts-ignore: decorator
@inline
function add_product(out: usize, u: f64, v: f64, y: f64): void {
  store<f64>(out, load<f64>(out) + u * y);
  store<f64>(out, load<f64>(out, 32) + v * y, 32);
}

/** The four rotations; `by` holds p and q of each in the order they are made. */
export function turn(x0: usize, x1: usize, y0: usize, y1: usize, n: i32, by: usize): void {
  const p0 = v128.load_splat<u64>(by);
  const q0 = v128.load_splat<u64>(by, 8);
  const p1 = v128.load_splat<u64>(by, 16);
  const q1 = v128.load_splat<u64>(by, 24);
  const p2 = v128.load_splat<u64>(by, 32);
  const q2 = v128.load_splat<u64>(by, 40);
  const p3 = v128.load_splat<u64>(by, 48);
  const q3 = v128.load_splat<u64>(by, 56);
  let o: usize = 0;
  const twice = <usize>(n >> 2) << 5;
  const whole = <usize>(n >> 1) << 4;
  let u: v128, s: v128, v: v128, t: v128, u1: v128, s1: v128, v1: v128, t1: v128;
  for (; o < twice; o += 32) {
    u = v128.load(x0 + o);
    s = v128.load(y0 + o);
    v = v128.load(x1 + o);
    t = v128.load(y1 + o);
    u1 = madd_f64(u, p0, s);
    s1 = madd_f64(s, q0, u);
    v1 = madd_f64(v, p1, t);
    t1 = madd_f64(t, q1, v);
    v128.store(x0 + o, madd_f64(u1, p2, t1));
    v128.store(y1 + o, madd_f64(t1, q2, u1));
    v128.store(x1 + o, madd_f64(v1, p3, s1));
    v128.store(y0 + o, madd_f64(s1, q3, v1));
    u = v128.load(x0 + o, 16);
    s = v128.load(y0 + o, 16);
    v = v128.load(x1 + o, 16);
    t = v128.load(y1 + o, 16);
    u1 = madd_f64(u, p0, s);
    s1 = madd_f64(s, q0, u);
    v1 = madd_f64(v, p1, t);
    t1 = madd_f64(t, q1, v);
    v128.store(x0 + o, madd_f64(u1, p2, t1), 16);
    v128.store(y1 + o, madd_f64(t1, q2, u1), 16);
    v128.store(x1 + o, madd_f64(v1, p3, s1), 16);
    v128.store(y0 + o, madd_f64(s1, q3, v1), 16);
  }
  if (o < whole) {
    u = v128.load(x0 + o);
    s = v128.load(y0 + o);
    v = v128.load(x1 + o);
    t = v128.load(y1 + o);
    u1 = madd_f64(u, p0, s);
    s1 = madd_f64(s, q0, u);
    v1 = madd_f64(v, p1, t);
    t1 = madd_f64(t, q1, v);
    v128.store(x0 + o, madd_f64(u1, p2, t1));
    v128.store(y1 + o, madd_f64(t1, q2, u1));
    v128.store(x1 + o, madd_f64(v1, p3, s1));
    v128.store(y0 + o, madd_f64(s1, q3, v1));
    o += 16;
  }
  if (n & 1) {
    u = v128.load64_zero(x0 + o);
    s = v128.load64_zero(y0 + o);
    v = v128.load64_zero(x1 + o);
    t = v128.load64_zero(y1 + o);
    u1 = madd_f64(u, p0, s);
    s1 = madd_f64(s, q0, u);
    v1 = madd_f64(v, p1, t);
    t1 = madd_f64(t, q1, v);
    v128.store64_lane(x0 + o, madd_f64(u1, p2, t1), 0);
    v128.store64_lane(y1 + o, madd_f64(t1, q2, u1), 0);
    v128.store64_lane(x1 + o, madd_f64(v1, p3, s1), 0);
    v128.store64_lane(y0 + o, madd_f64(s1, q3, v1), 0);
  }
}

/** One rotation: x += p y, y += q x. */
export function turn_one(x: usize, y: usize, n: i32, p: f64, q: f64): void {
  const pp = f64x2.splat(p);
  const qq = f64x2.splat(q);
  let o: usize = 0;
  const whole = <usize>(n >> 1) << 4;
  for (; o < whole; o += 16) {
    const u = v128.load(x + o);
    const v = v128.load(y + o);
    v128.store(x + o, madd_f64(u, pp, v));
    v128.store(y + o, madd_f64(v, qq, u));
  }
  if (n & 1) {
    const u = v128.load64_zero(x + o);
    const v = v128.load64_zero(y + o);
    v128.store64_lane(x + o, madd_f64(u, pp, v), 0);
    v128.store64_lane(y + o, madd_f64(v, qq, u), 0);
  }
}
