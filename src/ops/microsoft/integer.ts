import { ModelError } from '../../errors.ts';
import type { Tensor } from '../../tensor.ts';
import { needDims } from '../attention-inputs.ts';
import { flag, float, since } from '../attributes.ts';
import { integerMatMul } from '../integer.ts';
import { DynamicQuantizeLinear, QuantizeLinear } from '../linear.ts';
import type { NodeSpec, Op, Runtime } from '../op.ts';
import { asFloat, elements, need, needFloat, scalar } from '../shape.ts';
import { transpose } from '../transpose.ts';
import { built, first } from './built.ts';

/** Integer products scaled to float. */

/** The tensor as a view without axes of its own where it has one element. */
function pointOf(t: Tensor | undefined, rt: Runtime): Tensor | undefined {
  return t !== undefined && t.data.length === 1 ? rt.view(t, []) : t;
}

/** Scales of one element, or one a column. */
function columnScales(t: Tensor, columns: number, what: string): Float32Array {
  const s = elements(t);
  if (s.length === 1) return new Float32Array(columns).fill(s[0]!);
  if (s.length !== columns || t.dims[t.dims.length - 1] !== columns)
    throw new ModelError(`${what}: expected one scale or ${columns}, found [${t.dims}]`);
  return s.slice();
}

/** (A - a_zero)(B - b_zero) in int32, times both scales, plus a bias, in float. The scale of A is one number; that of B may be one a column. */
export function matMulToFloat(
  a: Tensor,
  b: Tensor,
  aScale: Tensor,
  bScale: Tensor,
  aZero: Tensor | undefined,
  bZero: Tensor | undefined,
  bias: Tensor | undefined,
  rt: Runtime,
): Tensor {
  const product = integerMatMul(a, pointOf(aZero, rt), b, pointOf(bZero, rt), rt);
  const columns = product.dims[product.dims.length - 1] ?? 1;
  const y = rt.empty('float', product.dims);
  const one = scalar(aScale, 'a_scale');
  const scales = columnScales(bScale, columns, 'b_scale').map((s) => s * one);
  if (bias !== undefined) asFloat(needDims(bias, [columns], 'bias'), 'bias');
  const shift = bias === undefined ? undefined : elements(bias);
  const sums = product.data as Int32Array;
  const out = elements(y);
  for (let i = 0; i < out.length; )
    for (let j = 0; j < columns; j++, i++) out[i] = sums[i]! * scales[j]! + (shift?.[j] ?? 0);
  return y;
}

export const MatMulIntegerToFloat: Op = since(1, () => (inputs, rt) => {
  const [a, b] = [need(inputs, 0, 'A'), need(inputs, 1, 'B')];
  const scales = [needFloat(inputs, 2, 'a_scale'), needFloat(inputs, 3, 'b_scale')] as const;
  return [matMulToFloat(a, b, ...scales, inputs[4], inputs[5], inputs[6], rt)];
});

/** A quantized to uint8 over its own range, times 8-bit B. */
export const DynamicQuantizeMatMul: Op = since(1, (node) => {
  const quantize = built(DynamicQuantizeLinear, node, {}, 3);
  return (inputs, rt) => {
    const [a, scale, zero] = quantize([needFloat(inputs, 0, 'A')], rt) as [Tensor, Tensor, Tensor];
    return [
      matMulToFloat(a, need(inputs, 1, 'B'), scale, needFloat(inputs, 2, 'b_scale'), zero, inputs[3], inputs[4], rt),
    ];
  };
});

function matrix(t: Tensor, transposed: boolean, what: string, rt: Runtime): Tensor {
  if (t.dims.length !== 2) throw new ModelError(`${what}: expected rank 2, found [${t.dims}]`);
  return transposed ? transpose(t, [1, 0], rt) : t;
}

/** alpha (A - a_zero)(B - b_zero) + C in units of both scales: float, or quantized where there is a y_scale. */
function quantizedGemm(node: NodeSpec) {
  const alpha = float(node, 'alpha', 1);
  const [ta, tb] = [flag(node, 'transA'), flag(node, 'transB')];
  return (inputs: readonly (Tensor | undefined)[], rt: Runtime): Tensor => {
    const a = matrix(need(inputs, 0, 'A'), ta, 'A', rt);
    const b = matrix(need(inputs, 3, 'B'), tb, 'B', rt);
    const sums = integerMatMul(a, pointOf(inputs[2], rt), b, pointOf(inputs[5], rt), rt);
    const [m, n] = sums.dims as [number, number];
    const scales = columnScales(needFloat(inputs, 4, 'b_scale'), n, 'b_scale');
    const one = alpha * scalar(needFloat(inputs, 1, 'a_scale'), 'a_scale');
    const c = inputs[6];
    if (c !== undefined && c.dtype !== 'int32') throw new ModelError(`C: expected type int32, found ${c.dtype}`);
    const [cm, cn] = c === undefined ? [1, 1] : c.dims.length < 2 ? [1, c.dims[0] ?? 1] : (c.dims as [number, number]);
    if ((cm !== 1 && cm !== m) || (cn !== 1 && cn !== n) || (c?.dims.length ?? 0) > 2)
      throw new ModelError(`C: expected a shape that broadcasts to [${m},${n}], found [${c?.dims}]`);
    const y = rt.empty('float', [m, n]);
    const out = elements(y);
    const s = sums.data as Int32Array;
    for (let i = 0, q = 0; i < m; i++)
      for (let j = 0; j < n; j++, q++) {
        const added = c === undefined ? 0 : Number(c.data[(cm === 1 ? 0 : i) * cn + (cn === 1 ? 0 : j)]);
        out[q] = (s[q]! + added) * (one * scales[j]!);
      }
    return y;
  };
}

export const QGemm: Op = since(1, (node) => {
  const gemm = quantizedGemm(node);
  const quantize = built(QuantizeLinear, node);
  return (inputs, rt) => {
    const y = gemm(inputs, rt);
    if (inputs[7] === undefined) return [y];
    return [first(quantize, [y, rt.view(inputs[7], []), pointOf(inputs[8], rt)], rt)];
  };
});
