import type { DType, Tensor } from '../tensor.ts';
import { CODE_RANGES } from './linear.ts';
import { elements, product } from './shape.ts';

/** Codes with what they mean, as operators on codes take them (`coded.ts`). */

/** What DequantizeLinear reads. */
export interface Coded {
  readonly codes: Tensor;
  readonly scale: Tensor;
  readonly zero: Tensor | undefined;
  readonly axis: number;
}

/** What QuantizeLinear reads beside its input: one of each. The type is uint8 where there is no zero point. */
export interface Target {
  readonly scale: Tensor;
  readonly zero: Tensor | undefined;
}

/** Bounds in float before rounding. */
export interface Clamp {
  readonly low: number;
  readonly high: number;
}

/** An addend a channel: floats, or codes. */
export type Addend = Tensor | Coded | undefined;

/** Codes of at most 8 bits as bytes, with one scale and zero point, or one a row. */
export interface Operand {
  readonly codes: Tensor;
  readonly scales: Float32Array;
  readonly zero: Tensor | undefined;
}

const BYTES: Partial<Record<DType, 'int8' | 'uint8'>> = {
  int8: 'int8',
  int4: 'int8',
  int2: 'int8',
  uint8: 'uint8',
  uint4: 'uint8',
  uint2: 'uint8',
};

/** Bound on sums: beyond it int32 wraps. */
export const MOST = 2 ** 31 - 1;
/** Largest product of two codes less their zero points. */
export const LARGEST = 255 * 255;
/** An addend that is not whole in units of the sums is rounded to them: these may be at most so much of a code. */
const FINE = 1 / 16;
const WHOLE = 1e-3;

function positive(scales: Float32Array): boolean {
  return scales.every((s) => s > 0 && s < Infinity);
}

export function bytes(t: Tensor, dtype: 'int8' | 'uint8'): Tensor {
  return t.dtype === dtype ? t : { dtype, dims: t.dims, data: t.data };
}

/** @param rows axis along which scales may differ; -1 for none */
export function operand({ codes, scale, zero, axis }: Coded, rows: number): Operand | undefined {
  const dtype = BYTES[codes.dtype];
  if (dtype === undefined || scale.dtype !== 'float' || scale.dims.length > 1) return undefined;
  const scales = elements(scale).slice();
  const at = axis < 0 ? axis + codes.dims.length : axis;
  if (scales.length !== 1 && (at !== rows || scales.length !== codes.dims[rows])) return undefined;
  if (!positive(scales)) return undefined;
  if (zero === undefined) return { codes: bytes(codes, dtype), scales, zero };
  if (zero.dtype !== codes.dtype || product(zero.dims) !== scales.length) return undefined;
  return { codes: bytes(codes, dtype), scales, zero: bytes(zero, dtype) };
}

/** How sums become codes. */
export interface Coding {
  readonly type: 0 | 1;
  readonly dtype: 'int8' | 'uint8';
  readonly scale: number;
  readonly zero: number;
  readonly lo: number;
  readonly hi: number;
}

function roundEven(v: number): number {
  const low = Math.floor(v);
  return v - low === 0.5 ? low + (low % 2 === 0 ? 0 : 1) : Math.round(v);
}

export function codingOf({ scale, zero }: Target, { low, high }: Clamp): Coding | undefined {
  const dtype = zero?.dtype ?? 'uint8';
  if (dtype !== 'int8' && dtype !== 'uint8') return undefined;
  if (scale.dtype !== 'float' || product(scale.dims) !== 1 || (zero && product(zero.dims) !== 1)) return undefined;
  const s = elements(scale)[0]!;
  if (!(s > 0 && s < Infinity) || Number.isNaN(low) || Number.isNaN(high)) return undefined;
  const z = zero === undefined ? 0 : Number(zero.data[0]);
  const [least, most] = CODE_RANGES[dtype]!;
  const code = (v: number) => Math.min(Math.max(roundEven(Math.fround(v / s)) + z, least), most);
  return { type: dtype === 'uint8' ? 0 : 1, dtype, scale: s, zero: z, lo: code(low), hi: code(high) };
}

/** The values of an addend [n] or [1, n]; null where it is another. */
export function valuesOf(addend: Addend, n: number): Float64Array | undefined | null {
  if (addend === undefined) return undefined;
  const t = 'codes' in addend ? addend.codes : addend;
  if (product(t.dims) !== n || (t.dims.length > 0 && t.dims[t.dims.length - 1] !== n)) return null;
  if (!('codes' in addend)) return t.dtype === 'float' ? Float64Array.from(elements(t)) : null;
  const { scale, zero } = addend;
  if (t.dtype !== 'int32' || t.dims.length > 1 || scale.dtype !== 'float' || scale.dims.length > 1) return null;
  const scales = elements(scale);
  if ((scales.length !== 1 && scales.length !== n) || (zero && elements(zero).some((z) => z !== 0))) return null;
  const codes = t.data as Int32Array;
  return Float64Array.from(codes, (c, i) => c * scales[scales.length === 1 ? 0 : i]!);
}

interface Requantizing {
  readonly factors: Float32Array;
  readonly bias: Tensor | undefined;
}

/**
 * Factors and addends of the sums of `depth` products, one a channel.
 * @returns undefined where sums may wrap, or addends are too coarse in their units
 */
export function requantizing(
  x: Operand,
  w: Operand,
  y: Coding,
  n: number,
  depth: number,
  addend: Addend,
): Requantizing | undefined {
  const values = valuesOf(addend, n);
  if (values === null) return undefined;
  const unit = (i: number) => Math.fround(x.scales[0]! * w.scales[w.scales.length === 1 ? 0 : i]!);
  const factors = Float32Array.from({ length: n }, (_, i) => unit(i) / y.scale);
  if (!factors.every((f) => f < Infinity)) return undefined;
  const room = MOST - LARGEST * depth;
  if (room < 0) return undefined;
  if (values === undefined) return { factors, bias: undefined };
  const sums = values.map((v, i) => roundEven(v / unit(i)));
  const whole = values.every((v, i) => Math.abs(v / unit(i) - sums[i]!) < WHOLE);
  if ((!whole && factors.some((f) => f > FINE)) || !sums.every((s) => Math.abs(s) <= room)) return undefined;
  return { factors, bias: { dtype: 'int32', dims: [n], data: Int32Array.from(sums) } };
}
