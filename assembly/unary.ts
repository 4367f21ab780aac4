/** y[i] = f(x[i]). The tail runs through the same vector code, so an element's result does not depend on where it stands. */
import { load_tail, store_tail } from './lanes';
import {
  elu_f32x4,
  erf_f32x4,
  exp_f32x4,
  gelu_f32x4,
  log_f32x4,
  mish_f32x4,
  sigmoid_f32x4,
  softplus_f32x4,
  tanh_f32x4,
} from './math';
import { sin_f32x4 } from './trigonometry';

const RELU = 0;
const NEG = 1;
const ABS = 2;
const SQRT = 3;
const RECIPROCAL = 4;
const EXP = 5;
const LOG = 6;
const ERF = 7;
const TANH = 8;
const SIGMOID = 9;
const GELU = 10;
const CLIP = 11;
const LEAKY_RELU = 12;
const SIN = 13;
const COS = 14;
const SOFTPLUS = 15;
const MISH = 16;
const ELU = 17;
const SWISH = 18;
const ERF_GATE = 19;
const ERF_GATE_DIV = 20;

// @ts-ignore: decorator
@inline
function apply(op: i32, x: v128, s: f32, t: f32): v128 {
  // pmin and pmax pass on a NaN in their first operand.
  if (op == RELU) return f32x4.pmax(x, f32x4.splat(0));
  if (op == NEG) return f32x4.neg(x);
  if (op == ABS) return f32x4.abs(x);
  if (op == SQRT) return f32x4.sqrt(x);
  if (op == RECIPROCAL) return f32x4.div(f32x4.splat(1), x);
  if (op == EXP) return exp_f32x4(x);
  if (op == LOG) return log_f32x4(x);
  if (op == ERF) return erf_f32x4(x);
  if (op == TANH) return tanh_f32x4(x);
  if (op == SIGMOID) return sigmoid_f32x4(x);
  if (op == GELU) return gelu_f32x4(x);
  if (op == CLIP) return f32x4.pmin(f32x4.pmax(x, f32x4.splat(s)), f32x4.splat(t));
  if (op == SIN) return sin_f32x4(x, 0);
  if (op == COS) return sin_f32x4(x, 1);
  if (op == SOFTPLUS) return softplus_f32x4(x);
  if (op == MISH) return mish_f32x4(x);
  if (op == ELU) return elu_f32x4(x, s, t);
  if (op == SWISH) return f32x4.mul(x, sigmoid_f32x4(f32x4.mul(x, f32x4.splat(s))));
  if (op == ERF_GATE) return gated(x, erf_f32x4(f32x4.mul(x, f32x4.splat(s))));
  if (op == ERF_GATE_DIV) return gated(x, erf_f32x4(f32x4.div(x, f32x4.splat(s))));
  return v128.bitselect(f32x4.mul(x, f32x4.splat(s)), x, f32x4.lt(x, f32x4.splat(0)));
}

/** x (1 + e) / 2 */
// @ts-ignore: decorator
@inline
function gated(x: v128, e: v128): v128 {
  return f32x4.mul(f32x4.mul(x, f32x4.add(e, f32x4.splat(1))), f32x4.splat(0.5));
}

// @ts-ignore: decorator
@inline
function map(op: i32, x: usize, y: usize, n: i32, s: f32, t: f32): void {
  let i = 0;
  for (; i + 8 <= n; i += 8) {
    const o = <usize>i << 2;
    const a = v128.load(x + o);
    const b = v128.load(x + o, 16);
    v128.store(y + o, apply(op, a, s, t));
    v128.store(y + o, apply(op, b, s, t), 16);
  }
  for (; i < n; i += 4) {
    const o = <usize>i << 2;
    if (i + 4 <= n) v128.store(y + o, apply(op, v128.load(x + o), s, t));
    else store_tail(y + o, apply(op, load_tail(x + o, n - i, 1), s, t), n - i);
  }
}

export function relu(x: usize, y: usize, n: i32): void {
  map(RELU, x, y, n, 0, 0);
}
export function neg_of(x: usize, y: usize, n: i32): void {
  map(NEG, x, y, n, 0, 0);
}
export function abs_of(x: usize, y: usize, n: i32): void {
  map(ABS, x, y, n, 0, 0);
}
export function sqrt_of(x: usize, y: usize, n: i32): void {
  map(SQRT, x, y, n, 0, 0);
}
export function reciprocal(x: usize, y: usize, n: i32): void {
  map(RECIPROCAL, x, y, n, 0, 0);
}
export function exp_of(x: usize, y: usize, n: i32): void {
  map(EXP, x, y, n, 0, 0);
}
export function log_of(x: usize, y: usize, n: i32): void {
  map(LOG, x, y, n, 0, 0);
}
export function erf_of(x: usize, y: usize, n: i32): void {
  map(ERF, x, y, n, 0, 0);
}
export function tanh_of(x: usize, y: usize, n: i32): void {
  map(TANH, x, y, n, 0, 0);
}
export function sigmoid(x: usize, y: usize, n: i32): void {
  map(SIGMOID, x, y, n, 0, 0);
}
export function gelu(x: usize, y: usize, n: i32): void {
  map(GELU, x, y, n, 0, 0);
}
export function clip(x: usize, y: usize, n: i32, lo: f32, hi: f32): void {
  map(CLIP, x, y, n, lo, hi);
}
export function leaky_relu(x: usize, y: usize, n: i32, alpha: f32): void {
  map(LEAKY_RELU, x, y, n, alpha, 0);
}
export function sin_of(x: usize, y: usize, n: i32): void {
  map(SIN, x, y, n, 0, 0);
}
export function cos_of(x: usize, y: usize, n: i32): void {
  map(COS, x, y, n, 0, 0);
}
export function softplus(x: usize, y: usize, n: i32): void {
  map(SOFTPLUS, x, y, n, 0, 0);
}
export function mish(x: usize, y: usize, n: i32): void {
  map(MISH, x, y, n, 0, 0);
}
export function elu(x: usize, y: usize, n: i32, alpha: f32, beta: f32): void {
  map(ELU, x, y, n, alpha, beta);
}
export function swish(x: usize, y: usize, n: i32, alpha: f32): void {
  map(SWISH, x, y, n, alpha, 0);
}
export function erf_gate(x: usize, y: usize, n: i32, factor: f32, divide: i32): void {
  if (divide) map(ERF_GATE_DIV, x, y, n, factor, 0);
  else map(ERF_GATE, x, y, n, factor, 0);
}
