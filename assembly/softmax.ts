/** Softmax over rows, shifted by the row's maximum so that exp cannot overflow; a share below e^-87 is 0. y may be x. */
import { add_lanes, load_tail, store_tail } from './lanes';
import { exp_normal_f32x4, LEAST_EXPONENT, log_f32x4 } from './math';

/** Largest of n floats but NaN, whose row turns to NaN through its sum; -Infinity where there is none. */
// @ts-ignore: decorator
@inline
function peak(x: usize, n: i32): v128 {
  let a = f32x4.splat(-Infinity);
  let b = a;
  let i = 0;
  // pmax keeps its first operand where either is NaN.
  for (; i + 8 <= n; i += 8) {
    const p = x + (<usize>i << 2);
    a = f32x4.pmax(a, v128.load(p));
    b = f32x4.pmax(b, v128.load(p, 16));
  }
  for (; i < n; i += 4) {
    const p = x + (<usize>i << 2);
    a = f32x4.pmax(a, i + 4 <= n ? v128.load(p) : load_tail(p, n - i, -Infinity));
  }
  return top(f32x4.pmax(a, b));
}

/** The largest lane in every lane. */
// @ts-ignore: decorator
@inline
function top(v: v128): v128 {
  v = f32x4.pmax(v, v128.shuffle<i64>(v, v, 1, 0));
  return f32x4.pmax(v, v128.shuffle<i32>(v, v, 1, 0, 3, 2));
}

/** y = exp(x - shift) over its sum. `masked`: there may be runs whose share is 0. */
// @ts-ignore: decorator
@inline
function shares(x: usize, shift: v128, y: usize, n: i32, masked: bool): void {
  let total = f32x4.splat(0);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const o = <usize>i << 2;
    const d = f32x4.sub(v128.load(x + o), shift);
    if (masked && i32x4.bitmask(f32x4.lt(d, f32x4.splat(LEAST_EXPONENT))) == 15) {
      v128.store(y + o, f32x4.splat(0));
      continue;
    }
    const e = exp_normal_f32x4(d);
    v128.store(y + o, e);
    total = f32x4.add(total, e);
  }
  if (i < n) {
    const o = <usize>i << 2;
    const e = exp_normal_f32x4(f32x4.sub(load_tail(x + o, n - i, -Infinity), shift));
    store_tail(y + o, e, n - i);
    total = f32x4.add(total, e);
  }
  const scale = f32x4.splat(1 / add_lanes(total));
  for (i = 0; i + 4 <= n; i += 4) {
    const o = y + (<usize>i << 2);
    v128.store(o, f32x4.mul(v128.load(o), scale));
  }
  if (i < n) {
    const o = y + (<usize>i << 2);
    store_tail(o, f32x4.mul(load_tail(o, n - i, 0), scale), n - i);
  }
}

export function softmax(x: usize, y: usize, rows: i32, cols: i32): void {
  const stride = <usize>cols << 2;
  for (let r = 0; r < rows; r++, x += stride, y += stride) shares(x, peak(x, cols), y, cols, false);
}

const NONE = 0;
const DIVIDE = 1;

// @ts-ignore: decorator
@inline
function score(op: i32, x: v128, s: v128, masked: bool, mask: v128): v128 {
  if (op == DIVIDE) x = f32x4.div(x, s);
  else if (op != NONE) x = f32x4.mul(x, s);
  return masked ? f32x4.add(x, mask) : x;
}

/** y = x scaled, mask added; returns their largest as `peak` does. */
// @ts-ignore: decorator
@inline
function scores(op: i32, x: usize, factor: f32, masked: bool, mask: usize, y: usize, n: i32): v128 {
  const s = f32x4.splat(factor);
  let a = f32x4.splat(-Infinity);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const o = <usize>i << 2;
    const v = score(op, v128.load(x + o), s, masked, masked ? v128.load(mask + o) : s);
    v128.store(y + o, v);
    a = f32x4.pmax(a, v);
  }
  if (i < n) {
    const o = <usize>i << 2;
    const rest = n - i;
    store_tail(y + o, score(op, load_tail(x + o, rest, 0), s, masked, masked ? load_tail(mask + o, rest, 0) : s), rest);
    a = f32x4.pmax(a, load_tail(y + o, rest, -Infinity));
  }
  return top(a);
}

export function softmax_scores(
  x: usize,
  op: i32,
  factor: f32,
  mask: usize,
  step: i32,
  y: usize,
  rows: i32,
  cols: i32,
): void {
  const stride = <usize>cols << 2;
  const down = <usize>step << 2;
  for (let r = 0; r < rows; r++, x += stride, y += stride, mask += down) {
    let shift: v128;
    if (!mask) shift = op == DIVIDE ? scores(DIVIDE, x, factor, false, 0, y, cols) : scores(2, x, factor, false, 0, y, cols);
    else if (op == NONE) shift = scores(NONE, x, factor, true, mask, y, cols);
    else if (op == DIVIDE) shift = scores(DIVIDE, x, factor, true, mask, y, cols);
    else shift = scores(2, x, factor, true, mask, y, cols);
    if (mask) shares(y, shift, y, cols, true);
    else shares(y, shift, y, cols, false);
  }
}

export function log_softmax(x: usize, y: usize, rows: i32, cols: i32): void {
  const stride = <usize>cols << 2;
  for (let r = 0; r < rows; r++, x += stride, y += stride) {
    const shift = peak(x, cols);
    let total = f32x4.splat(0);
    let i = 0;
    for (; i + 4 <= cols; i += 4) {
      total = f32x4.add(total, exp_normal_f32x4(f32x4.sub(v128.load(x + (<usize>i << 2)), shift)));
    }
    if (i < cols) {
      total = f32x4.add(total, exp_normal_f32x4(f32x4.sub(load_tail(x + (<usize>i << 2), cols - i, -Infinity), shift)));
    }
    const log_total = log_f32x4(f32x4.splat(add_lanes(total)));
    for (i = 0; i + 4 <= cols; i += 4) {
      const o = <usize>i << 2;
      v128.store(y + o, f32x4.sub(f32x4.sub(v128.load(x + o), shift), log_total));
    }
    if (i < cols) {
      const o = <usize>i << 2;
      store_tail(y + o, f32x4.sub(f32x4.sub(load_tail(x + o, cols - i, 0), shift), log_total), cols - i);
    }
  }
}
