import { ModelError, UnsupportedError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { since } from './attributes.ts';
import { productsOf } from './gemm.ts';
import type { Op, Runtime } from './op.ts';
import { broadcastStrides, collapse, elements, need, product, walk } from './shape.ts';

/** Products of 8-bit integers, exact in 32 bits. */

/** 8-bit integers in wasm memory. */
export interface Bytes {
  readonly dtype: Tensor['dtype'];
  readonly dims: readonly number[];
  readonly ptr: number;
}

/** @throws UnsupportedError for another type than int8 and uint8 */
export function bytesOf(t: Tensor, what: string, rt: Runtime): Bytes {
  checkBytes(t, what);
  return { dtype: t.dtype, dims: t.dims, ptr: rt.ptr(t) };
}

export function checkBytes(t: Pick<Tensor, 'dtype'>, what: string): void {
  if (t.dtype !== 'int8' && t.dtype !== 'uint8')
    throw new UnsupportedError(`${what}: expected type int8 or uint8, found ${t.dtype}`);
}

/** What turns codes of that type into signed ones when it is turned over, and what it takes from their zero points. */
export function flipOf(dtype: Tensor['dtype']): 0 | 128 {
  return dtype === 'uint8' ? 128 : 0;
}

/** The zero points' type and shape are the operand's, broadcast. */
function checkZero(
  zero: Tensor,
  t: Pick<Tensor, 'dtype' | 'dims'>,
  dims: readonly number[],
  axis: number,
  what: string,
): void {
  if (zero.dtype !== t.dtype)
    throw new ModelError(`zero point of ${what}: expected type ${t.dtype}, found ${zero.dtype}`);
  const own = dims.length - t.dims.length;
  const fits =
    own <= 0 &&
    dims.every((d, i) => d === 1 || d === t.dims[i - own]) &&
    (dims.length + axis < 0 || dims[dims.length + axis] === 1);
  if (!fits) throw new ModelError(`zero point of ${what} [${t.dims}]: shape [${zero.dims}] does not broadcast to it`);
}

/** Zero points of the rows of A: one for all, or one a row of every matrix. */
function rowZeros(zero: Tensor | undefined, a: Bytes, what: string, rt: Runtime): { ptr: number; each: 0 | 1 } {
  const list = (values: ArrayLike<number>) => put(values, rt);
  if (zero === undefined) return { ptr: list([0]), each: 0 };
  const dims = zero.dims.length === 1 && a.dims.length > 1 && zero.data.length !== 1 ? [zero.dims[0]!, 1] : zero.dims;
  checkZero(zero, a, dims, -1, what);
  if (zero.data.length === 1) return { ptr: list([Number(zero.data[0])]), each: 0 };
  return { ptr: list(spread(elements(zero), dims, [...a.dims.slice(0, -1), 1])), each: 1 };
}

/**
 * Zero points of the columns of B as its panels have them, a multiple of 8 a matrix; 0 where all are 0.
 * @param flip what was turned over in B
 */
function columnZeros(
  zero: Tensor | undefined,
  b: Pick<Tensor, 'dtype' | 'dims'>,
  n: number,
  flip: number,
  what: string,
  rt: Runtime,
): number {
  if (zero === undefined && flip === 0) return 0;
  const dims = b.dims.length === 1 ? [b.dims[0]!, 1] : b.dims;
  const matrices = product(dims, 0, dims.length - 2);
  const n8 = 8 * Math.ceil(n / 8);
  const out = new Int32Array(matrices * n8);
  if (zero !== undefined) checkZero(zero, b, b.dims.length === 1 && zero.data.length === 1 ? [] : zero.dims, -2, what);
  const values =
    zero === undefined
      ? undefined
      : zero.data.length === 1
        ? undefined
        : spread(elements(zero), zero.dims, [...dims.slice(0, -2), 1, n]);
  const one = zero === undefined ? 0 : Number(zero.data[0] ?? 0);
  for (let i = 0; i < matrices; i++) for (let j = 0; j < n; j++) out[i * n8 + j] = (values?.[i * n + j] ?? one) - flip;
  return out.every((z) => z === 0) ? 0 : put(out, rt);
}

function put(values: ArrayLike<number>, rt: Runtime): number {
  const data = values instanceof Int32Array ? values : Int32Array.from(values);
  const ptr = rt.scratch(data.byteLength);
  rt.wasm.arena.put(ptr, data);
  return ptr;
}

/** Elements of shape `from` repeated to `dims`. */
function spread(x: ArrayLike<number>, from: readonly number[], dims: readonly number[]): Int32Array {
  const out = new Int32Array(product(dims));
  const space = collapse(dims, [broadcastStrides(from, dims)]);
  const last = space.dims.length - 1;
  const step = space.strides[0]![last]!;
  walk(space, last, ([j], at) => {
    for (let i = at, q = j!; i < at + space.dims[last]!; i++, q += step) out[i] = x[q]!;
  });
  return out;
}

/** Panels of the matrices of B [..., k, n], or, `turned`, of the transpose of B [n, k]; made once where B is constant. */
function panelsOf(
  b: Tensor,
  k: number,
  n: number,
  flip: number,
  turned: boolean,
  rt: Runtime,
): { ptr: number; bytes: number } {
  const bytes = rt.wasm.k.panels_bytes(k, n, 8);
  const count = k * n === 0 ? 0 : product(b.dims) / (k * n);
  const make = (out: number) => {
    const from = rt.ptr(b);
    const [row, column] = turned ? [1, k] : [n, 1];
    for (let i = 0; i < count; i++)
      rt.wasm.k.pack_panels(from + i * k * n, row, column, k, n, 8, flip, out + i * bytes);
  };
  const known = rt.derived(b, `panels ${k} ${n} ${turned}`, bytes * count, make);
  if (known !== undefined) return { ptr: known, bytes };
  const ptr = rt.scratch(bytes * count);
  make(ptr);
  return { ptr, bytes };
}

/** A product of integers in wasm memory: int32 of that shape, `columns` of them a row. */
export interface Sums {
  readonly ptr: number;
  readonly dims: readonly number[];
  readonly size: number;
  readonly columns: number;
}

/**
 * numpy.matmul of int8 and uint8 tensors less their zero points: int32, exact, wrapping beyond 32 bits.
 * @param aZero absent, one element, one a row of A, or of a shape that broadcasts to A and is 1 along its last axis
 * @param bZero absent, one element, one a column of B, or of a shape that broadcasts to B and is 1 along the axis before the last
 * @param to where the result goes; scratch unless told
 * @param turned multiplies by the transpose of B, which is one matrix
 * @throws UnsupportedError for other types; ModelError for shapes that do not fit
 */
export function integerProduct(
  a: Bytes,
  aZero: Tensor | undefined,
  b: Tensor,
  bZero: Tensor | undefined,
  rt: Runtime,
  to?: number,
  turned = false,
): Sums {
  checkBytes(a, 'A');
  checkBytes(b, 'B');
  const right = turned ? [b.dims[1]!, b.dims[0]!] : b.dims;
  const p = productsOf(a.dims, right);
  const flip = flipOf(b.dtype);
  const rows = rowZeros(aZero, a, 'A', rt);
  const columns = columnZeros(bZero, { dtype: b.dtype, dims: right }, p.n, flip, 'B', rt);
  const ptr = to ?? rt.scratch(4 * p.size);
  const sums = { ptr, dims: p.dims, size: p.size, columns: p.n };
  if (p.size === 0) return sums;
  if (p.k === 0) {
    rt.wasm.arena.i32(ptr, p.size).fill(0);
    return sums;
  }
  const panels = panelsOf(b, p.k, p.n, flip, turned, rt);
  const scratch = rt.scratch(rt.wasm.k.qgemm_scratch());
  const n8 = 8 * Math.ceil(p.n / 8);
  const signed = a.dtype === 'int8' ? 1 : 0;
  p.each((i, j, at, m) => {
    const matrix = j / (p.k * p.n);
    const za = rows.each ? rows.ptr + (4 * i) / p.k : rows.ptr;
    const zb = columns && columns + 4 * n8 * matrix;
    const own = panels.ptr + panels.bytes * matrix;
    rt.wasm.k.qgemm(m, p.n, p.k, a.ptr + i, p.k, signed, za, rows.each, own, 8, zb, ptr + 4 * at, p.n, 0, scratch);
  });
  return sums;
}

/** A less a_zero_point times B less b_zero_point, in int32. */
export const MatMulInteger: Op = since(10, () => (inputs, rt) => {
  const [a, b] = [need(inputs, 0, 'A'), need(inputs, 1, 'B')];
  const left = bytesOf(a, 'A', rt);
  const y = rt.codes('int32', productsOf(a.dims, b.dims).dims);
  integerProduct(left, inputs[2], b, inputs[3], rt, rt.ptr(y));
  return [y];
});
