/** Multiply-add, partial vectors and sums across lanes. */

/** acc + a b, four floats: rounded once in the relaxed build where the machine can, twice in the plain build. */
// @ts-ignore: decorator
@inline
export function madd(acc: v128, a: v128, b: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, acc);
  return f32x4.add(acc, f32x4.mul(a, b));
}

/** As madd, two doubles. */
// @ts-ignore: decorator
@inline
export function madd_f64(acc: v128, a: v128, b: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f64x2.relaxed_madd(a, b, acc);
  return f64x2.add(acc, f64x2.mul(a, b));
}

/** The first `count` (1..3) floats at p; the other lanes hold `fill`. */
// @ts-ignore: decorator
@inline
export function load_tail(p: usize, count: i32, fill: f32): v128 {
  let v = f32x4.splat(fill);
  v = v128.load_lane<f32>(p, v, 0);
  if (count > 1) v = v128.load_lane<f32>(p, v, 1, 4);
  if (count > 2) v = v128.load_lane<f32>(p, v, 2, 8);
  return v;
}

/** Writes the first `count` (1..3) lanes to p. */
// @ts-ignore: decorator
@inline
export function store_tail(p: usize, v: v128, count: i32): void {
  v128.store_lane<f32>(p, v, 0);
  if (count > 1) v128.store_lane<f32>(p, v, 1, 4);
  if (count > 2) v128.store_lane<f32>(p, v, 2, 8);
}

// @ts-ignore: decorator
@inline
export function add_lanes(v: v128): f32 {
  return (
    f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3))
  );
}

// @ts-ignore: decorator
@inline
export function add_lanes_f64(v: v128): f64 {
  return f64x2.extract_lane(v, 0) + f64x2.extract_lane(v, 1);
}

/** Largest lane; NaN where any lane is NaN. */
// @ts-ignore: decorator
@inline
export function max_lanes(v: v128): f32 {
  return max<f32>(
    max<f32>(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)),
    max<f32>(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)),
  );
}

/** Smallest lane; NaN where any lane is NaN. */
// @ts-ignore: decorator
@inline
export function min_lanes(v: v128): f32 {
  return min<f32>(
    min<f32>(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)),
    min<f32>(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)),
  );
}

/** The two low floats as doubles. */
// @ts-ignore: decorator
@inline
export function low_f64(v: v128): v128 {
  return f64x2.promote_low_f32x4(v);
}

/** The two high floats as doubles. */
// @ts-ignore: decorator
@inline
export function high_f64(v: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<i64>(v, v, 1, 1));
}

/** Largest of n floats; NaN if there is one; -Infinity when n is 0. */
// @ts-ignore: decorator
@inline
export function row_max(x: usize, n: i32): f32 {
  let a = f32x4.splat(-Infinity);
  let b = a;
  let i = 0;
  for (; i + 8 <= n; i += 8) {
    const p = x + (<usize>i << 2);
    a = f32x4.max(a, v128.load(p));
    b = f32x4.max(b, v128.load(p, 16));
  }
  for (; i < n; i += 4) {
    const p = x + (<usize>i << 2);
    a = f32x4.max(a, i + 4 <= n ? v128.load(p) : load_tail(p, n - i, -Infinity));
  }
  return max_lanes(f32x4.max(a, b));
}
