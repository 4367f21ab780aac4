/**
 * Singular values by one-sided Jacobi rotations (Hestenes 1958), largest remaining column first (de Rijk 1989). Columns
 * are made orthogonal in pairs until every cosine is at rounding level; norms then are the singular values, each right to
 * high relative accuracy however the columns are scaled (Demmel and Veselic 1992).
 */
import { dot, norm, swap } from './columns';

const EPSILON: f64 = 2.220446049250313e-16;
const MAX_SWEEPS = 60;
/** Norms below this are 0 for the purpose of rotating: their products would leave the range of f64. */
const NEGLIGIBLE: f64 = 1e-290;
/** Products of norms below this are not formed; the columns are normalised first. */
const SMALL: f64 = 1e-280;

export function svd_scratch(m: i32, n: i32): i32 {
  return 16 + (n << 3);
}

export function svd(a: usize, m: i32, n: i32, sigma: usize, v: usize, scratch: usize): void {
  const norms = scratch + 16;
  const column = <usize>m << 3;
  const column_v = <usize>n << 3;
  if (v) {
    memory.fill(v, 0, column_v * <usize>n);
    for (let j = 0; j < n; j++) store<f64>(v + <usize>j * column_v + (<usize>j << 3), 1);
  }
  const tolerance = EPSILON * sqrt<f64>(<f64>m);
  let sweep = 0;
  let rotations = 1;
  while (rotations > 0 && sweep < MAX_SWEEPS) {
    rotations = 0;
    sweep++;
    for (let j = 0; j < n; j++) store<f64>(norms + (<usize>j << 3), norm(a + <usize>j * column, m));
    for (let i = 0; i < n - 1; i++) {
      bring_largest(a, column, v, column_v, norms, i, n);
      const x = a + <usize>i * column;
      for (let j = i + 1; j < n; j++) {
        const norm_x = load<f64>(norms + (<usize>i << 3));
        const norm_y = load<f64>(norms + (<usize>j << 3));
        if (norm_x < NEGLIGIBLE || norm_y < NEGLIGIBLE) continue;
        const y = a + <usize>j * column;
        const cosine = norm_x * norm_y < SMALL ? dot_unit(x, y, m, norm_x, norm_y) : dot(x, y, m) / (norm_x * norm_y);
        if (!(abs<f64>(cosine) > tolerance)) continue;
        rotations++;
        // The rotation that diagonalises [[|x|^2, x.y], [x.y, |y|^2]], by its smaller angle.
        const zeta = (0.5 * (norm_y / norm_x - norm_x / norm_y)) / cosine;
        const t = abs<f64>(zeta) > 1e8 ? 0.5 / zeta : copysign<f64>(1, zeta) / (abs<f64>(zeta) + sqrt<f64>(1 + zeta * zeta));
        const c = 1 / sqrt<f64>(1 + t * t);
        rotate(x, y, m, c, c * t);
        if (v) rotate(v + <usize>i * column_v, v + <usize>j * column_v, n, c, c * t);
        update_norm(norms + (<usize>i << 3), x, m, 1 - t * cosine * (norm_y / norm_x));
        update_norm(norms + (<usize>j << 3), y, m, 1 + t * cosine * (norm_x / norm_y));
      }
    }
  }
  for (let j = 0; j < n; j++) store<f64>(norms + (<usize>j << 3), norm(a + <usize>j * column, m));
  for (let i = 0; i < n; i++) {
    bring_largest(a, column, v, column_v, norms, i, n);
    store<f64>(sigma + (<usize>i << 3), load<f64>(norms + (<usize>i << 3)));
  }
  store<i32>(scratch, rotations > 0 ? -sweep : sweep);
}

/** |x|^2 has been multiplied by `factor`; where that cancels, the norm is taken anew. */
// @ts-ignore: decorator
@inline
function update_norm(at: usize, x: usize, n: i32, factor: f64): void {
  store<f64>(at, factor > 0.01 ? load<f64>(at) * sqrt<f64>(factor) : norm(x, n));
}

/** Swaps column i with the one of largest norm in [i, n). */
function bring_largest(a: usize, column: usize, v: usize, column_v: usize, norms: usize, i: i32, n: i32): void {
  let best = i;
  let most = load<f64>(norms + (<usize>i << 3));
  for (let j = i + 1; j < n; j++) {
    const candidate = load<f64>(norms + (<usize>j << 3));
    if (candidate > most) {
      most = candidate;
      best = j;
    }
  }
  if (best == i) return;
  swap(a + <usize>i * column, a + <usize>best * column, column);
  if (v) swap(v + <usize>i * column_v, v + <usize>best * column_v, column_v);
  swap(norms + (<usize>i << 3), norms + (<usize>best << 3), 8);
}

/** Cosine of columns so small that their norms' product would underflow. */
function dot_unit(x: usize, y: usize, n: i32, norm_x: f64, norm_y: f64): f64 {
  let s: f64 = 0;
  for (let i = 0; i < n; i++) {
    s += (load<f64>(x + (<usize>i << 3)) / norm_x) * (load<f64>(y + (<usize>i << 3)) / norm_y);
  }
  return s;
}

/** (x, y) = (c x - s y, s x + c y) */
// @ts-ignore: decorator
@inline
function rotate(x: usize, y: usize, n: i32, c: f64, s: f64): void {
  const cc = f64x2.splat(c);
  const ss = f64x2.splat(s);
  let i = 0;
  for (; i + 4 <= n; i += 4, x += 32, y += 32) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const y0 = v128.load(y);
    const y1 = v128.load(y, 16);
    v128.store(x, f64x2.sub(f64x2.mul(cc, x0), f64x2.mul(ss, y0)));
    v128.store(x, f64x2.sub(f64x2.mul(cc, x1), f64x2.mul(ss, y1)), 16);
    v128.store(y, f64x2.add(f64x2.mul(ss, x0), f64x2.mul(cc, y0)));
    v128.store(y, f64x2.add(f64x2.mul(ss, x1), f64x2.mul(cc, y1)), 16);
  }
  for (; i < n; i++, x += 8, y += 8) {
    const x0 = load<f64>(x);
    const y0 = load<f64>(y);
    store<f64>(x, c * x0 - s * y0);
    store<f64>(y, s * x0 + c * y0);
  }
}
