import { ModelError, UnsupportedError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import type { Kernels } from '../wasm/kernels.ts';
import { choice, float, has, since } from './attributes.ts';

import { halves, widen, withHalf } from './half.ts';
import type { NodeSpec, Op, Run, Runtime } from './op.ts';
import { asFloat, elements, isBig, isFloating, need, scalar } from './shape.ts';

/** Operators on one tensor, element by element. */

type UnaryKernel = 'relu' | 'neg' | 'abs' | 'sqrt' | 'reciprocal' | 'exp' | 'log' | 'erf' | 'tanh' | 'sigmoid' | 'gelu';

/** A kernel over a float tensor. */
export function apply(kernel: UnaryKernel, x: Tensor, rt: Runtime): Tensor {
  asFloat(x, 'X');
  const y = rt.empty('float', x.dims);
  if (x.data.length > 0) rt.wasm.k[kernel as keyof Pick<Kernels, UnaryKernel>](rt.ptr(x), rt.ptr(y), x.data.length);
  return y;
}

function floatOnly(kernel: UnaryKernel, version = 6): Op {
  return withHalf(since(version, () => (inputs, rt) => [apply(kernel, need(inputs, 0, 'X'), rt)]));
}

export const Sqrt = floatOnly('sqrt');
export const Reciprocal = floatOnly('reciprocal');
export const Exp = floatOnly('exp');
export const Log = floatOnly('log');
export const Erf = floatOnly('erf', 9);
export const Tanh = floatOnly('tanh');
export const Sigmoid = floatOnly('sigmoid');

/** f over the elements as they are stored, on the JavaScript side; the same type out. */
function each(x: Tensor, rt: Runtime, f: (v: number) => number, big?: (v: bigint) => bigint): Tensor {
  const y = rt.empty(x.dtype, x.dims);
  const a = elements(x);
  const out = elements(y);
  if (isBig(x.dtype)) {
    if (big === undefined) throw new UnsupportedError(`type ${x.dtype}`);
    for (let i = 0; i < out.length; i++) out[i] = big(a[i] as unknown as bigint) as unknown as number;
  } else for (let i = 0; i < out.length; i++) out[i] = f(a[i]!);
  return y;
}

function numeric(t: Tensor): Tensor {
  if (t.dtype === 'bool') throw new ModelError('X: expected a numeric type, found bool');
  return t;
}

/** A kernel for float, a function for every other numeric type. */
function anyType(kernel: UnaryKernel, f: (v: number) => number, big: (v: bigint) => bigint): Op {
  return withHalf(
    since(6, () => (inputs, rt) => {
      const x = numeric(need(inputs, 0, 'X'));
      return [x.dtype === 'float' ? apply(kernel, x, rt) : each(x, rt, f, big)];
    }),
  );
}

export const Relu = anyType(
  'relu',
  (v) => Math.max(v, 0),
  (v) => (v < 0n ? 0n : v),
);
export const Neg = anyType(
  'neg',
  (v) => -v,
  (v) => -v,
);
export const Abs = anyType('abs', Math.abs, (v) => (v < 0n ? -v : v));

/** A function that is exact in f64: no kernel needed. */
function exact(f: (v: number) => number, big?: (v: bigint) => bigint, version = 6): Op {
  const run: Run = (inputs, rt) => {
    const x = numeric(need(inputs, 0, 'X'));
    if (big === undefined && !isFloating(x.dtype))
      throw new ModelError(`X: expected a floating type, found ${x.dtype}`);
    return [each(x, rt, f, big)];
  };
  return withHalf(since(version, () => run));
}

/** Ties to even. */
export function roundEven(v: number): number {
  const r = Math.round(v);
  return Math.abs(v - Math.trunc(v)) === 0.5 && r % 2 !== 0 ? r - 1 : r;
}

export const Floor = exact(Math.floor);
export const Ceil = exact(Math.ceil);
export const Round = exact(roundEven, undefined, 11);
export const Sign = exact(Math.sign, (v) => (v > 0n ? 1n : v < 0n ? -1n : 0n), 9);

export const LeakyRelu: Op = withHalf(
  since(6, (node) => {
    const alpha = float(node, 'alpha', Math.fround(0.01));
    return (inputs, rt) => {
      const x = asFloat(need(inputs, 0, 'X'), 'X');
      const y = rt.empty('float', x.dims);
      rt.wasm.k.leaky_relu(rt.ptr(x), rt.ptr(y), x.data.length, alpha);
      return [y];
    };
  }),
);

/** y = clip(alpha x + beta, 0, 1). */
function hardSigmoid(x: Tensor, alpha: number, beta: number, rt: Runtime): Tensor {
  const { k } = rt.wasm;
  const n = x.data.length;
  const y = rt.empty('float', x.dims);
  const py = rt.ptr(y);
  k.mul_scalar(rt.ptr(x), alpha, py, n);
  k.add_scalar(py, beta, py, n);
  k.clip(py, py, n, 0, 1);
  return y;
}

export const HardSigmoid: Op = withHalf(
  since(6, (node) => {
    const alpha = float(node, 'alpha', Math.fround(0.2));
    const beta = float(node, 'beta', 0.5);
    return (inputs, rt) => [hardSigmoid(asFloat(need(inputs, 0, 'X'), 'X'), alpha, beta, rt)];
  }),
);

/** x HardSigmoid(x) with alpha 1/6, beta 1/2. */
export const HardSwish: Op = withHalf(
  since(14, () => (inputs, rt) => {
    const x = asFloat(need(inputs, 0, 'X'), 'X');
    const y = hardSigmoid(x, 1 / 6, 0.5, rt);
    rt.wasm.k.mul(rt.ptr(x), rt.ptr(y), rt.ptr(y), x.data.length);
    return [y];
  }),
);

/** Gaussian error linear unit; `approximate` "tanh" is x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2. */
export const Gelu: Op = withHalf(
  since(20, (node) => {
    const tanh = choice(node, 'approximate', ['none', 'tanh'] as const, 'none') === 'tanh';
    return (inputs, rt) => {
      const x = asFloat(need(inputs, 0, 'X'), 'X');
      if (!tanh) return [apply('gelu', x, rt)];
      const k = rt.wasm.k;
      const n = x.data.length;
      const y = rt.empty('float', x.dims);
      const px = rt.ptr(x);
      const py = rt.ptr(y);
      k.mul(px, px, py, n);
      k.mul_scalar(py, 0.044715, py, n);
      k.add_scalar(py, 1, py, n);
      k.mul(py, px, py, n);
      k.mul_scalar(py, Math.sqrt(2 / Math.PI), py, n);
      k.tanh(py, py, n);
      k.add_scalar(py, 1, py, n);
      k.mul(py, px, py, n);
      k.mul_scalar(py, 0.5, py, n);
      return [y];
    };
  }),
);

const LOWEST = -3.4028234663852886e38;

function clip(x: Tensor, lo: number | bigint | undefined, hi: number | bigint | undefined, rt: Runtime): Tensor {
  numeric(x);
  if (x.dtype === 'float') {
    const y = rt.empty('float', x.dims);
    const [a, b] = [Number(lo ?? LOWEST), Number(hi ?? -LOWEST)];
    const n = x.data.length;
    if (lo === undefined && hi === undefined) return x;
    if (lo === undefined) rt.wasm.k.min_scalar(rt.ptr(x), b, rt.ptr(y), n);
    else if (hi === undefined) rt.wasm.k.max_scalar(rt.ptr(x), a, rt.ptr(y), n);
    else rt.wasm.k.clip(rt.ptr(x), rt.ptr(y), n, a, b);
    return y;
  }
  const bound = <T extends number | bigint>(v: T): T => {
    const w = lo !== undefined && v < lo ? (lo as T) : v;
    return hi !== undefined && w > hi ? (hi as T) : w;
  };
  return each(x, rt, bound, bound);
}

/** Where a bound is absent there is none; where they cross, the upper one wins. */
export const Clip: Op = [
  {
    since: 6,
    build: (node: NodeSpec): Run => {
      const lo = has(node, 'min') ? float(node, 'min') : undefined;
      const hi = has(node, 'max') ? float(node, 'max') : undefined;
      return halves((inputs, rt) => [clip(asFloat(need(inputs, 0, 'input'), 'input'), lo, hi, rt)]);
    },
  },
  {
    since: 11,
    build: (): Run =>
      halves((inputs, rt) => {
        const x = need(inputs, 0, 'input');
        const bound = (i: number, what: string) => {
          const t = inputs[i];
          if (t === undefined) return undefined;
          if (t.dtype !== x.dtype) throw new ModelError(`${what}: expected type ${x.dtype}, found ${t.dtype}`);
          scalar(t, what);
          return t.data[0];
        };
        return [clip(x, bound(1, 'min'), bound(2, 'max'), rt)];
      }),
  },
];

/** True where an element is NaN; float16 is widened first. */
export const IsNaN: Op = since(9, () => (inputs, rt) => {
  const x = need(inputs, 0, 'X');
  const v = elements(x.dtype === 'float16' ? widen(x, rt) : x);
  const y = rt.empty('bool', x.dims);
  for (let i = 0; i < v.length; i++) y.data[i] = Number.isNaN(v[i]) ? 1 : 0;
  return [y];
});
