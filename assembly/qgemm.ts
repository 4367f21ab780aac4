/**
 * Products of 8-bit integers, exact in 32 bits: rows of bytes less their zero point against panels of codes (panels.ts), both
 * widened to 16 bits, two products at a time. Blocked as the float product is (gemm.ts); sums wrap beyond 32 bits.
 */
import { expand, NR, pair, panel_bytes, rows16 } from './panels';

/** Rows of a panel of A. */
const MR = 4;
/** Inner dimension of a block: a widened panel of B (8 KiB) and some of A stay in the first-level cache. */
const KC = 512;
/** Rows of a block of A: 128 KiB widened. */
const MC = 128;
/** Rows up to which panels of B are widened in registers. */
const FEW = 1;

const PANELS_A: usize = MC * KC * 2;
const PANEL_B: usize = KC * NR * 2;
const SUMS: usize = MC * 4;
const TILE: usize = MR * NR * 4;

export function qgemm_scratch(): i32 {
  return <i32>(PANELS_A + PANEL_B + SUMS + TILE);
}

/** Eight bytes as 16-bit lanes, less the zero point. */
// @ts-ignore: decorator
@inline
function widen(p: usize, signed: bool, z: v128): v128 {
  return i16x8.sub(signed ? v128.load8x8_s(p) : v128.load8x8_u(p), z);
}

// @ts-ignore: decorator
@inline
function byte(p: usize, signed: bool): i32 {
  return signed ? <i32>load<i8>(p) : <i32>load<u8>(p);
}

/** Sum of 16-bit lanes, added pairwise to acc. */
// @ts-ignore: decorator
@inline
function add_pairs(acc: v128, x: v128): v128 {
  return i32x4.add(acc, i32x4.extadd_pairwise_i16x8_s(x));
}

// @ts-ignore: decorator
@inline
function total(v: v128): i32 {
  return (
    i32x4.extract_lane(v, 0) + i32x4.extract_lane(v, 1) + (i32x4.extract_lane(v, 2) + i32x4.extract_lane(v, 3))
  );
}

/**
 * `rows` (up to 4) rows of k bytes less their zero points into one panel: pairs of columns, 4 rows of 2, zeros past the last row
 * and up to a multiple of 16 columns. Sums of the rows at sums. zeros: i32 [rows].
 */
function pack_rows(a: usize, lda: usize, rows: i32, k: i32, signed: bool, zeros: usize, each: bool, out: usize, sums: usize): void {
  const i1: usize = rows > 1 ? 1 : 0;
  const i2: usize = rows > 2 ? 2 : 0;
  const i3: usize = rows > 3 ? 3 : 0;
  const e: usize = each ? 4 : 0;
  const z0 = load<i32>(zeros);
  const z1 = load<i32>(zeros + i1 * e);
  const z2 = load<i32>(zeros + i2 * e);
  const z3 = load<i32>(zeros + i3 * e);
  const v0 = i16x8.splat(<i16>z0);
  const v1 = i16x8.splat(<i16>z1);
  const v2 = i16x8.splat(<i16>z2);
  const v3 = i16x8.splat(<i16>z3);
  const p0 = a;
  const p1 = a + i1 * lda;
  const p2 = a + i2 * lda;
  const p3 = a + i3 * lda;
  // Rows past the last one are masked out.
  const m1 = i32x4.splat(rows > 1 ? -1 : 0);
  const m2 = i32x4.splat(rows > 2 ? -1 : 0);
  const m3 = i32x4.splat(rows > 3 ? -1 : 0);
  let s0 = i32x4.splat(0);
  let s1 = i32x4.splat(0);
  let s2 = i32x4.splat(0);
  let s3 = i32x4.splat(0);
  let p = 0;
  for (; p + 8 <= k; p += 8, out += 64) {
    const o = <usize>p;
    const x0 = widen(p0 + o, signed, v0);
    const x1 = v128.and(widen(p1 + o, signed, v1), m1);
    const x2 = v128.and(widen(p2 + o, signed, v2), m2);
    const x3 = v128.and(widen(p3 + o, signed, v3), m3);
    s0 = add_pairs(s0, x0);
    s1 = add_pairs(s1, x1);
    s2 = add_pairs(s2, x2);
    s3 = add_pairs(s3, x3);
    const a01 = v128.shuffle<i32>(x0, x1, 0, 4, 1, 5);
    const b01 = v128.shuffle<i32>(x0, x1, 2, 6, 3, 7);
    const a23 = v128.shuffle<i32>(x2, x3, 0, 4, 1, 5);
    const b23 = v128.shuffle<i32>(x2, x3, 2, 6, 3, 7);
    v128.store(out, v128.shuffle<i64>(a01, a23, 0, 2));
    v128.store(out, v128.shuffle<i64>(a01, a23, 1, 3), 16);
    v128.store(out, v128.shuffle<i64>(b01, b23, 0, 2), 32);
    v128.store(out, v128.shuffle<i64>(b01, b23, 1, 3), 48);
  }
  let t0 = total(s0);
  let t1 = total(s1);
  let t2 = total(s2);
  let t3 = total(s3);
  const end = rows16(k);
  for (; p < end; p += 2, out += 16) {
    v128.store(out, i32x4.splat(0));
    for (let h = 0; h < 2 && p + h < k; h++) {
      const o = <usize>(p + h);
      const at = out + (<usize>h << 1);
      const x0 = byte(p0 + o, signed) - z0;
      store<i16>(at, <i16>x0);
      t0 += x0;
      if (rows > 1) {
        const x1 = byte(p1 + o, signed) - z1;
        store<i16>(at, <i16>x1, 4);
        t1 += x1;
      }
      if (rows > 2) {
        const x2 = byte(p2 + o, signed) - z2;
        store<i16>(at, <i16>x2, 8);
        t2 += x2;
      }
      if (rows > 3) {
        const x3 = byte(p3 + o, signed) - z3;
        store<i16>(at, <i16>x3, 12);
        t3 += x3;
      }
    }
  }
  store<i32>(sums, t0);
  store<i32>(sums, t1, 4);
  store<i32>(sums, t2, 8);
  store<i32>(sums, t3, 12);
}

// @ts-ignore: decorator
@inline
function dot(acc: v128, a: v128, b: v128): v128 {
  return i32x4.add(acc, i32x4.dot_i16x8_s(a, b));
}

/** Adds s z to x. */
// @ts-ignore: decorator
@inline
function less(x: v128, s: i32, z: v128): v128 {
  return i32x4.sub(x, i32x4.mul(i32x4.splat(s), z));
}

// @ts-ignore: decorator
@inline
function put(c: usize, x: v128, add: bool): void {
  v128.store(c, add ? i32x4.add(v128.load(c), x) : x);
}

/** Four vectors as the columns of what is stored: c, c + ldc, ... */
// @ts-ignore: decorator
@inline
function put_columns(c: usize, ldc: usize, x0: v128, x1: v128, x2: v128, x3: v128, add: bool): void {
  const a = v128.shuffle<i32>(x0, x1, 0, 4, 1, 5);
  const b = v128.shuffle<i32>(x0, x1, 2, 6, 3, 7);
  const d = v128.shuffle<i32>(x2, x3, 0, 4, 1, 5);
  const e = v128.shuffle<i32>(x2, x3, 2, 6, 3, 7);
  put(c, v128.shuffle<i64>(a, d, 0, 2), add);
  put(c + ldc, v128.shuffle<i64>(a, d, 1, 3), add);
  put(c + 2 * ldc, v128.shuffle<i64>(b, e, 0, 2), add);
  put(c + 3 * ldc, v128.shuffle<i64>(b, e, 1, 3), add);
}

/** 4 rows by 8 columns over `pairs` pairs: 8 accumulators, two vectors of B and one splat of A fit the registers. */
// @ts-ignore: decorator
@inline
function tile(
  pairs: i32,
  a: usize,
  b: usize,
  sums: usize,
  zeros: usize,
  c: usize,
  ldc: usize,
  trans: bool,
  add: bool,
): void {
  let c00 = i32x4.splat(0);
  let c01 = i32x4.splat(0);
  let c10 = i32x4.splat(0);
  let c11 = i32x4.splat(0);
  let c20 = i32x4.splat(0);
  let c21 = i32x4.splat(0);
  let c30 = i32x4.splat(0);
  let c31 = i32x4.splat(0);
  for (; pairs > 0; pairs--) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let s = v128.load32_splat(a);
    c00 = dot(c00, s, b0);
    c01 = dot(c01, s, b1);
    s = v128.load32_splat(a, 4);
    c10 = dot(c10, s, b0);
    c11 = dot(c11, s, b1);
    s = v128.load32_splat(a, 8);
    c20 = dot(c20, s, b0);
    c21 = dot(c21, s, b1);
    s = v128.load32_splat(a, 12);
    c30 = dot(c30, s, b0);
    c31 = dot(c31, s, b1);
    a += 16;
    b += 32;
  }
  if (zeros) {
    const z0 = v128.load(zeros);
    const z1 = v128.load(zeros, 16);
    const s0 = load<i32>(sums);
    const s1 = load<i32>(sums, 4);
    const s2 = load<i32>(sums, 8);
    const s3 = load<i32>(sums, 12);
    c00 = less(c00, s0, z0);
    c01 = less(c01, s0, z1);
    c10 = less(c10, s1, z0);
    c11 = less(c11, s1, z1);
    c20 = less(c20, s2, z0);
    c21 = less(c21, s2, z1);
    c30 = less(c30, s3, z0);
    c31 = less(c31, s3, z1);
  }
  if (trans) {
    put_columns(c, ldc, c00, c10, c20, c30, add);
    put_columns(c + 4 * ldc, ldc, c01, c11, c21, c31, add);
    return;
  }
  put(c, c00, add);
  put(c + 16, c01, add);
  put(c + ldc, c10, add);
  put(c + ldc + 16, c11, add);
  put(c + 2 * ldc, c20, add);
  put(c + 2 * ldc + 16, c21, add);
  put(c + 3 * ldc, c30, add);
  put(c + 3 * ldc + 16, c31, add);
}

/** One row by 8 columns, the panel widened on the way. */
// @ts-ignore: decorator
@inline
function row8(steps: i32, a: usize, b: usize, bits: i32, sum: i32, zeros: usize, c: usize, cols: i32, edge: usize, add: bool): void {
  let x = i32x4.splat(0);
  let y = i32x4.splat(0);
  let u = i32x4.splat(0);
  let v = i32x4.splat(0);
  for (; steps > 0; steps--, b += 32) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    if (bits == 8) {
      const s = v128.load32_splat(a);
      x = dot(x, s, pair(b0, 8, 0));
      y = dot(y, s, pair(b1, 8, 0));
      const t = v128.load32_splat(a, 16);
      u = dot(u, t, pair(b0, 8, 1));
      v = dot(v, t, pair(b1, 8, 1));
      a += 32;
    } else if (bits == 4) {
      let s = v128.load32_splat(a);
      x = dot(x, s, pair(b0, 4, 0));
      y = dot(y, s, pair(b1, 4, 0));
      s = v128.load32_splat(a, 16);
      u = dot(u, s, pair(b0, 4, 1));
      v = dot(v, s, pair(b1, 4, 1));
      s = v128.load32_splat(a, 32);
      x = dot(x, s, pair(b0, 4, 2));
      y = dot(y, s, pair(b1, 4, 2));
      s = v128.load32_splat(a, 48);
      u = dot(u, s, pair(b0, 4, 3));
      v = dot(v, s, pair(b1, 4, 3));
      a += 64;
    } else {
      for (let t = 0; t < 8; t++, a += 16) {
        const s = v128.load32_splat(a);
        x = dot(x, s, i16x8.shr_s(i16x8.shl(b0, 2 * t), 14));
        y = dot(y, s, i16x8.shr_s(i16x8.shl(b1, 2 * t), 14));
      }
    }
  }
  x = i32x4.add(x, u);
  y = i32x4.add(y, v);
  if (zeros) {
    x = less(x, sum, v128.load(zeros));
    y = less(y, sum, v128.load(zeros, 16));
  }
  if (cols == NR) {
    put(c, x, add);
    put(c + 16, y, add);
    return;
  }
  v128.store(edge, x);
  v128.store(edge, y, 16);
  copy_tile(edge, 1, cols, c, 0, false, add);
}

/** The part of a tile [4, 8] that lies inside C. */
function copy_tile(edge: usize, rows: i32, cols: i32, c: usize, ldc: usize, trans: bool, add: bool): void {
  const down = trans ? <usize>4 : ldc;
  const along = trans ? ldc : <usize>4;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) {
      const to = c + <usize>i * down + <usize>j * along;
      const x = load<i32>(edge + ((<usize>(i * NR + j)) << 2));
      store<i32>(to, add ? load<i32>(to) + x : x);
    }
  }
}

/**
 * C [m, n] = (A - its zero points) (B - its zero points) in i32, wrapping. A: bytes, rows lda apart; `each` 1: zero points i32 [m],
 * one a row, else one. B: panels of signed codes; zerosB: i32, one a column up to a multiple of 8, or 0 for none. C: rows ldc
 * apart, or, with trans 1, its transpose, rows (columns of the product) ldc apart.
 */
export function qgemm(
  m: i32,
  n: i32,
  k: i32,
  a: usize,
  lda: i32,
  signed: i32,
  zerosA: usize,
  each: i32,
  panels: usize,
  bits: i32,
  zerosB: usize,
  c: usize,
  ldc: i32,
  trans: i32,
  scratch: usize,
): void {
  if (m <= 0 || n <= 0) return;
  const step = 32 / bits;
  const panel = panel_bytes(k, bits);
  const lc = (<usize>ldc) << 2;
  const down = trans ? <usize>4 : lc;
  const along = trans ? lc : <usize>4;
  const wide = scratch + PANELS_A;
  const sums = wide + PANEL_B;
  const edge = sums + SUMS;
  const few = m <= FEW && !trans;
  // Blocks of nearly equal height, none above MC.
  const count = (m + MC - 1) / MC;
  const height = ((m + count - 1) / count + MR - 1) & ~(MR - 1);
  for (let ic = 0; ic < m; ic += height) {
    const mc = min(height, m - ic);
    let pc = 0;
    do {
      const kc = min(KC, k - pc);
      const pairs = rows16(kc) >> 1;
      const packed = (<usize>pairs) << 4;
      for (let i = 0; i < mc; i += MR) {
        pack_rows(
          a + <usize>(ic + i) * <usize>lda + <usize>pc,
          <usize>lda,
          min(MR, mc - i),
          kc,
          !!signed,
          zerosA + (each ? (<usize>(ic + i)) << 2 : <usize>0),
          !!each,
          scratch + <usize>(i >> 2) * packed,
          sums + ((<usize>i) << 2),
        );
      }
      const steps = rows16(kc) / step;
      const from = panels + <usize>(pc / step) * 32;
      const add = pc > 0;
      for (let j = 0, q = 0; j < n; j += NR, q++) {
        const b = from + <usize>q * panel;
        const cols = min(NR, n - j);
        const z = zerosB ? zerosB + ((<usize>j) << 2) : 0;
        const to = c + <usize>ic * down + <usize>j * along;
        if (few) {
          if (bits == 8) row8(steps, scratch, b, 8, load<i32>(sums), z, to, cols, edge, add);
          else if (bits == 4) row8(steps, scratch, b, 4, load<i32>(sums), z, to, cols, edge, add);
          else row8(steps, scratch, b, 2, load<i32>(sums), z, to, cols, edge, add);
          continue;
        }
        expand(b, steps, bits, wide);
        for (let i = 0; i < mc; i += MR) {
          const rows = min(MR, mc - i);
          const pa = scratch + <usize>(i >> 2) * packed;
          const s = sums + ((<usize>i) << 2);
          const at = to + <usize>i * down;
          if (rows == MR && cols == NR) {
            tile(pairs, pa, wide, s, z, at, lc, !!trans, add);
          } else {
            tile(pairs, pa, wide, s, z, edge, NR << 2, false, false);
            copy_tile(edge, rows, cols, at, lc, !!trans, add);
          }
        }
      }
      pc += KC;
    } while (pc < k);
  }
}
