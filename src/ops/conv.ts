import type { Tensor } from '../tensor.ts';
import { since } from './attributes.ts';
import { convolveFloat, type Finish } from './conv-float.ts';
import { addBias, convAttributes, type ConvAttributes, convolutionOf, convolve } from './convolution.ts';
import { withHalf } from './half.ts';
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

/** Sums of float with what follows them, in one pass. */
function inFloat(
  attributes: ConvAttributes,
  inputs: readonly (Tensor | undefined)[],
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
  convolveFloat(rt, v, rt.ptr(x), w, rt.ptr(y), { bias: at(bias), residual: at(residual), low, high });
  return y;
}

/**
 * clamp(Conv + residual, low, high), as a convolution, an addition and a Clip would give it bit for bit; NaN stays NaN.
 * @returns undefined for types other than float, and for a residual that is not of the result's shape
 * @throws as Conv does
 */
export function finishedConv(
  attributes: ConvAttributes,
  inputs: readonly (Tensor | undefined)[],
  residual: Tensor | undefined,
  clamp: Pick<Finish, 'low' | 'high'>,
  rt: Runtime,
): Tensor | undefined {
  if (!inputs.every((t) => t === undefined || t.dtype === 'float')) return undefined;
  return inFloat(attributes, inputs, residual, clamp, rt);
}

function conv(attributes: ConvAttributes): Run {
  return (inputs, rt) => {
    const x = need(inputs, 0, 'X');
    if (x.dtype === 'float') return [inFloat(attributes, inputs, undefined, { low: -Infinity, high: Infinity }, rt)!];
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
