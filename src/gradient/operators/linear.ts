import { flag, float } from '../../ops/attributes.ts';
import { OPSETS } from '../../ops/registry.ts';
import type { Runtime } from '../../ops/op.ts';
import { broadcastDims, broadcastStrides, collapse, product, walk } from '../../ops/shape.ts';
import type { Tensor } from '../../tensor.ts';
import { type Gradient, specOf, zeros } from '../gradient.ts';
import { sumTo } from '../sum.ts';

/** Matrix products. */

/** C = alpha op(A) op(B) + C at those addresses; op(A) is [m, k], op(B) [k, n], all packed. */
type Product = (
  ta: number,
  tb: number,
  m: number,
  n: number,
  k: number,
  alpha: number,
  a: number,
  b: number,
  c: number,
) => void;

/** Products that add into C, with one scratch for all. */
export function adder(rt: Runtime): Product {
  const scratch = rt.scratch(rt.wasm.k.gemm_scratch());
  return (ta, tb, m, n, k, alpha, a, b, c) => {
    if (m > 0 && n > 0 && k > 0) rt.wasm.k.gemm(ta, tb, m, n, k, alpha, a, ta ? m : k, b, tb ? k : n, 1, c, n, scratch);
  };
}

export const Gemm: Gradient = (call, wants, rt) => {
  const spec = specOf(call.node, OPSETS.newest);
  const alpha = float(spec, 'alpha', 1);
  const beta = float(spec, 'beta', 1);
  const ta = flag(spec, 'transA');
  const tb = flag(spec, 'transB');
  const [a, b, c] = call.inputs as [Tensor, Tensor, Tensor | undefined];
  const dy = call.dy[0]!;
  const [m, n] = dy.dims as [number, number];
  const k = a.dims[ta ? 0 : 1]!;
  const add = adder(rt);
  const of = (dims: readonly number[], body: (out: number) => void) => {
    const t = zeros(dims, rt);
    body(rt.ptr(t));
    return t;
  };
  const [pa, pb, py] = [rt.ptr(a), rt.ptr(b), rt.ptr(dy)];
  const da = (out: number) =>
    ta ? add(tb ? 1 : 0, 1, k, m, n, alpha, pb, py, out) : add(0, tb ? 0 : 1, m, k, n, alpha, py, pb, out);
  const db = (out: number) =>
    tb ? add(1, ta ? 1 : 0, n, k, m, alpha, py, pa, out) : add(ta ? 0 : 1, 0, k, n, m, alpha, pa, py, out);
  return [
    wants[0] ? of(a.dims, da) : undefined,
    wants[1] ? of(b.dims, db) : undefined,
    wants[2] && c !== undefined && beta !== 0 ? scaled(sumTo(dy, c.dims, rt), beta, rt) : undefined,
  ];
};

/** s t, in a new tensor unless s is 1. */
export function scaled(t: Tensor, s: number, rt: Runtime): Tensor {
  if (s === 1) return t;
  const y = rt.empty('float', t.dims);
  rt.wasm.k.mul_scalar(rt.ptr(t), s, rt.ptr(y), t.data.length);
  return y;
}

export const MatMul: Gradient = (call, wants, rt) => {
  const [a, b] = call.inputs as [Tensor, Tensor];
  const dy = call.dy[0]!;
  const dimsA = a.dims.length === 1 ? [1, a.dims[0]!] : a.dims;
  const dimsB = b.dims.length === 1 ? [b.dims[0]!, 1] : b.dims;
  const [m, k] = dimsA.slice(-2) as [number, number];
  const n = dimsB.at(-1)!;
  const batchA = dimsA.slice(0, -2);
  const batchB = dimsB.slice(0, -2);
  const batch = broadcastDims(batchA, batchB);
  const da = wants[0] ? zeros(a.dims, rt) : undefined;
  const db = wants[1] ? zeros(b.dims, rt) : undefined;
  const [pa, pb, py] = [rt.ptr(a), rt.ptr(b), rt.ptr(dy)];
  const [qa, qb] = [da && rt.ptr(da), db && rt.ptr(db)];
  const add = adder(rt);
  if (product(batchB) === 1 && product(batchA) === product(batch)) {
    const rows = product(batch) * m;
    if (qa !== undefined) add(0, 1, rows, k, n, 1, py, pb, qa);
    if (qb !== undefined) add(1, 0, k, n, rows, 1, pa, py, qb);
  } else {
    const space = collapse(batch, [broadcastStrides(batchA, batch), broadcastStrides(batchB, batch)]);
    walk(space, space.dims.length, ([i, j], at) => {
      const g = py + 4 * at * m * n;
      if (qa !== undefined) add(0, 1, m, k, n, 1, g, pb + 4 * j! * k * n, qa + 4 * i! * m * k);
      if (qb !== undefined) add(1, 0, k, n, m, 1, pa + 4 * i! * m * k, g, qb + 4 * j! * k * n);
    });
  }
  return [da, db];
};
