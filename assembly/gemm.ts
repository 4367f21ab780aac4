/**
 * General matrix product, blocked for the caches and packed into panels (Goto and van de Geijn, Anatomy of
 * High-Performance Matrix Multiplication, 2008). Every element of C sums its products in ascending order of the inner
 * index, in stretches of KC.
 */
import { gemm_dots, gemm_stream } from './gemm-few';
import { NR, pack_a, pack_b } from './gemm-pack';
import { tile4x8, tile5x8 } from './gemm-tile';

/** Inner dimension of a block: a panel of B (8 KiB) stays in the first-level cache. */
const KC = 256;
/** Columns of a block of B: 480 KiB, for the second-level cache. */
const NC = 480;
/** Rows of a block of A: 120 KiB. */
const MC = 120;
/** Rows up to which nothing is packed. */
const FEW = 4;

const PANELS_A: usize = MC * KC * 4;
const PANELS_B: usize = KC * NC * 4;
const TILE: usize = 5 * NR * 4;

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
  if (m <= 0 || n <= 0) return;
  const la = (<usize>lda) << 2;
  const lb = (<usize>ldb) << 2;
  const lc = (<usize>ldc) << 2;
  const rows_a: usize = transA ? <usize>4 : la;
  const cols_a: usize = transA ? la : <usize>4;
  if (k <= 0 || m <= FEW || (n <= FEW && !transA)) {
    scale(c, lc, m, n, beta);
    if (k <= 0) return;
    if (m <= FEW && transB) gemm_dots(m, n, k, alpha, a, rows_a, cols_a, b, lb, c, lc, 4, scratch);
    else if (m <= FEW) gemm_stream(m, n, k, alpha, a, rows_a, cols_a, b, lb, c, lc);
    // C^T = op(B)^T A^T: the few columns of op(B) against the rows of A.
    else gemm_dots(n, m, k, alpha, b, transB ? lb : <usize>4, transB ? <usize>4 : lb, a, la, c, 4, lc, scratch);
    return;
  }
  const panels_b = scratch + PANELS_A;
  // Blocks of nearly equal height, none above MC.
  const blocks = (m + MC - 1) / MC;
  const height = (m + blocks - 1) / blocks;
  for (let jc = 0; jc < n; jc += NC) {
    const nc = min(NC, n - jc);
    for (let pc = 0; pc < k; pc += KC) {
      const kc = min(KC, k - pc);
      pack_b(
        !!transB,
        b + (transB ? <usize>jc * lb + ((<usize>pc) << 2) : <usize>pc * lb + ((<usize>jc) << 2)),
        lb,
        kc,
        nc,
        panels_b,
      );
      for (let ic = 0; ic < m; ic += height) {
        const mc = min(height, m - ic);
        block(
          !!transA,
          a + <usize>ic * rows_a + <usize>pc * cols_a,
          la,
          mc,
          nc,
          kc,
          alpha,
          pc == 0 ? beta : 1,
          c + <usize>ic * lc + ((<usize>jc) << 2),
          lc,
          scratch,
        );
      }
    }
  }
}

/** C = beta C, without reading C when beta is 0. */
function scale(c: usize, ldc: usize, m: i32, n: i32, beta: f32): void {
  if (beta == 1) return;
  for (let i = 0; i < m; i++, c += ldc) {
    if (beta == 0) memory.fill(c, 0, (<usize>n) << 2);
    else for (let j = 0; j < n; j++) store<f32>(c + ((<usize>j) << 2), beta * load<f32>(c + ((<usize>j) << 2)));
  }
}

/** Packs one block of A and multiplies it with the packed block of B. */
function block(
  transA: bool,
  a: usize,
  lda: usize,
  m: i32,
  n: i32,
  k: i32,
  alpha: f32,
  beta: f32,
  c: usize,
  ldc: usize,
  scratch: usize,
): void {
  const panels_b = scratch + PANELS_A;
  const edge = panels_b + PANELS_B;
  // As few panels as 5 rows each would need; where the rows do not fill them, panels of 4 make up the count.
  const count = (m + 4) / 5;
  const missing = 5 * count - m;
  const fours = missing <= count ? missing : m % 5 == 4 ? 1 : 0;
  const panel_a = (<usize>k * 5) << 2;
  for (let q = 0, r = 0; q < count; q++) {
    const mr = q < count - fours ? 5 : 4;
    pack_a(transA, a + <usize>r * (transA ? <usize>4 : lda), lda, min(mr, m - r), k, mr, scratch + <usize>q * panel_a);
    r += mr;
  }
  const panel_b = (<usize>k * NR) << 2;
  for (let j = 0, pb = panels_b; j < n; j += NR, pb += panel_b) {
    const nr = min(NR, n - j);
    for (let q = 0, r = 0; q < count; q++) {
      const mr = q < count - fours ? 5 : 4;
      const rows = min(mr, m - r);
      const pa = scratch + <usize>q * panel_a;
      const to = c + <usize>r * ldc + ((<usize>j) << 2);
      if (rows == mr && nr == NR) {
        if (mr == 5) tile5x8(k, pa, pb, to, ldc, alpha, beta);
        else tile4x8(k, pa, pb, to, ldc, alpha, beta);
      } else {
        if (mr == 5) tile5x8(k, pa, pb, edge, NR << 2, alpha, 0);
        else tile4x8(k, pa, pb, edge, NR << 2, alpha, 0);
        put_edge(edge, rows, nr, beta, to, ldc);
      }
      r += mr;
    }
  }
}

/** C = tile + beta C for the part of a tile that lies inside C. */
function put_edge(tile: usize, rows: i32, cols: i32, beta: f32, c: usize, ldc: usize): void {
  for (let i = 0; i < rows; i++, c += ldc, tile += NR << 2) {
    for (let j = 0; j < cols; j++) {
      const o = (<usize>j) << 2;
      const t = load<f32>(tile + o);
      store<f32>(c + o, beta == 0 ? t : t + beta * load<f32>(c + o));
    }
  }
}
