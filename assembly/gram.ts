/** Gram matrices of columns of doubles, and their Cholesky factors. */
import { cross_products } from './rotations';

/** Rows and columns that are worked on together: two blocks of them stay in a second-level cache. */
const ROWS = 512;
const COLUMNS = 64;

/** Bytes of scratch of `gram_f64` and of `cholesky_f64`. */
export function gram_f64_scratch(): i32 {
  return 64;
}

/**
 * Rows [from, from + count) of g = A'A, those elements with column <= row: a is column-major [m, n], g row-major [n, n]. Other
 * elements of g are left as they are. Sums run over blocks of 512 rows, one after another.
 */
export function gram_f64(a: usize, m: i32, n: i32, from: i32, count: i32, g: usize, scratch: usize): void {
  const end = from + count;
  for (let i = from; i < end; i++) memory.fill(g + (((<usize>i) * <usize>n) << 3), 0, <usize>(i + 1) << 3);
  for (let r = 0; r < m; r += ROWS) {
    const rows = min<i32>(ROWS, m - r);
    const block = a + (<usize>r << 3);
    for (let i = from; i < end; i += COLUMNS) {
      const i_end = min<i32>(end, i + COLUMNS);
      for (let j = 0; j < i_end; j += COLUMNS) gram_block(block, m, rows, n, i, i_end, j, min<i32>(i_end, j + COLUMNS), g, scratch);
    }
  }
}

/** Adds to g[i .. i_end, j .. j_end) what these rows contribute, below and on the diagonal. */
function gram_block(
  a: usize,
  m: i32,
  rows: i32,
  n: i32,
  i: i32,
  i_end: i32,
  j: i32,
  j_end: i32,
  g: usize,
  scratch: usize,
): void {
  const column = <usize>m << 3;
  for (; i < i_end; i += 2) {
    const x0 = a + <usize>i * column;
    const x1 = i + 1 < i_end ? x0 + column : x0;
    const limit = min<i32>(j_end, i + 2);
    for (let c = j; c < limit; c += 4) {
      const y0 = a + <usize>c * column;
      const y1 = c + 1 < limit ? y0 + column : y0;
      const y2 = c + 2 < limit ? y0 + 2 * column : y0;
      const y3 = c + 3 < limit ? y0 + 3 * column : y0;
      cross_products(x0, x1, y0, y1, y2, y3, rows, scratch);
      const to = g + ((<usize>i * <usize>n + <usize>c) << 3);
      add(to, scratch, min<i32>(4, min<i32>(j_end, i + 1) - c));
      if (i + 1 < i_end) add(to + (<usize>n << 3), scratch + 32, min<i32>(4, limit - c));
    }
  }
}

function add(to: usize, from: usize, count: i32): void {
  for (let c = 0; c < count; c++, to += 8, from += 8) store<f64>(to, load<f64>(to) + load<f64>(from));
}

/**
 * Lower Cholesky factor of g in place: row-major [n, n], of which only elements with column <= row are read and written. Returns 0,
 * or 1 + the first row whose pivot is not above `least` times what it started from; g is then unusable.
 */
export function cholesky_f64(g: usize, n: i32, least: f64, scratch: usize): i32 {
  const row = <usize>n << 3;
  for (let j = 0; j < n; j += 4) {
    const width = min<i32>(4, n - j);
    const y0 = g + <usize>j * row;
    const y1 = width > 1 ? y0 + row : y0;
    const y2 = width > 2 ? y0 + 2 * row : y0;
    const y3 = width > 3 ? y0 + 3 * row : y0;
    for (let i = j; i < n; i += 2) {
      const x0 = g + <usize>i * row;
      const two = i + 1 < n ? 2 : 1;
      cross_products(x0, two == 2 ? x0 + row : x0, y0, y1, y2, y3, j, scratch);
      for (let r = 0; r < two; r++) {
        const failed = finish(g, row, i + r, j, width, least, scratch + (<usize>r << 5));
        if (failed) return failed;
      }
    }
  }
  return 0;
}

/** Elements j .. j + width of row i, their products with what lies to the left at `products`. */
// @ts-ignore: decorator
@inline
function finish(g: usize, row: usize, i: i32, j: i32, width: i32, least: f64, products: usize): i32 {
  const x = g + <usize>i * row;
  for (let c = j; c < min<i32>(j + width, i + 1); c++) {
    const at = x + (<usize>c << 3);
    const y = g + <usize>c * row;
    const given = load<f64>(at);
    let s = given - load<f64>(products + (<usize>(c - j) << 3));
    for (let l = j; l < c; l++) s -= load<f64>(x + (<usize>l << 3)) * load<f64>(y + (<usize>l << 3));
    if (c < i) {
      store<f64>(at, s / load<f64>(y + (<usize>c << 3)));
    } else {
      if (!(s > least * given)) return i + 1;
      store<f64>(at, sqrt<f64>(s));
    }
  }
  return 0;
}
