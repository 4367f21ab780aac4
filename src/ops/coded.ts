import type { Tensor } from '../tensor.ts';
import type { ConvAttributes } from './convolution.ts';
import {
  type Addend,
  bytes,
  type Clamp,
  type Coded,
  type Coding,
  codingOf,
  LARGEST,
  MOST,
  type Operand,
  operand,
  requantizing,
  type Target,
  valuesOf,
} from './coded-operands.ts';
import { productsOf } from './gemm.ts';
import { bytesOf, integerProduct } from './integer.ts';
import { type IntegerConvolution, integerConvolution, runConvolution } from './integer-conv.ts';
import { CODE_MEMORY } from './linear.ts';
import type { Runtime } from './op.ts';
import { elements, product, sameDims } from './shape.ts';

export type { Addend, Clamp, Coded, Target } from './coded-operands.ts';

/**
 * Operators between DequantizeLinear and QuantizeLinear on the codes themselves, as runtimes fuse them: exact sums in int32, one
 * multiplication in float by x_scale w_scale / y_scale, ties to even, saturated (ONNX "QLinearConv", "QLinearMatMul"). Each returns
 * undefined for operands that this is not defined for, or whose sums might leave 32 bits: they are to be decoded then.
 */

/** A convolution of codes made ready: all but the codes of x. */
interface Ready {
  readonly given: readonly unknown[];
  readonly c: IntegerConvolution;
  readonly y: Coding & { readonly factors: Float32Array };
}

/** By node: what follows from constants is the same in every run. */
const READY = new WeakMap<ConvAttributes, Ready>();

/**
 * Conv, what it is clamped to, and QuantizeLinear.
 * @param attributes the same object for the same node
 * @throws as Conv does
 */
export function codedConv(
  attributes: ConvAttributes,
  x: Coded,
  w: Coded,
  addend: Addend,
  clamp: Clamp,
  target: Target,
  rt: Runtime,
): Tensor | undefined {
  const tensors = [x.scale, x.zero, w.codes, w.scale, w.zero, target.scale, target.zero, ...tensorsOf(addend)];
  const given = [x.codes.dtype, clamp.low, clamp.high, ...tensors];
  const known = READY.get(attributes);
  const again =
    known?.given.every((v, i) => v === given[i]) === true && sameDims(known.c.x.dims, x.codes.dims) ? known : undefined;
  const ready = again ?? readyFor(given, attributes, x, w, addend, clamp, target);
  if (ready === undefined) return undefined;
  if (again === undefined && tensors.every((t) => t === undefined || rt.constant(t))) READY.set(attributes, ready);
  const { c, y } = ready;
  const out = rt.codes(y.dtype, c.v.dims);
  runConvolution({ ...c, x: bytes(x.codes, c.x.dtype as 'int8' | 'uint8') }, y, rt.ptr(out), rt);
  return out;
}

function readyFor(
  given: readonly unknown[],
  attributes: ConvAttributes,
  x: Coded,
  w: Coded,
  addend: Addend,
  clamp: Clamp,
  target: Target,
): Ready | undefined {
  const [a, b, y] = [operand(x, -1), operand(w, 0), codingOf(target, clamp)];
  if (a === undefined || b === undefined || y === undefined) return undefined;
  const c = integerConvolution(attributes, a.codes, a.zero, b.codes, b.zero, undefined);
  const done = requantizing(a, b, y, c.v.m, c.v.depth, addend);
  if (done === undefined) return undefined;
  // Not to hold the codes themselves.
  const shape = { dtype: a.codes.dtype, dims: [...a.codes.dims], data: NOTHING };
  return { given, c: { ...c, x: shape, bias: done.bias }, y: { ...y, factors: done.factors } };
}

const NOTHING = new Uint8Array(0);

function tensorsOf(addend: Addend): readonly (Tensor | undefined)[] {
  if (addend === undefined || !('codes' in addend)) return [addend, undefined, undefined];
  return [addend.codes, addend.scale, addend.zero];
}

/** A zero point of one element as a scalar, which broadcasts to all. */
function spreading(zero: Tensor | undefined, rt: Runtime): Tensor | undefined {
  return zero !== undefined && product(zero.dims) === 1 ? rt.view(zero, []) : zero;
}

function put(values: Float32Array | Int32Array, rt: Runtime): number {
  const ptr = rt.scratch(values.byteLength);
  rt.wasm.arena.put(ptr, values);
  return ptr;
}

/**
 * MatMul, or Gemm of A with B or, `turned`, its transpose; with an addend a column. Then, with a target, what it is clamped to and
 * QuantizeLinear; else floats. @throws as MatMul does
 */
export function codedProduct(
  a: Coded,
  b: Coded,
  turned: boolean,
  addend: Addend,
  clamp: Clamp,
  target: Target | undefined,
  rt: Runtime,
): Tensor | undefined {
  const rank = b.codes.dims.length;
  const [left, right] = [operand(a, -1), operand(b, rank !== 2 ? -1 : turned ? 0 : 1)];
  if (left === undefined || right === undefined || (turned && rank !== 2)) return undefined;
  const dims = b.codes.dims;
  const [k, n] = rank < 2 ? [dims[0] ?? 0, 1] : turned ? [dims[1]!, dims[0]!] : dims.slice(-2);
  if (LARGEST * k! > MOST) return undefined;
  const y = target && codingOf(target, clamp);
  if (target !== undefined && y === undefined) return undefined;
  const x = { dtype: left.codes.dtype, dims: left.codes.dims, ptr: rt.ptr(left.codes) };
  const [za, zb] = [spreading(left.zero, rt), spreading(right.zero, rt)];
  if (y !== undefined) {
    const done = requantizing(left, right, y, n!, k!, addend);
    if (done === undefined) return undefined;
    const { ptr, dims: shape, size, columns } = integerProduct(x, za, right.codes, zb, rt, undefined, turned);
    const out = rt.codes(y.dtype, shape);
    if (size === 0) return out;
    const [factors, bias] = [put(done.factors, rt), done.bias === undefined ? 0 : rt.ptr(done.bias)];
    const to = rt.ptr(out);
    const { type, zero, lo, hi } = y;
    rt.wasm.k.requantize(ptr, size / columns, columns, columns, 0, bias, factors, type, zero, lo, hi, to, columns);
    return out;
  }
  const values = valuesOf(addend, n!);
  if (values === null) return undefined;
  const factors = Float32Array.from({ length: n! }, (_, i) => {
    return left.scales[0]! * right.scales[right.scales.length === 1 ? 0 : i]!;
  });
  const { ptr, dims: shape, size, columns } = integerProduct(x, za, right.codes, zb, rt, undefined, turned);
  const out = rt.empty('float', shape);
  if (size === 0) return out;
  const [by, bias] = [put(factors, rt), values === undefined ? 0 : put(Float32Array.from(values), rt)];
  rt.wasm.k.scale_sums(ptr, size / columns, columns, 0, by, bias, rt.ptr(out));
  return out;
}

/** One number, or one a column of n, as n of them; undefined for another tensor. */
function columnsOf(t: Tensor, n: number): Float32Array | undefined {
  const size = product(t.dims);
  if (t.dtype !== 'float' || t.dims.length > 1 || (size !== 1 && size !== n)) return undefined;
  return size === n ? elements(t).slice() : new Float32Array(n).fill(elements(t)[0]!);
}

/**
 * MatMulInteger, Cast to float, Mul by a number or one a column, and Add of a number or one a column, bit for bit.
 * @returns undefined for other scales and addends
 * @throws as MatMulInteger does
 */
export function scaledProduct(
  [a, b, aZero, bZero]: readonly (Tensor | undefined)[],
  scale: Tensor,
  addend: Tensor | undefined,
  rt: Runtime,
): Tensor | undefined {
  if (a === undefined || b === undefined || a.dims.length < 1 || b.dims.length < 2) return undefined;
  const n = b.dims[b.dims.length - 1]!;
  const factors = columnsOf(scale, n);
  const bias = addend && columnsOf(addend, n);
  if (factors === undefined || (addend !== undefined && bias === undefined)) return undefined;
  const out = rt.empty('float', productsOf(a.dims, b.dims).dims);
  const to = rt.ptr(out);
  const { size, columns } = integerProduct(bytesOf(a, 'A', rt), aZero, b, bZero, rt, to);
  if (size > 0) rt.wasm.k.scale_sums(to, size / columns, columns, 0, put(factors, rt), bias ? put(bias, rt) : 0, to);
  return out;
}

/** Add of two of one shape, what it is clamped to, and QuantizeLinear, bit for bit. */
export function codedSum(a: Coded, b: Coded, clamp: Clamp, target: Target, rt: Runtime): Tensor | undefined {
  const [x, y, out] = [operand(a, -1), operand(b, -1), codingOf(target, clamp)];
  if (x === undefined || y === undefined || out === undefined || !sameDims(x.codes.dims, y.codes.dims))
    return undefined;
  const made = rt.codes(out.dtype, x.codes.dims);
  const given = (o: Operand) =>
    [rt.ptr(o.codes), CODE_MEMORY[o.codes.dtype]!, Number(o.zero?.data[0] ?? 0), o.scales[0]!] as const;
  const n = product(x.codes.dims);
  const { scale, type, zero, lo, hi } = out;
  rt.wasm.k.add_codes(...given(x), ...given(y), n, scale, type, zero, lo, hi, rt.ptr(made));
  return made;
}

/** Whether a value decoded so and encoded again is the codes it was. */
export function sameCoding({ codes, scale, zero }: Coded, target: Target): boolean {
  const one = (t: Tensor | undefined) => t === undefined || product(t.dims) === 1;
  if (![scale, zero, target.scale, target.zero].every(one)) return false;
  const [s, t] = [scale, target.scale].map((v) => v.dtype === 'float' && elements(v)[0]);
  const dtype = target.zero?.dtype ?? 'uint8';
  if ((codes.dtype !== 'int8' && codes.dtype !== 'uint8') || codes.dtype !== dtype || s === false || s !== t)
    return false;
  return s! > 0 && s! < Infinity && Number(zero?.data[0] ?? 0) === Number(target.zero?.data[0] ?? 0);
}
