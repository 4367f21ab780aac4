/**
 * Matrix products with few rows, where packing would cost more than it saves: each element of the large operand is
 * read once, straight from where it lies. C has been multiplied by beta before.
 */
import { add_lanes, madd } from './lanes';

/** Longest stretch of the inner dimension that is copied to scratch at a time. */
const STRETCH = 4096;
/** Columns taken at a time, so that rows of C stay in the first-level cache while rows of B run by. */
const COLUMNS = 1024;

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

/** c[0..8) += s0 b0 + s1 b1 + s2 b2 + s3 b3, the four factors at s; b0 to b3 are 8 floats each. */
// @ts-ignore: decorator
@inline
function add_products4(
  c: usize,
  s: usize,
  b0: v128,
  b1: v128,
  b2: v128,
  b3: v128,
  d0: v128,
  d1: v128,
  d2: v128,
  d3: v128,
): void {
  const s0 = v128.load_splat<f32>(s);
  const s1 = v128.load_splat<f32>(s, 4);
  const x = madd(f32x4.mul(s0, b0), s1, b1);
  const y = madd(f32x4.mul(s0, d0), s1, d1);
  const s2 = v128.load_splat<f32>(s, 8);
  const s3 = v128.load_splat<f32>(s, 12);
  const u = madd(f32x4.mul(s2, b2), s3, b3);
  const v = madd(f32x4.mul(s2, d2), s3, d3);
  v128.store(c, f32x4.add(v128.load(c), f32x4.add(x, u)));
  v128.store(c, f32x4.add(v128.load(c, 16), f32x4.add(y, v)), 16);
}

/** n columns, a multiple of 8, of m (2 to 4) rows of C += four rows of B times the factors at s, four a row of C. */
// @ts-ignore: decorator
@inline
function add_rows4(m: i32, c: usize, ldc: usize, b: usize, ldb: usize, n: i32, s: usize): void {
  for (; n > 0; n -= 8, b += 32, c += 32) {
    const b0 = v128.load(b);
    const d0 = v128.load(b, 16);
    const b1 = v128.load(b + ldb);
    const d1 = v128.load(b + ldb, 16);
    const b2 = v128.load(b + 2 * ldb);
    const d2 = v128.load(b + 2 * ldb, 16);
    const b3 = v128.load(b + 3 * ldb);
    const d3 = v128.load(b + 3 * ldb, 16);
    add_products4(c, s, b0, b1, b2, b3, d0, d1, d2, d3);
    add_products4(c + ldc, s + 16, b0, b1, b2, b3, d0, d1, d2, d3);
    if (m > 2) add_products4(c + 2 * ldc, s + 32, b0, b1, b2, b3, d0, d1, d2, d3);
    if (m > 3) add_products4(c + 3 * ldc, s + 48, b0, b1, b2, b3, d0, d1, d2, d3);
  }
}

/** One row of C. */
function stream_row(n: i32, k: i32, alpha: f32, a: usize, a_col: usize, b: usize, ldb: usize, c: usize): void {
  let p = 0;
  for (; p + 8 <= k; p += 8, b += 8 * ldb, a += 8 * a_col) add_rows8(c, b, ldb, n, a, a_col, alpha);
  for (; p < k; p++, b += ldb, a += a_col) add_row(c, b, n, alpha * load<f32>(a));
}

/**
 * C [m, n] += alpha A B for at most 4 rows, B's rows contiguous: rows of B are added, scaled, to the rows of C, several at a
 * time, whole ones where C is one row, else COLUMNS of them. Strides in bytes; 64 bytes of scratch.
 */
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
  scratch: usize,
): void {
  if (m == 1) return stream_row(n, k, alpha, a, a_col, b, ldb, c);
  // The last few columns go row by row.
  const whole = n & ~7;
  for (let j = 0; j < whole; j += COLUMNS) {
    const cols = min(COLUMNS, whole - j);
    const offset = <usize>j << 2;
    let p = 0;
    for (; p + 4 <= k; p += 4) {
      for (let i = 0; i < m; i++) {
        const from = a + <usize>i * a_row + <usize>p * a_col;
        const to = scratch + ((<usize>i) << 4);
        store<f32>(to, alpha * load<f32>(from));
        store<f32>(to, alpha * load<f32>(from + a_col), 4);
        store<f32>(to, alpha * load<f32>(from + 2 * a_col), 8);
        store<f32>(to, alpha * load<f32>(from + 3 * a_col), 12);
      }
      const rows = b + <usize>p * ldb + offset;
      if (m == 4) add_rows4(4, c + offset, ldc, rows, ldb, cols, scratch);
      else if (m == 3) add_rows4(3, c + offset, ldc, rows, ldb, cols, scratch);
      else add_rows4(2, c + offset, ldc, rows, ldb, cols, scratch);
    }
    for (; p < k; p++)
      for (let i = 0; i < m; i++) {
        const s = alpha * load<f32>(a + <usize>i * a_row + <usize>p * a_col);
        add_row(c + <usize>i * ldc + offset, b + <usize>p * ldb + offset, cols, s);
      }
  }
  if (whole == n) return;
  const rest = <usize>whole << 2;
  for (let i = 0; i < m; i++)
    stream_row(n - whole, k, alpha, a + <usize>i * a_row, a_col, b + rest, ldb, c + <usize>i * ldc + rest);
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

/** The rest of x . y from element p on, added to the sum of the lanes of s. */
// @ts-ignore: decorator
@inline
function rest_of_dot(s: v128, x: usize, y: usize, rest: i32): f32 {
  let t = add_lanes(s);
  for (; rest > 0; rest--, x += 4, y += 4) t += load<f32>(x) * load<f32>(y);
  return t;
}

// @ts-ignore: decorator
@inline
function add_to(c: usize, v: f32): void {
  store<f32>(c, load<f32>(c) + v);
}

/** m (2 to 4) vectors, STRETCH floats apart, by two rows y; each dot product as in dots1. */
// @ts-ignore: decorator
@inline
function dots2(m: i32, x: usize, y: usize, ldy: usize, k: i32, alpha: f32, c: usize, c_row: usize, c_col: usize): void {
  let s00 = f32x4.splat(0);
  let s01 = f32x4.splat(0);
  let s10 = f32x4.splat(0);
  let s11 = f32x4.splat(0);
  let s20 = f32x4.splat(0);
  let s21 = f32x4.splat(0);
  let s30 = f32x4.splat(0);
  let s31 = f32x4.splat(0);
  let z = y + ldy;
  let p = k;
  for (; p >= 4; p -= 4, x += 16, y += 16, z += 16) {
    const y0 = v128.load(y);
    const y1 = v128.load(z);
    const x0 = v128.load(x);
    s00 = madd(s00, x0, y0);
    s01 = madd(s01, x0, y1);
    const x1 = v128.load(x, STRETCH * 4);
    s10 = madd(s10, x1, y0);
    s11 = madd(s11, x1, y1);
    if (m > 2) {
      const x2 = v128.load(x, STRETCH * 8);
      s20 = madd(s20, x2, y0);
      s21 = madd(s21, x2, y1);
    }
    if (m > 3) {
      const x3 = v128.load(x, STRETCH * 12);
      s30 = madd(s30, x3, y0);
      s31 = madd(s31, x3, y1);
    }
  }
  const next = c + c_col;
  add_to(c, alpha * rest_of_dot(s00, x, y, p));
  add_to(next, alpha * rest_of_dot(s01, x, z, p));
  add_to(c + c_row, alpha * rest_of_dot(s10, x + STRETCH * 4, y, p));
  add_to(next + c_row, alpha * rest_of_dot(s11, x + STRETCH * 4, z, p));
  if (m > 2) {
    add_to(c + 2 * c_row, alpha * rest_of_dot(s20, x + STRETCH * 8, y, p));
    add_to(next + 2 * c_row, alpha * rest_of_dot(s21, x + STRETCH * 8, z, p));
  }
  if (m > 3) {
    add_to(c + 3 * c_row, alpha * rest_of_dot(s30, x + STRETCH * 12, y, p));
    add_to(next + 3 * c_row, alpha * rest_of_dot(s31, x + STRETCH * 12, z, p));
  }
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
    if (m == 1) {
      for (; j + 4 <= n; j += 4) dots4(scratch, rows + <usize>j * ldy, ldy, kc, alpha, c + <usize>j * c_col, c_col);
    } else {
      for (; j + 2 <= n; j += 2) {
        const from = rows + <usize>j * ldy;
        const to = c + <usize>j * c_col;
        if (m == 4) dots2(4, scratch, from, ldy, kc, alpha, to, c_row, c_col);
        else if (m == 3) dots2(3, scratch, from, ldy, kc, alpha, to, c_row, c_col);
        else dots2(2, scratch, from, ldy, kc, alpha, to, c_row, c_col);
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
