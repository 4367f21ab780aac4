/**
 * Register tiles of the matrix product: T = A B for a panel of A (k columns of `rows` floats) and a panel of B (k rows of 8
 * floats), T [rows, 8] without gaps. Accumulators are named locals, because only those stay in registers, and a tile does
 * nothing but sum: engines keep the order in which its loads and products are written only where the code around them is this
 * simple, and reordered they need more registers than there are.
 */
import { madd } from './lanes';

function tile1(k: i32, a: usize, b: usize, t: usize): void {
  let c00 = f32x4.splat(0);
  let c01 = f32x4.splat(0);
  for (; k > 0; k--) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const s0 = v128.load_splat<f32>(a);
    c00 = madd(c00, s0, b0);
    c01 = madd(c01, s0, b1);
    b += 32;
    a += 4;
  }
  v128.store(t, c00);
  v128.store(t, c01, 16);
}

function tile2(k: i32, a: usize, b: usize, t: usize): void {
  let c00 = f32x4.splat(0);
  let c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0);
  let c11 = f32x4.splat(0);
  for (; k > 0; k--) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const s0 = v128.load_splat<f32>(a);
    c00 = madd(c00, s0, b0);
    c01 = madd(c01, s0, b1);
    const s1 = v128.load_splat<f32>(a, 4);
    c10 = madd(c10, s1, b0);
    c11 = madd(c11, s1, b1);
    b += 32;
    a += 8;
  }
  v128.store(t, c00);
  v128.store(t, c01, 16);
  v128.store(t, c10, 32);
  v128.store(t, c11, 48);
}

function tile3(k: i32, a: usize, b: usize, t: usize): void {
  let c00 = f32x4.splat(0);
  let c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0);
  let c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0);
  let c21 = f32x4.splat(0);
  for (; k > 0; k--) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const s0 = v128.load_splat<f32>(a);
    c00 = madd(c00, s0, b0);
    c01 = madd(c01, s0, b1);
    const s1 = v128.load_splat<f32>(a, 4);
    c10 = madd(c10, s1, b0);
    c11 = madd(c11, s1, b1);
    const s2 = v128.load_splat<f32>(a, 8);
    c20 = madd(c20, s2, b0);
    c21 = madd(c21, s2, b1);
    b += 32;
    a += 12;
  }
  v128.store(t, c00);
  v128.store(t, c01, 16);
  v128.store(t, c10, 32);
  v128.store(t, c11, 48);
  v128.store(t, c20, 64);
  v128.store(t, c21, 80);
}

function tile4(k: i32, a: usize, b: usize, t: usize): void {
  let c00 = f32x4.splat(0);
  let c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0);
  let c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0);
  let c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0);
  let c31 = f32x4.splat(0);
  for (; k > 0; k--) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const s0 = v128.load_splat<f32>(a);
    c00 = madd(c00, s0, b0);
    c01 = madd(c01, s0, b1);
    const s1 = v128.load_splat<f32>(a, 4);
    c10 = madd(c10, s1, b0);
    c11 = madd(c11, s1, b1);
    const s2 = v128.load_splat<f32>(a, 8);
    c20 = madd(c20, s2, b0);
    c21 = madd(c21, s2, b1);
    const s3 = v128.load_splat<f32>(a, 12);
    c30 = madd(c30, s3, b0);
    c31 = madd(c31, s3, b1);
    b += 32;
    a += 16;
  }
  v128.store(t, c00);
  v128.store(t, c01, 16);
  v128.store(t, c10, 32);
  v128.store(t, c11, 48);
  v128.store(t, c20, 64);
  v128.store(t, c21, 80);
  v128.store(t, c30, 96);
  v128.store(t, c31, 112);
}

function tile5(k: i32, a: usize, b: usize, t: usize): void {
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
  for (; k > 0; k--) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const s0 = v128.load_splat<f32>(a);
    c00 = madd(c00, s0, b0);
    c01 = madd(c01, s0, b1);
    const s1 = v128.load_splat<f32>(a, 4);
    c10 = madd(c10, s1, b0);
    c11 = madd(c11, s1, b1);
    const s2 = v128.load_splat<f32>(a, 8);
    c20 = madd(c20, s2, b0);
    c21 = madd(c21, s2, b1);
    const s3 = v128.load_splat<f32>(a, 12);
    c30 = madd(c30, s3, b0);
    c31 = madd(c31, s3, b1);
    const s4 = v128.load_splat<f32>(a, 16);
    c40 = madd(c40, s4, b0);
    c41 = madd(c41, s4, b1);
    b += 32;
    a += 20;
  }
  v128.store(t, c00);
  v128.store(t, c01, 16);
  v128.store(t, c10, 32);
  v128.store(t, c11, 48);
  v128.store(t, c20, 64);
  v128.store(t, c21, 80);
  v128.store(t, c30, 96);
  v128.store(t, c31, 112);
  v128.store(t, c40, 128);
  v128.store(t, c41, 144);
}

function tile6(k: i32, a: usize, b: usize, t: usize): void {
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
    const s0 = v128.load_splat<f32>(a);
    c00 = madd(c00, s0, b0);
    c01 = madd(c01, s0, b1);
    const s1 = v128.load_splat<f32>(a, 4);
    c10 = madd(c10, s1, b0);
    c11 = madd(c11, s1, b1);
    const s2 = v128.load_splat<f32>(a, 8);
    c20 = madd(c20, s2, b0);
    c21 = madd(c21, s2, b1);
    const s3 = v128.load_splat<f32>(a, 12);
    c30 = madd(c30, s3, b0);
    c31 = madd(c31, s3, b1);
    const s4 = v128.load_splat<f32>(a, 16);
    c40 = madd(c40, s4, b0);
    c41 = madd(c41, s4, b1);
    const s5 = v128.load_splat<f32>(a, 20);
    c50 = madd(c50, s5, b0);
    c51 = madd(c51, s5, b1);
    b += 32;
    a += 24;
  }
  v128.store(t, c00);
  v128.store(t, c01, 16);
  v128.store(t, c10, 32);
  v128.store(t, c11, 48);
  v128.store(t, c20, 64);
  v128.store(t, c21, 80);
  v128.store(t, c30, 96);
  v128.store(t, c31, 112);
  v128.store(t, c40, 128);
  v128.store(t, c41, 144);
  v128.store(t, c50, 160);
  v128.store(t, c51, 176);
}

/** rows in 1..MR. */
export function tile_rows(rows: i32, k: i32, a: usize, b: usize, t: usize): void {
  if (ASC_FEATURE_RELAXED_SIMD) {
    if (rows == 6) return tile6(k, a, b, t);
  }
  if (rows == 5) tile5(k, a, b, t);
  else if (rows == 4) tile4(k, a, b, t);
  else if (rows == 3) tile3(k, a, b, t);
  else if (rows == 2) tile2(k, a, b, t);
  else tile1(k, a, b, t);
}
