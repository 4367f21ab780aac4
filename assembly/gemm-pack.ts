/**
 * Panels of the matrix product: A and B laid out in the order the register tiles read them. The layouts, which callers may
 * write themselves, name no block size:
 *
 * - B [k, n]: ceil(n / 8) panels of 8 columns; a panel is k rows of 8 floats, zeros past the last column. Panel j / 8, which
 *   starts at column j, is at (j / 8) * k * 8 floats; the whole has ceil(n / 8) * 8 * k floats.
 * - A [m, k]: ceil(m / MR) panels of nearly equal height, the taller ones first; a panel of h rows is k columns
 *   of h floats. The panel that starts at row i is at i * k floats; the whole has m * k floats.
 *
 * A run of neighbouring panels is itself a packed matrix, so work can be split at panel borders.
 */
import { transpose4x4 } from './transpose';

/** Columns of a panel of B. */
export const NR = 8;
/** Most rows of a panel of A: as many as the registers hold (the sum of the products takes one more where nothing is fused). */
export const MR: i32 = ASC_FEATURE_RELAXED_SIMD ? 6 : 5;

/** Height of the low panels of A; the tall ones have a row more. m is at least 1. */
export function low_panel(m: i32): i32 {
  return m / ((m + MR - 1) / MR);
}

/** Row at which the low panels of A begin. */
export function tall_rows(m: i32, low: i32): i32 {
  return (m - low * ((m + MR - 1) / MR)) * (low + 1);
}

export function gemm_rows(): i32 {
  return MR;
}

export function gemm_packed_a(m: i32, k: i32): usize {
  return (<usize>m * <usize>k) << 2;
}

export function gemm_packed_b(k: i32, n: i32): usize {
  return (<usize>((n + NR - 1) / NR) * <usize>k) << 5;
}

export function gemm_pack_a(trans: i32, m: i32, k: i32, a: usize, lda: i32, out: usize): void {
  const step = (<usize>lda) << 2;
  const row = trans ? <usize>4 : step;
  if (m <= 0) return;
  const low = low_panel(m);
  const tall = tall_rows(m, low);
  for (let i = 0; i < m; ) {
    const h = i < tall ? low + 1 : low;
    pack_a(!!trans, a + <usize>i * row, step, h, k, out + ((<usize>i * <usize>k) << 2));
    i += h;
  }
}

export function gemm_pack_b(trans: i32, k: i32, n: i32, b: usize, ldb: i32, out: usize): void {
  pack_b(!!trans, b, (<usize>ldb) << 2, k, n, out);
}

/**
 * Rows [0, k) and columns [0, n) of op(B) into panels of 8 columns, k rows of 8 floats each, zeros past the last column.
 * ldb in bytes.
 */
export function pack_b(trans: bool, b: usize, ldb: usize, k: i32, n: i32, out: usize): void {
  const panel = (<usize>k * NR) << 2;
  const whole = n & ~(NR - 1);
  if (trans) {
    for (let j = 0; j < whole; j += NR) {
      const rows = b + <usize>j * ldb;
      const to = out + <usize>(j >> 3) * panel;
      let p = 0;
      for (; p + 4 <= k; p += 4) {
        const from = rows + ((<usize>p) << 2);
        transpose4x4(from, ldb, to + ((<usize>p) << 5), 32);
        transpose4x4(from + 4 * ldb, ldb, to + ((<usize>p) << 5) + 16, 32);
      }
      if (p < k) pack_edge(rows + ((<usize>p) << 2), 4, ldb, k - p, NR, NR, to + ((<usize>p) << 5));
    }
  } else {
    // Four rows of B side by side: runs along each row, and 128 bytes in one go to each panel.
    let p = 0;
    for (; p + 4 <= k; p += 4) {
      let from = b + <usize>p * ldb;
      let to = out + ((<usize>p) << 5);
      for (let j = 0; j < whole; j += NR, from += 32, to += panel) {
        v128.store(to, v128.load(from));
        v128.store(to, v128.load(from, 16), 16);
        v128.store(to, v128.load(from + ldb), 32);
        v128.store(to, v128.load(from + ldb, 16), 48);
        v128.store(to, v128.load(from + 2 * ldb), 64);
        v128.store(to, v128.load(from + 2 * ldb, 16), 80);
        v128.store(to, v128.load(from + 3 * ldb), 96);
        v128.store(to, v128.load(from + 3 * ldb, 16), 112);
      }
    }
    for (; p < k; p++) {
      let from = b + <usize>p * ldb;
      let to = out + ((<usize>p) << 5);
      for (let j = 0; j < whole; j += NR, from += 32, to += panel) {
        v128.store(to, v128.load(from));
        v128.store(to, v128.load(from, 16), 16);
      }
    }
  }
  if (whole < n) {
    const from = b + (trans ? <usize>whole * ldb : (<usize>whole) << 2);
    pack_edge(
      from,
      trans ? <usize>4 : ldb,
      trans ? ldb : <usize>4,
      k,
      n - whole,
      NR,
      out + <usize>(whole >> 3) * panel,
    );
  }
}

/** `rows` (at most 6) rows and k columns of op(A) into one panel: k columns of `rows` floats. lda in bytes. */
export function pack_a(trans: bool, a: usize, lda: usize, rows: i32, k: i32, out: usize): void {
  const step = (<usize>rows) << 2;
  let p = 0;
  if (trans) {
    if (rows < 4) return pack_edge(a, lda, 4, k, rows, rows, out);
    for (; p < k; p++, a += lda, out += step) {
      v128.store(out, v128.load(a));
      for (let i = 4; i < rows; i++) store<f32>(out + ((<usize>i) << 2), load<f32>(a + ((<usize>i) << 2)));
    }
    return;
  }
  if (rows >= 4) {
    for (; p + 4 <= k; p += 4, a += 16, out += 4 * step) {
      transpose4x4(a, lda, out, step);
      for (let i = 4; i < rows; i++) {
        const from = a + <usize>i * lda;
        const to = out + ((<usize>i) << 2);
        store<f32>(to, load<f32>(from));
        store<f32>(to + step, load<f32>(from, 4));
        store<f32>(to + 2 * step, load<f32>(from, 8));
        store<f32>(to + 3 * step, load<f32>(from, 12));
      }
    }
  }
  if (p < k) pack_edge(a, 4, lda, k - p, rows, rows, out);
}

/** out[p * width + i] = x[p * along + i * across] for i < count, 0 for i in [count, width); strides of x in bytes. */
function pack_edge(x: usize, along: usize, across: usize, k: i32, count: i32, width: i32, out: usize): void {
  for (let p = 0; p < k; p++, x += along) {
    let i = 0;
    for (; i < count; i++, out += 4) store<f32>(out, load<f32>(x + <usize>i * across));
    for (; i < width; i++, out += 4) store<f32>(out, 0);
  }
}
