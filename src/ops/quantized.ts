import { ModelError, UnsupportedError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { since } from './attributes.ts';
import { expandTo } from './broadcast.ts';
import { convAttributes, type ConvAttributes, convolutionOf, convolve, depthwise, isDepthwise } from './conv.ts';
import { scratchOf } from './gemm.ts';
import { isHalf, widen } from './half.ts';
import { centred, exactProduct, integerMatMul } from './integer.ts';
import { CODE_RANGES, codesAt, TO_INTEGER } from './linear.ts';
import type { Op, Runtime } from './op.ts';
import { Real } from './precision.ts';
import { elements, need } from './shape.ts';

/** Convolutions and products of 8-bit codes: exact sums in int32, then, for QLinear operators, back to codes. */

/** int32 sums [N, M, places...] of X less its zero point by W less its own, one or one an output channel; bias [M] added. */
export function integerConvolution(
  attributes: ConvAttributes,
  x: Tensor,
  xZero: Tensor | undefined,
  w: Tensor,
  wZero: Tensor | undefined,
  bias: Tensor | undefined,
  rt: Runtime,
): Tensor {
  if (xZero !== undefined && xZero.data.length !== 1)
    throw new ModelError(`x_zero_point: expected one element, found shape [${xZero.dims}]`);
  if (bias !== undefined && bias.dtype !== 'int32') throw new ModelError(`B: expected type int32, found ${bias.dtype}`);
  const v = convolutionOf(attributes, x, w, bias);
  const perChannel =
    wZero === undefined || wZero.data.length === 1
      ? wZero
      : rt.view(
          wZero,
          w.dims.map((_, i) => (i === 0 ? wZero.data.length : 1)),
        );
  const a = centred(x, xZero, 'rows', 'x', rt);
  const b = centred(w, perChannel, 'columns', 'w', rt);
  const bound = a.bound * b.bound;
  const y = rt.empty('int32', v.dims);
  const n = y.data.length;
  const to = rt.scratch(4 * n);
  if (isDepthwise(v) && bound * v.depth <= 2 ** 24) {
    depthwise(rt, v, a.ptr, b.ptr, to);
    (y.data as Int32Array).set(rt.wasm.arena.f32(to, n));
  } else {
    const scratch = scratchOf(rt);
    convolve(new Real(rt, 'float'), v, a.ptr, b.ptr, to, (rows, cols, depth, left, right, out, ldc) =>
      exactProduct(rt, scratch, rows, cols, depth, left, right, bound, out, ldc),
    );
    (y.data as Int32Array).set(rt.wasm.arena.i32(to, n));
  }
  if (bias !== undefined) {
    const out = y.data as Int32Array;
    for (let p = 0; p < v.n * v.m; p++) {
      const shift = Number(bias.data[p % v.m]);
      for (let i = p * v.places; i < (p + 1) * v.places; i++) out[i] = out[i]! + shift;
    }
  }
  return y;
}

/** Convolution of integers less their zero points, in int32. */
export const ConvInteger: Op = since(10, (node) => {
  const attributes = convAttributes(node);
  return (inputs, rt) => [
    integerConvolution(attributes, need(inputs, 0, 'x'), inputs[2], need(inputs, 1, 'w'), inputs[3], undefined, rt),
  ];
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

/** saturate(roundeven(sum * factor) + zero): the product in float. `factor` and `zero` take the place of the element. */
export function requantize(
  sums: Tensor,
  dtype: Tensor['dtype'],
  factor: (at: number) => number,
  zero: (at: number) => number,
  stretch: number,
  rt: Runtime,
): Tensor {
  const range = CODE_RANGES[dtype];
  if (range === undefined || dtype === 'int32') throw new UnsupportedError(`output type ${dtype}`);
  const [lo, hi] = range;
  if (stretch >= 16) {
    const place = codesAt(rt, dtype, sums.data.length);
    const at = rt.ptr(sums);
    for (let from = 0; from < sums.data.length; from += stretch) {
      const to = place.ptr + place.bytes * from;
      rt.wasm.k.i32_to_codes(at + 4 * from, stretch, place.memory, zero(from), factor(from), lo, hi, to);
    }
    return place.done(sums.dims);
  }
  const y = rt.empty(dtype, sums.dims);
  const out = elements(y);
  const a = elements(sums);
  for (let from = 0; from < out.length; from += stretch) {
    const f = factor(from);
    const z = zero(from);
    for (let i = from; i < from + stretch; i++) {
      const v = Math.fround(Math.fround(a[i]!) * f) + TO_INTEGER - TO_INTEGER + z;
      out[i] = v < lo ? lo : v > hi ? hi : v;
    }
  }
  return y;
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
    const z = Number(yZero.data[0]);
    const sums = integerConvolution(
      attributes,
      x,
      need(inputs, 2, 'x_zero_point'),
      w,
      need(inputs, 5, 'w_zero_point'),
      inputs[8],
      rt,
    );
    const factors = Float32Array.from(ws.data as Float32Array, (s) => Math.fround(xs * s) / ys);
    const places = sums.data.length / Math.max(1, sums.dims[0]! * m);
    const factor = (at: number) => factors[factors.length === 1 ? 0 : (at / places) % m]!;
    return [requantize(sums, yZero.dtype, factor, () => z, Math.max(places, 1), rt)];
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
  const sums = integerMatMul(
    need(inputs, 0, 'a'),
    need(inputs, 2, 'a_zero_point'),
    need(inputs, 3, 'b'),
    need(inputs, 5, 'b_zero_point'),
    rt,
  );
  const scales = (
    [
      [1, 'a_scale'],
      [4, 'b_scale'],
      [6, 'y_scale'],
    ] as const
  ).map(([i, what]) => scalesOf(need(inputs, i, what), what, rt)) as [Tensor, Tensor, Tensor];
  const zero = need(inputs, 7, 'y_zero_point');
  const factorOf = (a: number, b: number, y: number) => Math.fround(Math.fround(a * b) / y);
  if ([...scales, zero].every((t) => t.data.length === 1)) {
    const f = factorOf(...(scales.map((t) => Number(t.data[0])) as [number, number, number]));
    const z = Number(zero.data[0]);
    return [
      requantize(
        sums,
        zero.dtype,
        () => f,
        () => z,
        Math.max(sums.data.length, 1),
        rt,
      ),
    ];
  }
  const [sa, sb, sy] = scales;
  const tensors = [
    spread(sa, 'rows', sums.dims, 'a_scale', rt),
    spread(sb, 'columns', sums.dims, 'b_scale', rt),
    spread(sy, 'rows', sums.dims, 'y_scale', rt),
    spread(zero, 'rows', sums.dims, 'y_zero_point', rt),
  ] as const;
  // Views after the last allocation.
  const [a, b, y, z] = tensors.map(elements) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const factor = (i: number) => factorOf(a[i]!, b[i]!, y[i]!);
  return [requantize(sums, zero.dtype, factor, (i) => z[i]!, 1, rt)];
});
