/**
 * Register tiles of Winograd's products: A is a panel of ROWS rows (k columns of ROWS floats), B and C are matrices whose rows are
 * ldb and ldc bytes apart. Accumulators are named locals because only those stay in registers.
 */
import { madd } from './lanes';

/** Rows of a panel of A: what fits the registers beside a row of B. */
export const ROWS: i32 = ASC_FEATURE_RELAXED_SIMD ? 6 : 5;

/**
 * C [ROWS, 8] = A B. As many floats as A has are touched from `next` on: a panel that is needed soon is on its way to the cache
 * meanwhile.
 * @returns what touching found, which means nothing but keeps it from being left out
 */
export function tile_wide(k: i32, a: usize, b: usize, ldb: usize, c: usize, ldc: usize, next: usize): i32 {
  let sink = 0;
  let c00 = f32x4.splat(0);
  let c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0);
  let c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0);
  let c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0);
  let c31 = f32x4.splat(0);
  let c40 = f32x4.splat(0);
  let c41 = f32x4.splat(0);
  let c50 = f32x4.splat(0);
  let c51 = f32x4.splat(0);
  for (; k > 0; k--) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let s = v128.load_splat<f32>(a);
    c00 = madd(c00, s, b0);
    c01 = madd(c01, s, b1);
    s = v128.load_splat<f32>(a, 4);
    c10 = madd(c10, s, b0);
    c11 = madd(c11, s, b1);
    s = v128.load_splat<f32>(a, 8);
    c20 = madd(c20, s, b0);
    c21 = madd(c21, s, b1);
    s = v128.load_splat<f32>(a, 12);
    c30 = madd(c30, s, b0);
    c31 = madd(c31, s, b1);
    s = v128.load_splat<f32>(a, 16);
    c40 = madd(c40, s, b0);
    c41 = madd(c41, s, b1);
    if (ASC_FEATURE_RELAXED_SIMD) {
      s = v128.load_splat<f32>(a, 20);
      c50 = madd(c50, s, b0);
      c51 = madd(c51, s, b1);
    }
    sink |= load<i32>(next);
    next += 4 * ROWS;
    a += 4 * ROWS;
    b += ldb;
  }
  v128.store(c, c00);
  v128.store(c, c01, 16);
  c += ldc;
  v128.store(c, c10);
  v128.store(c, c11, 16);
  c += ldc;
  v128.store(c, c20);
  v128.store(c, c21, 16);
  c += ldc;
  v128.store(c, c30);
  v128.store(c, c31, 16);
  c += ldc;
  v128.store(c, c40);
  v128.store(c, c41, 16);
  if (ASC_FEATURE_RELAXED_SIMD) {
    c += ldc;
    v128.store(c, c50);
    v128.store(c, c51, 16);
  }
  return sink;
}

/** C [ROWS, 4] = A B. */
export function tile_narrow(k: i32, a: usize, b: usize, ldb: usize, c: usize, ldc: usize): void {
  let c0 = f32x4.splat(0);
  let c1 = f32x4.splat(0);
  let c2 = f32x4.splat(0);
  let c3 = f32x4.splat(0);
  let c4 = f32x4.splat(0);
  let c5 = f32x4.splat(0);
  for (; k > 0; k--) {
    const b0 = v128.load(b);
    c0 = madd(c0, v128.load_splat<f32>(a), b0);
    c1 = madd(c1, v128.load_splat<f32>(a, 4), b0);
    c2 = madd(c2, v128.load_splat<f32>(a, 8), b0);
    c3 = madd(c3, v128.load_splat<f32>(a, 12), b0);
    c4 = madd(c4, v128.load_splat<f32>(a, 16), b0);
    if (ASC_FEATURE_RELAXED_SIMD) c5 = madd(c5, v128.load_splat<f32>(a, 20), b0);
    a += 4 * ROWS;
    b += ldb;
  }
  v128.store(c, c0);
  v128.store(c + ldc, c1);
  v128.store(c + 2 * ldc, c2);
  v128.store(c + 3 * ldc, c3);
  v128.store(c + 4 * ldc, c4);
  if (ASC_FEATURE_RELAXED_SIMD) v128.store(c + 5 * ldc, c5);
}
