/**
 * Matrix products with few rows, where packing would cost more than it saves: each element of the large operand is
 * read once, straight from where it lies. C has been multiplied by beta before.
 */
import { add_lanes, madd } from './lanes';

/** Longest stretch of the inner dimension that is copied to scratch at a time. */
const STRETCH = 4096;
/** Columns taken at a time, so that 8 rows of B stay in the first-level cache for all rows of A. */
const COLUMNS = 512;

/** c[0..n) += sum over 8 rows b_p of s_p b_p; ldb in bytes. */
// @ts-ignore: decorator
@inline
function add_rows8(c: usize, b: usize, ldb: usize, n: i32, a: usize, step: usize, alpha: f32): void {
  const s0 = f32x4.splat(alpha * load<f32>(a));
  const s1 = f32x4.splat(alpha * load<f32>(a + step));
  const s2 = f32x4.splat(alpha * load<f32>(a + 2 * step));
  const s3 = f32x4.splat(alpha * load<f32>(a + 3 * step));
  const s4 = f32x4.splat(alpha * load<f32>(a + 4 * step));
  const s5 = f32x4.splat(alpha * load<f32>(a + 5 * step));
  const s6 = f32x4.splat(alpha * load<f32>(a + 6 * step));
  const s7 = f32x4.splat(alpha * load<f32>(a + 7 * step));
  let i = 0;
  for (; i + 4 <= n; i += 4, c += 16, b += 16) {
    const u = madd(f32x4.mul(s0, v128.load(b)), s1, v128.load(b + ldb));
    const v = madd(f32x4.mul(s2, v128.load(b + 2 * ldb)), s3, v128.load(b + 3 * ldb));
    const w = madd(f32x4.mul(s4, v128.load(b + 4 * ldb)), s5, v128.load(b + 5 * ldb));
    const x = madd(f32x4.mul(s6, v128.load(b + 6 * ldb)), s7, v128.load(b + 7 * ldb));
    v128.store(c, f32x4.add(v128.load(c), f32x4.add(f32x4.add(u, v), f32x4.add(w, x))));
  }
  for (; i < n; i++, c += 4, b += 4) {
    const u = f32x4.extract_lane(s0, 0) * load<f32>(b) + f32x4.extract_lane(s1, 0) * load<f32>(b + ldb);
    const v = f32x4.extract_lane(s2, 0) * load<f32>(b + 2 * ldb) + f32x4.extract_lane(s3, 0) * load<f32>(b + 3 * ldb);
    const w = f32x4.extract_lane(s4, 0) * load<f32>(b + 4 * ldb) + f32x4.extract_lane(s5, 0) * load<f32>(b + 5 * ldb);
    const x = f32x4.extract_lane(s6, 0) * load<f32>(b + 6 * ldb) + f32x4.extract_lane(s7, 0) * load<f32>(b + 7 * ldb);
    store<f32>(c, load<f32>(c) + (u + v + (w + x)));
  }
}

/** c[0..n) += s b[0..n) */
// @ts-ignore: decorator
@inline
function add_row(c: usize, b: usize, n: i32, s: f32): void {
  const t = f32x4.splat(s);
  let i = 0;
  for (; i + 4 <= n; i += 4, c += 16, b += 16) v128.store(c, madd(v128.load(c), t, v128.load(b)));
  for (; i < n; i++, c += 4, b += 4) store<f32>(c, load<f32>(c) + s * load<f32>(b));
}

/** C [m, n] += alpha A B, B's rows contiguous: eight rows of B at a time are added, scaled, to the rows of C. Strides in bytes. */
export function gemm_stream(
  m: i32,
  n: i32,
  k: i32,
  alpha: f32,
  a: usize,
  a_row: usize,
  a_col: usize,
  b: usize,
  ldb: usize,
  c: usize,
  ldc: usize,
): void {
  const width = m == 1 ? max(n, 1) : COLUMNS;
  for (let j = 0; j < n; j += width) {
    const cols = min(width, n - j);
    const offset = <usize>j << 2;
    let p = 0;
    for (; p + 8 <= k; p += 8) {
      const from = b + <usize>p * ldb + offset;
      for (let i = 0; i < m; i++) {
        const s = a + <usize>i * a_row + <usize>p * a_col;
        add_rows8(c + <usize>i * ldc + offset, from, ldb, cols, s, a_col, alpha);
      }
    }
    for (; p < k; p++) {
      const from = b + <usize>p * ldb + offset;
      for (let i = 0; i < m; i++) {
        const s = alpha * load<f32>(a + <usize>i * a_row + <usize>p * a_col);
        add_row(c + <usize>i * ldc + offset, from, cols, s);
      }
    }
  }
}

/** c[j] += alpha x . y_j for four rows y_j. */
// @ts-ignore: decorator
@inline
function dots4(x: usize, y: usize, ldy: usize, k: i32, alpha: f32, c: usize, c_step: usize): void {
  let s0 = f32x4.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  let p = 0;
  for (; p + 4 <= k; p += 4, x += 16, y += 16) {
    const v = v128.load(x);
    s0 = madd(s0, v, v128.load(y));
    s1 = madd(s1, v, v128.load(y + ldy));
    s2 = madd(s2, v, v128.load(y + 2 * ldy));
    s3 = madd(s3, v, v128.load(y + 3 * ldy));
  }
  let t0 = add_lanes(s0);
  let t1 = add_lanes(s1);
  let t2 = add_lanes(s2);
  let t3 = add_lanes(s3);
  for (; p < k; p++, x += 4, y += 4) {
    const v = load<f32>(x);
    t0 += v * load<f32>(y);
    t1 += v * load<f32>(y + ldy);
    t2 += v * load<f32>(y + 2 * ldy);
    t3 += v * load<f32>(y + 3 * ldy);
  }
  store<f32>(c, load<f32>(c) + alpha * t0);
  c += c_step;
  store<f32>(c, load<f32>(c) + alpha * t1);
  c += c_step;
  store<f32>(c, load<f32>(c) + alpha * t2);
  c += c_step;
  store<f32>(c, load<f32>(c) + alpha * t3);
}

// @ts-ignore: decorator
@inline
function dots1(x: usize, y: usize, k: i32, alpha: f32, c: usize): void {
  let s = f32x4.splat(0);
  let p = 0;
  for (; p + 4 <= k; p += 4, x += 16, y += 16) s = madd(s, v128.load(x), v128.load(y));
  let t = add_lanes(s);
  for (; p < k; p++, x += 4, y += 4) t += load<f32>(x) * load<f32>(y);
  store<f32>(c, load<f32>(c) + alpha * t);
}

/**
 * c[i, j] += alpha x_i . y_j for m (at most 4) vectors x_i and n rows y_j of k floats, the rows contiguous. Strides in bytes.
 * The x_i are copied to scratch, 4096 elements of each at a time (64 KiB in all).
 */
export function gemm_dots(
  m: i32,
  n: i32,
  k: i32,
  alpha: f32,
  x: usize,
  x_row: usize,
  x_col: usize,
  y: usize,
  ldy: usize,
  c: usize,
  c_row: usize,
  c_col: usize,
  scratch: usize,
): void {
  for (let p0 = 0; p0 < k; p0 += STRETCH) {
    const kc = min(STRETCH, k - p0);
    for (let i = 0; i < m; i++) {
      let from = x + <usize>i * x_row + <usize>p0 * x_col;
      const to = scratch + ((<usize>i * STRETCH) << 2);
      for (let p = 0; p < kc; p++, from += x_col) store<f32>(to + (<usize>p << 2), load<f32>(from));
    }
    const rows = y + (<usize>p0 << 2);
    let j = 0;
    for (; j + 4 <= n; j += 4) {
      for (let i = 0; i < m; i++) {
        const v = scratch + ((<usize>i * STRETCH) << 2);
        dots4(v, rows + <usize>j * ldy, ldy, kc, alpha, c + <usize>i * c_row + <usize>j * c_col, c_col);
      }
    }
    for (; j < n; j++) {
      for (let i = 0; i < m; i++) {
        const v = scratch + ((<usize>i * STRETCH) << 2);
        dots1(v, rows + <usize>j * ldy, kc, alpha, c + <usize>i * c_row + <usize>j * c_col);
      }
    }
  }
}
