/** Panels of the matrix product: blocks of A and B laid out in the order the register tiles read them. */
import { transpose4x4 } from './transpose';

/** Columns of a panel of B. */
export const NR = 8;

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

/** `rows` (up to mr, 4 or 5) rows and k columns of op(A) into one panel, k columns of mr floats, zeros past the last row. lda in bytes. */
export function pack_a(trans: bool, a: usize, lda: usize, rows: i32, k: i32, mr: i32, out: usize): void {
  if (rows < mr) {
    pack_edge(a, trans ? lda : <usize>4, trans ? <usize>4 : lda, k, rows, mr, out);
    return;
  }
  const step = (<usize>mr) << 2;
  let p = 0;
  if (trans) {
    for (; p < k; p++, a += lda, out += step) {
      v128.store(out, v128.load(a));
      if (mr == 5) store<f32>(out, load<f32>(a, 16), 16);
    }
    return;
  }
  for (; p + 4 <= k; p += 4, a += 16, out += 4 * step) {
    transpose4x4(a, lda, out, step);
    if (mr == 5) {
      const last = a + 4 * lda;
      store<f32>(out, load<f32>(last), 16);
      store<f32>(out, load<f32>(last, 4), 36);
      store<f32>(out, load<f32>(last, 8), 56);
      store<f32>(out, load<f32>(last, 12), 76);
    }
  }
  if (p < k) pack_edge(a, 4, lda, k - p, rows, mr, out);
}

/** out[p * width + i] = x[p * along + i * across] for i < count, 0 for i in [count, width); strides of x in bytes. */
function pack_edge(x: usize, along: usize, across: usize, k: i32, count: i32, width: i32, out: usize): void {
  for (let p = 0; p < k; p++, x += along) {
    let i = 0;
    for (; i < count; i++, out += 4) store<f32>(out, load<f32>(x + <usize>i * across));
    for (; i < width; i++, out += 4) store<f32>(out, 0);
  }
}
