import type { Ptr } from './kernels.ts';

/** Of `Kernels` those that multiply codes of 2 to 8 bits. */
export interface IntegerKernels {
  // Panels of codes (assembly/panels.ts): a matrix [k, n] of signed codes of 2, 4 or 8 bits, 8 columns a panel, k rounded up to a multiple of 16

  /** Bytes of ceil(n / 8) panels; each has the same. */
  panels_bytes(k: number, n: number, bits: number): number;
  /** Element (i, j) is the byte at codes + i row + j column, `flip` turned over; its low `bits` bits are the signed code. */
  pack_panels(
    codes: Ptr,
    row: number,
    column: number,
    k: number,
    n: number,
    bits: number,
    flip: number,
    out: Ptr,
  ): void;
  /**
   * Panels as floats, (code - zero) scale, into panels of gemm_fused's B: `count` times k rows of 8. scales and zeros (or 0): [count,
   * ceil(k / block), 8], one for every `block` rows, a multiple of 16.
   */
  decode_panels(
    panels: Ptr,
    count: number,
    k: number,
    bits: number,
    block: number,
    scales: Ptr,
    zeros: Ptr,
    out: Ptr,
  ): void;

  // Exact products of 8-bit integers in i32, which wraps

  /**
   * C [m, n] = (A - zeros of A) (B - zeros of B). A: bytes, u8 or with signed 1 i8, rows lda apart; zerosA: i32 in A's range, one for all, or with
   * each 1 one a row. B: panels of codes; zerosB: i32, one a column up to a multiple of 8, or 0 for none. C: i32, rows ldc apart, or with
   * trans 1 its columns ldc apart. scratch: `qgemm_scratch()` bytes, at a multiple of 16.
   */
  qgemm(
    m: number,
    n: number,
    k: number,
    a: Ptr,
    lda: number,
    signed: number,
    zerosA: Ptr,
    each: number,
    panels: Ptr,
    bits: number,
    zerosB: Ptr,
    c: Ptr,
    ldc: number,
    trans: number,
    scratch: Ptr,
  ): void;
  qgemm_scratch(): number;
  /**
   * `rows` places of a convolution into n channels ldo elements apart: place i is the bytes that gather_bytes would gather, or, with lda not 0, its
   * taps * bytes bytes at x + i lda. With factors 0, out is i32, bias is not looked at; else out is bytes, as requantize makes them by row
   * (factors and bias one a channel). scratch: `qconv_scratch(taps * bytes, n)` bytes, at a multiple of 16.
   */
  qconv(
    x: Ptr,
    lda: number,
    places: Ptr,
    rows: number,
    offsets: Ptr,
    taps: number,
    bytes: number,
    signed: number,
    zeroA: Ptr,
    panels: Ptr,
    n: number,
    bits: number,
    zerosB: Ptr,
    bias: Ptr,
    factors: Ptr,
    type: number,
    zero: number,
    lo: number,
    hi: number,
    out: Ptr,
    ldo: number,
    scratch: Ptr,
  ): void;
  qconv_scratch(k: number, n: number): number;
  /**
   * code = clamp(roundeven((x + bias) factor) + zero, lo, hi), the zero point for NaN: x is i32 [rows, cols], rows ldx apart, x + bias wraps, the
   * product is in float. factors and bias (i32, or 0) are one a column (by 0) or one a row (by 1). codes: bytes of `type` (0 u8, 1 i8), rows ldo apart.
   */
  requantize(
    x: Ptr,
    rows: number,
    cols: number,
    ldx: number,
    by: number,
    bias: Ptr,
    factors: Ptr,
    type: number,
    zero: number,
    lo: number,
    hi: number,
    codes: Ptr,
    ldo: number,
  ): void;
  /** y = (x + addend) factor + bias, each step rounded to float: x is i32 [rows, cols]; addends i32, factors f32, bias f32, all [cols], addends and bias or 0. y may be x. */
  scale_sums(x: Ptr, rows: number, cols: number, addends: Ptr, factors: Ptr, bias: Ptr, y: Ptr): void;

  // Convolution of bytes by 3x3 filters in tiles of 2x2 places, exact (assembly/qwinograd.ts)

  /** Panels of the transformed filters of m outputs. */
  qwinograd_panels(m: number): number;
  qwinograd_filter_bytes(m: number, c: number): number;
  /** The filters w [m, c, 3, 3] of bytes, u8 or with signed 1 i8, less zero, transformed for `qwinograd`. */
  qwinograd_filter(w: Ptr, m: number, c: number, signed: number, zero: number, out: Ptr): void;
  /**
   * y [n, m, oh, ow] for tiles [from, to) of all images' ceil(oh / 2) ceil(ow / 2) and filters of panels [panel, end): codes as `requantize` makes
   * them by row, or with factors 0 the sums in i32 (bias is not looked at). Four times a sum must fit 32 bits. x: bytes [n, c, hp, wp] as
   * pad_bytes makes them, hp >= 2 ceil(oh / 2) + 2, wp likewise, and 32 bytes that may be read. scratch: `qwinograd_scratch(c)` bytes.
   */
  qwinograd(
    x: Ptr,
    c: number,
    hp: number,
    wp: number,
    signed: number,
    zeroA: number,
    u: Ptr,
    m: number,
    oh: number,
    ow: number,
    bias: Ptr,
    factors: Ptr,
    type: number,
    zero: number,
    lo: number,
    hi: number,
    y: Ptr,
    from: number,
    to: number,
    panel: number,
    end: number,
    scratch: Ptr,
  ): void;
  qwinograd_scratch(c: number): number;
  /** Planes [h, w] of bytes put into planes [hp, wp] at (pt, pl), everything else `value`. */
  pad_bytes(
    x: Ptr,
    planes: number,
    h: number,
    w: number,
    pt: number,
    pl: number,
    hp: number,
    wp: number,
    value: number,
    y: Ptr,
  ): void;

  /** y = x of n i32, rounded to float. */
  i32_to_f32(x: Ptr, n: number, y: Ptr): void;
  /**
   * code = clamp(roundeven(((a - zeroA) scaleA + (b - zeroB) scaleB) / scale) + zero, lo, hi) for n bytes each, each step rounded to float; the zero
   * point for NaN. Types: 0 u8, 1 i8.
   */
  add_codes(
    a: Ptr,
    typeA: number,
    zeroA: number,
    scaleA: number,
    b: Ptr,
    typeB: number,
    zeroB: number,
    scaleB: number,
    n: number,
    scale: number,
    type: number,
    zero: number,
    lo: number,
    hi: number,
    out: Ptr,
  ): void;

  // Products of floats with panels of codes

  /**
   * A row of k floats as words: pairs of i16 `gap` bytes apart, k up to a multiple of 16 of them, and with wide 1 as many low words behind:
   * x = (32768 high + low) scale; without, x is rounded to scale times -127..127. scales, sums (of x as the words have it): f32, one for every
   * `group` floats, a multiple of 16. Returns 0 where a float or a sum is not finite; the words mean nothing then.
   */
  code_words(x: Ptr, k: number, group: number, wide: number, words: Ptr, gap: number, scales: Ptr, sums: Ptr): number;
  /**
   * Y [m, n], rows ldy floats apart = m rows of words (a gap of 4), `step` bytes apart, their scales and sums [m, groups], times panels of codes. A
   * weight is (code - zero) scale; scales and zeros (or 0) are [panels, blocks, 8], a block of `per` groups. edge: 32 bytes.
   */
  code_rows(
    m: number,
    n: number,
    k: number,
    group: number,
    per: number,
    wide: number,
    words: Ptr,
    step: number,
    scalesA: Ptr,
    sumsA: Ptr,
    panels: Ptr,
    bits: number,
    scales: Ptr,
    zeros: Ptr,
    y: Ptr,
    ldy: number,
    edge: Ptr,
  ): void;
  /**
   * As code_rows with wide 0, for many rows: words of 4 rows side by side (gap 16; row r at (r >> 2) k16 * 8 + (r & 3) * 4 bytes), everything of A
   * there for m up to a multiple of 4; group at most 1024. scratch: `code_gemm_scratch()` bytes, at a multiple of 16.
   */
  code_gemm(
    m: number,
    n: number,
    k: number,
    group: number,
    per: number,
    words: Ptr,
    scalesA: Ptr,
    sumsA: Ptr,
    panels: Ptr,
    bits: number,
    scales: Ptr,
    zeros: Ptr,
    y: Ptr,
    ldy: number,
    scratch: Ptr,
  ): void;
  code_gemm_scratch(): number;

  // Layout of bytes

  /** out[j ldo + i] = x[i ldx + j] for i < rows, j < cols. */
  transpose_bytes(x: Ptr, rows: number, cols: number, ldx: number, out: Ptr, ldo: number): void;
  /** Row i of out [rows, taps * bytes]: for each tap the `bytes` bytes at x + places[i] + offsets[t]. places and offsets: i32. */
  gather_bytes(x: Ptr, places: Ptr, rows: number, offsets: Ptr, taps: number, bytes: number, out: Ptr): void;
}
