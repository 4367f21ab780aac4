import { ModelError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { binary } from './arithmetic.ts';
import { flag, float, since } from './attributes.ts';
import { broadcastDims, broadcastStrides, collapse, needFloat, product, walk } from './shape.ts';
import { withHalf } from './half.ts';
import type { Op, Runtime } from './op.ts';

/** Y = alpha op(A) op(B) + beta C; C broadcasts to [M, N] from the right only. */
export const Gemm: Op = withHalf(
  since(7, (node) => {
    const alpha = float(node, 'alpha', 1);
    const beta = float(node, 'beta', 1);
    const ta = flag(node, 'transA') ? 1 : 0;
    const tb = flag(node, 'transB') ? 1 : 0;
    return (inputs, rt) => {
      const a = needFloat(inputs, 0, 'A');
      const b = needFloat(inputs, 1, 'B');
      if (a.dims.length !== 2 || b.dims.length !== 2)
        throw new ModelError(`A and B: expected rank 2, found [${a.dims}] and [${b.dims}]`);
      const [m, k] = (ta ? [a.dims[1], a.dims[0]] : a.dims) as [number, number];
      const [n, kb] = (tb ? b.dims : [b.dims[1], b.dims[0]]) as [number, number];
      if (k !== kb)
        throw new ModelError(
          `A [${a.dims}]${ta ? ' transposed' : ''} times B [${b.dims}]${tb ? ' transposed' : ''}: inner sizes ${k} and ${kb} differ`,
        );
      const y = rt.empty('float', [m, n]);
      multiply(rt, scratchOf(rt), ta, tb, m, n, k, alpha, rt.ptr(a), rt.ptr(b), rt.ptr(y));
      if (inputs[2] === undefined || beta === 0) return [y];
      const c = needFloat(inputs, 2, 'C');
      const out = broadcastDims([m, n], c.dims);
      if (out.length !== 2 || out[0] !== m || out[1] !== n)
        throw new ModelError(`C: expected a shape that broadcasts to [${m},${n}], found [${c.dims}]`);
      return [addInto(y, beta === 1 ? c : scaled(c, beta, rt), rt)];
    };
  }),
);

function scaled(c: Tensor, s: number, rt: Runtime): Tensor {
  const y = rt.empty('float', c.dims);
  rt.wasm.k.mul_scalar(rt.ptr(c), s, rt.ptr(y), c.data.length);
  return y;
}

/** y + c for c broadcast to y; written over y where c is a row. */
function addInto(y: Tensor, c: Tensor, rt: Runtime): Tensor {
  const [m, n] = y.dims as [number, number];
  if (c.data.length === n && c.dims[c.dims.length - 1] === n && m > 1) {
    rt.wasm.k.add_row(rt.ptr(y), rt.ptr(c), rt.ptr(y), m, n);
    return y;
  }
  return binary('add', y, c, rt);
}

/** One row-major product at those addresses; [m, n] zeros when k is 0. */
export function multiply(
  rt: Runtime,
  scratch: number,
  ta: number,
  tb: number,
  m: number,
  n: number,
  k: number,
  alpha: number,
  a: number,
  b: number,
  y: number,
): void {
  if (m === 0 || n === 0) return;
  if (k === 0) {
    rt.wasm.arena.f32(y, m * n).fill(0);
    return;
  }
  rt.wasm.k.gemm(ta, tb, m, n, k, alpha, a, ta ? m : k, b, tb ? k : n, 0, y, n, scratch);
}

/** Scratch for any number of products. */
export function scratchOf(rt: Runtime): number {
  return rt.scratch(rt.wasm.k.gemm_scratch());
}

/** numpy.matmul: leading axes broadcast; a rank 1 operand is a row on the left, a column on the right. */
export const MatMul: Op = withHalf(
  since(1, () => (inputs, rt) => {
    const a = needFloat(inputs, 0, 'A');
    const b = needFloat(inputs, 1, 'B');
    if (a.dims.length === 0 || b.dims.length === 0)
      throw new ModelError(`expected operands of rank >= 1, found [${a.dims}] and [${b.dims}]`);
    const da = a.dims.length === 1 ? [1, a.dims[0]!] : a.dims;
    const db = b.dims.length === 1 ? [b.dims[0]!, 1] : b.dims;
    const [m, k] = da.slice(-2) as [number, number];
    const [kb, n] = db.slice(-2) as [number, number];
    if (k !== kb) throw new ModelError(`[${a.dims}] times [${b.dims}]: inner sizes ${k} and ${kb} differ`);
    const batchA = da.slice(0, -2);
    const batchB = db.slice(0, -2);
    const batch = broadcastDims(batchA, batchB);
    const y = rt.empty('float', [...batch, m, n]);
    const pa = rt.ptr(a);
    const pb = rt.ptr(b);
    const py = rt.ptr(y);
    const scratch = scratchOf(rt);
    if (product(batchB) === 1) multiply(rt, scratch, 0, 0, product(batch) * m, n, k, 1, pa, pb, py);
    else {
      const space = collapse(batch, [broadcastStrides(batchA, batch), broadcastStrides(batchB, batch)]);
      walk(space, space.dims.length, ([i, j], at) => {
        multiply(rt, scratch, 0, 0, m, n, k, 1, pa + 4 * i! * m * k, pb + 4 * j! * k * n, py + 4 * at * m * n);
      });
    }
    const out = [...batch];
    if (a.dims.length > 1) out.push(m);
    if (b.dims.length > 1) out.push(n);
    return [out.length === y.dims.length ? y : rt.view(y, out)];
  }),
);
