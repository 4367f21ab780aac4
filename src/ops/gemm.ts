import { ModelError, UnsupportedError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { flag, float, since } from './attributes.ts';
import { broadcastDims, broadcastStrides, collapse, need, product, sameType, walk } from './shape.ts';
import { expandTo } from './broadcast.ts';
import { withHalf } from './half.ts';
import type { Op, Runtime } from './op.ts';
import { type ProductOptions, Real } from './precision.ts';
import { isWide, wideProduct } from './wide.ts';

/** Y = alpha op(A) op(B) + beta C; C broadcasts to [M, N] from the right only. */
export const Gemm: Op = withHalf(
  since(7, (node) => {
    const alpha = float(node, 'alpha', 1);
    const beta = float(node, 'beta', 1);
    const ta = flag(node, 'transA') ? 1 : 0;
    const tb = flag(node, 'transB') ? 1 : 0;
    return (inputs, rt) => {
      const a = need(inputs, 0, 'A');
      const b = need(inputs, 1, 'B');
      const c = beta === 0 ? undefined : inputs[2];
      sameType(a, b);
      if (c !== undefined) sameType(a, c);
      if (a.dims.length !== 2 || b.dims.length !== 2)
        throw new ModelError(`A and B: expected rank 2, found [${a.dims}] and [${b.dims}]`);
      const [m, k] = (ta ? [a.dims[1], a.dims[0]] : a.dims) as [number, number];
      const [n, kb] = (tb ? b.dims : [b.dims[1], b.dims[0]]) as [number, number];
      if (k !== kb)
        throw new ModelError(
          `A [${a.dims}]${ta ? ' transposed' : ''} times B [${b.dims}]${tb ? ' transposed' : ''}: inner sizes ${k} and ${kb} differ`,
        );
      if (c !== undefined) {
        const out = broadcastDims([m, n], c.dims);
        if (out.length !== 2 || out[0] !== m || out[1] !== n)
          throw new ModelError(`C: expected a shape that broadcasts to [${m},${n}], found [${c.dims}]`);
      }
      if (isWide(a)) {
        if (!Number.isInteger(alpha) || !Number.isInteger(beta))
          throw new UnsupportedError(`alpha ${alpha}, beta ${beta}: expected integers for type ${a.dtype}`);
        const y = rt.empty(a.dtype, [m, n]);
        wideProduct(y, 0, { a, at: 0, trans: ta === 1 }, { a: b, at: 0, trans: tb === 1 }, m, n, k);
        return [combine(y, alpha, c === undefined ? undefined : expandTo(c, [m, n], rt), beta)];
      }
      if (a.dtype !== 'float' && a.dtype !== 'double') throw new UnsupportedError(`A: type ${a.dtype}`);
      const real = new Real(rt, a.dtype);
      const y = real.empty([m, n]);
      const added = c === undefined ? {} : addend(real, c, beta, m, n);
      real.multiply(ta, tb, m, n, k, real.ptr(a), real.right(b, tb), y.ptr, { alpha, constant: b, ...added });
      return [y.done()];
    };
  }),
);

/** beta C as the product adds it: a number a column, a number a row, or everywhere. */
function addend(real: Real, c: Tensor, beta: number, m: number, n: number): ProductOptions {
  const size = c.data.length;
  let at = real.ptr(c);
  if (size === 0) return {};
  if (beta !== 1) {
    const scaled = real.scratch(size);
    real.k.mul_scalar(at, beta, scaled, size);
    at = scaled;
  }
  if (size === n && c.dims[c.dims.length - 1] === n) return { bias: at };
  if (size === m && c.dims[0] === m) return { bias: at, biasOf: 'row' };
  if (size === m * n) return { residual: at };
  const repeated = real.scratch(n);
  real.view(repeated, n).fill(real.view(at, 1)[0]!);
  return { bias: repeated };
}

/** alpha y + beta c, modulo the range of the type, over y. */
function combine(y: Tensor, alpha: number, c: Tensor | undefined, beta: number): Tensor {
  const out = y.data;
  if (out instanceof BigInt64Array || out instanceof BigUint64Array) {
    const other = c?.data as BigInt64Array | undefined;
    for (let i = 0; i < out.length; i++)
      out[i] = BigInt(alpha) * out[i]! + (other === undefined ? 0n : BigInt(beta) * other[i]!);
    return y;
  }
  for (let i = 0; i < out.length; i++)
    out[i] = Math.imul(alpha, out[i]!) + (c === undefined ? 0 : Math.imul(beta, Number(c.data[i])));
  return y;
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
  rt.wasm.k.gemm(ta, tb, m, n, k, alpha, a, ta ? m : k, b, tb ? k : n, 0, y, n, scratch);
}

/** Scratch for any number of products. */
export function scratchOf(rt: Runtime): number {
  return rt.scratch(rt.wasm.k.gemm_scratch());
}

/** The shape of numpy.matmul: leading axes broadcast; a rank 1 operand is a row on the left, a column on the right. */
export interface Products {
  readonly m: number;
  readonly k: number;
  readonly n: number;
  /** Shape of the result as ranks 1 leave it. */
  readonly dims: readonly number[];
  /** Elements of the result. */
  readonly size: number;
  /** Products of one shape, their operands that many elements apart; undefined where they are not evenly apart. */
  readonly even: { readonly count: number; readonly stepA: number; readonly stepB: number } | undefined;
  /** Calls body for each matrix product with the element offsets of A, B and Y; `m` rows of A at once where B is one matrix. */
  each(body: (a: number, b: number, y: number, m: number) => void): void;
}

/** @throws ModelError for scalars and for shapes that do not fit */
export function productsOf(a: readonly number[], b: readonly number[]): Products {
  if (a.length === 0 || b.length === 0) throw new ModelError(`expected operands of rank >= 1, found [${a}] and [${b}]`);
  const da = a.length === 1 ? [1, a[0]!] : a;
  const db = b.length === 1 ? [b[0]!, 1] : b;
  const [m, k] = da.slice(-2) as [number, number];
  const [kb, n] = db.slice(-2) as [number, number];
  if (k !== kb) throw new ModelError(`[${a}] times [${b}]: inner sizes ${k} and ${kb} differ`);
  const batchA = da.slice(0, -2);
  const batchB = db.slice(0, -2);
  const batch = broadcastDims(batchA, batchB);
  const dims = [...batch];
  if (a.length > 1) dims.push(m);
  if (b.length > 1) dims.push(n);
  const each: Products['each'] = (body) => {
    if (product(batch) * m * n === 0) return;
    if (product(batchB) === 1) return body(0, 0, 0, product(batch) * m);
    const space = collapse(batch, [broadcastStrides(batchA, batch), broadcastStrides(batchB, batch)]);
    walk(space, space.dims.length, ([i, j], at) => body(i! * m * k, j! * k * n, at * m * n, m));
  };
  const count = product(batch);
  const one = product(batchB) === 1;
  const step = (own: readonly number[], size: number) =>
    product(own) === count ? size : product(own) === 1 ? 0 : undefined;
  const [stepA, stepB] = [step(batchA, m * k), step(batchB, k * n)];
  const even = one || stepA === undefined || stepB === undefined ? undefined : { count, stepA, stepB };
  return { m, k, n, dims, size: count * m * n, even, each };
}

/** numpy.matmul of float, double and 32- and 64-bit integers, which wrap. */
export const MatMul: Op = withHalf(
  since(1, () => (inputs, rt) => {
    const a = need(inputs, 0, 'A');
    const b = need(inputs, 1, 'B');
    sameType(a, b);
    const p = productsOf(a.dims, b.dims);
    if (isWide(a)) {
      const y = rt.empty(a.dtype, p.dims);
      p.each((i, j, at, m) =>
        wideProduct(y, at, { a, at: i, trans: false }, { a: b, at: j, trans: false }, m, p.n, p.k),
      );
      return [y];
    }
    if (a.dtype !== 'float' && a.dtype !== 'double') throw new UnsupportedError(`A: type ${a.dtype}`);
    const real = new Real(rt, a.dtype);
    const y = real.empty(p.dims);
    multiplyAll(real, p, 0, a, b, y.ptr);
    return [y.done()];
  }),
);

/** Multiplications from which on a product is work enough for several threads. */
const LARGE = 2 ** 21;

/** The products of A with B, or with its matrices transposed, times alpha, at y. */
export function multiplyAll(real: Real, p: Products, tb: number, a: Tensor, b: Tensor, y: number, alpha = 1): void {
  const [pa, pb] = [real.ptr(a), real.right(b, tb)];
  const { even, m, n, k } = p;
  // Large products are cut among threads one by one.
  if (even !== undefined && real.dtype === 'float' && pb !== 0 && m * n * k < LARGE)
    real.multiplyBatch(even.count, tb, m, n, k, pa, even.stepA, pb, even.stepB, y, alpha);
  else
    p.each((i, j, at, rows) =>
      real.multiply(0, tb, rows, n, k, real.at(pa, i), real.at(pb, j), real.at(y, at), { alpha, constant: b }),
    );
}
