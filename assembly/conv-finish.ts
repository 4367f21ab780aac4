/** What follows the sums of a convolution. */
import { load_tail, store_tail } from './lanes';

/**
 * y[0..n) = clamp(x + bias + residual, low, high), NaN staying NaN; residual may be 0 (none).
 * @returns lanes of NaN where x + bias is not finite, lanes of 0 elsewhere
 */
// @ts-ignore: decorator
@inline
export function finish_line(x: usize, n: i32, bias: f32, residual: usize, low: f32, high: f32, y: usize): v128 {
  const b = f32x4.splat(bias);
  const lo = f32x4.splat(low);
  const hi = f32x4.splat(high);
  const zero = f32x4.splat(0);
  let bad = zero;
  let i = 0;
  for (; i + 4 <= n; i += 4, x += 16, y += 16) {
    let v = f32x4.add(v128.load(x), b);
    bad = f32x4.add(bad, f32x4.mul(v, zero));
    if (residual) v = f32x4.add(v, v128.load(residual + (<usize>i << 2)));
    v128.store(y, f32x4.min(f32x4.max(v, lo), hi));
  }
  if (i < n) {
    let v = f32x4.add(load_tail(x, n - i, 0), b);
    bad = f32x4.add(bad, f32x4.mul(v, zero));
    if (residual) v = f32x4.add(v, load_tail(residual + (<usize>i << 2), n - i, 0));
    store_tail(y, f32x4.min(f32x4.max(v, lo), hi), n - i);
  }
  return bad;
}

/** y [m, n] = clamp(x + bias + residual, low, high): rows of x are ldx floats apart, y and residual have no gaps. bias [m] and residual may be 0. */
export function finish_rows(
  x: usize,
  ldx: i32,
  m: i32,
  n: i32,
  bias: usize,
  residual: usize,
  low: f32,
  high: f32,
  y: usize,
): void {
  const row = <usize>n << 2;
  for (let i = 0; i < m; i++, x += <usize>ldx << 2, y += row) {
    finish_line(x, n, bias ? load<f32>(bias + (<usize>i << 2)) : 0, residual, low, high, y);
    if (residual) residual += row;
  }
}
