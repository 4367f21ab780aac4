import { ModelError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { float, int, since } from './attributes.ts';
import { expandTo } from './broadcast.ts';
import { cast, typeAttribute } from './cast.ts';
import { isHalf, widen } from './half.ts';
import type { NodeSpec, Op, Run, Runtime } from './op.ts';
import { type Real, realOf } from './precision.ts';
import { axisOf, broadcastDims, need, product } from './shape.ts';

/** Normalizations of the axes from `axis` on, each row by itself. */

/** True where t, repeated, is a row of `rowDims` the same for all rows. */
function isRow(t: Tensor, rowDims: readonly number[]): boolean {
  return t.dims.length <= rowDims.length && product(t.dims) === product(rowDims);
}

/** y = y op t, where t broadcasts to y. */
function apply(real: Real, op: 'mul' | 'add', y: number, t: Tensor, dims: readonly number[], what: string): void {
  if (String(broadcastDims(dims, t.dims)) !== String(dims))
    throw new ModelError(`${what}: expected a shape that broadcasts to [${dims}], found [${t.dims}]`);
  real.k[op](y, real.ptr(expandTo(t, dims, real.rt)), y, product(dims));
}

/** The run with float16 and bfloat16 inputs widened; its first output takes the type of input `like`, statistics stay float. */
function halfFirst(like: 0 | 1, run: Run): Run {
  return (inputs, rt) => {
    const [first, ...rest] = run(
      inputs.map((t) => (t !== undefined && isHalf(t.dtype) ? widen(t, rt) : t)),
      rt,
    );
    return [cast(first!, need(inputs, like, like === 0 ? 'X' : 'scale').dtype, rt), ...rest];
  };
}

/**
 * (x - mean) / sqrt(variance + epsilon) * Scale + B; Mean and 1 / deviation, as `stash_type` (float) on request. Before version 17 it is
 * onnxruntime's own, of the same meaning, which its optimised exports hold.
 */
export const LayerNormalization: Op = since(1, (node) => {
  const axis = int(node, 'axis', -1);
  const epsilon = float(node, 'epsilon', 1e-5);
  const stash = typeAttribute(int(node, 'stash_type', 1), 'stash_type');
  return halfFirst(0, (inputs, rt) => {
    const x = need(inputs, 0, 'X');
    const real = realOf(x, 'X', rt);
    const scale = real.need(inputs, 1, 'Scale');
    const bias = real.optional(inputs, 2, 'B');
    const at = axisOf(axis, x.dims.length);
    const rows = product(x.dims, 0, at);
    const cols = product(x.dims, at);
    const y = real.empty(x.dims);
    if (y.length > 0) {
      const row = x.dims.slice(at);
      const together = isRow(scale, row) && (bias === undefined || isRow(bias, row));
      const [gamma, beta] = together ? [real.ptr(scale), bias === undefined ? 0 : real.ptr(bias)] : [0, 0];
      real.k.layer_norm(real.ptr(x), gamma, beta, y.ptr, rows, cols, epsilon);
      if (!together) {
        apply(real, 'mul', y.ptr, scale, x.dims, 'Scale');
        if (bias !== undefined) apply(real, 'add', y.ptr, bias, x.dims, 'B');
      }
    }
    if (node.outputs < 2) return [y.done()];
    const kept = x.dims.map((d, i) => (i < at ? d : 1));
    return [y.done(), ...moments(x, rows, cols, epsilon, kept, rt).map((t) => cast(t, stash, rt))];
  });
});

function moments(x: Tensor, rows: number, cols: number, epsilon: number, dims: number[], rt: Runtime): Tensor[] {
  const mean = rt.empty('float', dims);
  const inverse = rt.empty('float', dims);
  const a = x.data as Float32Array;
  for (let r = 0; r < rows; r++) {
    const row = a.subarray(r * cols, (r + 1) * cols);
    let sum = 0;
    for (const v of row) sum += v;
    const m = sum / cols;
    let squares = 0;
    for (const v of row) squares += (v - m) * (v - m);
    mean.data[r] = m;
    inverse.data[r] = 1 / Math.sqrt(squares / cols + epsilon);
  }
  return [mean, inverse];
}

/** x / sqrt(mean of squares + epsilon) * scale, of the scale's type. */
export const RMSNormalization: Op = since(23, (node: NodeSpec) => {
  const axis = int(node, 'axis', -1);
  const epsilon = float(node, 'epsilon', 1e-5);
  return halfFirst(1, (inputs, rt) => {
    const x = need(inputs, 0, 'X');
    const real = realOf(x, 'X', rt);
    const scale = cast(need(inputs, 1, 'scale'), real.dtype, rt);
    const at = axisOf(axis, x.dims.length);
    const y = real.empty(x.dims);
    if (y.length === 0) return [y.done()];
    const together = isRow(scale, x.dims.slice(at));
    const gamma = together ? real.ptr(scale) : 0;
    real.k.rms_norm(real.ptr(x), gamma, y.ptr, product(x.dims, 0, at), product(x.dims, at), epsilon);
    if (!together) apply(real, 'mul', y.ptr, scale, x.dims, 'scale');
    return [y.done()];
  });
});
