import { ModelError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { flag, int, since } from './attributes.ts';
import { withHalf } from './half.ts';
import type { NodeSpec, Op, OpVersion, Runtime } from './op.ts';
import { anyElements, axisOf, isBig, need, product } from './shape.ts';

/** Type of the elements compared: numbers, or bigints. */
type Row = Float64Array | BigInt64Array | BigUint64Array;

/** Whether element i goes before element j: the better value first, and of equal ones the one that comes first. */
type Before = (row: Row, i: number, j: number) => boolean;

const largestFirst: Before = (row, i, j) => row[i]! > row[j]! || (row[i] === row[j] && i < j);
const smallestFirst: Before = (row, i, j) => row[i]! < row[j]! || (row[i] === row[j] && i < j);

/** Lets the element at the heap's root sink: every parent comes after its children. */
function sink(heap: Int32Array, size: number, row: Row, before: Before, from: number): void {
  const moving = heap[from]!;
  let at = from;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= size) break;
    if (child + 1 < size && before(row, heap[child]!, heap[child + 1]!)) child++;
    if (!before(row, moving, heap[child]!)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = moving;
}

/** The first k of n elements in order, into `best`, through a heap of the k best so far. */
function select(row: Row, n: number, k: number, before: Before, best: Int32Array): void {
  if (k === 0) return;
  for (let i = 0; i < k; i++) best[i] = i;
  for (let i = (k >> 1) - 1; i >= 0; i--) sink(best, k, row, before, i);
  for (let i = k; i < n; i++)
    if (before(row, i, best[0]!)) {
      best[0] = i;
      sink(best, k, row, before, 0);
    }
  for (let size = k - 1; size > 0; size--) {
    const last = best[0]!;
    best[0] = best[size]!;
    best[size] = last;
    sink(best, size, row, before, 0);
  }
}

/** The k largest (smallest) along an axis, best first, and their positions; NaN counts as Infinity. */
function topK(x: Tensor, k: number, axis: number, largest: boolean, rt: Runtime): Tensor[] {
  const at = axisOf(axis, x.dims.length);
  const n = x.dims[at]!;
  if (!(k >= 0 && k <= n)) throw new ModelError(`K: expected 0..${n} for axis ${at} of [${x.dims}], found ${k}`);
  const dims = x.dims.map((d, i) => (i === at ? k : d));
  const values = rt.empty(x.dtype, dims);
  const places = rt.empty('int64', dims);
  if (values.data.length === 0) return [values, places];
  const big = isBig(x.dtype);
  const row: Row = big ? new (x.data.constructor as BigInt64ArrayConstructor)(n) : new Float64Array(n);
  const source = anyElements(x);
  const out = anyElements(values);
  const at64 = places.data as BigInt64Array;
  const cells = row as unknown as unknown[];
  const best = new Int32Array(k);
  const before = largest ? largestFirst : smallestFirst;
  const inner = product(x.dims, at + 1);
  const outer = product(x.dims, 0, at);
  for (let o = 0; o < outer; o++)
    for (let i = 0; i < inner; i++) {
      const from = o * n * inner + i;
      for (let j = 0; j < n; j++) {
        const v = source[from + j * inner];
        cells[j] = Number.isNaN(v) ? Number.POSITIVE_INFINITY : v;
      }
      select(row, n, k, before, best);
      for (let j = 0, to = o * k * inner + i; j < k; j++, to += inner) {
        out[to] = source[from + best[j]! * inner];
        at64[to] = BigInt(best[j]!);
      }
    }
  return [values, places];
}

/** K as an input: int64 [1]. */
function withInput(version: number, largest: (node: NodeSpec) => boolean): OpVersion {
  return {
    since: version,
    build: (node) => {
      const axis = int(node, 'axis', -1);
      const up = largest(node);
      return (inputs, rt) => {
        const k = need(inputs, 1, 'K');
        if (k.dtype !== 'int64' || k.data.length !== 1)
          throw new ModelError(`K: expected int64 of one element, found ${k.dtype} [${k.dims}]`);
        return topK(need(inputs, 0, 'X'), Number(k.data[0]), axis, up, rt);
      };
    },
  };
}

/** k is an attribute before opset 10, an input since; `largest` there since 11. Sorted whether asked for or not. */
export const TopK: Op = withHalf([
  ...since(1, (node) => {
    const axis = int(node, 'axis', -1);
    const k = int(node, 'k');
    return (inputs, rt) => topK(need(inputs, 0, 'X'), k, axis, true, rt);
  }),
  withInput(10, () => true),
  withInput(11, (node) => flag(node, 'largest', true)),
]);
