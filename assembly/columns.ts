/** Columns of doubles: products, norms, exchanges. */
import { add_lanes_f64 } from './lanes';

/** Exchanges two stretches of `bytes`, a multiple of 8. */
export function swap(x: usize, y: usize, bytes: usize): void {
  for (let o: usize = 0; o < bytes; o += 8) {
    const t = load<u64>(x + o);
    store<u64>(x + o, load<u64>(y + o));
    store<u64>(y + o, t);
  }
}

/** Euclidean norm; columns whose squares would underflow are scaled by their largest element. */
export function norm(x: usize, n: i32): f64 {
  const s = dot(x, x, n);
  if (s > 1e-250) return sqrt<f64>(s);
  let largest: f64 = 0;
  for (let i = 0; i < n; i++) largest = max<f64>(largest, abs<f64>(load<f64>(x + (<usize>i << 3))));
  if (largest == 0) return 0;
  let total: f64 = 0;
  for (let i = 0; i < n; i++) {
    const e = load<f64>(x + (<usize>i << 3)) / largest;
    total += e * e;
  }
  return largest * sqrt<f64>(total);
}

/** x . y in four chains of two lanes. */
// @ts-ignore: decorator
@inline
export function dot(x: usize, y: usize, n: i32): f64 {
  let s0 = f64x2.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  let i = 0;
  for (; i + 8 <= n; i += 8, x += 64, y += 64) {
    s0 = f64x2.add(s0, f64x2.mul(v128.load(x), v128.load(y)));
    s1 = f64x2.add(s1, f64x2.mul(v128.load(x, 16), v128.load(y, 16)));
    s2 = f64x2.add(s2, f64x2.mul(v128.load(x, 32), v128.load(y, 32)));
    s3 = f64x2.add(s3, f64x2.mul(v128.load(x, 48), v128.load(y, 48)));
  }
  let s = add_lanes_f64(f64x2.add(f64x2.add(s0, s1), f64x2.add(s2, s3)));
  for (; i < n; i++, x += 8, y += 8) s += load<f64>(x) * load<f64>(y);
  return s;
}

/** y += s x */
// @ts-ignore: decorator
@inline
export function add_multiple(y: usize, x: usize, n: i32, s: f64): void {
  const ss = f64x2.splat(s);
  let i = 0;
  for (; i + 4 <= n; i += 4, x += 32, y += 32) {
    v128.store(y, f64x2.add(v128.load(y), f64x2.mul(ss, v128.load(x))));
    v128.store(y, f64x2.add(v128.load(y, 16), f64x2.mul(ss, v128.load(x, 16))), 16);
  }
  for (; i < n; i++, x += 8, y += 8) store<f64>(y, load<f64>(y) + s * load<f64>(x));
}
