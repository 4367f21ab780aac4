import type { CodeKernels } from './kernels-codes.ts';
import type { GradientKernels } from './kernels-gradient.ts';
import type { IntegerKernels } from './kernels-integer.ts';

/** Byte address in wasm memory. Elements need no alignment beyond what the host's own views ask for. */
export type Ptr = number;

/** y[i] = f(a[i], b[i]), n floats each. y may be a or b. */
export type Binary = (a: Ptr, b: Ptr, y: Ptr, n: number) => void;
/** y[i] = f(a[i], s), n floats. y may be a. */
export type BinaryScalar = (a: Ptr, s: number, y: Ptr, n: number) => void;
/** y[r, c] = f(a[r, c], b[c]): a and y are [rows, cols], b is [cols]. y may be a. */
export type BinaryRow = (a: Ptr, b: Ptr, y: Ptr, rows: number, cols: number) => void;
/** y[r, c] = f(a[r, c], b[r]): a and y are [rows, cols], b is [rows]. y may be a. */
export type BinaryColumn = (a: Ptr, b: Ptr, y: Ptr, rows: number, cols: number) => void;
/** y[i] = f(x[i]), n floats. y may be x. */
export type Unary = (x: Ptr, y: Ptr, n: number) => void;

/** y[r] = f(x[r, :]): x is [rows, cols], y is [rows]. */
export type ReduceRows = (x: Ptr, rows: number, cols: number, y: Ptr) => void;

/**
 * The kernels' binary interface: what `assembly/index.ts` exports. Floats are f32 unless said, matrices row-major, sizes
 * i32. A kernel reads and writes exactly the elements its shapes name, keeps no state, allocates nothing and sums in an
 * order that depends on the shapes only. Sizes of 0 are legal. Nothing is checked: callers pass what the comments ask for.
 */
export interface Kernels extends CodeKernels, GradientKernels, IntegerKernels {
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
  /** Bytes of the transformed filters. */
  winograd_filter_bytes(m: number, c: number): number;
  /** Panels [panel, end) of the filters w [m, c, 3, 3], transformed for `winograd`. scratch: 2048 bytes. */
  winograd_filter(w: Ptr, m: number, c: number, out: Ptr, panel: number, end: number, scratch: Ptr): void;
  /**
   * y [n, m, oh, ow] = clamp(x * filters + bias + residual, low, high) for 3x3 filters at stride 1, as F(4x4, 3x3): tiles [from, to) of
   * the ceil(oh / 4) ceil(ow / 4) of each image in turn, outputs of panels [panel, end). x [n, c, hp, wp] is padded, hp and wp at least
   * 4 ceil(oh / 4) + 2 and 4 ceil(ow / 4) + 2, and 128 bytes that may be read follow it. Bias and residual may be 0.
   * @param scratch `winograd_scratch(c)` bytes; its first i32 becomes 1 where a sum is not finite, else 0
   */
  winograd(
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
  winograd_scratch(c: number): number;
  /**
   * y[p * multiplier + q, oy, ox] = sum over (ky, kx) of weights[p * multiplier + q, ky, kx] x[p, oy*sh - pt + ky*dh, ox*sw - pl + kx*dw],
   * x being 0 outside the image: x is [planes, h, w], y [planes * multiplier, oh, ow].
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
  ): void;
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

  // Elementwise, two operands. min and max return NaN where either operand is NaN. rsub is b - a, rdiv is b / a.

  add: Binary;
  sub: Binary;
  mul: Binary;
  div: Binary;
  min: Binary;
  max: Binary;
  add_scalar: BinaryScalar;
  sub_scalar: BinaryScalar;
  mul_scalar: BinaryScalar;
  div_scalar: BinaryScalar;
  min_scalar: BinaryScalar;
  max_scalar: BinaryScalar;
  rsub_scalar: BinaryScalar;
  rdiv_scalar: BinaryScalar;
  add_row: BinaryRow;
  sub_row: BinaryRow;
  mul_row: BinaryRow;
  div_row: BinaryRow;
  min_row: BinaryRow;
  max_row: BinaryRow;
  rsub_row: BinaryRow;
  rdiv_row: BinaryRow;
  add_col: BinaryColumn;
  sub_col: BinaryColumn;
  mul_col: BinaryColumn;
  div_col: BinaryColumn;
  min_col: BinaryColumn;
  max_col: BinaryColumn;
  rsub_col: BinaryColumn;
  rdiv_col: BinaryColumn;

  // Elementwise, one operand. NaN in, NaN out.

  /** max(x, 0) */
  relu: Unary;
  neg: Unary;
  abs: Unary;
  /** Correctly rounded. */
  sqrt: Unary;
  /** 1 / x, correctly rounded. */
  reciprocal: Unary;
  /** Within 2 ulp, subnormal results included; Infinity above 88.73, 0 below -103.98. */
  exp: Unary;
  /** Natural logarithm within 2 ulp, subnormal arguments included; log(0) = -Infinity, NaN below 0. */
  log: Unary;
  /** Within 4 ulp. */
  erf: Unary;
  /** Within 4 ulp. */
  tanh: Unary;
  /** 1 / (1 + exp(-x)) within 4 ulp (of the smallest normal number, where the result is subnormal). */
  sigmoid: Unary;
  /** x (1 + erf(x / sqrt 2)) / 2, within 1e-6 max(1, |x|). */
  gelu: Unary;
  /** min(max(x, lo), hi); y may be x. */
  clip(x: Ptr, y: Ptr, n: number, lo: number, hi: number): void;
  /** x where x >= 0, alpha x elsewhere; y may be x. */
  leaky_relu(x: Ptr, y: Ptr, n: number, alpha: number): void;
  /** Within 3 ulp of the result or 2^-24 for |x| <= 2^20; beyond, its argument is not reduced well enough. */
  sin: Unary;
  /** As sin. */
  cos: Unary;
  /** log(1 + exp(x)) within 8 ulp. */
  softplus: Unary;
  /** x tanh(log(1 + exp(x))) within 8 ulp. */
  mish: Unary;
  /** x where x > 0, alpha (exp(beta x) - 1) elsewhere, within 12 ulp for alpha, beta >= 0; y may be x. */
  elu(x: Ptr, y: Ptr, n: number, alpha: number, beta: number): void;
  /** x / (1 + exp(-alpha x)); y may be x. */
  swish(x: Ptr, y: Ptr, n: number, alpha: number): void;
  /** x (1 + erf(v)) / 2, v = x / factor where divide is 1, x factor where it is 0; y may be x. */
  erf_gate(x: Ptr, y: Ptr, n: number, factor: number, divide: number): void;

  /**
   * One step of an LSTM: x [rows, 4 n] holds the gates i, o, f, g before their functions, c [rows, n] the cell state, which becomes
   * sigmoid(f) c + sigmoid(i) tanh(g); h [rows, n] becomes sigmoid(o) tanh(c).
   */
  lstm_gates(x: Ptr, c: Ptr, h: Ptr, rows: number, n: number): void;

  // Normalisations; y may be x.

  /** y[r, :] = exp(x[r, :] - max) / sum; a row with NaN, or of -Infinity only, becomes NaN. */
  softmax(x: Ptr, y: Ptr, rows: number, cols: number): void;
  /**
   * As softmax, of x (op 0), x / factor (op 1) or x factor (op 2), plus a mask where that is not 0: row r of it starts r step
   * floats on. op 0 needs a mask; without one step is 0.
   */
  softmax_scores(x: Ptr, op: number, factor: number, mask: Ptr, step: number, y: Ptr, rows: number, cols: number): void;
  /** y[r, :] = x[r, :] - max - log(sum of exp(x - max)). */
  log_softmax(x: Ptr, y: Ptr, rows: number, cols: number): void;
  /** y = (x - mean) / sqrt(variance + eps) * gamma + beta over each row; gamma and beta are [cols], or 0 where absent. */
  layer_norm(x: Ptr, gamma: Ptr, beta: Ptr, y: Ptr, rows: number, cols: number, eps: number): void;
  /** y = x / sqrt(mean(x^2) + eps) * gamma over each row; gamma is [cols], or 0 where absent. */
  rms_norm(x: Ptr, gamma: Ptr, y: Ptr, rows: number, cols: number, eps: number): void;
  /** y[i, j, :] = x[i, j, :] * scale[j] + shift[j]: x and y are [n, c, spatial], scale and shift [c]. */
  channel_affine(x: Ptr, scale: Ptr, shift: Ptr, y: Ptr, n: number, c: number, spatial: number): void;

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
  /** out: f64 [5], of the finite x: count, sum, sum of squares, smallest, largest (Infinity, -Infinity where there is none). */
  moments(x: Ptr, n: number, out: Ptr): void;

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
  /** y [m] = A x [n], or y [n] = A' x [m] with trans 1; a row-major [m, n]; all f64. */
  gemv_f64(trans: number, m: number, n: number, a: Ptr, x: Ptr, y: Ptr): void;
  /** As gemv_f64, a in f32, x and y in f64. */
  gemv_f32(trans: number, m: number, n: number, a: Ptr, x: Ptr, y: Ptr): void;
}
