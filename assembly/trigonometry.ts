/**
 * Sine and cosine on vectors: x = q pi/2 + r, |r| <= pi/4, the reduction in f64 (Cody and Waite), then the polynomial of the
 * quadrant (J.-M. Muller, Elementary Functions, ch. 11).
 */

/** pi/2 in two parts; the first has 33 bits, so its product with a q below 2^20 is exact. */
const HALF_PI_HIGH: f64 = 1.5707963267341256;
const HALF_PI_LOW: f64 = 6.077100506506192e-11;
const TWO_OVER_PI: f64 = 0.6366197723675814;

/** x - q pi/2 of two doubles. */
// @ts-ignore: decorator
@inline
function remainder(x: v128, q: v128): v128 {
  const high = f64x2.sub(x, f64x2.mul(q, f64x2.splat(HALF_PI_HIGH)));
  return f64x2.sub(high, f64x2.mul(q, f64x2.splat(HALF_PI_LOW)));
}

// @ts-ignore: decorator
@inline
function horner(p: v128, x: v128, c: f32): v128 {
  return f32x4.add(f32x4.mul(p, x), f32x4.splat(c));
}

/** sin(x + quarters pi/2) for |x| <= 2^20; not finite where x is not. */
// @ts-ignore: decorator
@inline
export function sin_f32x4(x: v128, quarters: i32): v128 {
  const a = f64x2.promote_low_f32x4(x);
  const b = f64x2.promote_low_f32x4(v128.shuffle<i64>(x, x, 1, 1));
  const qa = f64x2.nearest(f64x2.mul(a, f64x2.splat(TWO_OVER_PI)));
  const qb = f64x2.nearest(f64x2.mul(b, f64x2.splat(TWO_OVER_PI)));
  const ra = f32x4.demote_f64x2_zero(remainder(a, qa));
  const rb = f32x4.demote_f64x2_zero(remainder(b, qb));
  const r = v128.shuffle<i64>(ra, rb, 0, 2);
  const q = i32x4.add(
    v128.shuffle<i64>(i32x4.trunc_sat_f64x2_s_zero(qa), i32x4.trunc_sat_f64x2_s_zero(qb), 0, 2),
    i32x4.splat(quarters),
  );
  const z = f32x4.mul(r, r);
  let s = f32x4.splat(2.7249864160694415e-6);
  s = horner(s, z, -0.00019840085587929934);
  s = horner(s, z, 0.008333331905305386);
  s = horner(s, z, -0.1666666716337204);
  s = f32x4.add(f32x4.mul(f32x4.mul(s, z), r), r);
  let c = f32x4.splat(2.454789137118496e-5);
  c = horner(c, z, -0.001388830249197781);
  c = horner(c, z, 0.0416666641831398);
  c = f32x4.add(f32x4.sub(f32x4.splat(1), f32x4.mul(z, f32x4.splat(0.5))), f32x4.mul(f32x4.mul(c, z), z));
  const odd = i32x4.shr_s(i32x4.shl(q, 31), 31);
  const sign = i32x4.shl(v128.and(q, i32x4.splat(2)), 30);
  return v128.xor(v128.bitselect(c, s, odd), sign);
}
