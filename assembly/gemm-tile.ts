/**
 * Register tiles of the matrix product: C = alpha A B + beta C for a panel of A (k columns of mr floats) and a panel of B
 * (k rows of 8 floats). Accumulators are named locals because only those stay in registers.
 */

/** c[0..8) = alpha (x, y) + beta c; c is not read when beta is 0. */
// @ts-ignore: decorator
@inline
function put(c: usize, x: v128, y: v128, alpha: f32, beta: f32): void {
  const s = f32x4.splat(alpha);
  let u = f32x4.mul(s, x);
  let v = f32x4.mul(s, y);
  if (beta != 0) {
    const t = f32x4.splat(beta);
    u = f32x4.add(u, f32x4.mul(t, v128.load(c)));
    v = f32x4.add(v, f32x4.mul(t, v128.load(c, 16)));
  }
  v128.store(c, u);
  v128.store(c, v, 16);
}

/** 5 rows by 8 columns: 10 accumulators, two vectors of B and one splat of A fit the registers. */
// @ts-ignore: decorator
@inline
export function tile5x8(k: i32, a: usize, b: usize, c: usize, ldc: usize, alpha: f32, beta: f32): void {
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
    let s = v128.load_splat<f32>(a);
    c00 = f32x4.add(c00, f32x4.mul(s, b0));
    c01 = f32x4.add(c01, f32x4.mul(s, b1));
    s = v128.load_splat<f32>(a, 4);
    c10 = f32x4.add(c10, f32x4.mul(s, b0));
    c11 = f32x4.add(c11, f32x4.mul(s, b1));
    s = v128.load_splat<f32>(a, 8);
    c20 = f32x4.add(c20, f32x4.mul(s, b0));
    c21 = f32x4.add(c21, f32x4.mul(s, b1));
    s = v128.load_splat<f32>(a, 12);
    c30 = f32x4.add(c30, f32x4.mul(s, b0));
    c31 = f32x4.add(c31, f32x4.mul(s, b1));
    s = v128.load_splat<f32>(a, 16);
    c40 = f32x4.add(c40, f32x4.mul(s, b0));
    c41 = f32x4.add(c41, f32x4.mul(s, b1));
    a += 20;
    b += 32;
  }
  put(c, c00, c01, alpha, beta);
  put(c + ldc, c10, c11, alpha, beta);
  put(c + 2 * ldc, c20, c21, alpha, beta);
  put(c + 3 * ldc, c30, c31, alpha, beta);
  put(c + 4 * ldc, c40, c41, alpha, beta);
}

/** 4 rows by 8 columns: 8 accumulators, two vectors of B and one splat of A fit the registers. */
// @ts-ignore: decorator
@inline
export function tile4x8(k: i32, a: usize, b: usize, c: usize, ldc: usize, alpha: f32, beta: f32): void {
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
    let s = v128.load_splat<f32>(a);
    c00 = f32x4.add(c00, f32x4.mul(s, b0));
    c01 = f32x4.add(c01, f32x4.mul(s, b1));
    s = v128.load_splat<f32>(a, 4);
    c10 = f32x4.add(c10, f32x4.mul(s, b0));
    c11 = f32x4.add(c11, f32x4.mul(s, b1));
    s = v128.load_splat<f32>(a, 8);
    c20 = f32x4.add(c20, f32x4.mul(s, b0));
    c21 = f32x4.add(c21, f32x4.mul(s, b1));
    s = v128.load_splat<f32>(a, 12);
    c30 = f32x4.add(c30, f32x4.mul(s, b0));
    c31 = f32x4.add(c31, f32x4.mul(s, b1));
    a += 16;
    b += 32;
  }
  put(c, c00, c01, alpha, beta);
  put(c + ldc, c10, c11, alpha, beta);
  put(c + 2 * ldc, c20, c21, alpha, beta);
  put(c + 3 * ldc, c30, c31, alpha, beta);
}
