import type { Tensor } from '../tensor.ts';
import { since } from './attributes.ts';
import { convolveFloat, type Finish } from './conv-float.ts';
import { addBias, convAttributes, type ConvAttributes, convolutionOf, convolve } from './convolution.ts';
import { withHalf } from './half.ts';
import { affineOf, statisticsOf } from './norm.ts';
import type { Op, Run, Runtime } from './op.ts';
import { Real, realOf } from './precision.ts';
import { need } from './shape.ts';

export { depthwise } from './conv-float.ts';
export {
  addBias,
  convAttributes,
  type ConvAttributes,
  type Convolution,
  convolutionOf,
  convolve,
  isDepthwise,
} from './convolution.ts';

/** A BatchNormalization of the sums by given statistics: inputs 1 to 4 from 1 on. */
export interface Normalization {
  readonly inputs: readonly (Tensor | undefined)[];
  readonly epsilon: number;
}

interface Known {
  readonly of: Normalization;
  readonly values: Float32Array;
}

/** By scales, which do not change while they are a tensor: most are constants. */
const KNOWN = new WeakMap<Tensor, Known>();

/** Factors of m channels, then what is added to each. */
function affine(norm: Normalization, m: number): Float32Array {
  const scale = norm.inputs[1];
  const known = scale && KNOWN.get(scale);
  const same = known?.of.epsilon === norm.epsilon && known.of.inputs.every((t, i) => t === norm.inputs[i]);
  if (same && known !== undefined && known.values.length === 2 * m) return known.values;
  const { factor, shift } = affineOf(statisticsOf(norm.inputs, m), norm.epsilon);
  const values = Float32Array.from({ length: 2 * m }, (_, j) => (j < m ? factor(j) : shift(j - m)));
  if (scale) KNOWN.set(scale, { of: norm, values });
  return values;
}

/** Sums of float with what follows them. */
function inFloat(
  attributes: ConvAttributes,
  inputs: readonly (Tensor | undefined)[],
  norm: Normalization | undefined,
  residual: Tensor | undefined,
  { low, high }: Pick<Finish, 'low' | 'high'>,
  rt: Runtime,
): Tensor | undefined {
  const real = new Real(rt, 'float');
  const x = real.need(inputs, 0, 'X');
  const w = real.need(inputs, 1, 'W');
  const bias = real.optional(inputs, 2, 'B');
  const v = convolutionOf(attributes, x, w, bias);
  if (residual !== undefined && (residual.dtype !== 'float' || String(residual.dims) !== String(v.dims)))
    return undefined;
  const at = (t: Tensor | undefined) => (t === undefined ? 0 : rt.ptr(t));
  const y = rt.empty('float', v.dims);
  const [from, to, add] = [rt.ptr(x), rt.ptr(y), at(residual)];
  if (norm === undefined) {
    convolveFloat(rt, v, from, w, to, { bias: at(bias), residual: add, low, high });
    return y;
  }
  convolveFloat(rt, v, from, w, to, { bias: at(bias), residual: 0, low: -Infinity, high: Infinity });
  const parameters = rt.scratch(8 * v.m);
  rt.wasm.arena.put(parameters, affine(norm, v.m));
  if (v.n * v.m * v.places === 0) return y;
  rt.wasm.k.channel_affine(to, parameters, parameters + 4 * v.m, to, v.n, v.m, v.places);
  if (add !== 0 || low !== -Infinity || high !== Infinity)
    rt.wasm.k.finish_rows(to, v.places, v.n * v.m, v.places, 0, add, low, high, to);
  return y;
}

/**
 * clamp(norm(Conv) + residual, low, high), as a convolution, a BatchNormalization, an addition and a Clip would give it bit for bit;
 * NaN stays NaN.
 * @returns undefined for types other than float, and for a residual that is not of the result's shape
 * @throws as Conv does
 */
export function finishedConv(
  attributes: ConvAttributes,
  inputs: readonly (Tensor | undefined)[],
  norm: Normalization | undefined,
  residual: Tensor | undefined,
  clamp: Pick<Finish, 'low' | 'high'>,
  rt: Runtime,
): Tensor | undefined {
  const all = [...inputs, ...(norm?.inputs ?? [])];
  if (!all.every((t) => t === undefined || t.dtype === 'float')) return undefined;
  return inFloat(attributes, inputs, norm, residual, clamp, rt);
}

const FREE = { low: -Infinity, high: Infinity };

function conv(attributes: ConvAttributes): Run {
  return (inputs, rt) => {
    const x = need(inputs, 0, 'X');
    if (x.dtype === 'float') return [inFloat(attributes, inputs, undefined, undefined, FREE, rt)!];
    const real = realOf(x, 'X', rt);
    const w = real.need(inputs, 1, 'W');
    const bias = real.optional(inputs, 2, 'B');
    const v = convolutionOf(attributes, x, w, bias);
    const y = real.empty(v.dims);
    const times = (m: number, n: number, k: number, a: number, b: number, c: number, ldc: number) =>
      real.multiply(0, 0, m, n, k, a, b, c, { ldc });
    convolve(real, v, real.ptr(x), real.ptr(w), y.ptr, times);
    if (bias !== undefined) addBias(real, v, real.ptr(bias), y.ptr);
    return [y.done()];
  };
}

/** Convolution [N, C, spatial...] * [M, C/group, kernel...] -> [N, M, places...] over any number of spatial axes. */
export const Conv: Op = withHalf(since(1, (node) => conv(convAttributes(node))));
