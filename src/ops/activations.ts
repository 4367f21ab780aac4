import * as math from '../math.ts';
import { ModelError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { binary, toBig } from './arithmetic.ts';
import { choice, float, since } from './attributes.ts';
import { plainBinary } from './broadcast.ts';
import { erf } from './erf.ts';
import { withHalf } from './half.ts';
import { elementwise, numeric } from './map.ts';
import type { Op, Runtime } from './op.ts';
import { broadcastDims, isBig, need, product, sameType } from './shape.ts';
import { apply, floating, logistic } from './unary.ts';

/** Activation functions. */

/** y = the kernel of x, into a new tensor. */
function into(x: Tensor, rt: Runtime, kernel: (x: number, y: number, n: number) => void): Tensor {
  const y = rt.empty('float', x.dims);
  kernel(rt.ptr(x), rt.ptr(y), x.data.length);
  return y;
}

/** The same in x's place where nothing else needs it: for kernels that read each element once. */
function onto(x: Tensor, rt: Runtime, kernel: (x: number, y: number, n: number) => void): Tensor {
  const y = rt.over(x);
  kernel(rt.ptr(x), rt.ptr(y), product(x.dims));
  return y;
}

export const LeakyRelu: Op = elementwise(6, (node) => {
  const alpha = float(node, 'alpha', Math.fround(0.01));
  return {
    float: (x, rt) => onto(x, rt, (p, q, n) => rt.wasm.k.leaky_relu(p, q, n, alpha)),
    real: (v) => (v < 0 ? alpha * v : v),
  };
});

/** gamma (x above 0, alpha (exp(beta x) - 1) elsewhere). */
function exponential(x: Tensor, gamma: number, alpha: number, beta: number, rt: Runtime): Tensor {
  const { k } = rt.wasm;
  return onto(x, rt, (p, q, n) => {
    k.elu(p, q, n, alpha, beta);
    if (gamma !== 1) k.mul_scalar(q, gamma, q, n);
  });
}

export const Elu: Op = elementwise(6, (node) => {
  const alpha = float(node, 'alpha', 1);
  return {
    float: (x, rt) => exponential(x, 1, alpha, 1, rt),
    real: (v) => (v > 0 ? v : alpha * math.expm1(v)),
  };
});

export const Selu: Op = elementwise(6, (node) => {
  const alpha = float(node, 'alpha', 1.6732631921768188);
  const gamma = float(node, 'gamma', 1.0507010221481323);
  return {
    float: (x, rt) => exponential(x, gamma, alpha, 1, rt),
    real: (v) => gamma * (v > 0 ? v : alpha * math.expm1(v)),
  };
});

/** max(0, x) + min(0, alpha (exp(x / alpha) - 1)). */
export const Celu: Op = elementwise(12, (node) => {
  const alpha = float(node, 'alpha', 1);
  if (alpha === 0) throw new ModelError('attribute "alpha": expected a number other than 0');
  const real = (v: number) => Math.max(0, v) + Math.min(0, alpha * math.expm1(v / alpha));
  return alpha < 0 ? { real } : { float: (x, rt) => exponential(x, 1, alpha, 1 / alpha, rt), real };
});

export const ThresholdedRelu: Op = elementwise(1, (node) => {
  const alpha = float(node, 'alpha', 1);
  return { real: (v) => (v > alpha ? v : 0) };
});

/** x + bias below -lambd, x - bias above lambd, 0 between. */
export const Shrink: Op = elementwise(9, (node) => {
  const lambd = float(node, 'lambd', 0.5);
  const bias = float(node, 'bias', 0);
  const real = (v: number) => (v < -lambd ? v + bias : v > lambd ? v - bias : 0);
  const big = (v: bigint) => toBig(real(Number(v)));
  return { real, int: (v) => Math.trunc(real(v)), big };
});

/** y = clip(alpha x + beta, 0, 1). */
function hardSigmoid(x: Tensor, alpha: number, beta: number, rt: Runtime): Tensor {
  const { k } = rt.wasm;
  return into(x, rt, (p, q, n) => {
    k.mul_scalar(p, alpha, q, n);
    k.add_scalar(q, beta, q, n);
    k.clip(q, q, n, 0, 1);
  });
}

const unit = (v: number) => Math.max(0, Math.min(1, v));

export const HardSigmoid: Op = elementwise(6, (node) => {
  const alpha = float(node, 'alpha', Math.fround(0.2));
  const beta = float(node, 'beta', 0.5);
  return { float: (x, rt) => hardSigmoid(x, alpha, beta, rt), real: (v) => unit(alpha * v + beta) };
});

/** x HardSigmoid(x) with alpha 1/6, beta 1/2. */
export const HardSwish: Op = elementwise(14, () => ({
  float: (x, rt) => {
    const y = hardSigmoid(x, 1 / 6, 0.5, rt);
    rt.wasm.k.mul(rt.ptr(x), rt.ptr(y), rt.ptr(y), x.data.length);
    return y;
  },
  real: (v) => v * unit(v / 6 + 0.5),
}));

const softplus = (v: number) => Math.max(v, 0) + math.log1p(math.exp(-Math.abs(v)));

/** log(1 + exp(x)). */
export const Softplus = floating('softplus', softplus, 1);

/** x tanh(Softplus(x)). */
export const Mish = floating('mish', (v) => v * math.tanh(softplus(v)), 18);

/** x / (1 + |x|). */
export const Softsign: Op = elementwise(1, () => ({
  float: (x, rt) =>
    into(x, rt, (p, q, n) => {
      const { k } = rt.wasm;
      k.abs(p, q, n);
      k.add_scalar(q, 1, q, n);
      k.div(p, q, q, n);
    }),
  real: (v) => v / (1 + Math.abs(v)),
}));

/** x Sigmoid(alpha x). */
export const Swish: Op = elementwise(24, (node) => {
  const alpha = float(node, 'alpha', 1);
  return {
    float: (x, rt) => onto(x, rt, (p, q, n) => rt.wasm.k.swish(p, q, n, alpha)),
    real: (v) => v * logistic(alpha * v),
  };
});

const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);

/** x (1 + tanh u) / 2, u = sqrt(2/pi) (x + 0.044715 x^3), as x sigmoid(2 u): nothing cancels where tanh u is near -1. */
function tanhGelu(x: Tensor, rt: Runtime): Tensor {
  const { k } = rt.wasm;
  return into(x, rt, (p, q, n) => {
    k.mul(p, p, q, n);
    k.mul_scalar(q, 0.044715, q, n);
    k.add_scalar(q, 1, q, n);
    k.mul(q, p, q, n);
    k.mul_scalar(q, 2 * SQRT_2_OVER_PI, q, n);
    k.sigmoid(q, q, n);
    k.mul(q, p, q, n);
  });
}

/** Gaussian error linear unit: x (1 + erf(x / sqrt 2)) / 2, or with `approximate` "tanh" its approximation by tanh. */
export const Gelu: Op = elementwise(20, (node) => {
  if (choice(node, 'approximate', ['none', 'tanh'] as const, 'none') === 'none')
    return { float: (x, rt) => apply('gelu', x, rt), real: (v) => 0.5 * v * (1 + erf(v * Math.SQRT1_2)) };
  return {
    float: tanhGelu,
    real: (v) => 0.5 * v * (1 + math.tanh(SQRT_2_OVER_PI * (v + 0.044715 * v * v * v))),
  };
});

/** x where x >= 0, slope x elsewhere; the slope broadcasts to x's shape. */
export const PRelu: Op = withHalf(
  since(7, () => (inputs, rt) => {
    const x = numeric(need(inputs, 0, 'X'));
    const slope = need(inputs, 1, 'slope');
    sameType(x, slope);
    const dims = broadcastDims(x.dims, slope.dims);
    if (dims.length !== x.dims.length || dims.some((d, i) => d !== x.dims[i]))
      throw new ModelError(`slope: shape [${slope.dims}] does not broadcast to [${x.dims}]`);
    if (x.dtype !== 'float') {
      const small = (v: number, s: number) => (v < 0 ? v * s : v);
      const big = (v: bigint, s: bigint) => (v < 0n ? v * s : v);
      return [isBig(x.dtype) ? plainBinary(big, x, slope, x.dtype, rt) : plainBinary(small, x, slope, x.dtype, rt)];
    }
    const { k } = rt.wasm;
    const low = binary(
      'mul',
      into(x, rt, (p, q, n) => k.min_scalar(p, 0, q, n)),
      slope,
      rt,
    );
    const y = into(x, rt, (p, q, n) => k.relu(p, q, n));
    k.add(rt.ptr(y), rt.ptr(low), rt.ptr(y), x.data.length);
    return [y];
  }),
);
