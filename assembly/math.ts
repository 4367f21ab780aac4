/**
 * Elementary functions on vectors. Arguments are reduced to an interval on which a polynomial, interpolating the function
 * at Chebyshev nodes, or a quotient of two with least relative error, is about as close as the rounding of f32 (J.-M. Muller,
 * Elementary Functions, ch. 3 and 11). Only + - * / and bit operations: in the plain build every engine computes the same bits.
 */

import { madd } from './lanes';

const LOG2E: f32 = 1.4426950408889634;
/** ln 2 in two parts; the first has 10 bits, so its product with an exponent is exact (Cody and Waite). */
const LN2_HIGH: f32 = 0.693359375;
const LN2_LOW: f32 = -0.00021219444170128554;

// @ts-ignore: decorator
@inline
function splat(x: f32): v128 {
  return f32x4.splat(x);
}

/** p x + c */
// @ts-ignore: decorator
@inline
function horner(p: v128, x: v128, c: f32): v128 {
  return madd(f32x4.splat(c), p, x);
}

/** 1.5 * 2^23: added to a number below 2^22 in size it leaves the nearest whole number, ties to even, in the low bits. */
const ROUND: f32 = 12582912;

/** 2^i for i in [-126, 127]. */
// @ts-ignore: decorator
@inline
function power_of_two(i: v128): v128 {
  return i32x4.shl(i32x4.add(i, i32x4.splat(127)), 23);
}

/** exp(c) / 2^n for the whole number n next to c / ln 2: c = n ln 2 + r, |r| <= ln 2 / 2. */
// @ts-ignore: decorator
@inline
function significand(c: v128, n: v128): v128 {
  const r = madd(madd(c, n, splat(-LN2_HIGH)), n, splat(-LN2_LOW));
  let p = splat(0.0013926392421126366);
  p = horner(p, r, 0.008363345637917519);
  p = horner(p, r, 0.04166655242443085);
  p = horner(p, r, 0.16666576266288757);
  p = horner(p, r, 0.5);
  return f32x4.add(madd(r, f32x4.mul(p, r), r), splat(1));
}

/** exp: 2^n in two factors, so that subnormal results come out. */
// @ts-ignore: decorator
@inline
export function exp_f32x4(x: v128): v128 {
  // pmin and pmax pass on a NaN in their first operand, in one instruction each.
  const c = f32x4.pmin(f32x4.pmax(x, splat(-104)), splat(89));
  const t = madd(splat(ROUND), c, splat(LOG2E));
  const y = significand(c, f32x4.sub(t, splat(ROUND)));
  const i = i32x4.sub(t, splat(ROUND));
  const h = i32x4.shr_s(i, 1);
  return f32x4.mul(f32x4.mul(y, power_of_two(h)), power_of_two(i32x4.sub(i, h)));
}

/** Below it `exp_normal_f32x4` is 0. */
export const LEAST_EXPONENT: f32 = -87;

/**
 * exp that is 0 below -87, where it is less than 2^-125: for sums that are at least 1, to which such a term adds nothing, and
 * where arithmetic on subnormal numbers would take a hundred times as long. For x up to 87; NaN stays NaN.
 */
// @ts-ignore: decorator
@inline
export function exp_normal_f32x4(x: v128): v128 {
  const low = splat(LEAST_EXPONENT);
  const c = f32x4.pmax(x, low);
  const t = madd(splat(ROUND), c, splat(LOG2E));
  const y = significand(c, f32x4.sub(t, splat(ROUND)));
  // Only the low bits of t are left, which hold n in two's complement.
  const power = i32x4.shl(i32x4.add(t, i32x4.splat(127)), 23);
  return v128.andnot(f32x4.mul(y, power), f32x4.lt(x, low));
}

/** log: x = 2^e (1 + f), 1 + f in [sqrt(1/2), sqrt 2); log(1 + f) = f - f^2/2 + f^3 P(f). */
// @ts-ignore: decorator
@inline
export function log_f32x4(x: v128): v128 {
  const small = f32x4.lt(x, splat(1.1754943508222875e-38));
  const s = v128.bitselect(f32x4.mul(x, splat(8388608)), x, small);
  // Subtracting the bits of sqrt(1/2) puts the carry into the exponent field exactly where the significand passes it.
  const d = i32x4.sub(s, i32x4.splat(0x3f3504f3));
  const e = f32x4.sub(
    f32x4.convert_i32x4_s(i32x4.shr_s(d, 23)),
    v128.and(small, splat(23)),
  );
  const f = f32x4.sub(
    i32x4.add(v128.and(d, i32x4.splat(0x007fffff)), i32x4.splat(0x3f3504f3)),
    splat(1),
  );
  let p = splat(0.06971611827611923);
  p = horner(p, f, -0.11479733884334564);
  p = horner(p, f, 0.11685419827699661);
  p = horner(p, f, -0.12425687164068222);
  p = horner(p, f, 0.14249058067798615);
  p = horner(p, f, -0.1666780263185501);
  p = horner(p, f, 0.20000715553760529);
  p = horner(p, f, -0.2499999701976776);
  p = horner(p, f, 0.3333333134651184);
  const f2 = f32x4.mul(f, f);
  let y = f32x4.add(f32x4.mul(f32x4.mul(p, f), f2), f32x4.mul(e, splat(LN2_LOW)));
  y = f32x4.sub(y, f32x4.mul(f2, splat(0.5)));
  y = f32x4.add(f32x4.add(f, y), f32x4.mul(e, splat(LN2_HIGH)));
  // 0, negative, Infinity and NaN.
  y = v128.bitselect(splat(-Infinity), y, f32x4.eq(x, splat(0)));
  y = v128.bitselect(splat(NaN), y, f32x4.lt(x, splat(0)));
  y = v128.bitselect(x, y, f32x4.eq(x, splat(Infinity)));
  return v128.bitselect(x, y, f32x4.ne(x, x));
}

/** Within [-1, 1]; NaN stays NaN. */
// @ts-ignore: decorator
@inline
function unit(y: v128): v128 {
  return f32x4.pmin(f32x4.pmax(y, splat(-1)), splat(1));
}

/** erf: x P(x^2) / Q(x^2), of least relative error up to 3.95, where it rounds to 1; relative error below 4e-7. */
// @ts-ignore: decorator
@inline
export function erf_f32x4(x: v128): v128 {
  const c = f32x4.pmin(f32x4.pmax(x, splat(-3.95)), splat(3.95));
  const z = f32x4.mul(c, c);
  let p = splat(2.025894445978338e-6);
  p = horner(p, z, 0.0002846824936568737);
  p = horner(p, z, 0.003808041336014867);
  p = horner(p, z, 0.05287506803870201);
  p = horner(p, z, 0.19154788553714752);
  p = horner(p, z, 1.1283791065216064);
  let q = splat(3.78313816327136e-5);
  q = horner(q, z, 0.0011706918012350798);
  q = horner(q, z, 0.015054850839078426);
  q = horner(q, z, 0.11455857008695602);
  q = horner(q, z, 0.50308758020401);
  q = horner(q, z, 1);
  return unit(f32x4.div(f32x4.mul(p, c), q));
}

/** tanh: x P(x^2) / Q(x^2), of least relative error up to 9.02, where it rounds to 1; relative error below 4e-7. */
// @ts-ignore: decorator
@inline
export function tanh_f32x4(x: v128): v128 {
  const c = f32x4.pmin(f32x4.pmax(x, splat(-9.02)), splat(9.02));
  const z = f32x4.mul(c, c);
  let p = splat(1.3318626201908046e-8);
  p = horner(p, z, 2.0583151126629673e-5);
  p = horner(p, z, 0.003494014497846365);
  p = horner(p, z, 0.13379700481891632);
  p = horner(p, z, 1);
  let q = splat(7.761834126540634e-7);
  q = horner(q, z, 0.0003283059922978282);
  q = horner(q, z, 0.025870997458696365);
  q = horner(q, z, 0.4671301543712616);
  q = horner(q, z, 1);
  return unit(f32x4.div(f32x4.mul(p, c), q));
}

/** 1 / (1 + exp(-x)), through exp(-|x|), which cannot overflow. */
// @ts-ignore: decorator
@inline
export function sigmoid_f32x4(x: v128): v128 {
  const e = exp_f32x4(f32x4.neg(f32x4.abs(x)));
  const above = v128.bitselect(e, splat(1), f32x4.lt(x, splat(0)));
  return f32x4.div(above, f32x4.add(splat(1), e));
}

/** x (1 + erf(x / sqrt 2)) / 2 (Hendrycks and Gimpel, arXiv 1606.08415). */
// @ts-ignore: decorator
@inline
export function gelu_f32x4(x: v128): v128 {
  const e = erf_f32x4(f32x4.mul(x, splat(0.7071067811865476)));
  return f32x4.mul(f32x4.mul(x, splat(0.5)), f32x4.add(splat(1), e));
}

/** log(1 + exp(x)) = max(x, 0) + log(u), u = 1 + e, e = exp(-|x|); log(u) e / (u - 1) puts right what 1 + e lost (Kahan). */
// @ts-ignore: decorator
@inline
export function softplus_f32x4(x: v128): v128 {
  const one = splat(1);
  const e = exp_f32x4(f32x4.neg(f32x4.abs(x)));
  const u = f32x4.add(one, e);
  const l = f32x4.div(f32x4.mul(log_f32x4(u), e), f32x4.sub(u, one));
  const log1p = v128.bitselect(e, l, f32x4.eq(u, one));
  return f32x4.add(f32x4.pmax(x, splat(0)), log1p);
}

/** x tanh(softplus(x)) = x a / (a + b): with w = exp(-|x|), a = w^2 + 2 w and b = 2 below 0, a = 1 + 2 w and b = 2 w^2 above. */
// @ts-ignore: decorator
@inline
export function mish_f32x4(x: v128): v128 {
  const w = exp_f32x4(f32x4.neg(f32x4.abs(x)));
  const twice = f32x4.add(w, w);
  const square = f32x4.mul(w, w);
  const below = f32x4.lt(x, splat(0));
  const a = f32x4.add(twice, v128.bitselect(square, splat(1), below));
  const b = v128.bitselect(splat(2), f32x4.add(square, square), below);
  return f32x4.mul(x, f32x4.div(a, f32x4.add(a, b)));
}

/** x above 0, alpha (exp(beta x) - 1) elsewhere, through exp(v) - 1 = 2 t / (1 - t), t = tanh(v / 2). */
// @ts-ignore: decorator
@inline
export function elu_f32x4(x: v128, alpha: f32, beta: f32): v128 {
  const t = tanh_f32x4(f32x4.mul(x, splat(beta * 0.5)));
  const low = f32x4.mul(splat(alpha), f32x4.div(f32x4.add(t, t), f32x4.sub(splat(1), t)));
  return v128.bitselect(x, low, f32x4.gt(x, splat(0)));
}

/**
 * exp of doubles, within 2 ulp: x = n ln 2 + r; results below 2^-1021 become 0. For x up to 709; NaN stays NaN.
 */
// @ts-ignore: decorator
@inline
export function exp_f64x2(x: v128): v128 {
  const low = f64x2.lt(x, f64x2.splat(-707.5));
  const c = f64x2.pmin(f64x2.pmax(x, f64x2.splat(-708)), f64x2.splat(709));
  // Adding 1.5 * 2^52 rounds to a whole number and leaves it, in two's complement, in the low bits.
  const magic = f64x2.splat(6755399441055744);
  const t = f64x2.add(f64x2.mul(c, f64x2.splat(1.4426950408889634)), magic);
  const n = f64x2.sub(t, magic);
  const r = f64x2.sub(
    f64x2.sub(c, f64x2.mul(n, f64x2.splat(0.6931471803691238))),
    f64x2.mul(n, f64x2.splat(1.9082149292705877e-10)),
  );
  let p = f64x2.splat(2.0914898727175524e-9);
  p = horner_f64(p, r, 2.5105513541847086e-8);
  p = horner_f64(p, r, 2.755727313289604e-7);
  p = horner_f64(p, r, 2.7557254685728803e-6);
  p = horner_f64(p, r, 2.480158732595111e-5);
  p = horner_f64(p, r, 0.0001984126987538548);
  p = horner_f64(p, r, 0.0013888888888883633);
  p = horner_f64(p, r, 0.008333333333325973);
  p = horner_f64(p, r, 0.04166666666666667);
  p = horner_f64(p, r, 0.1666666666666667);
  p = horner_f64(p, r, 0.5);
  const y = f64x2.add(f64x2.add(f64x2.mul(f64x2.mul(p, r), r), r), f64x2.splat(1));
  // Adds n to the exponent field.
  const scaled = i64x2.add(y, i64x2.shl(t, 52));
  return v128.bitselect(y, v128.andnot(scaled, low), f64x2.ne(x, x));
}

// @ts-ignore: decorator
@inline
function horner_f64(p: v128, x: v128, c: f64): v128 {
  return f64x2.add(f64x2.mul(p, x), f64x2.splat(c));
}
