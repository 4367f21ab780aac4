/** Matrix times vector, a row-major [m, n]; sums in f64. Four rows at a time share what is loaded of the vector. */
import { add_lanes_f64, madd_f64 } from './lanes';

/** y [m] = A x [n], or with trans y [n] = A' x [m]. */
export function gemv_f64(trans: i32, m: i32, n: i32, a: usize, x: usize, y: usize): void {
  if (trans) columns(m, n, a, x, y, true);
  else rows(m, n, a, x, y, true);
}

/** As gemv_f64, with A in f32: each element is widened before it is multiplied. */
export function gemv_f32(trans: i32, m: i32, n: i32, a: usize, x: usize, y: usize): void {
  if (trans) columns(m, n, a, x, y, false);
  else rows(m, n, a, x, y, false);
}

/** Two elements at p as doubles; `wide` where they are. */
// @ts-ignore: decorator
@inline
function pair(p: usize, wide: bool): v128 {
  return wide ? v128.load(p) : f64x2.promote_low_f32x4(v128.load64_zero(p));
}

// @ts-ignore: decorator
@inline
function element(p: usize, wide: bool): f64 {
  return wide ? load<f64>(p) : <f64>load<f32>(p);
}

// @ts-ignore: decorator
@inline
function rows(m: i32, n: i32, a: usize, x: usize, y: usize, wide: bool): void {
  const size: usize = wide ? 8 : 4;
  const row = <usize>n * size;
  const whole = n & ~3;
  let i = 0;
  for (; i + 4 <= m; i += 4, a += 4 * row, y += 32) {
    let s0 = f64x2.splat(0);
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    let t0 = s0;
    let t1 = s0;
    let t2 = s0;
    let t3 = s0;
    let p = a;
    let q = x;
    for (let j = 0; j < whole; j += 4, p += 4 * size, q += 32) {
      const u = v128.load(q);
      const v = v128.load(q, 16);
      s0 = madd_f64(s0, pair(p, wide), u);
      t0 = madd_f64(t0, pair(p + 2 * size, wide), v);
      s1 = madd_f64(s1, pair(p + row, wide), u);
      t1 = madd_f64(t1, pair(p + row + 2 * size, wide), v);
      s2 = madd_f64(s2, pair(p + 2 * row, wide), u);
      t2 = madd_f64(t2, pair(p + 2 * row + 2 * size, wide), v);
      s3 = madd_f64(s3, pair(p + 3 * row, wide), u);
      t3 = madd_f64(t3, pair(p + 3 * row + 2 * size, wide), v);
    }
    let r0 = add_lanes_f64(f64x2.add(s0, t0));
    let r1 = add_lanes_f64(f64x2.add(s1, t1));
    let r2 = add_lanes_f64(f64x2.add(s2, t2));
    let r3 = add_lanes_f64(f64x2.add(s3, t3));
    for (let j = whole; j < n; j++, p += size, q += 8) {
      const u = load<f64>(q);
      r0 += element(p, wide) * u;
      r1 += element(p + row, wide) * u;
      r2 += element(p + 2 * row, wide) * u;
      r3 += element(p + 3 * row, wide) * u;
    }
    store<f64>(y, r0);
    store<f64>(y, r1, 8);
    store<f64>(y, r2, 16);
    store<f64>(y, r3, 24);
  }
  for (; i < m; i++, a += row, y += 8) {
    let s = f64x2.splat(0);
    let t = s;
    let p = a;
    let q = x;
    for (let j = 0; j < whole; j += 4, p += 4 * size, q += 32) {
      s = madd_f64(s, pair(p, wide), v128.load(q));
      t = madd_f64(t, pair(p + 2 * size, wide), v128.load(q, 16));
    }
    let r = add_lanes_f64(f64x2.add(s, t));
    for (let j = whole; j < n; j++, p += size, q += 8) r += element(p, wide) * load<f64>(q);
    store<f64>(y, r);
  }
}

// @ts-ignore: decorator
@inline
function columns(m: i32, n: i32, a: usize, x: usize, y: usize, wide: bool): void {
  const size: usize = wide ? 8 : 4;
  const row = <usize>n * size;
  memory.fill(y, 0, <usize>n << 3);
  let i = 0;
  for (; i + 4 <= m; i += 4, a += 4 * row, x += 32) {
    const x0 = load<f64>(x);
    const x1 = load<f64>(x, 8);
    const x2 = load<f64>(x, 16);
    const x3 = load<f64>(x, 24);
    const u0 = f64x2.splat(x0);
    const u1 = f64x2.splat(x1);
    const u2 = f64x2.splat(x2);
    const u3 = f64x2.splat(x3);
    let p = a;
    let q = y;
    let j = 0;
    for (; j + 2 <= n; j += 2, p += 2 * size, q += 16) {
      let s = madd_f64(v128.load(q), u0, pair(p, wide));
      s = madd_f64(s, u1, pair(p + row, wide));
      s = madd_f64(s, u2, pair(p + 2 * row, wide));
      v128.store(q, madd_f64(s, u3, pair(p + 3 * row, wide)));
    }
    if (j < n) {
      const s = load<f64>(q) + x0 * element(p, wide) + x1 * element(p + row, wide);
      store<f64>(q, s + x2 * element(p + 2 * row, wide) + x3 * element(p + 3 * row, wide));
    }
  }
  for (; i < m; i++, a += row, x += 8) {
    const x0 = load<f64>(x);
    const u = f64x2.splat(x0);
    let p = a;
    let q = y;
    let j = 0;
    for (; j + 2 <= n; j += 2, p += 2 * size, q += 16) v128.store(q, madd_f64(v128.load(q), u, pair(p, wide)));
    if (j < n) store<f64>(q, load<f64>(q) + x0 * element(p, wide));
  }
}
