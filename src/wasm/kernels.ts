import type { CodeKernels } from './kernels-codes.ts';
import type { ElementwiseKernels } from './kernels-elementwise.ts';
import type { GradientKernels } from './kernels-gradient.ts';
import type { IntegerKernels } from './kernels-integer.ts';

/** Byte address in wasm memory. Elements need no alignment beyond what the host's own views ask for. */
export type Ptr = number;

export type { Binary, BinaryColumn, BinaryRow, BinaryScalar, Unary } from './kernels-elementwise.ts';

/** y[r] = f(x[r, :]): x is [rows, cols], y is [rows]. */
export type ReduceRows = (x: Ptr, rows: number, cols: number, y: Ptr) => void;

/**
 * The kernels' binary interface: what `assembly/index.ts` exports. Floats are f32 unless said, matrices row-major, sizes
 * i32. A kernel reads and writes exactly the elements its shapes name, keeps no state, allocates nothing and sums in an
 * order that depends on the shapes only. Sizes of 0 are legal. Nothing is checked: callers pass what the comments ask for.
 */
export interface Kernels extends CodeKernels, ElementwiseKernels, GradientKernels, IntegerKernels {
  /** First address above the module's static data. */
  heap_base(): Ptr;
  /** 1 in the relaxed build, 0 in the plain one. */
  relaxed(): number;

  // Matrix product

  /**
   * C = alpha op(A) op(B) + beta C; op transposes where its flag is 1. op(A) is [m, k], op(B) [k, n], C [m, n]; lda, ldb, ldc are the
   * row strides of A, B, C as stored, in floats. With beta 0, C is written without being read. C overlaps neither A nor B.
   * @param scratch `gemm_scratch()` bytes, at a multiple of 16
   */
  gemm(
    transA: number,
    transB: number,
    m: number,
    n: number,
    k: number,
    alpha: number,
    a: Ptr,
    lda: number,
    b: Ptr,
    ldb: number,
    beta: number,
    c: Ptr,
    ldc: number,
    scratch: Ptr,
  ): void;
  /** `count` products as gemm, each stepA, stepB, stepC floats further. The results do not overlap; 0 repeats an operand. */
  gemm_batch(
    count: number,
    transA: number,
    transB: number,
    m: number,
    n: number,
    k: number,
    alpha: number,
    a: Ptr,
    lda: number,
    stepA: number,
    b: Ptr,
    ldb: number,
    stepB: number,
    beta: number,
    c: Ptr,
    ldc: number,
    stepC: number,
    scratch: Ptr,
  ): void;
  /** Bytes of scratch gemm, gemm_batch and gemm_fused need, whatever the shapes. */
  gemm_scratch(): number;
  /**
   * As gemm, then C = clamp(C + bias + residual, low, high), NaN staying NaN, without a second pass over C. transA and transB may
   * be 2 for an operand that is in panels (`gemm_pack_a`, `gemm_pack_b`), whose row stride is not looked at; the sums of a
   * product of more than 4 rows and columns are the same bits then. Where an operand is in panels and the other is not, that one is
   * packed at every call.
   * @param bias n numbers, one a column, for kind 1; m numbers, one a row, for kind 2; not looked at for kind 0
   * @param residual [m, n], rows ldr floats apart, or 0 for none
   * @param low -Infinity for none
   * @param high Infinity for none
   */
  gemm_fused(
    transA: number,
    transB: number,
    m: number,
    n: number,
    k: number,
    alpha: number,
    a: Ptr,
    lda: number,
    b: Ptr,
    ldb: number,
    beta: number,
    c: Ptr,
    ldc: number,
    bias: Ptr,
    kind: number,
    residual: Ptr,
    ldr: number,
    low: number,
    high: number,
    scratch: Ptr,
  ): void;
  /** op(A) [m, k] in panels of rows (assembly/gemm-pack.ts): `gemm_packed_a(m, k)` bytes at out. */
  gemm_pack_a(transA: number, m: number, k: number, a: Ptr, lda: number, out: Ptr): void;
  /** op(B) [k, n] in panels of columns: `gemm_packed_b(k, n)` bytes at out. */
  gemm_pack_b(transB: number, k: number, n: number, b: Ptr, ldb: number, out: Ptr): void;
  gemm_packed_a(m: number, k: number): number;
  gemm_packed_b(k: number, n: number): number;
  /** Most rows of a panel of A: it depends on the build. Panels of B have 8 columns. */
  gemm_rows(): number;

  // Convolution and pooling

  /**
   * One image x [c, h, w] into a matrix whose column is a receptive field: row (ic, ky, kx) of c*kh*kw holds the oh*ow values
   * x[ic, oy*sh - pt + ky*dh, ox*sw - pl + kx*dw], 0 outside the image. Rows are ldo >= oh*ow floats apart.
   */
  im2col(
    x: Ptr,
    c: number,
    h: number,
    w: number,
    kh: number,
    kw: number,
    sh: number,
    sw: number,
    pt: number,
    pl: number,
    dh: number,
    dw: number,
    oh: number,
    ow: number,
    out: Ptr,
    ldo: number,
  ): void;
  /** The adjoint of im2col: adds columns, whose rows are ldc floats apart, into x [c, h, w]. Arguments as there. */
  col2im(
    columns: Ptr,
    ldc: number,
    c: number,
    h: number,
    w: number,
    kh: number,
    kw: number,
    sh: number,
    sw: number,
    pt: number,
    pl: number,
    dh: number,
    dw: number,
    oh: number,
    ow: number,
    x: Ptr,
  ): void;
  /** y [planes, hp, wp]: each plane of x [planes, h, w] at row pt and column pl, zeros around it; hp >= pt + h, wp >= pl + w. */
  pad_planes(
    x: Ptr,
    planes: number,
    h: number,
    w: number,
    pt: number,
    pl: number,
    hp: number,
    wp: number,
    y: Ptr,
  ): void;
  /**
   * The matrix [depth, n] whose element (k, j) is x[rows[k] + columns[j]], i32 offsets in floats, in panels of 8 columns as
   * `gemm_pack_b` writes them. Where columns lie `step` apart, 1 or 2, they are read as vectors.
   */
  pack_fields(x: Ptr, rows: Ptr, depth: number, columns: Ptr, n: number, step: number, out: Ptr): void;
  /** y [m, n] = clamp(x + bias + residual, low, high), NaN staying NaN: rows of x lie ldx floats apart; bias [m], residual [m, n] or 0. y may be x. */
  finish_rows(
    x: Ptr,
    ldx: number,
    m: number,
    n: number,
    bias: Ptr,
    residual: Ptr,
    low: number,
    high: number,
    y: Ptr,
  ): void;
  /** Panels of the transformed filters of m outputs. */
  winograd_panels(m: number): number;
  /** Bytes of the transformed filters for tiles of `side` x `side` outputs, 2 or 4. */
  winograd_filter_bytes(side: number, m: number, c: number): number;
  /** Panels [panel, end) of the filters w [m, c, 3, 3], transformed for `winograd`. scratch: 2048 bytes. */
  winograd_filter(side: number, w: Ptr, m: number, c: number, out: Ptr, panel: number, end: number, scratch: Ptr): void;
  /**
   * y [n, m, oh, ow] = clamp(x * filters + bias + residual, low, high) for 3x3 filters at stride 1, as F(4x4, 3x3) with side 4, as
   * F(2x2, 3x3) with side 2: tiles [from, to) of the ceil(oh / side) ceil(ow / side) of each image in turn, outputs of panels
   * [panel, end). x [n, c, hp, wp] is padded, hp and wp at least side ceil(oh / side) + 2 and side ceil(ow / side) + 2, and 128
   * bytes that may be read follow it. Bias and residual may be 0.
   * @param scratch `winograd_scratch(side, c)` bytes; its first i32 becomes 1 where a sum is not finite, else 0
   */
  winograd(
    side: number,
    x: Ptr,
    c: number,
    hp: number,
    wp: number,
    filters: Ptr,
    m: number,
    oh: number,
    ow: number,
    bias: Ptr,
    residual: Ptr,
    low: number,
    high: number,
    y: Ptr,
    from: number,
    to: number,
    panel: number,
    end: number,
    scratch: Ptr,
  ): void;
  winograd_scratch(side: number, c: number): number;
  /**
   * y[f, oy, ox] = clamp(sum over (ky, kx) of weights[f, ky, kx] x[p, oy*sh - pt + ky*dh, ox*sw - pl + kx*dw] + bias[f] +
   * residual[f, oy, ox], low, high), f = p * multiplier + q, x being 0 outside the image: x is [planes, h, w], y and residual
   * [planes * multiplier, oh, ow]. Bias and residual may be 0.
   * @param scratch `depthwise_scratch(kh, kw, sh, sw, dh, dw, oh, ow)` bytes
   */
  depthwise2d(
    x: Ptr,
    planes: number,
    multiplier: number,
    h: number,
    w: number,
    weights: Ptr,
    kh: number,
    kw: number,
    sh: number,
    sw: number,
    pt: number,
    pl: number,
    dh: number,
    dw: number,
    oh: number,
    ow: number,
    y: Ptr,
    bias: Ptr,
    residual: Ptr,
    low: number,
    high: number,
    scratch: Ptr,
  ): void;
  depthwise_scratch(
    kh: number,
    kw: number,
    sh: number,
    sw: number,
    dh: number,
    dw: number,
    oh: number,
    ow: number,
  ): number;
  /** Maximum over each window of x [planes, h, w] into y [planes, oh, ow]; what lies outside does not count; -Infinity for a window wholly outside; NaN wins. */
  maxpool2d(
    x: Ptr,
    planes: number,
    h: number,
    w: number,
    kh: number,
    kw: number,
    sh: number,
    sw: number,
    pt: number,
    pl: number,
    dh: number,
    dw: number,
    oh: number,
    ow: number,
    y: Ptr,
  ): void;
  /** Mean over each window; divided by kh*kw when countIncludePad is 1, else by the number of elements inside the image (0 for a window wholly outside). */
  avgpool2d(
    x: Ptr,
    planes: number,
    h: number,
    w: number,
    kh: number,
    kw: number,
    sh: number,
    sw: number,
    pt: number,
    pl: number,
    dh: number,
    dw: number,
    oh: number,
    ow: number,
    countIncludePad: number,
    y: Ptr,
  ): void;

  // Reductions; those into `out` accumulate and return f64.

  /** out: f64 sum of n floats. */
  sum(x: Ptr, n: number, out: Ptr): void;
  /** out: f64 sum of squares. */
  sum_squares(x: Ptr, n: number, out: Ptr): void;
  /** out: f64 sum of x[i] y[i]. */
  dot(x: Ptr, y: Ptr, n: number, out: Ptr): void;
  /** out: f64 sum of (x[i] - y[i])^2, the difference taken in f64. */
  squared_distance(x: Ptr, y: Ptr, n: number, out: Ptr): void;
  /** Sum of each row, in f32; the mean likewise. */
  reduce_rows_sum: ReduceRows;
  reduce_rows_mean: ReduceRows;
  /** Largest of each row; NaN if the row has one; -Infinity for an empty row. */
  reduce_rows_max: ReduceRows;
  /** Smallest of each row; NaN if the row has one; Infinity for an empty row. */
  reduce_rows_min: ReduceRows;
  /** y[c] = sum over r of x[r, c]: x is [rows, cols], y [cols], in f32. */
  reduce_cols_sum(x: Ptr, rows: number, cols: number, y: Ptr): void;
  /** out: i32 [rows], the first index of each row's largest value; NaN counts as larger than everything. */
  argmax_rows(x: Ptr, rows: number, cols: number, out: Ptr): void;

  // Statistics

  /** out: f32 [2], smallest and largest of n floats; both NaN if any is NaN; Infinity, -Infinity when n is 0. */
  min_max(x: Ptr, n: number, out: Ptr): void;
  /** Adds to out, u32 [bins], how many x fall in each of `bins` equal bins of [lo, hi], lo < hi; values outside count in the end bins, NaN nowhere. */
  histogram(x: Ptr, n: number, lo: number, hi: number, bins: number, out: Ptr): void;
  /**
   * Of x [samples, rows, cols]. out: f64 [7]: of the finite ones count, sum, sum of squares, smallest, largest (Infinity, -Infinity where there is
   * none); of all of them the largest sum of squares of a row, and of a sample (0 where there is none, or only NaN).
   */
  moments(x: Ptr, samples: number, rows: number, cols: number, out: Ptr): void;

  // Divergences, in nats, f64 inside. p, q, logits are [rows, cols], out is f64 [rows].

  /** KL(softmax(p[r, :]) || softmax(q[r, :])), never below 0. */
  kl_rows(p: Ptr, q: Ptr, rows: number, cols: number, out: Ptr): void;
  /** KL(p / sum p || q / sum q) of rows that are probabilities; a q of 0 (an f32 underflow) counts as 2^-149. */
  kl_probability_rows(p: Ptr, q: Ptr, rows: number, cols: number, out: Ptr): void;
  /** -log softmax(logits[r, :])[labels[r]]; labels: i32 [rows]; 0 where the label is negative, NaN where it is not below cols. */
  nll_rows(logits: Ptr, labels: Ptr, rows: number, cols: number, out: Ptr): void;

  // Layout, 32-bit elements. y does not overlap x.

  /** x [rows, cols] -> y [cols, rows]. */
  transpose(x: Ptr, rows: number, cols: number, y: Ptr): void;
  /** y[i0, i1, i2, i3] = x[i0 s0 + i1 s1 + i2 s2 + i3 s3]: d0..d3 are y's dimensions, s0..s3 strides in elements (0 repeats). */
  permute4(
    x: Ptr,
    d0: number,
    d1: number,
    d2: number,
    d3: number,
    s0: number,
    s1: number,
    s2: number,
    s3: number,
    y: Ptr,
  ): void;
  /** x [d0, d1, d2, d3] to y, run (i, j, k) of d3 elements from i s0 + j s1 + k s2 on; the rest of y stays. */
  place4(x: Ptr, d0: number, d1: number, d2: number, d3: number, y: Ptr, s0: number, s1: number, s2: number): void;

  // Interpolation along one axis: x is [outer, n, inner], y [outer, size, inner]; index: i32 in 0..n-1. y does not overlap x.

  /** y[o, i, j] = sum over t of weight[i, t] x[o, index[i, t], j]: index and weight are [size, taps], taps >= 1; terms added in order. */
  resample(
    x: Ptr,
    outer: number,
    n: number,
    inner: number,
    index: Ptr,
    weight: Ptr,
    taps: number,
    size: number,
    y: Ptr,
  ): void;
  /** y[o, i, j] = x[o, index[i], j], 32-bit elements: index is [size]. */
  resample_nearest(x: Ptr, outer: number, n: number, inner: number, index: Ptr, size: number, y: Ptr): void;

  // Singular values, f64, column-major

  /**
   * One-sided Jacobi: a, column-major [m, n], m >= n, finite, is overwritten by U diag(sigma), sigma descending; sigma is [n]; v is column-major
   * [n, n], or 0 where not wanted. The first i32 of scratch (`svd_scratch(m, n)` bytes) is set to the sweeps done, negative if they did not converge.
   */
  svd(a: Ptr, m: number, n: number, sigma: Ptr, v: Ptr, scratch: Ptr): void;
  svd_scratch(m: number, n: number): number;
  /**
   * Householder QR with column pivoting, A P = Q R: a is column-major [m, n], m >= n; R is left in its upper triangle, the Householder
   * vectors below it, their factors in tau [n]; perm: i32 [n], column j of A P is column perm[j] of A. scratch: `qr_scratch(n)` bytes.
   */
  qr(a: Ptr, m: number, n: number, tau: Ptr, perm: Ptr, scratch: Ptr): void;
  qr_scratch(n: number): number;
  /** B = Q B for column-major B [m, cols]; a and tau as qr left them. */
  qr_apply(a: Ptr, m: number, n: number, tau: Ptr, b: Ptr, cols: number): void;
  /**
   * Rows [from, from + count) of g = A'A, those elements with column <= row: a column-major [m, n], g row-major [n, n], f64; other elements of g are
   * left as they are. scratch: `gram_f64_scratch()` bytes.
   */
  gram_f64(a: Ptr, m: number, n: number, from: number, count: number, g: Ptr, scratch: Ptr): void;
  gram_f64_scratch(): number;
  /**
   * Lower Cholesky factor of g in place, row-major [n, n] f64, of which only elements with column <= row are touched. Returns 0, or 1 + the first row
   * whose pivot is not above `least` times what it started from; g is then unusable. scratch: `gram_f64_scratch()` bytes.
   */
  cholesky_f64(g: Ptr, n: number, least: number, scratch: Ptr): number;
  /** y [m] = A x [n], or y [n] = A' x [m] with trans 1; a row-major [m, n]; all f64. */
  gemv_f64(trans: number, m: number, n: number, a: Ptr, x: Ptr, y: Ptr): void;
  /** As gemv_f64, a in f32, x and y in f64. */
  gemv_f32(trans: number, m: number, n: number, a: Ptr, x: Ptr, y: Ptr): void;
  /** y[i stepM + j stepC + at[t]] = x[i, j, t]; x: f32 [m, c, taps], at: i32 [taps], y: f32. */
  unfold_f32(x: Ptr, m: number, c: number, taps: number, at: Ptr, stepM: number, stepC: number, y: Ptr): void;
  /** As unfold_f32, y in f64. */
  unfold_f64(x: Ptr, m: number, c: number, taps: number, at: Ptr, stepM: number, stepC: number, y: Ptr): void;
  /** Sums of |x| of each row and of each column of x [rows, cols] f32: outRows f64 [rows], outCols f64 [cols]. */
  abs_sums(x: Ptr, rows: number, cols: number, outRows: Ptr, outCols: Ptr): void;
}
