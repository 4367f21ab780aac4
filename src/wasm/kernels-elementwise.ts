import type { Ptr } from './kernels.ts';

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

/** Of `Kernels` those that work element by element, and the normalisations of rows. */
export interface ElementwiseKernels {
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
}
