import { ModelError, UnsupportedError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { flag, float, int, ints, since } from './attributes.ts';
import { isHalf, narrow, widen, withHalf } from './half.ts';
import type { NodeSpec, Op, Run, Runtime } from './op.ts';
import { type Place, type Real, realOf } from './precision.ts';
import { axesOf, axisOf, need, product, stridesOf } from './shape.ts';

/** Normalizations whose statistics are over batches, channels and places. */

/** A copy of the values of an input of n elements, of whatever floating type. */
function parameter(inputs: readonly (Tensor | undefined)[], i: number, what: string, n: number): Float64Array {
  const t = need(inputs, i, what);
  if (t.dtype !== 'float' && t.dtype !== 'double')
    throw new UnsupportedError(`${what}: expected a floating type, found ${t.dtype}`);
  if (t.data.length !== n) throw new ModelError(`${what}: expected shape [${n}], found [${t.dims}]`);
  return Float64Array.from(t.data as Float32Array);
}

/** Inputs 1 to 4 of BatchNormalization. */
interface Statistics {
  readonly scale: Float64Array;
  readonly bias: Float64Array;
  readonly mean: Float64Array;
  readonly variance: Float64Array;
}

export function statisticsOf(inputs: readonly (Tensor | undefined)[], c: number): Statistics {
  const [scale, bias, mean, variance] = ['scale', 'B', 'mean', 'var'].map((what, i) =>
    parameter(inputs, i + 1, what, c),
  ) as [Float64Array, Float64Array, Float64Array, Float64Array];
  return { scale, bias, mean, variance };
}

/** What BatchNormalization multiplies a channel by, and adds then. */
export function affineOf(
  { scale, bias, mean, variance }: Statistics,
  epsilon: number,
): { factor(j: number): number; shift(j: number): number } {
  const factor = (j: number) => scale[j]! / Math.sqrt(variance[j]! + epsilon);
  return { factor, shift: (j) => bias[j]! - mean[j]! * factor(j) };
}

/** y[i, j, :] = x[i, j, :] * scale[j] + shift[j] for x [n, c, spatial]. */
function channelAffine(
  real: Real,
  x: number,
  y: Place,
  [n, c, spatial]: readonly [number, number, number],
  scale: (j: number) => number,
  shift: (j: number) => number,
): void {
  const s = real.scratch(c);
  const b = real.scratch(c);
  const factors = real.view(s, c);
  const offsets = real.view(b, c);
  for (let j = 0; j < c; j++) {
    factors[j] = scale(j);
    offsets[j] = shift(j);
  }
  if (y.length > 0) real.k.channel_affine(x, s, b, y.ptr, n, c, spatial);
}

/** Mean and population variance of every channel of x [n, c, spatial], in double. */
function channelMoments(
  x: Tensor,
  n: number,
  c: number,
  spatial: number,
): { mean: Float64Array; variance: Float64Array } {
  const a = x.data as Float32Array;
  const mean = new Float64Array(c);
  const variance = new Float64Array(c);
  const count = n * spatial;
  for (let j = 0; j < c; j++) {
    const each = (body: (v: number) => void) => {
      for (let i = 0; i < n; i++) for (let q = (i * c + j) * spatial, e = q + spatial; q < e; q++) body(a[q]!);
    };
    let sum = 0;
    each((v) => (sum += v));
    const m = sum / count;
    let squares = 0;
    each((v) => (squares += (v - m) * (v - m)));
    mean[j] = m;
    variance[j] = squares / count;
  }
  return { mean, variance };
}

/** A tensor of [c] values, of a type. */
function perChannel(v: Float64Array, like: Tensor, rt: Runtime): Tensor {
  const y = rt.empty(like.dtype === 'double' ? 'double' : 'float', like.dims);
  y.data.set(v as never);
  return isHalf(like.dtype) ? narrow(y, rt, like.dtype) : y;
}

/**
 * Per channel (x - mean) / sqrt(var + eps) * scale + shift. With `training_mode`, or in versions before 14 with more than one
 * output, mean and variance are those of the batch, and the running ones come back: old * momentum + new * (1 - momentum).
 */
export const BatchNormalization: Op = since(7, (node) => {
  const epsilon = float(node, 'epsilon', 1e-5);
  const momentum = float(node, 'momentum', 0.9);
  const training = node.opset < 14 ? node.outputs > 1 : flag(node, 'training_mode');
  // Version 7 may hold statistics for every element of a sample instead of every channel.
  const perElement = node.opset < 9 && !flag(node, 'spatial', true);
  return (given, rt) => {
    const inputs = given.map((t) => (t !== undefined && isHalf(t.dtype) ? widen(t, rt) : t));
    const x = need(inputs, 0, 'X');
    const real = realOf(x, 'X', rt);
    if (x.dims.length < 1) throw new ModelError('X: expected rank >= 1, found a scalar');
    const n = x.dims[0]!;
    const c = perElement ? product(x.dims, 1) : (x.dims[1] ?? 1);
    const spatial = perElement ? 1 : product(x.dims, 2);
    const told = statisticsOf(inputs, c);
    const { mean, variance } = told;
    const y = real.empty(x.dims);
    const own = training ? channelMoments(x, n, c, spatial) : told;
    const { factor, shift } = affineOf({ ...told, ...own }, epsilon);
    channelAffine(real, real.ptr(x), y, [n, c, spatial], factor, shift);
    const { dtype } = given[0]!;
    const result = isHalf(dtype) ? narrow(y.done(), rt, dtype) : y.done();
    if (!training) return [result];
    const running = (old: Float64Array, now: Float64Array) =>
      old.map((v, j) => v * momentum + now[j]! * (1 - momentum));
    const saved = [own.mean, own.variance] as const;
    return [
      result,
      ...[running(mean, saved[0]), running(variance, saved[1]), ...saved].map((v, i) =>
        perChannel(v, given[3 + (i % 2)]!, rt),
      ),
    ];
  };
});

/** [N, C, spatial...] as [n, c, places]. */
function channels(x: Tensor): [number, number, number] {
  if (x.dims.length < 2) throw new ModelError(`X: expected shape [N, C, ...], found [${x.dims}]`);
  return [x.dims[0]!, x.dims[1]!, product(x.dims, 2)];
}

/** Every channel of every image to mean 0 and variance 1, then scaled and shifted. */
export const InstanceNormalization: Op = withHalf(
  since(1, (node) => {
    const epsilon = float(node, 'epsilon', 1e-5);
    return (inputs, rt) => {
      const x = need(inputs, 0, 'input');
      const real = realOf(x, 'input', rt);
      const [n, c, spatial] = channels(x);
      const scale = parameter(inputs, 1, 'scale', c);
      const bias = parameter(inputs, 2, 'B', c);
      const y = real.empty(x.dims);
      if (y.length === 0) return [y.done()];
      real.k.layer_norm(real.ptr(x), 0, 0, y.ptr, n * c, spatial, epsilon);
      channelAffine(
        real,
        y.ptr,
        y,
        [n, c, spatial],
        (j) => scale[j]!,
        (j) => bias[j]!,
      );
      return [y.done()];
    };
  }),
);

/** Every group of channels to mean 0 and variance 1; scale and bias are one a group before version 21, then one a channel. */
function groupNormalization(perGroup: boolean): (node: NodeSpec) => Run {
  return (node) => {
    const epsilon = float(node, 'epsilon', 1e-5);
    const groups = int(node, 'num_groups');
    if (groups < 1) throw new ModelError(`attribute "num_groups": expected >= 1, found ${groups}`);
    return (inputs, rt) => {
      const x = need(inputs, 0, 'X');
      const real = realOf(x, 'X', rt);
      const [n, c, spatial] = channels(x);
      if (c % groups !== 0) throw new ModelError(`X [${x.dims}]: ${c} channels are not a multiple of ${groups} groups`);
      const scale = parameter(inputs, 1, 'scale', perGroup ? groups : c);
      const bias = parameter(inputs, 2, 'bias', perGroup ? groups : c);
      const y = real.empty(x.dims);
      if (y.length === 0) return [y.done()];
      const size = c / groups;
      const at = (j: number) => (perGroup ? Math.floor(j / size) : j);
      real.k.layer_norm(real.ptr(x), 0, 0, y.ptr, n * groups, size * spatial, epsilon);
      channelAffine(
        real,
        y.ptr,
        y,
        [n, c, spatial],
        (j) => scale[at(j)]!,
        (j) => bias[at(j)]!,
      );
      return [y.done()];
    };
  };
}

export const GroupNormalization: Op = withHalf([
  { since: 18, build: groupNormalization(true) },
  { since: 21, build: groupNormalization(false) },
]);

/** x over its p-norm along an axis; 0 where that is 0. */
export const LpNormalization: Op = withHalf(
  since(1, (node) => {
    const axis = int(node, 'axis', -1);
    const p = int(node, 'p', 2);
    if (p !== 1 && p !== 2) throw new ModelError(`attribute "p": expected 1 or 2, found ${p}`);
    return (inputs, rt) => {
      const x = need(inputs, 0, 'input');
      const real = realOf(x, 'input', rt);
      const at = axisOf(axis, x.dims.length);
      const n = x.dims[at]!;
      const inner = product(x.dims, at + 1);
      const y = rt.empty(real.dtype, x.dims);
      const a = x.data as Float32Array;
      const out = y.data as Float32Array;
      for (let q = 0; q < a.length; q += n * inner)
        for (let j = q; j < q + inner; j++) {
          let sum = 0;
          for (let i = 0; i < n; i++) {
            const v = a[j + i * inner]!;
            sum += p === 1 ? Math.abs(v) : v * v;
          }
          const norm = p === 1 ? sum : Math.sqrt(sum);
          for (let i = 0; i < n; i++) out[j + i * inner] = norm === 0 ? 0 : a[j + i * inner]! / norm;
        }
      return [y];
    };
  }),
);

/** (x - mean) / (deviation + 1e-9) over the axes together. */
export const MeanVarianceNormalization: Op = withHalf(
  since(9, (node) => {
    const over = ints(node, 'axes') ?? [0, 2, 3];
    return (inputs, rt) => {
      const x = need(inputs, 0, 'X');
      const real = realOf(x, 'X', rt);
      const axes = new Set(axesOf(over, x.dims.length));
      const kept = x.dims.map((d, i) => (axes.has(i) ? 1 : d));
      const strides = stridesOf(kept).map((s, i) => (axes.has(i) ? 0 : s));
      const groups = product(kept);
      const count = x.data.length / Math.max(groups, 1);
      const a = x.data as Float32Array;
      const group = new Int32Array(a.length);
      const own = stridesOf(x.dims);
      for (let i = 0; i < a.length; i++) {
        let rest = i;
        let g = 0;
        for (let d = 0; d < own.length; d++) {
          const index = Math.floor(rest / own[d]!);
          rest -= index * own[d]!;
          g += index * strides[d]!;
        }
        group[i] = g;
      }
      const mean = new Float64Array(groups);
      const variance = new Float64Array(groups);
      for (let i = 0; i < a.length; i++) mean[group[i]!]! += a[i]! / count;
      for (let i = 0; i < a.length; i++) variance[group[i]!]! += (a[i]! - mean[group[i]!]!) ** 2 / count;
      const y = rt.empty(real.dtype, x.dims);
      const out = y.data as Float32Array;
      const source = x.data as Float32Array;
      for (let i = 0; i < out.length; i++)
        out[i] = (source[i]! - mean[group[i]!]!) / (Math.sqrt(variance[group[i]!]!) + 1e-9);
      return [y];
    };
  }),
);

/** Local response normalization across channels: x / (bias + alpha / size * sum of squares over `size` channels around it)^beta. */
export const LRN: Op = withHalf(
  since(1, (node) => {
    const size = int(node, 'size');
    const alpha = float(node, 'alpha', 1e-4);
    const beta = float(node, 'beta', 0.75);
    const bias = float(node, 'bias', 1);
    if (size < 1) throw new ModelError(`attribute "size": expected >= 1, found ${size}`);
    return (inputs, rt) => {
      const x = need(inputs, 0, 'X');
      const real = realOf(x, 'X', rt);
      const [n, c, spatial] = channels(x);
      const { k } = real;
      const y = real.empty(x.dims);
      const length = y.length;
      if (length === 0) return [y.done()];
      const px = real.ptr(x);
      const squares = real.scratch(length);
      k.mul(px, px, squares, length);
      real.view(y.ptr, length).fill(0);
      const before = Math.floor((size - 1) / 2);
      for (let i = 0; i < n; i++)
        for (let j = 0; j < c; j++) {
          const to = real.at(y.ptr, (i * c + j) * spatial);
          const end = Math.min(c, j - before + size);
          for (let q = Math.max(0, j - before); q < end; q++)
            k.add(to, real.at(squares, (i * c + q) * spatial), to, spatial);
        }
      // base^-beta as exp(-beta log base).
      k.mul_scalar(y.ptr, alpha / size, y.ptr, length);
      k.add_scalar(y.ptr, bias, y.ptr, length);
      k.log(y.ptr, y.ptr, length);
      k.mul_scalar(y.ptr, -beta, y.ptr, length);
      k.exp(y.ptr, y.ptr, length);
      k.mul(px, y.ptr, y.ptr, length);
      return [y.done()];
    };
  }),
);
