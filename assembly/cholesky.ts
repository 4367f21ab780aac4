/** Cholesky factors of Gram matrices in f64, and solves with what they are stored as. */
import { cholesky_f64 } from './gram';

/** What is left of a pivot below this share of it is noise: the matrix is not positive definite to working precision. */
const LEAST_PIVOT: f64 = 1e-14;

export function cholesky(h: usize, n: i32, perm: usize, damp: f64, l: usize, scratch: usize): i32 {
  const row = <usize>n << 3;
  for (let i = 0; i < n; i++) {
    const from = h + ((<usize>load<i32>(perm + (<usize>i << 2)) * <usize>n) << 2);
    const to = l + <usize>i * row;
    for (let j = 0; j <= i; j++)
      store<f64>(to + (<usize>j << 3), <f64>load<f32>(from + (<usize>load<i32>(perm + (<usize>j << 2)) << 2)));
    store<f64>(to + (<usize>i << 3), load<f64>(to + (<usize>i << 3)) + damp);
  }
  return cholesky_f64(l, n, LEAST_PIVOT, scratch);
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
