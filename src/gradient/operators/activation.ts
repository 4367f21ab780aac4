import { choice, float, has } from '../../ops/attributes.ts';
import { expandTo } from '../../ops/broadcast.ts';
import { OPSETS } from '../../ops/registry.ts';
import type { Runtime } from '../../ops/op.ts';
import { scalar } from '../../ops/shape.ts';
import type { Tensor } from '../../tensor.ts';
import { type Call, elementwise, type Gradient, single, specOf } from '../gradient.ts';
import { sumTo } from '../sum.ts';

/** Functions of one tensor, element by element. */

const spec = (call: Call) => specOf(call.node, OPSETS.newest);

/** dy where lo < x <= hi, times `inside`, else times `outside`. */
function gate(dy: Tensor, x: Tensor, lo: number, hi: number, inside: number, outside: number, rt: Runtime): Tensor {
  const dx = rt.empty('float', x.dims);
  rt.wasm.k.gate(rt.ptr(x), rt.ptr(dy), rt.ptr(dx), x.data.length, lo, hi, inside, outside);
  return dx;
}

const INFINITY = Number.POSITIVE_INFINITY;

export const Relu: Gradient = single((_, dy, x, rt) => gate(dy, x, 0, INFINITY, 1, 0, rt));
export const Abs: Gradient = single((_, dy, x, rt) => gate(dy, x, 0, INFINITY, 1, -1, rt));
export const LeakyRelu: Gradient = single((call, dy, x, rt) =>
  gate(dy, x, 0, INFINITY, 1, float(spec(call), 'alpha', Math.fround(0.01)), rt),
);
export const ThresholdedRelu: Gradient = single((call, dy, x, rt) =>
  gate(dy, x, float(spec(call), 'alpha', 1), INFINITY, 1, 0, rt),
);
export const HardSigmoid: Gradient = single((call, dy, x, rt) => {
  const alpha = float(spec(call), 'alpha', Math.fround(0.2));
  const beta = float(spec(call), 'beta', 0.5);
  if (alpha === 0) return undefined;
  const ends = [-beta / alpha, (1 - beta) / alpha];
  return gate(dy, x, Math.min(...ends), Math.max(...ends), alpha, 0, rt);
});

export const Clip: Gradient = single((call, dy, x, rt) => {
  const bound = (i: number, name: string, otherwise: number) => {
    const t = call.inputs[i];
    if (t !== undefined) return scalar(t, name);
    return has(spec(call), name) ? float(spec(call), name) : otherwise;
  };
  return gate(dy, x, bound(1, 'min', -INFINITY), bound(2, 'max', INFINITY), 1, 0, rt);
});

/** Kernels over tensors of one size, each writing over its first operand's copy: how the smooth gradients below are put together. */
class Chain {
  readonly #n: number;
  constructor(
    readonly t: Tensor,
    private readonly rt: Runtime,
  ) {
    this.#n = t.data.length;
  }

  static of(x: Tensor, rt: Runtime): Chain {
    const t = rt.empty('float', x.dims);
    (t.data as Float32Array).set(x.data as Float32Array);
    return new Chain(t, rt);
  }

  #at(t: Tensor): number {
    return this.rt.ptr(t);
  }

  map(kernel: 'exp' | 'log' | 'erf' | 'tanh' | 'sigmoid' | 'neg' | 'reciprocal'): this {
    this.rt.wasm.k[kernel](this.#at(this.t), this.#at(this.t), this.#n);
    return this;
  }

  mul(other: Tensor): this {
    this.rt.wasm.k.mul(this.#at(this.t), this.#at(other), this.#at(this.t), this.#n);
    return this;
  }

  add(other: Tensor): this {
    this.rt.wasm.k.add(this.#at(this.t), this.#at(other), this.#at(this.t), this.#n);
    return this;
  }

  times(s: number): this {
    this.rt.wasm.k.mul_scalar(this.#at(this.t), s, this.#at(this.t), this.#n);
    return this;
  }

  plus(s: number): this {
    this.rt.wasm.k.add_scalar(this.#at(this.t), s, this.#at(this.t), this.#n);
    return this;
  }

  square(): this {
    return this.mul(this.t);
  }
}

type Smooth = (call: Call, dy: Tensor, x: Tensor, y: Tensor, rt: Runtime) => Chain;

/** An activation whose derivative a chain gives, which may use x and the result y; dy is multiplied in at the end. */
function smooth(derivative: Smooth): Gradient {
  return single((call, dy, x, rt) => derivative(call, dy, x, call.outputs[0]!, rt).mul(dy).t);
}

export const Exp = smooth((_, __, ___, y, rt) => Chain.of(y, rt));
export const Log = smooth((_, __, x, ___, rt) => Chain.of(x, rt).map('reciprocal'));
export const Sqrt = smooth((_, __, ___, y, rt) => Chain.of(y, rt).map('reciprocal').times(0.5));
export const Reciprocal = smooth((_, __, ___, y, rt) => Chain.of(y, rt).square().map('neg'));
export const Neg: Gradient = single((_, dy, __, rt) => Chain.of(dy, rt).map('neg').t);
/** y (1 - y) */
export const Sigmoid = smooth((_, __, ___, y, rt) => Chain.of(y, rt).map('neg').plus(1).mul(y));
/** 1 - y^2 */
export const Tanh = smooth((_, __, ___, y, rt) => Chain.of(y, rt).square().map('neg').plus(1));
/** 2 / sqrt(pi) exp(-x^2) */
export const Erf = smooth((_, __, x, ___, rt) =>
  Chain.of(x, rt)
    .square()
    .map('neg')
    .map('exp')
    .times(2 / Math.sqrt(Math.PI)),
);
export const Softplus = smooth((_, __, x, ___, rt) => Chain.of(x, rt).map('sigmoid'));

/** s + k x s (1 - s), s = sigmoid(k x): the derivative of x sigmoid(k x). */
function swish(x: Tensor, k: number, rt: Runtime): Chain {
  const s = Chain.of(x, rt).times(k).map('sigmoid').t;
  return Chain.of(s, rt).map('neg').plus(1).mul(x).times(k).plus(1).mul(s);
}

export const Swish = smooth((call, _, x, __, rt) => swish(x, float(spec(call), 'alpha', 1), rt));
export const QuickGelu = smooth((call, _, x, __, rt) => swish(x, float(spec(call), 'alpha', Math.fround(1.702)), rt));

/** Phi(x) + x phi(x); for the tanh form (1 + t)/2 + x/2 (1 - t^2) u', t = tanh u. */
export const Gelu = smooth((call, _, x, __, rt) => {
  const tanh = choice(spec(call), 'approximate', ['none', 'tanh'] as const, 'none') === 'tanh';
  return tanh ? tanhGelu(x, rt) : erfGelu(x, rt);
});

function erfGelu(x: Tensor, rt: Runtime): Chain {
  const density = Chain.of(x, rt)
    .square()
    .times(-0.5)
    .map('exp')
    .times(1 / Math.sqrt(2 * Math.PI))
    .mul(x).t;
  return Chain.of(x, rt).times(Math.SQRT1_2).map('erf').plus(1).times(0.5).add(density);
}

function tanhGelu(x: Tensor, rt: Runtime): Chain {
  const c = Math.sqrt(2 / Math.PI);
  const square = Chain.of(x, rt).square().t;
  const t = Chain.of(square, rt).times(0.044715).plus(1).mul(x).times(c).map('tanh').t;
  const inner = Chain.of(square, rt)
    .times(3 * 0.044715)
    .plus(1)
    .times(c)
    .mul(x).t;
  return Chain.of(t, rt).square().map('neg').plus(1).mul(inner).add(t).plus(1).times(0.5);
}

export const FastGelu: Gradient = (call, wants, rt) => {
  if (call.inputs[1] === undefined) return wants[0] ? [tanhGelu(call.inputs[0]!, rt).mul(call.dy[0]!).t] : [];
  const x = call.inputs[0]!;
  const shifted = Chain.of(expandTo(call.inputs[1], x.dims, rt), rt).add(x).t;
  const dx = tanhGelu(shifted, rt).mul(call.dy[0]!).t;
  return [dx, wants[1] ? sumTo(dx, call.inputs[1].dims, rt) : undefined];
};

/** t + x (1 - t^2) sigmoid(x), t = tanh(softplus(x)) = (e^2 + 2e) / (e^2 + 2e + 2) for e = exp(x). */
export const Mish = smooth((_, __, x, ___, rt) => {
  const capped = rt.empty('float', x.dims);
  // Beyond 20 the quotient is 1 in f32, and below its square cannot overflow.
  rt.wasm.k.min_scalar(rt.ptr(x), 20, rt.ptr(capped), x.data.length);
  const e = Chain.of(capped, rt).map('exp').t;
  const p = Chain.of(e, rt).plus(2).mul(e).t;
  const t = Chain.of(p, rt).plus(2).map('reciprocal').mul(p).t;
  const s = Chain.of(x, rt).map('sigmoid').t;
  return Chain.of(t, rt).square().map('neg').plus(1).mul(s).mul(x).add(t);
});

/** Where x > 0 a constant, elsewhere a function of the result y. */
function kinked(above: number, below: (y: number) => number): Gradient {
  return single((call, dy, x, rt) =>
    elementwise(x.dims, [dy, x, call.outputs[0]!], rt, (g, v, y) => g * (v > 0 ? above : below(y))),
  );
}

export const Elu: Gradient = (call, ...rest) => {
  const alpha = float(spec(call), 'alpha', 1);
  return kinked(1, (y) => y + alpha)(call, ...rest);
};
export const Selu: Gradient = (call, ...rest) => {
  const alpha = float(spec(call), 'alpha', Math.fround(1.6732632));
  const gamma = float(spec(call), 'gamma', Math.fround(1.050701));
  return kinked(gamma, (y) => y + alpha * gamma)(call, ...rest);
};
/** exp(x / alpha) = y / alpha + 1 below zero. */
export const Celu: Gradient = (call, ...rest) => {
  const alpha = float(spec(call), 'alpha', 1);
  return kinked(1, (y) => y / alpha + 1)(call, ...rest);
};
/** 1 / (1 + |x|)^2 */
export const Softsign: Gradient = single((_, dy, x, rt) =>
  elementwise(x.dims, [dy, x], rt, (g, v) => g / ((1 + Math.abs(v)) * (1 + Math.abs(v)))),
);
/** 0, 1, or (2 x + 3) / 6 between. */
export const HardSwish: Gradient = single((_, dy, x, rt) =>
  elementwise(x.dims, [dy, x], rt, (g, v) => g * (v <= -3 ? 0 : v >= 3 ? 1 : (2 * v + 3) / 6)),
);

export const PRelu: Gradient = (call, wants, rt) => {
  const [x, slope] = call.inputs as [Tensor, Tensor];
  const dy = call.dy[0]!;
  const s = expandTo(slope, x.dims, rt);
  const ds = () =>
    sumTo(
      elementwise(x.dims, [dy, x], rt, (g, v) => (v > 0 ? 0 : g * v)),
      slope.dims,
      rt,
    );
  return [
    wants[0] ? elementwise(x.dims, [dy, x, s], rt, (g, v, a) => (v > 0 ? g : g * a)) : undefined,
    wants[1] ? ds() : undefined,
  ];
};

/** Constant between their steps. */
const flat: Gradient = () => [];
export const Floor = flat;
export const Ceil = flat;
export const Round = flat;
export const Sign = flat;
