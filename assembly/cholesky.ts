/** Cholesky factors of Gram matrices in f64, and solves with what they are stored as. */
import { add_lanes_f64 } from './lanes';

/** x . y, and the products of the three rows after x, `stride` bytes apart, with y: [n] doubles, written to out. */
function dot4(x: usize, stride: usize, y: usize, n: i32, out: usize): void {
  let s0 = f64x2.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  const x1 = x + stride;
  const x2 = x1 + stride;
  const x3 = x2 + stride;
  let i = 0;
  for (; i + 2 <= n; i += 2) {
    const o = <usize>i << 3;
    const v = v128.load(y + o);
    s0 = f64x2.add(s0, f64x2.mul(v128.load(x + o), v));
    s1 = f64x2.add(s1, f64x2.mul(v128.load(x1 + o), v));
    s2 = f64x2.add(s2, f64x2.mul(v128.load(x2 + o), v));
    s3 = f64x2.add(s3, f64x2.mul(v128.load(x3 + o), v));
  }
  let d0 = add_lanes_f64(s0);
  let d1 = add_lanes_f64(s1);
  let d2 = add_lanes_f64(s2);
  let d3 = add_lanes_f64(s3);
  if (i < n) {
    const o = <usize>i << 3;
    const v = load<f64>(y + o);
    d0 += load<f64>(x + o) * v;
    d1 += load<f64>(x1 + o) * v;
    d2 += load<f64>(x2 + o) * v;
    d3 += load<f64>(x3 + o) * v;
  }
  store<f64>(out, d0);
  store<f64>(out, d1, 8);
  store<f64>(out, d2, 16);
  store<f64>(out, d3, 24);
}

/** x . y of n doubles. */
function dot1(x: usize, y: usize, n: i32): f64 {
  let s = f64x2.splat(0);
  let i = 0;
  for (; i + 2 <= n; i += 2) {
    const o = <usize>i << 3;
    s = f64x2.add(s, f64x2.mul(v128.load(x + o), v128.load(y + o)));
  }
  let d = add_lanes_f64(s);
  if (i < n) d += load<f64>(x + (<usize>i << 3)) * load<f64>(y + (<usize>i << 3));
  return d;
}

export function cholesky(h: usize, n: i32, perm: usize, damp: f64, l: usize, scratch: usize): i32 {
  const row = <usize>n << 3;
  for (let i = 0; i < n; i++) {
    const from = h + ((<usize>load<i32>(perm + (<usize>i << 2)) * <usize>n) << 2);
    const to = l + <usize>i * row;
    for (let j = 0; j <= i; j++)
      store<f64>(to + (<usize>j << 3), <f64>load<f32>(from + (<usize>load<i32>(perm + (<usize>j << 2)) << 2)));
    store<f64>(to + (<usize>i << 3), load<f64>(to + (<usize>i << 3)) + damp);
  }
  for (let i = 0; i < n; i += 4) {
    const at = l + <usize>i * row;
    const count = min(4, n - i);
    for (let j = 0; j < i; j++) {
      const lj = l + <usize>j * row;
      const o = <usize>j << 3;
      const pivot = load<f64>(lj + o);
      if (count == 4) {
        dot4(at, row, lj, j, scratch);
        for (let r: usize = 0; r < 4; r++) {
          const p = at + r * row + o;
          store<f64>(p, (load<f64>(p) - load<f64>(scratch + (r << 3))) / pivot);
        }
      } else {
        for (let r = 0; r < count; r++) {
          const p = at + <usize>r * row;
          store<f64>(p + o, (load<f64>(p + o) - dot1(p, lj, j)) / pivot);
        }
      }
    }
    for (let r = 0; r < count; r++) {
      const p = at + <usize>r * row;
      for (let j = i; j < i + r; j++) {
        const lj = l + <usize>j * row;
        const o = <usize>j << 3;
        store<f64>(p + o, (load<f64>(p + o) - dot1(p, lj, j)) / load<f64>(lj + o));
      }
      const o = <usize>(i + r) << 3;
      const rest = load<f64>(p + o) - dot1(p, p, i + r);
      // What is left of a pivot below rounding is noise: the matrix is not positive definite to working precision.
      if (!(rest > 1e-14 * load<f64>(p + o)) || rest == Infinity) return i + r + 1;
      store<f64>(p + o, sqrt<f64>(rest));
    }
  }
  return 0;
}

export function unit_factor(l: usize, n: i32, u: usize, d: usize): void {
  for (let j = 0; j < n; j++) {
    const p = load<f64>(l + ((<usize>(n - 1 - j) * <usize>(n + 1)) << 3));
    store<f64>(d + (<usize>j << 3), p);
  }
  for (let i = 0; i < n; i++) {
    const from = l + ((<usize>(n - 1 - i) * <usize>n) << 3);
    const to = u + ((<usize>i * <usize>n) << 2);
    for (let j = 0; j < i; j++) store<f32>(to + (<usize>j << 2), 0);
    for (let j = i; j < n; j++) {
      const x = load<f64>(from + (<usize>(n - 1 - j) << 3)) / load<f64>(d + (<usize>j << 3));
      store<f32>(to + (<usize>j << 2), <f32>x);
    }
  }
  for (let j = 0; j < n; j++) {
    const p = load<f64>(d + (<usize>j << 3));
    store<f64>(d + (<usize>j << 3), p * p);
  }
}

/** y -= s x, n floats, n a multiple of 4. */
// @ts-ignore: decorator
@inline
function subtract(y: usize, x: usize, n: i32, s: f32): void {
  const v = f32x4.splat(s);
  for (let o: usize = 0; o < <usize>n << 2; o += 16)
    v128.store(y + o, f32x4.sub(v128.load(y + o), f32x4.mul(v, v128.load(x + o))));
}

export function solve_unit(trans: i32, n: i32, rows: i32, u: usize, ldu: i32, t: usize): void {
  const row = <usize>rows << 2;
  if (!trans) {
    for (let j = 0; j < n; j++)
      for (let k = j + 1; k < n; k++)
        subtract(t + <usize>k * row, t + <usize>j * row, rows, load<f32>(u + ((<usize>j * <usize>ldu + <usize>k) << 2)));
    return;
  }
  for (let j = n - 1; j >= 0; j--)
    for (let k = j - 1; k >= 0; k--)
      subtract(t + <usize>k * row, t + <usize>j * row, rows, load<f32>(u + ((<usize>k * <usize>ldu + <usize>j) << 2)));
}
