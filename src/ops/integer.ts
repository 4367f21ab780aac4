import { ModelError, UnsupportedError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { since } from './attributes.ts';
import { productsOf, scratchOf } from './gemm.ts';
import { CODE_MEMORY } from './linear.ts';
import type { Op, Runtime } from './op.ts';
import { broadcastStrides, collapse, elements, need, walk } from './shape.ts';

/** Products of 8-bit integers, exact in 32 bits: floats carry them through the matrix kernel in stretches that cannot round. */

/** Every sum of integers up to this is exact in float. */
const EXACT = 2 ** 24;

/** Integers less their zero point, as floats in wasm memory, valid until the node is done. */
export interface Centred {
  readonly ptr: number;
  /** No value is larger in magnitude. */
  readonly bound: number;
}

/**
 * The values of an int8 or uint8 tensor less its zero point. `zero` is of the same type and broadcasts to the tensor; one of
 * rank 1 is per row with side 'rows' (of the last two axes), per column with 'columns'.
 * @throws UnsupportedError for another type, ModelError for a zero point that does not fit
 */
export function centred(
  t: Tensor,
  zero: Tensor | undefined,
  side: 'rows' | 'columns',
  what: string,
  rt: Runtime,
): Centred {
  if (t.dtype !== 'int8' && t.dtype !== 'uint8')
    throw new UnsupportedError(`${what}: expected type int8 or uint8, found ${t.dtype}`);
  if (zero !== undefined && zero.dtype !== t.dtype)
    throw new ModelError(`zero point of ${what}: expected type ${t.dtype}, found ${zero.dtype}`);
  const n = t.data.length;
  const ptr = rt.scratch(4 * n);
  if (zero === undefined || zero.data.length === 1) {
    const z = Number(zero?.data[0] ?? 0);
    rt.wasm.k.codes_to_f32(rt.ptr(t), n, CODE_MEMORY[t.dtype]!, z, 1, ptr);
    return { ptr, bound: t.dtype === 'int8' ? 128 + Math.abs(z) : Math.max(z, 255 - z) };
  }
  const dims = zero.dims.length === 1 && side === 'rows' && t.dims.length > 1 ? [zero.dims[0]!, 1] : zero.dims;
  const fits =
    dims.length <= t.dims.length && dims.every((d, i) => d === 1 || d === t.dims[t.dims.length - dims.length + i]);
  if (!fits) throw new ModelError(`zero point of ${what} [${t.dims}]: shape [${zero.dims}] does not broadcast to it`);
  const out = rt.wasm.arena.f32(ptr, n);
  const x = elements(t);
  const z = elements(zero);
  const space = collapse(t.dims, [broadcastStrides(dims, t.dims)]);
  const last = space.dims.length - 1;
  const step = space.strides[0]![last]!;
  walk(space, last, ([j], at) => {
    for (let i = at, q = j!; i < at + space.dims[last]!; i++, q += step) out[i] = x[i]! - z[q]!;
  });
  return { ptr, bound: 255 };
}

/**
 * C [m, n] of int32 = A [m, k] B [k, n] of integers held as floats, rows of C `ldc` elements apart; wraps beyond 32 bits.
 * @param bound no product of an element of A and one of B is larger in magnitude; at most 2^24
 * @param scratch `scratchOf(rt)`
 */
export function exactProduct(
  rt: Runtime,
  scratch: number,
  m: number,
  n: number,
  k: number,
  a: number,
  b: number,
  bound: number,
  c: number,
  ldc = n,
): void {
  if (m === 0 || n === 0) return;
  const stretch = Math.min(k, Math.floor(EXACT / Math.max(bound, 1)));
  const part = rt.scratch(4 * m * n);
  const sums = rt.wasm.arena.f32(part, m * n);
  const out = rt.wasm.arena.i32(c, (m - 1) * ldc + n);
  let from = 0;
  do {
    const depth = Math.min(stretch, k - from);
    rt.wasm.k.gemm(0, 0, m, n, depth, 1, a + 4 * from, k, b + 4 * from * n, n, 0, part, n, scratch);
    for (let i = 0; i < m; i++) {
      const row = sums.subarray(i * n, (i + 1) * n);
      if (from === 0) out.set(row, i * ldc);
      else for (let j = 0, q = i * ldc; j < n; j++, q++) out[q] = out[q]! + row[j]!;
    }
    from += stretch;
  } while (from < k);
}

/**
 * numpy.matmul of int8 and uint8 tensors less their zero points: int32, exact, wrapping beyond 32 bits.
 * @param aZero absent, one element, one a row of A, or of a shape that broadcasts to A
 * @param bZero absent, one element, one a column of B, or of a shape that broadcasts to B
 * @throws UnsupportedError for other types; ModelError for shapes that do not fit
 */
export function integerMatMul(
  a: Tensor,
  aZero: Tensor | undefined,
  b: Tensor,
  bZero: Tensor | undefined,
  rt: Runtime,
): Tensor {
  const p = productsOf(a.dims, b.dims);
  const x = centred(a, aZero, 'rows', 'A', rt);
  const z = centred(b, bZero, 'columns', 'B', rt);
  const y = rt.empty('int32', p.dims);
  const to = rt.scratch(4 * p.size);
  const scratch = scratchOf(rt);
  p.each((i, j, at, m) =>
    exactProduct(rt, scratch, m, p.n, p.k, x.ptr + 4 * i, z.ptr + 4 * j, x.bound * z.bound, to + 4 * at),
  );
  (y.data as Int32Array).set(rt.wasm.arena.i32(to, p.size));
  return y;
}

/** A less a_zero_point times B less b_zero_point, in int32. */
export const MatMulInteger: Op = since(10, () => (inputs, rt) => [
  integerMatMul(need(inputs, 0, 'A'), inputs[2], need(inputs, 1, 'B'), inputs[3], rt),
]);
