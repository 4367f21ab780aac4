import * as math from '../math.ts';
import { ModelError, UnsupportedError } from '../errors.ts';
import { float, floats, has } from './attributes.ts';
import type { NodeSpec } from './op.ts';
import type { Real } from './precision.ts';

/** Activation functions of recurrent cells, with the attributes that name and shape them. */

/** n values at `from`, activated, to `to`, which may be `from`. */
export type Activation = (real: Real, from: number, to: number, n: number) => void;

function plain(f: (v: number) => number): Activation {
  return (real, from, to, n) => {
    const x = real.view(from, n);
    const y = real.view(to, n);
    for (let i = 0; i < n; i++) y[i] = f(x[i]!);
  };
}

function softplus(v: number): number {
  return Math.max(v, 0) + math.log1p(math.exp(-Math.abs(v)));
}

export const TANH: Activation = (real, from, to, n) => real.k.tanh(from, to, n);
export const SIGMOID: Activation = (real, from, to, n) => real.k.sigmoid(from, to, n);

interface Kind {
  /** Defaults of the parameters it has. */
  readonly alpha?: number;
  readonly beta?: number;
  make(alpha: number, beta: number): Activation;
}

const KINDS: Readonly<Record<string, Kind>> = {
  relu: { make: () => (real, from, to, n) => real.k.relu(from, to, n) },
  tanh: { make: () => TANH },
  sigmoid: { make: () => SIGMOID },
  affine: { alpha: 1, beta: 0, make: (a, b) => plain((v) => a * v + b) },
  leakyrelu: { alpha: 0.01, make: (a) => plain((v) => (v >= 0 ? v : a * v)) },
  thresholdedrelu: { alpha: 1, make: (a) => plain((v) => (v >= a ? v : 0)) },
  scaledtanh: {
    alpha: 1,
    beta: 1,
    make: (a, b) => (real, from, to, n) => {
      real.k.mul_scalar(from, b, to, n);
      real.k.tanh(to, to, n);
      real.k.mul_scalar(to, a, to, n);
    },
  },
  hardsigmoid: { alpha: 0.2, beta: 0.5, make: (a, b) => plain((v) => Math.min(Math.max(a * v + b, 0), 1)) },
  elu: { alpha: 1, make: (a) => plain((v) => (v >= 0 ? v : a * math.expm1(v))) },
  softsign: { make: () => plain((v) => v / (1 + Math.abs(v))) },
  softplus: { make: () => plain(softplus) },
};

/**
 * The activations of a node, `defaults.length` of them for each direction: attribute `activations`, or the defaults. Values of
 * activation_alpha and activation_beta go, in order, to the functions that have such a parameter. With `clip` the input of each of
 * the first `gated` of a direction is brought into [-clip, clip] first.
 * @throws UnsupportedError for an unknown function; ModelError for a wrong count or clip
 */
export function activationsOf(
  node: NodeSpec,
  directions: number,
  defaults: readonly string[],
  gated = defaults.length,
): Activation[][] {
  const names = stringsOf(node) ?? Array.from({ length: directions }, () => defaults).flat();
  const count = defaults.length * directions;
  if (names.length !== count)
    throw new ModelError(`attribute "activations": expected ${count} names, found ${names.length}`);
  const alphas = [...(floats(node, 'activation_alpha') ?? [])];
  const betas = [...(floats(node, 'activation_beta') ?? [])];
  const clip = has(node, 'clip') ? float(node, 'clip') : 0;
  if (!(clip >= 0)) throw new ModelError(`attribute "clip": expected >= 0, found ${clip}`);
  const all = names.map((name, i) => {
    const kind = Object.hasOwn(KINDS, name.toLowerCase()) ? KINDS[name.toLowerCase()] : undefined;
    if (kind === undefined) throw new UnsupportedError(`attribute "activations": unknown function "${name}"`);
    const alpha = kind.alpha === undefined ? 0 : (alphas.shift() ?? kind.alpha);
    const beta = kind.beta === undefined ? 0 : (betas.shift() ?? kind.beta);
    return clip > 0 && i % defaults.length < gated ? clipped(kind.make(alpha, beta), clip) : kind.make(alpha, beta);
  });
  return Array.from({ length: directions }, (_, d) => all.slice(d * defaults.length, (d + 1) * defaults.length));
}

function clipped(f: Activation, clip: number): Activation {
  return (real, from, to, n) => {
    real.k.clip(from, to, n, -clip, clip);
    f(real, to, to, n);
  };
}

function stringsOf(node: NodeSpec): readonly string[] | undefined {
  const a = node.attributes.get('activations');
  if (a === undefined) return undefined;
  if (a.type !== 'strings') throw new ModelError(`attribute "activations": expected strings, found ${a.type}`);
  return a.value;
}
