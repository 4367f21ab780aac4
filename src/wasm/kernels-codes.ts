import type { Ptr } from './kernels.ts';

/** Of `Kernels` those that make, round, pack and unpack codes. */
export interface CodeKernels {
  // Quantization. w and y are [rows, cols] floats; codes u8 (u16 for 16 bits); a scale (f32) and a zero point (as wide as codes) for every `block`
  // consecutive weights of a row, ceil(cols / block) a row. One scale for everything: rows 1. zeros is not read when symmetric (zero 2^(bits-1)).

  /** code = clamp(roundeven(w / scale) + zero, 0, 2^bits - 1); the zero point where scale is 0 or w is NaN. */
  quantize_rows(
    w: Ptr,
    rows: number,
    cols: number,
    block: number,
    scales: Ptr,
    zeros: Ptr,
    bits: number,
    symmetric: number,
    codes: Ptr,
  ): void;
  /** y = (code - zero) * scale; zeros 0 means symmetric. */
  dequantize_rows(
    codes: Ptr,
    rows: number,
    cols: number,
    block: number,
    scales: Ptr,
    zeros: Ptr,
    bits: number,
    y: Ptr,
  ): void;
  /** dequantize_rows of quantize_rows, without the codes. y may be w. */
  fake_quantize_rows(
    w: Ptr,
    rows: number,
    cols: number,
    block: number,
    scales: Ptr,
    zeros: Ptr,
    bits: number,
    symmetric: number,
    y: Ptr,
  ): void;
  /** out: f64 sum of (x - (code - zero) scale)^2 with code = clamp(roundeven(x / scale) + zero, qmin, qmax), each difference in f32. */
  quantize_error(x: Ptr, n: number, scale: number, zero: number, qmin: number, qmax: number, out: Ptr): void;
  /**
   * Scales and, where asymmetric, zero points for w, all finite. search 0: the range of each block (symmetric: scale max|w| / (2^(bits-1) - 1));
   * 1: the range of least error, columns' squared errors weighted by h [cols] >= 0, or 0. half 1: scales are halves. A block of zeros has scale 1.
   */
  fit_rows(
    w: Ptr,
    rows: number,
    cols: number,
    block: number,
    bits: number,
    symmetric: number,
    search: number,
    half: number,
    h: Ptr,
    scales: Ptr,
    zeros: Ptr,
  ): void;

  // Rounding under a Gram matrix

  /**
   * Lower Cholesky factor of h[perm, perm] + damp I: h is [n, n] floats, perm i32 [n], l [n, n] doubles, row-major, its upper triangle left as it
   * was. Returns 0, or 1 + the first row whose pivot is not above 1e-14 of what it started from; l is then unusable. scratch:
   * `gram_f64_scratch()` bytes.
   */
  cholesky(h: Ptr, n: number, perm: Ptr, damp: number, l: Ptr, scratch: Ptr): number;
  /**
   * With J the reversal of rows and columns, J l l' J = u diag(d) u': u [n, n] floats, unit upper triangular, zeros below; d [n] doubles; l as
   * `cholesky` left it.
   */
  unit_factor(l: Ptr, n: number, u: Ptr, d: Ptr): void;
  /**
   * Solves X U = T, or X U' = T with trans 1, in place: T' is t [n, rows], rows a multiple of 4; U unit upper triangular, [n, n] with rows ldu apart.
   */
  solve_unit(trans: number, n: number, rows: number, u: Ptr, ldu: number, t: Ptr): void;
  /**
   * Rounds n columns with feedback among them, transposed: w (weights), t (weights and the feedback of columns before; overwritten), e (out: w -
   * level * scale) and levels (out: code - zero, floats) are [n, rows], rows a multiple of 4; u and d as `unit_factor` made them, at these
   * columns' diagonal; scales and zeros (as floats) are [units, rows], blocks i32 [n] the unit of each column; top: the largest code. Adds
   * what these columns do to e H e' to errors, doubles [rows].
   */
  gptq_block(
    n: number,
    rows: number,
    u: Ptr,
    ldu: number,
    w: Ptr,
    t: Ptr,
    scales: Ptr,
    zeros: Ptr,
    blocks: Ptr,
    top: number,
    d: Ptr,
    e: Ptr,
    levels: Ptr,
    errors: Ptr,
  ): void;
  /**
   * Coordinate descent on the levels (code - zero, floats) of rows under e H e', e = w - level * scale, at most `sweeps` passes a row at a time,
   * at most `pairs` times also over pairs of columns whose levels move by one each;
   * with refit 1 in turn with the scales' least-squares values, rounded to halves with half 1. Overwrites levels, g and scales; never raises a
   * row's error. w, hw = w H (read with refit 1 and perRow 1 only), levels, g = e H: [rows, n]; h: [n, n], symmetric; scales, zeros (as floats):
   * [rows, perRow]; blocks: i32 [n], ascending, the scale of each column; errors: f64 [rows], e H e' at the end. Columns whose H_jj is 0 keep
   * their codes. scratch: `descend_scratch(n)` bytes.
   */
  descend(
    h: Ptr,
    n: number,
    rows: number,
    w: Ptr,
    hw: Ptr,
    levels: Ptr,
    g: Ptr,
    scales: Ptr,
    zeros: Ptr,
    perRow: number,
    blocks: Ptr,
    top: number,
    sweeps: number,
    pairs: number,
    refit: number,
    half: number,
    errors: Ptr,
    scratch: Ptr,
  ): void;
  descend_scratch(n: number): number;

  // Packing. codes: u8 [n]; packed lengths are rounded up to whole bytes, spare bits 0.

  /** Bits [shift, shift + p) of each code, p of 1, 2, 4, 8, 8/p codes a byte, the first in the low bits: ceil(n p / 8) bytes. */
  pack_plane(codes: Ptr, n: number, shift: number, p: number, out: Ptr): void;
  /** ORs the planes' bits back into codes, which the caller has zeroed. */
  unpack_plane(packed: Ptr, n: number, shift: number, p: number, codes: Ptr): void;
  /** A little-endian bit stream, code i in bits [i bits, (i + 1) bits): ceil(n bits / 8) bytes; bits 1..8. */
  pack_dense(codes: Ptr, n: number, bits: number, out: Ptr): void;
  unpack_dense(packed: Ptr, n: number, bits: number, codes: Ptr): void;
  /** Codes 0..15 as two's complement nibbles of code - 8, the first in the low half: ceil(n / 2) bytes, the last nibble 0 when n is odd. */
  pack_int4(codes: Ptr, n: number, out: Ptr): void;
  unpack_int4(packed: Ptr, n: number, codes: Ptr): void;
  /** out: i8 [n], code - 2^(bits-1). */
  codes_to_int8(codes: Ptr, n: number, bits: number, out: Ptr): void;
  /** codes: u16 [n]; out: i16 [n], code - 2^(bits-1). */
  codes_to_int16(codes: Ptr, n: number, bits: number, out: Ptr): void;

  // Codes under one scale and zero point, n of them, in memory of `type`: 0 u8, 1 i8, 2 u16, 3 i16. lo..hi lies in its range.

  /** y = (code - zero) * scale. */
  codes_to_f32(codes: Ptr, n: number, type: number, zero: number, scale: number, y: Ptr): void;
  /** code = clamp(roundeven(x / scale) + zero, lo, hi); the zero point for NaN. */
  f32_to_codes(x: Ptr, n: number, type: number, zero: number, scale: number, lo: number, hi: number, codes: Ptr): void;
  /** code = clamp(roundeven(x * factor) + zero, lo, hi): x is i32, the product in float. */
  i32_to_codes(x: Ptr, n: number, type: number, zero: number, factor: number, lo: number, hi: number, codes: Ptr): void;

  // Half precision (IEEE 754 binary16, as u16)

  /** Rounds to nearest even; overflow to infinity; NaN stays NaN. */
  f32_to_f16(x: Ptr, n: number, out: Ptr): void;
  /** Exact. */
  f16_to_f32(x: Ptr, n: number, out: Ptr): void;
}
