import * as math from '../math.ts';
import { ModelError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import type { Kernels } from '../wasm/kernels.ts';
import { flag, since } from './attributes.ts';
import { expandTo, type FloatKernels, floatBinary, plainBinary } from './broadcast.ts';
import { isHalf, narrow, widen, withHalf } from './half.ts';
import type { Op, Run, Runtime } from './op.ts';
import { broadcastDims, isBig, isFloating, need, sameType } from './shape.ts';

/** Two-operand arithmetic with broadcasting: float in kernels, every other type in plain loops that wrap as C does. */

type Name = 'add' | 'sub' | 'mul' | 'div' | 'min' | 'max';

type All = Readonly<Record<Name, FloatKernels>>;

/** By kernels of an instance: gathered once each. */
const ALL = new WeakMap<Kernels, All>();

/** The kernels of an operator in every way it broadcasts. */
export function kernelsOf(k: Kernels, name: Name): FloatKernels {
  const known = ALL.get(k);
  if (known !== undefined) return known[name];
  const of = (n: Name) => gathered(k, n);
  const all: All = {
    add: of('add'),
    sub: of('sub'),
    mul: of('mul'),
    div: of('div'),
    min: of('min'),
    max: of('max'),
  };
  ALL.set(k, all);
  return all[name];
}

function gathered(k: Kernels, name: Name): FloatKernels {
  const forward = { same: k[name], scalar: k[`${name}_scalar`], row: k[`${name}_row`], col: k[`${name}_col`] };
  if (name !== 'sub' && name !== 'div') return { ...forward, reversed: forward };
  const reversed = { scalar: k[`r${name}_scalar`], row: k[`r${name}_row`], col: k[`r${name}_col`] };
  return { ...forward, reversed };
}

function divisor<T extends number | bigint>(b: T): T {
  if (!b) throw new ModelError('integer division by zero');
  return b;
}

interface Plain {
  readonly real: (a: number, b: number) => number;
  readonly int: (a: number, b: number) => number;
  readonly big: (a: bigint, b: bigint) => bigint;
}

const smaller = <T extends number | bigint>(a: T, b: T): T => (a < b || Number.isNaN(a) ? a : b);
const larger = <T extends number | bigint>(a: T, b: T): T => (a > b || Number.isNaN(a) ? a : b);

const PLAIN: Record<Name, Plain> = {
  add: { real: (a, b) => a + b, int: (a, b) => a + b, big: (a, b) => a + b },
  sub: { real: (a, b) => a - b, int: (a, b) => a - b, big: (a, b) => a - b },
  mul: { real: (a, b) => a * b, int: Math.imul, big: (a, b) => a * b },
  div: { real: (a, b) => a / b, int: (a, b) => Math.trunc(a / divisor(b)), big: (a, b) => a / divisor(b) },
  min: { real: smaller, int: smaller, big: smaller },
  max: { real: larger, int: larger, big: larger },
};

function numeric(t: Tensor): void {
  if (t.dtype === 'bool') throw new ModelError('expected a numeric type, found bool');
}

/** a op b for every numeric type but float16. */
export function binary(name: Name, a: Tensor, b: Tensor, rt: Runtime): Tensor {
  sameType(a, b);
  numeric(a);
  if (a.dtype === 'float') return floatBinary(kernelsOf(rt.wasm.k, name), a, b, rt);
  const p = PLAIN[name];
  if (isBig(a.dtype)) return plainBinary(p.big, a, b, a.dtype, rt);
  return plainBinary(a.dtype === 'double' ? p.real : p.int, a, b, a.dtype, rt);
}

function pair(name: Name): Op {
  return withHalf(since(7, () => (inputs, rt) => [binary(name, need(inputs, 0, 'A'), need(inputs, 1, 'B'), rt)]));
}

export const Add = pair('add');
export const Sub = pair('sub');
export const Mul = pair('mul');
export const Div = pair('div');

/** Sum, Min, Max, Mean: any number of operands, from left to right. */
function variadic(name: Name, mean = false): Op {
  const run: Run = (inputs, rt) => {
    let y = need(inputs, 0, 'data_0');
    numeric(y);
    for (let i = 1; i < inputs.length; i++) y = binary(name, y, need(inputs, i, `data_${i}`), rt);
    if (!mean || inputs.length === 1) return [y];
    if (!isFloating(y.dtype)) throw new ModelError(`expected a floating type, found ${y.dtype}`);
    const n = rt.empty(y.dtype, []);
    n.data[0] = inputs.length;
    return [binary('div', y, n, rt)];
  };
  return withHalf(since(6, () => run));
}

export const Sum = variadic('add');
export const Min = variadic('min');
export const Max = variadic('max');
export const Mean = variadic('add', true);

/** a mod b; with `fmod` the sign of a (C's fmod), else the sign of b (Python's %). */
export const Mod: Op = withHalf(
  since(10, (node) => {
    const fmod = flag(node, 'fmod');
    const big = (a: bigint, b: bigint) => {
      const r = a % divisor(b);
      return fmod || r === 0n || r < 0n === b < 0n ? r : r + b;
    };
    const int = (a: number, b: number) => {
      const r = a % divisor(b);
      return fmod || r === 0 || r < 0 === b < 0 ? r : r + b;
    };
    const real = (a: number, b: number) => a % b;
    return (inputs, rt) => {
      const a = need(inputs, 0, 'A');
      const b = need(inputs, 1, 'B');
      sameType(a, b);
      numeric(a);
      if (isBig(a.dtype)) return [plainBinary(big, a, b, a.dtype, rt)];
      if (isFloating(a.dtype) && !fmod) throw new ModelError(`fmod=0 takes integers only, found ${a.dtype}`);
      return [plainBinary(isFloating(a.dtype) ? real : int, a, b, a.dtype, rt)];
    };
  }),
);

/** b^e by squaring for an integer e >= 0; `wrap` keeps intermediate values in range. */
function power<T extends number | bigint>(b: T, e: number, one: T, mul: (a: T, b: T) => T): T {
  let y = one;
  for (let s = b, n = e; n > 0; n = Math.floor(n / 2)) {
    if (n % 2 === 1) y = mul(y, s);
    if (n > 1) s = mul(s, s);
  }
  return y;
}

const times = (a: number, b: number) => a * b;
const times64 = (a: bigint, b: bigint) => BigInt.asIntN(64, a * b);

/** Integer exponents up to this size are multiplied out in f64. */
const MULTIPLIED_OUT = 64;

function realPower(a: number, e: number): number {
  return e < 0 ? 1 / power(a, -e, 1, times) : power(a, e, 1, times);
}

/** Float base: exponents 2, 3, 1/2 and small whole ones by multiplication or sqrt, others as exp(e log |a|). */
function floatPower(a: Tensor, e: Tensor, rt: Runtime): Tensor {
  const k = rt.wasm.k;
  const only = e.data.length === 1 && e.dims.length <= a.dims.length ? Number(e.data[0]) : undefined;
  if (only === 2 || only === 3 || only === 0.5) {
    const y = rt.empty('float', a.dims);
    const n = a.data.length;
    if (only === 0.5) k.sqrt(rt.ptr(a), rt.ptr(y), n);
    else k.mul(rt.ptr(a), rt.ptr(a), rt.ptr(y), n);
    if (only === 3) k.mul(rt.ptr(a), rt.ptr(y), rt.ptr(y), n);
    return y;
  }
  const exponent = e.dtype === 'float' ? e : convert(e, 'float', rt);
  const whole = (p: number) => Number.isInteger(p) && Math.abs(p) <= MULTIPLIED_OUT;
  if ((exponent.data as Float32Array).every(whole)) return plainBinary(realPower, a, exponent, 'float', rt);
  const dims = broadcastDims(a.dims, exponent.dims);
  const base = expandTo(a, dims, rt);
  const p = expandTo(exponent, dims, rt);
  const y = rt.empty('float', dims);
  const n = y.data.length;
  k.abs(rt.ptr(base), rt.ptr(y), n);
  k.log(rt.ptr(y), rt.ptr(y), n);
  k.mul(rt.ptr(y), rt.ptr(p), rt.ptr(y), n);
  k.exp(rt.ptr(y), rt.ptr(y), n);
  const out = y.data as Float32Array;
  const xs = base.data as Float32Array;
  const ps = p.data as Float32Array;
  for (let i = 0; i < n; i++) {
    const x = xs[i]!;
    const q = ps[i]!;
    if (whole(q)) out[i] = realPower(x, q);
    else if (x === 1) out[i] = 1;
    else if (x < 0 && !Number.isInteger(q)) out[i] = Number.NaN;
    else if (x < 0 && Math.abs(q % 2) === 1) out[i] = -out[i]!;
  }
  return y;
}

function convert(t: Tensor, dtype: 'float' | 'double', rt: Runtime): Tensor {
  const y = rt.empty(dtype, t.dims);
  const x = t.data;
  const out = y.data;
  for (let i = 0; i < out.length; i++) out[i] = Number(x[i]);
  return y;
}

const anyPower = (x: number, p: number) => (Number.isInteger(p) ? realPower(x, p) : math.pow(x, p));

/** a^e in a's type, of any numeric type but the halves. */
function powerOf(a: Tensor, e: Tensor, rt: Runtime): Tensor {
  if (a.dtype === 'float') return floatPower(a, e, rt);
  const exponent = e.dtype === 'double' ? e : convert(e, 'double', rt);
  if (isBig(a.dtype)) {
    const f = (x: bigint, p: number) => {
      if (!Number.isInteger(p)) return toBig(math.pow(Number(x), p));
      return p >= 0 ? power(x, p, 1n, times64) : inverse(Number(x), p);
    };
    return plainBinary(f as never, a, exponent, a.dtype, rt);
  }
  if (isFloating(a.dtype)) return plainBinary(anyPower, a, exponent, a.dtype, rt);
  const f = (x: number, p: number) => {
    if (!Number.isInteger(p)) return Math.trunc(math.pow(x, p));
    return p >= 0 ? power(x, p, 1, Math.imul) : Number(inverse(x, p));
  };
  return plainBinary(f, a, exponent, a.dtype, rt);
}

/** A real number truncated to 64 bits, 0 where it is none. */
export function toBig(v: number): bigint {
  return Number.isFinite(v) ? BigInt(Math.trunc(v)) : 0n;
}

/**
 * a^e; the exponent may have another type, the result has a's. Integer bases to powers that are no whole numbers >= 0 truncate
 * toward zero as C's pow does.
 */
export const Pow: Op = since(7, () => (inputs, rt) => {
  const [a, e] = [need(inputs, 0, 'X'), need(inputs, 1, 'Y')];
  numeric(a);
  numeric(e);
  const wide = (t: Tensor) => (isHalf(t.dtype) ? widen(t, rt) : t);
  const y = powerOf(wide(a), wide(e), rt);
  return [isHalf(a.dtype) ? narrow(y, rt, a.dtype) : y];
});

/** x^p for an integer x and p < 0, truncated: 0 but for x = 1 and -1. */
function inverse(x: number, p: number): bigint {
  if (x === 1) return 1n;
  if (x === -1) return p % 2 === 0 ? 1n : -1n;
  if (x === 0) throw new ModelError('0 to a negative power in integers');
  return 0n;
}
