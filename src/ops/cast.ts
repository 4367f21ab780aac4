import { ModelError, UnsupportedError } from '../errors.ts';
import { type DType, dtypeOf, type Tensor } from '../tensor.ts';
import { int, since } from './attributes.ts';
import { isHalf, narrow, widen } from './half.ts';
import type { Op, Runtime } from './op.ts';
import { elements, isBig, isFloating, need, product } from './shape.ts';

/**
 * Conversions between element types, as onnxruntime makes them: toward float by rounding, from float by truncation;
 * integers wrap. Outside the target's range ONNX leaves the result open; here it is what x86-64 conversions give.
 */

const TWO31 = 2 ** 31;
const TWO63 = 2 ** 63;

/** A real number to a 32-bit integer as `cvttss2si` does it: truncated, INT32_MIN when it does not fit. */
function toInt32(v: number): number {
  const t = Math.trunc(v);
  return t >= -TWO31 && t < TWO31 ? t : -TWO31;
}

/** The same in 64 bits. */
function toInt64(v: number): bigint {
  const t = Math.trunc(v);
  return t >= -TWO63 && t < TWO63 ? BigInt(t) : -(1n << 63n);
}

function fromReal(dtype: DType): (v: number) => number | bigint {
  switch (dtype) {
    case 'int64':
      return toInt64;
    case 'uint64':
      return (v) => (v >= TWO63 && v < 2 * TWO63 ? BigInt(Math.trunc(v)) : BigInt.asUintN(64, toInt64(v)));
    case 'uint32':
      return (v) => Number(BigInt.asUintN(32, toInt64(v)));
    case 'bool':
      return (v) => (v !== 0 ? 1 : 0);
    case 'int4':
      return (v) => nibble(toInt32(v), 4, true);
    case 'uint4':
      return (v) => nibble(toInt32(v), 4, false);
    case 'int2':
      return (v) => nibble(toInt32(v), 2, true);
    case 'uint2':
      return (v) => nibble(toInt32(v), 2, false);
    default:
      return toInt32;
  }
}

/** The low `bits` of an integer. */
export function nibble(v: number, bits: number, signed: boolean): number {
  const u = v & ((1 << bits) - 1);
  return signed && u >> (bits - 1) ? u - (1 << bits) : u;
}

function fromInteger(dtype: DType): (v: number | bigint) => number | bigint {
  switch (dtype) {
    case 'int64':
    case 'uint64':
      return BigInt;
    case 'bool':
      return (v) => (v ? 1 : 0);
    case 'int4':
    case 'uint4':
      return (v) => nibble(Number(BigInt.asIntN(32, BigInt(v))), 4, dtype === 'int4');
    case 'int2':
    case 'uint2':
      return (v) => nibble(Number(BigInt.asIntN(32, BigInt(v))), 2, dtype === 'int2');
    case 'float':
    case 'double':
      return Number;
    default:
      return (v) => (typeof v === 'bigint' ? Number(BigInt.asIntN(32, v)) : v);
  }
}

/** Elements that are not worth a way through wasm memory. */
const FEW = 64;

/** Sums of integer products: a pass over wasm memory. */
function sumsToFloat(x: Tensor, rt: Runtime): Tensor {
  const y = rt.empty('float', x.dims);
  rt.wasm.k.i32_to_f32(rt.ptr(x), product(x.dims), rt.ptr(y));
  return y;
}

/** The tensor as `dtype`; itself when it has that type. */
export function cast(x: Tensor, dtype: DType, rt: Runtime): Tensor {
  if (x.dtype === dtype) return x;
  if (isHalf(x.dtype)) return cast(widen(x, rt), dtype, rt);
  if (isHalf(dtype)) return narrow(cast(x, 'float', rt), rt, dtype);
  if (x.dtype === 'int32' && dtype === 'float' && product(x.dims) > FEW) return sumsToFloat(x, rt);
  const y = rt.empty(dtype, x.dims);
  const a = elements(x);
  const out = elements(y);
  if (isFloating(dtype) && !isBig(x.dtype)) {
    out.set(a);
    return y;
  }
  const f = (isFloating(x.dtype) ? fromReal(dtype) : fromInteger(dtype)) as (v: number) => number;
  for (let i = 0; i < out.length; i++) out[i] = f(a[i]!);
  return y;
}

/** The element type that attribute names. @throws UnsupportedError for one Kappa has not */
export function typeAttribute(n: number, what: string): DType {
  const dtype = dtypeOf(n);
  if (dtype === undefined) throw new UnsupportedError(`attribute "${what}": element type ${n}`);
  return dtype;
}

export const Cast: Op = since(6, (node) => {
  const to = typeAttribute(int(node, 'to'), 'to');
  return (inputs, rt) => [cast(need(inputs, 0, 'input'), to, rt)];
});

/** Cast to the type of the second input. */
export const CastLike: Op = since(15, () => (inputs, rt) => [
  cast(need(inputs, 0, 'input'), need(inputs, 1, 'target_type').dtype, rt),
]);

/** A number as an element of `dtype`. @throws ModelError where it is no integer and `dtype` is one */
export function element(v: number, dtype: DType): number | bigint {
  if (!isBig(dtype)) return v;
  if (!Number.isInteger(v)) throw new ModelError(`expected an integer, found ${v}`);
  return BigInt(v);
}
