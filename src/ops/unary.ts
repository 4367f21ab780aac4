import * as math from '../math.ts';
import type { Tensor } from '../tensor.ts';
import type { Kernels } from '../wasm/kernels.ts';
import { flag, since } from './attributes.ts';
import { erf } from './erf.ts';
import { halves } from './half.ts';
import { elementwise, mapElements, numeric } from './map.ts';
import type { Op, Runtime } from './op.ts';
import { asFloat, isBig, isFloating, need, product } from './shape.ts';

/** Elementary functions, element by element. */

type UnaryKernel =
  | 'relu'
  | 'neg'
  | 'abs'
  | 'sqrt'
  | 'reciprocal'
  | 'exp'
  | 'log'
  | 'erf'
  | 'tanh'
  | 'sigmoid'
  | 'gelu'
  | 'sin'
  | 'cos'
  | 'softplus'
  | 'mish';

/** A kernel over a float tensor, into y: what was in x is gone unless y is told. */
export function apply(kernel: UnaryKernel, x: Tensor, rt: Runtime, y: Tensor = rt.over(x)): Tensor {
  asFloat(x, 'X');
  rt.wasm.k[kernel as keyof Pick<Kernels, UnaryKernel>](rt.ptr(x), rt.ptr(y), product(x.dims));
  return y;
}

/** Floating types only: float in that kernel, double by `real`. */
export function floating(kernel: UnaryKernel, real: (v: number) => number, version = 6): Op {
  return elementwise(version, () => ({ float: (x, rt) => apply(kernel, x, rt), real }));
}

/** 1 / (1 + exp(-v)). */
export function logistic(v: number): number {
  return 1 / (1 + math.exp(-v));
}

export const Sqrt = floating('sqrt', Math.sqrt);
export const Reciprocal = floating('reciprocal', (v) => 1 / v);
export const Exp = floating('exp', math.exp);
export const Log = floating('log', math.log);
export const Tanh = floating('tanh', math.tanh);
export const Sigmoid = floating('sigmoid', logistic);

export const Erf: Op = elementwise(9, () => ({
  float: (x, rt) => apply('erf', x, rt),
  real: erf,
  int: (v) => Math.trunc(erf(v)),
  big: (v) => BigInt(Math.trunc(erf(Number(v)))),
}));

/** Every numeric type: float in that kernel. */
function numbers(kernel: UnaryKernel, real: (v: number) => number, big: (v: bigint) => bigint): Op {
  return elementwise(6, () => ({ float: (x, rt) => apply(kernel, x, rt), real, int: real, big }));
}

export const Relu = numbers(
  'relu',
  (v) => Math.max(v, 0),
  (v) => (v < 0n ? 0n : v),
);
export const Neg = numbers(
  'neg',
  (v) => -v,
  (v) => -v,
);
export const Abs = numbers('abs', Math.abs, (v) => (v < 0n ? -v : v));

/** Ties to even. */
export function roundEven(v: number): number {
  const r = Math.round(v);
  return Math.abs(v - Math.trunc(v)) === 0.5 && r % 2 !== 0 ? r - 1 : r;
}

export const Floor = elementwise(6, () => ({ real: Math.floor }));
export const Ceil = elementwise(6, () => ({ real: Math.ceil }));
export const Round = elementwise(11, () => ({ real: roundEven }));
export const Sign = elementwise(9, () => ({
  real: Math.sign,
  int: Math.sign,
  big: (v) => (v > 0n ? 1n : v < 0n ? -1n : 0n),
}));

/** A test of every element; integers answer no. */
function predicate(x: Tensor, test: (v: number) => boolean, rt: Runtime): Tensor {
  numeric(x);
  if (isFloating(x.dtype)) return mapElements(x, (v: number) => (test(v) ? 1 : 0), rt, 'bool');
  return mapElements(x, isBig(x.dtype) ? (_: bigint) => 0 : (_: number) => 0, rt, 'bool');
}

export const IsNaN: Op = since(9, () => halves((inputs, rt) => [predicate(need(inputs, 0, 'X'), Number.isNaN, rt)]));

/** True where an element is infinite, of the signs that are asked for. */
export const IsInf: Op = since(10, (node) => {
  const positive = flag(node, 'detect_positive', true);
  const negative = flag(node, 'detect_negative', true);
  const test = (v: number) =>
    (positive && v === Number.POSITIVE_INFINITY) || (negative && v === Number.NEGATIVE_INFINITY);
  return halves((inputs, rt) => [predicate(need(inputs, 0, 'X'), test, rt)]);
});
