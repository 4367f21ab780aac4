/**
 * General matrix product, blocked for the caches and packed into panels (Goto and van de Geijn, Anatomy of
 * High-Performance Matrix Multiplication, 2008). Every element of C sums its products in ascending order of the inner
 * index, in stretches of KC, whatever was packed before.
 */
import { gemm_dots, gemm_stream } from './gemm-few';
import { finish, put, put_edge } from './gemm-finish';
import { low_panel, NR, pack_a, pack_b, tall_rows } from './gemm-pack';
import { tile_rows } from './gemm-tile';

/** Inner dimension of a block: a panel of B (16 KiB) and one of A (12 KiB) stay in the first-level cache. */
const KC = 512;
/** Columns of a block of B: 1 MiB. */
const NC = 512;
/** Rows of a block of A: 60 KiB, for the second-level cache. */
const MC = 30;
/** Rows up to which nothing is packed. */
const FEW = 4;
/** Bytes of a cache line. */
const LINE = 64;
/** What a transpose flag says of an operand that is in panels. */
const PACKED = 2;

const PANELS_A: usize = MC * KC * 4;
const PANELS_B: usize = KC * NC * 4;
const TILE: usize = 6 * NR * 4;

export function gemm_scratch(): i32 {
  return <i32>(PANELS_A + PANELS_B + TILE);
}

export function gemm(
  transA: i32,
  transB: i32,
  m: i32,
  n: i32,
  k: i32,
  alpha: f32,
  a: usize,
  lda: i32,
  b: usize,
  ldb: i32,
  beta: f32,
  c: usize,
  ldc: i32,
  scratch: usize,
): void {
  gemm_fused(transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, 0, 0, 0, 0, -Infinity, Infinity, scratch);
}

export function gemm_batch(
  count: i32,
  transA: i32,
  transB: i32,
  m: i32,
  n: i32,
  k: i32,
  alpha: f32,
  a: usize,
  lda: i32,
  stepA: i32,
  b: usize,
  ldb: i32,
  stepB: i32,
  beta: f32,
  c: usize,
  ldc: i32,
  stepC: i32,
  scratch: usize,
): void {
  for (let i = 0; i < count; i++) {
    gemm(transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, scratch);
    a += (<usize>stepA) << 2;
    b += (<usize>stepB) << 2;
    c += (<usize>stepC) << 2;
  }
}

export function gemm_fused(
  transA: i32,
  transB: i32,
  m: i32,
  n: i32,
  k: i32,
  alpha: f32,
  a: usize,
  lda: i32,
  b: usize,
  ldb: i32,
  beta: f32,
  c: usize,
  ldc: i32,
  bias: usize,
  kind: i32,
  residual: usize,
  ldr: i32,
  low: f32,
  high: f32,
  scratch: usize,
): void {
  if (m <= 0 || n <= 0) return;
  const la = (<usize>lda) << 2;
  const lb = (<usize>ldb) << 2;
  const lc = (<usize>ldc) << 2;
  const lr = residual ? (<usize>ldr) << 2 : 0;
  const plain = kind == 0 && lr == 0 && low == -Infinity && high == Infinity;
  if (k <= 0 || few(transA, transB, m, n)) {
    scale(c, lc, m, n, beta);
    if (k > 0) product_of_few(transA, transB, m, n, k, alpha, a, la, b, lb, c, lc, scratch);
    if (!plain) finish(m, n, c, lc, bias, kind, residual, lr, low, high);
    return;
  }
  const low_rows = low_panel(m);
  const tall = tall_rows(m, low_rows);
  const panels_b = scratch + PANELS_A;
  const tile = panels_b + PANELS_B;
  for (let jc = 0; jc < n; jc += NC) {
    const nc = min(NC, n - jc);
    for (let pc = 0; pc < k; pc += KC) {
      const kc = min(KC, k - pc);
      const last = !plain && pc + kc == k;
      const by: f32 = pc == 0 ? beta : 1;
      // Panels of B of this block, and how far they are apart.
      let pb = panels_b;
      let panel_b = (<usize>kc) << 5;
      if (transB == PACKED) {
        pb = b + ((<usize>(jc / NR) * <usize>k + <usize>pc) << 5);
        panel_b = (<usize>k) << 5;
      } else if (transB) pack_b(true, b + <usize>jc * lb + ((<usize>pc) << 2), lb, kc, nc, panels_b);
      else pack_b(false, b + <usize>pc * lb + ((<usize>jc) << 2), lb, kc, nc, panels_b);
      const to = c + ((<usize>jc) << 2);
      for (let ic = 0; ic < m; ) {
        // As many panels of A as a block holds.
        let end = ic;
        while (end < m) {
          const h = end < tall ? low_rows + 1 : low_rows;
          if (end + h - ic > MC) break;
          if (transA != PACKED) {
            const at = scratch + ((<usize>(end - ic) * <usize>kc) << 2);
            if (transA) pack_a(true, a + ((<usize>end) << 2) + <usize>pc * la, la, h, kc, at);
            else pack_a(false, a + <usize>end * la + ((<usize>pc) << 2), la, h, kc, at);
          }
          end += h;
        }
        for (let j = 0, p = pb; j < nc; j += NR, p += panel_b) {
          const cols = min(NR, nc - j);
          const strip = to + ((<usize>j) << 2);
          if (transB == PACKED && ic == 0 && j + NR < nc) touch(p + panel_b, (<usize>kc) << 5, tile);
          for (let i = ic; i < end; ) {
            const h = i < tall ? low_rows + 1 : low_rows;
            if (transA == PACKED) tile_rows(h, kc, a + ((<usize>i * <usize>k + <usize>pc * <usize>h) << 2), p, tile);
            else tile_rows(h, kc, scratch + ((<usize>(i - ic) * <usize>kc) << 2), p, tile);
            const at = strip + <usize>i * lc;
            if (cols == NR) put(h, tile, alpha, by, at, lc);
            else put_edge(h, cols, tile, alpha, by, at, lc);
            i += h;
          }
          if (last) {
            const own = kind == 1 ? bias + ((<usize>(jc + j)) << 2) : bias + ((<usize>ic) << 2);
            const other = residual + <usize>ic * lr + ((<usize>(jc + j)) << 2);
            finish(end - ic, cols, strip + <usize>ic * lc, lc, own, kind, other, lr, low, high);
          }
        }
        ic = end;
      }
    }
  }
}

/** Brings bytes into the first-level cache while there is other work: weights come from far. What is read goes to `sink`. */
// @ts-ignore: decorator
@inline
function touch(p: usize, bytes: usize, sink: usize): void {
  let t: i32 = 0;
  for (const end = p + bytes; p < end; p += LINE) t |= load<i32>(p);
  store<i32>(sink, t);
}

/** Whether a product is so thin that packing would cost more than it saves. */
// @ts-ignore: decorator
@inline
function few(transA: i32, transB: i32, m: i32, n: i32): bool {
  return transA != PACKED && transB != PACKED && (m <= FEW || (n <= FEW && !transA));
}

/** C += alpha op(A) op(B) for few rows, or few columns. */
function product_of_few(
  transA: i32,
  transB: i32,
  m: i32,
  n: i32,
  k: i32,
  alpha: f32,
  a: usize,
  la: usize,
  b: usize,
  lb: usize,
  c: usize,
  lc: usize,
  scratch: usize,
): void {
  const row: usize = transA ? <usize>4 : la;
  const col: usize = transA ? la : <usize>4;
  if (m <= FEW && transB) gemm_dots(m, n, k, alpha, a, row, col, b, lb, c, lc, 4, scratch);
  else if (m <= FEW) gemm_stream(m, n, k, alpha, a, row, col, b, lb, c, lc, scratch);
  // C^T = op(B)^T A^T: the few columns of op(B) against the rows of A.
  else gemm_dots(n, m, k, alpha, b, transB ? lb : <usize>4, transB ? <usize>4 : lb, a, la, c, 4, lc, scratch);
}

/** C = beta C, without reading C when beta is 0. */
function scale(c: usize, ldc: usize, m: i32, n: i32, beta: f32): void {
  if (beta == 1) return;
  for (let i = 0; i < m; i++, c += ldc) {
    if (beta == 0) memory.fill(c, 0, (<usize>n) << 2);
    else for (let j = 0; j < n; j++) store<f32>(c + ((<usize>j) << 2), beta * load<f32>(c + ((<usize>j) << 2)));
  }
}
