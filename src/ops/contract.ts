import type { Tensor } from '../tensor.ts';
import { binary } from './arithmetic.ts';
import { multiply, scratchOf } from './gemm.ts';
import { sumAndProduct, zeroOf } from './numbers.ts';
import type { Runtime } from './op.ts';
import { elements, product } from './shape.ts';
import { transpose } from './transpose.ts';

/** Products of tensors whose axes have labels, summed over labels: float by matrix products, other types in plain loops. */

/** A tensor and the labels of its axes, each once. */
export interface Term {
  readonly t: Tensor;
  readonly labels: readonly string[];
}

type Arithmetic = (a: number, b: number) => number;

/** The term with its axes in this order of its labels. */
function ordered({ t, labels }: Term, order: readonly string[], rt: Runtime): Tensor {
  return transpose(
    t,
    order.map((l) => labels.indexOf(l)),
    rt,
  );
}

function sizeOf({ t, labels }: Term, some: readonly string[]): number {
  return product(some.map((l) => t.dims[labels.indexOf(l)]!));
}

function dimsOf({ t, labels }: Term, some: readonly string[]): number[] {
  return some.map((l) => t.dims[labels.indexOf(l)]!);
}

/** The term with exactly the labels `keep`, which it has, in that order: summed over all others. */
export function summed(term: Term, keep: readonly string[], rt: Runtime): Term {
  const gone = term.labels.filter((l) => !keep.includes(l));
  const x = ordered(term, [...keep, ...gone], rt);
  if (gone.length === 0) return { t: x, labels: keep };
  return { t: sumRows(x, dimsOf(term, keep), sizeOf(term, gone), rt), labels: keep };
}

/** The sums over the last `cols` elements of x, one an element of the result. */
function sumRows(x: Tensor, dims: readonly number[], cols: number, rt: Runtime): Tensor {
  const y = rt.empty(x.dtype, dims);
  const rows = product(dims);
  if (rows === 0) return y;
  if (x.dtype === 'float') {
    rt.wasm.k.reduce_rows_sum(rt.ptr(x), rows, cols, rt.ptr(y));
    return y;
  }
  const add = sumAndProduct(x.dtype).add as unknown as Arithmetic;
  const a = elements(x);
  const out = elements(y);
  out.fill(zeroOf(x.dtype) as number);
  for (let r = 0, q = 0; r < rows; r++) for (let i = 0; i < cols; i++, q++) out[r] = add(out[r]!, a[q]!);
  return y;
}

const equal = (a: readonly string[], b: readonly string[]) => a.length === b.length && a.every((l, i) => l === b[i]);

/** The product of two terms, summed over the labels that are not in `needed`. */
export function contract(left: Term, right: Term, needed: ReadonlySet<string>, rt: Runtime): Term {
  const wanted = (a: Term, b: Term) => a.labels.filter((l) => needed.has(l) || b.labels.includes(l));
  const alone = (a: Term, b: Term): Term => {
    const keep = wanted(a, b);
    return keep.length === a.labels.length ? a : summed(a, keep, rt);
  };
  const a = alone(left, right);
  const b = alone(right, left);
  const shared = a.labels.filter((l) => b.labels.includes(l));
  const batch = shared.filter((l) => needed.has(l));
  const inner = shared.filter((l) => !needed.has(l));
  const rows = a.labels.filter((l) => !shared.includes(l));
  const cols = b.labels.filter((l) => !shared.includes(l));
  const labels = [...batch, ...rows, ...cols];
  const dims = [...dimsOf(a, batch), ...dimsOf(a, rows), ...dimsOf(b, cols)];
  const k = sizeOf(a, inner);
  const m = sizeOf(a, rows);
  const n = sizeOf(b, cols);
  const count = sizeOf(a, batch);
  if (inner.length === 0 || (m === 1 && n === 1)) {
    // Element by element, the axes that one of the two lacks repeated.
    const x = ordered(a, [...batch, ...rows, ...inner], rt);
    const z = ordered(b, [...batch, ...cols, ...inner], rt);
    const p = binary('mul', rt.view(x, [count, m, 1, k]), rt.view(z, [count, 1, n, k]), rt);
    return { t: inner.length === 0 ? rt.view(p, dims) : sumRows(p, dims, k, rt), labels };
  }
  if (a.t.dtype === 'float') return { t: rt.view(products(a, b, { batch, rows, cols, inner }, rt), dims), labels };
  const x = ordered(a, [...batch, ...rows, ...inner], rt);
  const z = ordered(b, [...batch, ...inner, ...cols], rt);
  const y = rt.empty(x.dtype, dims);
  const { add, mul } = sumAndProduct(x.dtype) as unknown as { add: Arithmetic; mul: Arithmetic };
  const [xs, zs, out] = [elements(x), elements(z), elements(y)];
  out.fill(zeroOf(x.dtype) as number);
  if (out.length === 0 || xs.length === 0) return { t: y, labels };
  for (let s = 0, p = 0; s < count; s++)
    for (let i = 0; i < m; i++)
      for (let h = 0; h < k; h++, p++)
        for (let j = 0, q = (s * m + i) * n, r = (s * k + h) * n; j < n; j++, q++, r++)
          out[q] = add(out[q]!, mul(xs[p]!, zs[r]!));
  return { t: y, labels };
}

interface Groups {
  readonly batch: readonly string[];
  readonly rows: readonly string[];
  readonly cols: readonly string[];
  readonly inner: readonly string[];
}

/** One matrix product a batch element: [batch, rows, cols]. An operand is copied only where no order of its groups fits. */
function products(a: Term, b: Term, g: Groups, rt: Runtime): Tensor {
  const m = sizeOf(a, g.rows);
  const n = sizeOf(b, g.cols);
  const k = sizeOf(a, g.inner);
  const count = sizeOf(a, g.batch);
  const ta = equal(a.labels, [...g.batch, ...g.inner, ...g.rows]) ? 1 : 0;
  const tb = equal(b.labels, [...g.batch, ...g.cols, ...g.inner]) ? 1 : 0;
  const x = ta === 1 ? a.t : ordered(a, [...g.batch, ...g.rows, ...g.inner], rt);
  const z = tb === 1 ? b.t : ordered(b, [...g.batch, ...g.inner, ...g.cols], rt);
  const y = rt.empty('float', [count, m, n]);
  if (y.data.length === 0) return y;
  const px = rt.ptr(x);
  const pz = rt.ptr(z);
  const py = rt.ptr(y);
  const scratch = scratchOf(rt);
  for (let s = 0; s < count; s++)
    multiply(rt, scratch, ta, tb, m, n, k, 1, px + 4 * s * m * k, pz + 4 * s * k * n, py + 4 * s * m * n);
  return y;
}
