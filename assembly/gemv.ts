/** Matrix times vector, a row-major [m, n]; sums in f64. */
import { add_multiple, dot } from './columns';
import { add_lanes_f64 } from './lanes';

/** y [m] = A x [n], or with trans y [n] = A' x [m]. */
export function gemv_f64(trans: i32, m: i32, n: i32, a: usize, x: usize, y: usize): void {
  const row = (<usize>n) << 3;
  if (!trans) {
    for (let i = 0; i < m; i++, a += row, y += 8) store<f64>(y, dot(a, x, n));
    return;
  }
  memory.fill(y, 0, row);
  for (let i = 0; i < m; i++, a += row, x += 8) add_multiple(y, a, n, load<f64>(x));
}

/** As gemv_f64, with A in f32: each element is widened before it is multiplied. */
export function gemv_f32(trans: i32, m: i32, n: i32, a: usize, x: usize, y: usize): void {
  const row = (<usize>n) << 2;
  if (!trans) {
    for (let i = 0; i < m; i++, a += row, y += 8) store<f64>(y, dot_wide(a, x, n));
    return;
  }
  memory.fill(y, 0, (<usize>n) << 3);
  for (let i = 0; i < m; i++, a += row, x += 8) add_multiple_wide(y, a, n, load<f64>(x));
}

/** x . y, x in f32, y in f64. */
// @ts-ignore: decorator
@inline
function dot_wide(x: usize, y: usize, n: i32): f64 {
  let s0 = f64x2.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  let i = 0;
  for (; i + 8 <= n; i += 8, x += 32, y += 64) {
    s0 = f64x2.add(s0, f64x2.mul(f64x2.promote_low_f32x4(v128.load64_zero(x)), v128.load(y)));
    s1 = f64x2.add(s1, f64x2.mul(f64x2.promote_low_f32x4(v128.load64_zero(x, 8)), v128.load(y, 16)));
    s2 = f64x2.add(s2, f64x2.mul(f64x2.promote_low_f32x4(v128.load64_zero(x, 16)), v128.load(y, 32)));
    s3 = f64x2.add(s3, f64x2.mul(f64x2.promote_low_f32x4(v128.load64_zero(x, 24)), v128.load(y, 48)));
  }
  let s = add_lanes_f64(f64x2.add(f64x2.add(s0, s1), f64x2.add(s2, s3)));
  for (; i < n; i++, x += 4, y += 8) s += <f64>load<f32>(x) * load<f64>(y);
  return s;
}

/** y += s x, x in f32, y in f64. */
// @ts-ignore: decorator
@inline
function add_multiple_wide(y: usize, x: usize, n: i32, s: f64): void {
  const ss = f64x2.splat(s);
  let i = 0;
  for (; i + 4 <= n; i += 4, x += 16, y += 32) {
    const low = f64x2.promote_low_f32x4(v128.load64_zero(x));
    const high = f64x2.promote_low_f32x4(v128.load64_zero(x, 8));
    v128.store(y, f64x2.add(v128.load(y), f64x2.mul(ss, low)));
    v128.store(y, f64x2.add(v128.load(y, 16), f64x2.mul(ss, high)), 16);
  }
  for (; i < n; i++, x += 4, y += 8) store<f64>(y, load<f64>(y) + s * <f64>load<f32>(x));
}
