/** Sums and extremes. Those that return f64 convert each float before they multiply and add, so products are exact. */
import { add_lanes, add_lanes_f64, high_f64, load_tail, low_f64, max_lanes, min_lanes } from './lanes';

const SUM = 0;
const SQUARES = 1;
const DOT = 2;
const DISTANCE = 3;

/** What one pair of doubles adds. */
// @ts-ignore: decorator
@inline
function term(op: i32, a: v128, b: v128): v128 {
  if (op == SUM) return a;
  if (op == SQUARES) return f64x2.mul(a, a);
  if (op == DOT) return f64x2.mul(a, b);
  const d = f64x2.sub(a, b);
  return f64x2.mul(d, d);
}

/** Four chains of two doubles. */
// @ts-ignore: decorator
@inline
function accumulate(op: i32, x: usize, y: usize, n: i32): f64 {
  let s0 = f64x2.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  let i = 0;
  for (; i + 8 <= n; i += 8) {
    const o = <usize>i << 2;
    const a = v128.load(x + o);
    const b = v128.load(x + o, 16);
    let c = a;
    let d = b;
    if (op == DOT || op == DISTANCE) {
      c = v128.load(y + o);
      d = v128.load(y + o, 16);
    }
    s0 = f64x2.add(s0, term(op, low_f64(a), low_f64(c)));
    s1 = f64x2.add(s1, term(op, high_f64(a), high_f64(c)));
    s2 = f64x2.add(s2, term(op, low_f64(b), low_f64(d)));
    s3 = f64x2.add(s3, term(op, high_f64(b), high_f64(d)));
  }
  for (; i < n; i += 4) {
    const o = <usize>i << 2;
    const a = i + 4 <= n ? v128.load(x + o) : load_tail(x + o, n - i, 0);
    let c = a;
    if (op == DOT || op == DISTANCE) c = i + 4 <= n ? v128.load(y + o) : load_tail(y + o, n - i, 0);
    s0 = f64x2.add(s0, term(op, low_f64(a), low_f64(c)));
    s1 = f64x2.add(s1, term(op, high_f64(a), high_f64(c)));
  }
  return add_lanes_f64(f64x2.add(f64x2.add(s0, s1), f64x2.add(s2, s3)));
}

export function sum(x: usize, n: i32, out: usize): void {
  store<f64>(out, accumulate(SUM, x, x, n));
}
export function sum_squares(x: usize, n: i32, out: usize): void {
  store<f64>(out, accumulate(SQUARES, x, x, n));
}
export function dot(x: usize, y: usize, n: i32, out: usize): void {
  store<f64>(out, accumulate(DOT, x, y, n));
}
export function squared_distance(x: usize, y: usize, n: i32, out: usize): void {
  store<f64>(out, accumulate(DISTANCE, x, y, n));
}

const MAX = 4;
const MIN = 5;

/** The larger, or smaller, operand: a where either is NaN. One instruction, where the one that carries NaN on takes several. */
// @ts-ignore: decorator
@inline
function better(op: i32, a: v128, b: v128): v128 {
  return op == MAX ? f32x4.pmax(a, b) : f32x4.pmin(a, b);
}

/** The largest or smallest of n floats: four chains of four lanes; NaN where there is one. */
// @ts-ignore: decorator
@inline
function extreme(op: i32, x: usize, n: i32): f32 {
  const start: f32 = op == MAX ? -Infinity : Infinity;
  let a = f32x4.splat(start);
  let b = a;
  let c = a;
  let d = a;
  let nan = i32x4.splat(0);
  let i = 0;
  for (; i + 16 <= n; i += 16) {
    const p = x + (<usize>i << 2);
    const e = v128.load(p);
    const f = v128.load(p, 16);
    const g = v128.load(p, 32);
    const h = v128.load(p, 48);
    a = better(op, a, e);
    b = better(op, b, f);
    c = better(op, c, g);
    d = better(op, d, h);
    nan = v128.or(nan, v128.or(unordered(e, f), unordered(g, h)));
  }
  for (; i < n; i += 4) {
    const p = x + (<usize>i << 2);
    const e = i + 4 <= n ? v128.load(p) : load_tail(p, n - i, start);
    a = better(op, a, e);
    nan = v128.or(nan, f32x4.ne(e, e));
  }
  if (v128.any_true(nan)) return NaN;
  const all = better(op, better(op, a, b), better(op, c, d));
  return op == MAX ? max_lanes(all) : min_lanes(all);
}

/** Lanes in which either is NaN. */
// @ts-ignore: decorator
@inline
function unordered(a: v128, b: v128): v128 {
  return v128.or(f32x4.ne(a, a), f32x4.ne(b, b));
}

/** The sum of n floats in f32: four chains of four lanes. */
// @ts-ignore: decorator
@inline
function row_sum(x: usize, n: i32): f32 {
  let a = f32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  let i = 0;
  for (; i + 16 <= n; i += 16) {
    const p = x + (<usize>i << 2);
    a = f32x4.add(a, v128.load(p));
    b = f32x4.add(b, v128.load(p, 16));
    c = f32x4.add(c, v128.load(p, 32));
    d = f32x4.add(d, v128.load(p, 48));
  }
  for (; i < n; i += 4) {
    const p = x + (<usize>i << 2);
    a = f32x4.add(a, i + 4 <= n ? v128.load(p) : load_tail(p, n - i, 0));
  }
  return add_lanes(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)));
}

export function reduce_rows_sum(x: usize, rows: i32, cols: i32, y: usize): void {
  for (let r = 0; r < rows; r++, x += <usize>cols << 2, y += 4) store<f32>(y, row_sum(x, cols));
}
export function reduce_rows_mean(x: usize, rows: i32, cols: i32, y: usize): void {
  for (let r = 0; r < rows; r++, x += <usize>cols << 2, y += 4) store<f32>(y, row_sum(x, cols) / <f32>cols);
}
export function reduce_rows_max(x: usize, rows: i32, cols: i32, y: usize): void {
  for (let r = 0; r < rows; r++, x += <usize>cols << 2, y += 4) store<f32>(y, extreme(MAX, x, cols));
}
export function reduce_rows_min(x: usize, rows: i32, cols: i32, y: usize): void {
  for (let r = 0; r < rows; r++, x += <usize>cols << 2, y += 4) store<f32>(y, extreme(MIN, x, cols));
}

/** Row by row into y: each column's sum runs down the rows. */
export function reduce_cols_sum(x: usize, rows: i32, cols: i32, y: usize): void {
  const stride = <usize>cols << 2;
  memory.fill(y, 0, stride);
  for (let r = 0; r < rows; r++, x += stride) {
    let i = 0;
    for (; i + 4 <= cols; i += 4) {
      const o = <usize>i << 2;
      v128.store(y + o, f32x4.add(v128.load(y + o), v128.load(x + o)));
    }
    for (; i < cols; i++) {
      const o = <usize>i << 2;
      store<f32>(y + o, load<f32>(y + o) + load<f32>(x + o));
    }
  }
}

/** The row's maximum, then the first element that equals it (or is NaN), four at a time. */
export function argmax_rows(x: usize, rows: i32, cols: i32, out: usize): void {
  for (let r = 0; r < rows; r++, x += <usize>cols << 2, out += 4) {
    const best = extreme(MAX, x, cols);
    const nan = best != best;
    const wanted = f32x4.splat(best);
    let at = 0;
    for (; at + 4 <= cols; at += 4) {
      const v = v128.load(x + (<usize>at << 2));
      const found = i32x4.bitmask(nan ? f32x4.ne(v, v) : f32x4.eq(v, wanted));
      if (found) {
        at += ctz(found);
        break;
      }
    }
    for (; at < cols - 1; at++) {
      const v = load<f32>(x + (<usize>at << 2));
      if (nan ? v != v : v == best) break;
    }
    store<i32>(out, at);
  }
}
