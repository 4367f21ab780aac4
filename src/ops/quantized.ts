import { ModelError, UnsupportedError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { since } from './attributes.ts';
import { expandTo } from './broadcast.ts';
import { convAttributes } from './convolution.ts';
import { isHalf, widen } from './half.ts';
import { bytesOf, integerProduct } from './integer.ts';
import { type IntegerConvolution, integerConvolution, runConvolution } from './integer-conv.ts';
import { CODE_RANGES, codesAt, TO_INTEGER } from './linear.ts';
import type { Op, Runtime } from './op.ts';
import { elements, need } from './shape.ts';

/** Convolutions and products of 8-bit codes: exact sums in int32, then, for QLinear operators, back to codes. */

/** Convolution of integers less their zero points, in int32. */
export const ConvInteger: Op = since(10, (node) => {
  const attributes = convAttributes(node);
  return (inputs, rt) => {
    const [x, w] = [need(inputs, 0, 'x'), need(inputs, 1, 'w')];
    const c = integerConvolution(attributes, x, inputs[2], w, inputs[3], undefined);
    const y = rt.codes('int32', c.v.dims);
    runConvolution(c, undefined, rt.ptr(y), rt);
    return [y];
  };
});

/** A scale of float, float16 or bfloat16 as floats. */
function scalesOf(t: Tensor, what: string, rt: Runtime): Tensor {
  if (isHalf(t.dtype)) return widen(t, rt);
  if (t.dtype !== 'float')
    throw new UnsupportedError(`${what}: expected type float, float16 or bfloat16, found ${t.dtype}`);
  return t;
}

/** The one value of a scale. */
function oneScale(t: Tensor, what: string, rt: Runtime): number {
  if (t.data.length !== 1) throw new ModelError(`${what}: expected one element, found shape [${t.dims}]`);
  return Number(scalesOf(t, what, rt).data[0]);
}

/** Memory and range of the codes that come out. @throws UnsupportedError for other types than int8 and uint8 */
function codingOf(dtype: Tensor['dtype']): { type: 0 | 1; lo: number; hi: number } {
  if (dtype !== 'int8' && dtype !== 'uint8') throw new UnsupportedError(`output type ${dtype}`);
  const [lo, hi] = CODE_RANGES[dtype]!;
  return { type: dtype === 'uint8' ? 0 : 1, lo, hi };
}

/** Convolution of codes to codes: weights with one scale or one an output channel, bias in int32 at x_scale * w_scale. */
export const QLinearConv: Op = since(10, (node) => {
  const attributes = convAttributes(node);
  return (inputs, rt) => {
    const x = need(inputs, 0, 'x');
    const w = need(inputs, 3, 'w');
    const ws = scalesOf(need(inputs, 4, 'w_scale'), 'w_scale', rt);
    const yZero = need(inputs, 7, 'y_zero_point');
    const m = w.dims[0]!;
    if (ws.data.length !== 1 && (ws.dims.length !== 1 || ws.data.length !== m))
      throw new ModelError(`w_scale: expected one element or shape [${m}], found [${ws.dims}]`);
    if (yZero.data.length !== 1)
      throw new ModelError(`y_zero_point: expected one element, found shape [${yZero.dims}]`);
    const xs = oneScale(need(inputs, 1, 'x_scale'), 'x_scale', rt);
    const ys = oneScale(need(inputs, 6, 'y_scale'), 'y_scale', rt);
    const zeros = [need(inputs, 2, 'x_zero_point'), need(inputs, 5, 'w_zero_point')] as const;
    const c: IntegerConvolution = integerConvolution(attributes, x, zeros[0], w, zeros[1], inputs[8]);
    const coding = codingOf(yZero.dtype);
    const scales = ws.data as Float32Array;
    const factors = Float32Array.from(
      { length: m },
      (_, i) => Math.fround(xs * scales[scales.length === 1 ? 0 : i]!) / ys,
    );
    const place = codesAt(rt, yZero.dtype, c.v.dims);
    runConvolution(c, { ...coding, factors, zero: Number(yZero.data[0]) }, place.ptr, rt);
    return [place.done()];
  };
});

/** A parameter of a product's rows or columns, repeated to its result: one element, one a row, one a column, or any that broadcasts. */
function spread(t: Tensor, side: 'rows' | 'columns', dims: readonly number[], what: string, rt: Runtime): Tensor {
  const own = t.dims.length === 1 && side === 'rows' && t.data.length > 1 ? [t.dims[0]!, 1] : t.dims;
  const fits = own.length <= dims.length && own.every((d, i) => d === 1 || d === dims[dims.length - own.length + i]);
  if (!fits) throw new ModelError(`${what}: shape [${t.dims}] does not broadcast to the result [${dims}]`);
  return expandTo(rt.view(t, own), dims, rt);
}

/** Matrix product of codes to codes; scales and zero points of a and y per tensor or row, of b per tensor or column. */
export const QLinearMatMul: Op = since(10, () => (inputs, rt) => {
  const a = bytesOf(need(inputs, 0, 'a'), 'A', rt);
  const product = integerProduct(
    a,
    need(inputs, 2, 'a_zero_point'),
    need(inputs, 3, 'b'),
    need(inputs, 5, 'b_zero_point'),
    rt,
  );
  const [sa, sb, sy] = (
    [
      [1, 'a_scale'],
      [4, 'b_scale'],
      [6, 'y_scale'],
    ] as const
  ).map(([i, what]) => scalesOf(need(inputs, i, what), what, rt)) as [Tensor, Tensor, Tensor];
  const zero = need(inputs, 7, 'y_zero_point');
  const { type, lo, hi } = codingOf(zero.dtype);
  const { dims, size, columns, ptr } = product;
  const factorOf = (x: number, z: number, y: number) => Math.fround(Math.fround(x * z) / y);
  const one = (t: Tensor) => t.data.length === 1;
  const last = dims[dims.length - 1];
  const byColumn = one(sb) || (sb.dims.length === 1 && sb.data.length === columns && columns === last);
  if (byColumn && [sa, sy, zero].every(one)) {
    const place = codesAt(rt, zero.dtype, dims);
    const factors = rt.scratch(4 * columns);
    const [x, y, z] = [Number(sa.data[0]), Number(sy.data[0]), Number(zero.data[0])];
    const scales = elements(sb);
    const out = rt.wasm.arena.f32(factors, columns);
    for (let j = 0; j < columns; j++) out[j] = factorOf(x, scales[one(sb) ? 0 : j]!, y);
    const rows = columns === 0 ? 0 : size / columns;
    rt.wasm.k.requantize(ptr, rows, columns, columns, 0, 0, factors, type, z, lo, hi, place.ptr, columns);
    return [place.done()];
  }
  const y = rt.empty(zero.dtype, dims);
  const tensors = [
    spread(sa, 'rows', dims, 'a_scale', rt),
    spread(sb, 'columns', dims, 'b_scale', rt),
    spread(sy, 'rows', dims, 'y_scale', rt),
    spread(zero, 'rows', dims, 'y_zero_point', rt),
  ] as const;
  // Views after the last allocation.
  const [xs, bs, ys, zs] = tensors.map(elements) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const out = elements(y);
  const sums = rt.wasm.arena.i32(ptr, size);
  for (let i = 0; i < out.length; i++) {
    const v = Math.fround(Math.fround(sums[i]!) * factorOf(xs[i]!, bs[i]!, ys[i]!)) + TO_INTEGER - TO_INTEGER + zs[i]!;
    out[i] = v < lo ? lo : v > hi ? hi : v;
  }
  return [y];
});
