/**
 * y = f(a, b) with the second operand an array like the first, one number, one row repeated (`_row`) or one number a row
 * (`_col`). min and max return NaN where an operand is NaN.
 */
import { load_tail, store_tail } from './lanes';

const ADD = 0;
const SUB = 1;
const MUL = 2;
const DIV = 3;
const MIN = 4;
const MAX = 5;
const RSUB = 6;
const RDIV = 7;

// @ts-ignore: decorator
@inline
function apply(op: i32, a: v128, b: v128): v128 {
  if (op == ADD) return f32x4.add(a, b);
  if (op == SUB) return f32x4.sub(a, b);
  if (op == MUL) return f32x4.mul(a, b);
  if (op == DIV) return f32x4.div(a, b);
  if (op == MIN) return f32x4.min(a, b);
  if (op == MAX) return f32x4.max(a, b);
  if (op == RSUB) return f32x4.sub(b, a);
  return f32x4.div(b, a);
}

// @ts-ignore: decorator
@inline
function pairs(op: i32, a: usize, b: usize, y: usize, n: i32): void {
  let i = 0;
  for (; i + 16 <= n; i += 16) {
    const o = <usize>i << 2;
    const a0 = v128.load(a + o);
    const a1 = v128.load(a + o, 16);
    const a2 = v128.load(a + o, 32);
    const a3 = v128.load(a + o, 48);
    const b0 = v128.load(b + o);
    const b1 = v128.load(b + o, 16);
    const b2 = v128.load(b + o, 32);
    const b3 = v128.load(b + o, 48);
    v128.store(y + o, apply(op, a0, b0));
    v128.store(y + o, apply(op, a1, b1), 16);
    v128.store(y + o, apply(op, a2, b2), 32);
    v128.store(y + o, apply(op, a3, b3), 48);
  }
  for (; i < n; i += 4) {
    const o = <usize>i << 2;
    if (i + 4 <= n) v128.store(y + o, apply(op, v128.load(a + o), v128.load(b + o)));
    else store_tail(y + o, apply(op, load_tail(a + o, n - i, 1), load_tail(b + o, n - i, 1)), n - i);
  }
}

// @ts-ignore: decorator
@inline
function scalar(op: i32, a: usize, s: f32, y: usize, n: i32): void {
  const b = f32x4.splat(s);
  let i = 0;
  for (; i + 16 <= n; i += 16) {
    const o = <usize>i << 2;
    const a0 = v128.load(a + o);
    const a1 = v128.load(a + o, 16);
    const a2 = v128.load(a + o, 32);
    const a3 = v128.load(a + o, 48);
    v128.store(y + o, apply(op, a0, b));
    v128.store(y + o, apply(op, a1, b), 16);
    v128.store(y + o, apply(op, a2, b), 32);
    v128.store(y + o, apply(op, a3, b), 48);
  }
  for (; i < n; i += 4) {
    const o = <usize>i << 2;
    if (i + 4 <= n) v128.store(y + o, apply(op, v128.load(a + o), b));
    else store_tail(y + o, apply(op, load_tail(a + o, n - i, 1), b), n - i);
  }
}

// @ts-ignore: decorator
@inline
function row(op: i32, a: usize, b: usize, y: usize, rows: i32, cols: i32): void {
  const stride = <usize>cols << 2;
  for (let r = 0; r < rows; r++, a += stride, y += stride) pairs(op, a, b, y, cols);
}

// @ts-ignore: decorator
@inline
function column(op: i32, a: usize, b: usize, y: usize, rows: i32, cols: i32): void {
  const stride = <usize>cols << 2;
  for (let r = 0; r < rows; r++, a += stride, y += stride, b += 4) scalar(op, a, load<f32>(b), y, cols);
}

export function add(a: usize, b: usize, y: usize, n: i32): void {
  pairs(ADD, a, b, y, n);
}
export function sub(a: usize, b: usize, y: usize, n: i32): void {
  pairs(SUB, a, b, y, n);
}
export function mul(a: usize, b: usize, y: usize, n: i32): void {
  pairs(MUL, a, b, y, n);
}
export function div(a: usize, b: usize, y: usize, n: i32): void {
  pairs(DIV, a, b, y, n);
}
export function min_of(a: usize, b: usize, y: usize, n: i32): void {
  pairs(MIN, a, b, y, n);
}
export function max_of(a: usize, b: usize, y: usize, n: i32): void {
  pairs(MAX, a, b, y, n);
}

export function add_scalar(a: usize, s: f32, y: usize, n: i32): void {
  scalar(ADD, a, s, y, n);
}
export function sub_scalar(a: usize, s: f32, y: usize, n: i32): void {
  scalar(SUB, a, s, y, n);
}
export function mul_scalar(a: usize, s: f32, y: usize, n: i32): void {
  scalar(MUL, a, s, y, n);
}
export function div_scalar(a: usize, s: f32, y: usize, n: i32): void {
  scalar(DIV, a, s, y, n);
}
export function min_scalar(a: usize, s: f32, y: usize, n: i32): void {
  scalar(MIN, a, s, y, n);
}
export function max_scalar(a: usize, s: f32, y: usize, n: i32): void {
  scalar(MAX, a, s, y, n);
}
export function rsub_scalar(a: usize, s: f32, y: usize, n: i32): void {
  scalar(RSUB, a, s, y, n);
}
export function rdiv_scalar(a: usize, s: f32, y: usize, n: i32): void {
  scalar(RDIV, a, s, y, n);
}

export function add_row(a: usize, b: usize, y: usize, rows: i32, cols: i32): void {
  row(ADD, a, b, y, rows, cols);
}
export function sub_row(a: usize, b: usize, y: usize, rows: i32, cols: i32): void {
  row(SUB, a, b, y, rows, cols);
}
export function mul_row(a: usize, b: usize, y: usize, rows: i32, cols: i32): void {
  row(MUL, a, b, y, rows, cols);
}
export function div_row(a: usize, b: usize, y: usize, rows: i32, cols: i32): void {
  row(DIV, a, b, y, rows, cols);
}
export function min_row(a: usize, b: usize, y: usize, rows: i32, cols: i32): void {
  row(MIN, a, b, y, rows, cols);
}
export function max_row(a: usize, b: usize, y: usize, rows: i32, cols: i32): void {
  row(MAX, a, b, y, rows, cols);
}
export function rsub_row(a: usize, b: usize, y: usize, rows: i32, cols: i32): void {
  row(RSUB, a, b, y, rows, cols);
}
export function rdiv_row(a: usize, b: usize, y: usize, rows: i32, cols: i32): void {
  row(RDIV, a, b, y, rows, cols);
}

export function add_col(a: usize, b: usize, y: usize, rows: i32, cols: i32): void {
  column(ADD, a, b, y, rows, cols);
}
export function sub_col(a: usize, b: usize, y: usize, rows: i32, cols: i32): void {
  column(SUB, a, b, y, rows, cols);
}
export function mul_col(a: usize, b: usize, y: usize, rows: i32, cols: i32): void {
  column(MUL, a, b, y, rows, cols);
}
export function div_col(a: usize, b: usize, y: usize, rows: i32, cols: i32): void {
  column(DIV, a, b, y, rows, cols);
}
export function min_col(a: usize, b: usize, y: usize, rows: i32, cols: i32): void {
  column(MIN, a, b, y, rows, cols);
}
export function max_col(a: usize, b: usize, y: usize, rows: i32, cols: i32): void {
  column(MAX, a, b, y, rows, cols);
}
export function rsub_col(a: usize, b: usize, y: usize, rows: i32, cols: i32): void {
  column(RSUB, a, b, y, rows, cols);
}
export function rdiv_col(a: usize, b: usize, y: usize, rows: i32, cols: i32): void {
  column(RDIV, a, b, y, rows, cols);
}
