import type { Tensor } from '../tensor.ts';
import { binary } from './arithmetic.ts';
import { productsOf } from './gemm.ts';
import type { Runtime } from './op.ts';
import { Real } from './precision.ts';
import { broadcastStrides, collapse, product, repeats, sameDims, walk } from './shape.ts';

/**
 * Chains of float operators in one pass over memory, every element computed by the same operations in the same order as by the
 * operators one by one. Undefined where types and shapes are not what that covers.
 */

/** The value of a float tensor of one element that has no more axes than `rank`: operators broadcast it without adding any. */
function numberOf(t: Tensor | undefined, rank: number): number | undefined {
  return t?.dtype === 'float' && product(t.dims) === 1 && t.dims.length <= rank ? (t.data[0] as number) : undefined;
}

/** (x (erf(x / factor) + 1)) / 2, or with x factor, where `one` is 1 and `half` is 0.5. */
export function erfGelu(
  x: Tensor | undefined,
  factor: Tensor | undefined,
  divide: boolean,
  one: Tensor | undefined,
  half: Tensor | undefined,
  rt: Runtime,
): Tensor | undefined {
  if (x?.dtype !== 'float') return undefined;
  const rank = x.dims.length;
  const by = numberOf(factor, rank);
  if (by === undefined || numberOf(one, rank) !== 1 || numberOf(half, rank) !== 0.5) return undefined;
  const y = rt.empty('float', x.dims);
  rt.wasm.k.erf_gate(rt.ptr(x), rt.ptr(y), product(x.dims), by, divide ? 1 : 0);
  return y;
}

/** The number that scores are divided by, or multiplied with. */
export interface Scale {
  readonly factor: Tensor | undefined;
  readonly divide: boolean;
}

/** Softmax along the last axis of x scaled, plus `mask`, which is null where it should be there and is not. */
export function scoredSoftmax(
  x: Tensor | undefined,
  scale: Scale | undefined,
  mask: Tensor | null | undefined,
  rt: Runtime,
): Tensor | undefined {
  if (x?.dtype !== 'float' || x.dims.length === 0) return undefined;
  const { dims } = x;
  const rank = dims.length;
  const cols = dims[rank - 1]!;
  const factor = scale === undefined ? 1 : numberOf(scale.factor, rank);
  if (factor === undefined) return undefined;
  const op = scale === undefined ? 0 : scale.divide ? 1 : 2;
  const { k } = rt.wasm;
  if (mask === undefined) {
    const y = rt.empty('float', dims);
    if (product(dims) > 0) k.softmax_scores(rt.ptr(x), op, factor, 0, 0, rt.ptr(y), product(dims) / cols, cols);
    return y;
  }
  if (mask?.dtype !== 'float' || mask.dims.at(-1) !== cols || !repeats(mask.dims, dims)) return undefined;
  const y = rt.empty('float', dims);
  if (product(dims) === 0) return y;
  const steps = broadcastStrides(mask.dims, dims);
  const space = collapse(dims.slice(0, -1), [steps.slice(0, -1)]);
  const last = space.dims.length - 1;
  const rows = space.dims[last]!;
  const [px, pm, py] = [rt.ptr(x), rt.ptr(mask), rt.ptr(y)];
  walk(space, last, ([at], row) => {
    const o = 4 * row * cols;
    k.softmax_scores(px + o, op, factor, pm + 4 * at!, rows === 1 ? 0 : space.strides[0]![last]!, py + o, rows, cols);
  });
  return y;
}

/**
 * A B + t + ... of float tensors, the first number a column and what has the product's own shape while the product is made.
 * @throws ModelError for shapes that do not fit
 */
export function productPlus(a: Tensor, b: Tensor, addends: readonly Tensor[], rt: Runtime): Tensor {
  const p = productsOf(a.dims, b.dims);
  const real = new Real(rt, 'float');
  const y = real.empty(p.dims);
  const single = product(b.dims) === p.k * p.n && p.size > 0;
  const rest = [...addends];
  const take = (fits: (t: Tensor) => boolean): number => {
    const [t] = rest;
    if (!single || t === undefined || !fits(t)) return 0;
    rest.shift();
    return real.ptr(t);
  };
  const bias = take((t) => product(t.dims) === p.n && t.dims.at(-1) === p.n && repeats(t.dims, p.dims));
  const residual = take((t) => sameDims(t.dims, p.dims));
  const [pa, pb] = [real.ptr(a), real.right(b, 0)];
  p.each((i, j, at, m) =>
    real.multiply(0, 0, m, p.n, p.k, real.at(pa, i), real.at(pb, j), real.at(y.ptr, at), {
      constant: b,
      bias,
      residual,
    }),
  );
  return addTo(y.done(), rest, rt);
}

/** y + t + ..., y float, fresh and overwritten where it can be. */
function addTo(y: Tensor, addends: readonly Tensor[], rt: Runtime): Tensor {
  const { k } = rt.wasm;
  return addends.reduce((sum, t) => {
    const n = product(sum.dims);
    const cols = product(t.dims);
    if (!repeats(t.dims, sum.dims) || n === 0) return binary('add', sum, t, rt);
    const at = rt.ptr(sum);
    if (cols === n) k.add(at, rt.ptr(t), at, n);
    else if (cols === sum.dims.at(-1) && t.dims.at(-1) === cols) k.add_row(at, rt.ptr(t), at, n / cols, cols);
    else return binary('add', sum, t, rt);
    return sum;
  }, y);
}
