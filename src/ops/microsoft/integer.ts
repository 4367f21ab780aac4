import { ModelError, UnsupportedError } from '../../errors.ts';
import type { Tensor } from '../../tensor.ts';
import { needDims } from '../attention-inputs.ts';
import { flag, float, since } from '../attributes.ts';
import { productsOf } from '../gemm.ts';
import { type Bytes, bytesOf, integerProduct } from '../integer.ts';
import { codesAt, dynamicQuantize } from '../linear.ts';
import type { Op, Runtime } from '../op.ts';
import { asFloat, elements, need, needFloat, scalar } from '../shape.ts';
import { transpose } from '../transpose.ts';

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
  a: Bytes,
  b: Tensor,
  aScale: number,
  bScale: Tensor,
  aZero: Tensor | undefined,
  bZero: Tensor | undefined,
  bias: Tensor | undefined,
  rt: Runtime,
): Tensor {
  const p = productsOf(a.dims, b.dims);
  const y = rt.empty('float', p.dims);
  const to = rt.ptr(y);
  const { columns, size } = integerProduct(a, pointOf(aZero, rt), b, pointOf(bZero, rt), rt, to);
  const scales = columnScales(bScale, columns, 'b_scale').map((s) => s * aScale);
  if (bias !== undefined) asFloat(needDims(bias, [columns], 'bias'), 'bias');
  if (size > 0) rt.wasm.k.scale_sums(to, size / columns, columns, 0, put(scales, rt), bias ? rt.ptr(bias) : 0, to);
  return y;
}

function put(values: Float32Array | Int32Array, rt: Runtime): number {
  const ptr = rt.scratch(values.byteLength);
  rt.wasm.arena.put(ptr, values);
  return ptr;
}

export const MatMulIntegerToFloat: Op = since(1, () => (inputs, rt) => {
  const [a, b] = [bytesOf(need(inputs, 0, 'A'), 'A', rt), need(inputs, 1, 'B')];
  const scale = scalar(needFloat(inputs, 2, 'a_scale'), 'a_scale');
  return [matMulToFloat(a, b, scale, needFloat(inputs, 3, 'b_scale'), inputs[4], inputs[5], inputs[6], rt)];
});

/** A quantized to uint8 over its own range, times 8-bit B. */
export const DynamicQuantizeMatMul: Op = since(1, () => (inputs, rt) => {
  const x = needFloat(inputs, 0, 'A');
  const { place, scale, zero } = dynamicQuantize(x, rt);
  const a = { dtype: 'uint8', dims: x.dims, ptr: place.ptr } as const;
  const point: Tensor = { dtype: 'uint8', dims: [], data: Uint8Array.of(zero) };
  const b = need(inputs, 1, 'B');
  return [matMulToFloat(a, b, scale, needFloat(inputs, 2, 'b_scale'), point, inputs[3], inputs[4], rt)];
});

function matrix(t: Tensor, what: string): Tensor {
  if (t.dims.length !== 2) throw new ModelError(`${what}: expected rank 2, found [${t.dims}]`);
  return t;
}

/**
 * alpha ((A - a_zero)(B - b_zero) + C) in units of both scales: float, or codes where there is a y_scale. C is int32 and broadcasts
 * to the product.
 */
export const QGemm: Op = since(1, (node) => {
  const alpha = float(node, 'alpha', 1);
  const [ta, tb] = [flag(node, 'transA'), flag(node, 'transB')];
  return (inputs, rt) => {
    const left = matrix(need(inputs, 0, 'A'), 'A');
    const a = bytesOf(ta ? transpose(left, [1, 0], rt) : left, 'A', rt);
    const b = matrix(need(inputs, 3, 'B'), 'B');
    const sums = integerProduct(a, pointOf(inputs[2], rt), b, pointOf(inputs[5], rt), rt, undefined, tb);
    const [m, n] = sums.dims as [number, number];
    const scales = columnScales(needFloat(inputs, 4, 'b_scale'), n, 'b_scale');
    const one = Math.fround(alpha * scalar(needFloat(inputs, 1, 'a_scale'), 'a_scale'));
    const c = inputs[6];
    if (c !== undefined && c.dtype !== 'int32') throw new ModelError(`C: expected type int32, found ${c.dtype}`);
    const [cm, cn] = c === undefined ? [1, 1] : c.dims.length < 2 ? [1, c.dims[0] ?? 1] : (c.dims as [number, number]);
    if ((cm !== 1 && cm !== m) || (cn !== 1 && cn !== n) || (c?.dims.length ?? 0) > 2)
      throw new ModelError(`C: expected a shape that broadcasts to [${m},${n}], found [${c?.dims}]`);
    // Rows that share their addends are one call.
    const calls = cm === 1 ? [{ from: 0, rows: m }] : Array.from({ length: m }, (_, from) => ({ from, rows: 1 }));
    const added =
      c &&
      put(
        Int32Array.from({ length: cm * n }, (_, i) => Number(c.data[cn === 1 ? Math.floor(i / n) : i])),
        rt,
      );
    const addend = (row: number) => (added === undefined ? 0 : added + 4 * n * (cm === 1 ? 0 : row));
    if (inputs[7] === undefined) {
      const y = rt.empty('float', [m, n]);
      const factors = put(
        scales.map((s) => one * s),
        rt,
      );
      for (const { from, rows } of calls)
        rt.wasm.k.scale_sums(sums.ptr + 4 * n * from, rows, n, addend(from), factors, 0, rt.ptr(y) + 4 * n * from);
      return [y];
    }
    const scale = scalar(needFloat(inputs, 7, 'y_scale'), 'y_scale');
    const zero = inputs[8];
    const dtype = zero?.dtype ?? 'uint8';
    if (dtype !== 'int8' && dtype !== 'uint8') throw new UnsupportedError(`y_zero_point: type ${dtype}`);
    const z = zero === undefined ? 0 : scalar(zero, 'y_zero_point');
    const factors = put(
      scales.map((s) => Math.fround(one * s) / scale),
      rt,
    );
    const place = codesAt(rt, dtype, [m, n]);
    const [type, lo, hi] = dtype === 'uint8' ? [0, 0, 255] : [1, -128, 127];
    for (const { from, rows } of calls) {
      const to = place.ptr + n * from;
      rt.wasm.k.requantize(sums.ptr + 4 * n * from, rows, n, n, 0, addend(from), factors, type, z, lo, hi, to, n);
    }
    return [place.done()];
  };
});
