import { ModelError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { flag, has, int, since } from './attributes.ts';
import { comparable } from './numbers.ts';
import type { Op, Runtime } from './op.ts';
import { axisOf, copyRun, elements, product, need } from './shape.ts';
import { transpose } from './transpose.ts';

type Values = ArrayLike<number | bigint>;

/** Order of two elements; NaN comes last and equals itself. */
function order(a: number | bigint, b: number | bigint): number {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b) return 0;
  return (Number.isNaN(a) ? 1 : 0) - (Number.isNaN(b) ? 1 : 0);
}

function int64(values: ArrayLike<number>, rt: Runtime): Tensor {
  const y = rt.empty('int64', [values.length]);
  const out = y.data as BigInt64Array;
  for (let i = 0; i < values.length; i++) out[i] = BigInt(values[i]!);
  return y;
}

/** Groups of equal rows of [n, width]: of each the row that comes first, and for every row its group. */
function groups(values: Values, n: number, width: number, sorted: boolean) {
  const compare = (i: number, j: number) => {
    for (let a = i * width, b = j * width, end = a + width; a < end; a++, b++) {
      const c = order(values[a]!, values[b]!);
      if (c !== 0) return c;
    }
    return 0;
  };
  const rows = Int32Array.from({ length: n }, (_, i) => i).sort((i, j) => compare(i, j) || i - j);
  const group = new Int32Array(n);
  let first: number[] = [];
  rows.forEach((row, i) => {
    if (i === 0 || compare(rows[i - 1]!, row) !== 0) first.push(row);
    group[row] = first.length - 1;
  });
  if (!sorted) {
    const ranked = first.map((_, g) => g).sort((g, h) => first[g]! - first[h]!);
    const rank = new Int32Array(ranked.length);
    ranked.forEach((g, i) => {
      rank[g] = i;
    });
    first = ranked.map((g) => first[g]!);
    for (let i = 0; i < n; i++) group[i] = rank[group[i]!]!;
  }
  return { first, group };
}

/**
 * The distinct elements, or with `axis` the distinct slices, in ascending (for slices: lexicographic) order or in that of their
 * first appearance; then where each appears first, for every element its place in the result, and how often each is there.
 */
export const Unique: Op = since(11, (node) => {
  const sorted = flag(node, 'sorted', true);
  const axis = has(node, 'axis') ? int(node, 'axis') : undefined;
  return (inputs, rt) => {
    const x = need(inputs, 0, 'X');
    const dims = axis === undefined ? [x.data.length] : x.dims;
    const at = axis === undefined ? 0 : axisOf(axis, dims.length);
    const rest = dims.map((_, i) => i).filter((i) => i !== at);
    const rows = transpose(rt.view(x, dims), [at, ...rest], rt);
    const n = dims[at]!;
    const width = product(rows.dims, 1);
    if (width === 0 && n > 0) throw new ModelError(`X: slices of [${dims}] along axis ${at} have no elements`);
    const { first, group } = groups(comparable(rows, rt), n, width, sorted);
    const counts = new Int32Array(first.length);
    for (const g of group) counts[g]!++;
    const kept = rt.empty(rows.dtype, [first.length, ...rows.dims.slice(1)]);
    const out = elements(kept);
    const source = elements(rows);
    first.forEach((row, i) => {
      copyRun(source, row * width, out, i * width, width);
    });
    const back = dims.map((_, i) => (i === at ? 0 : i < at ? i + 1 : i));
    return [transpose(kept, back, rt), int64(first, rt), int64(group, rt), int64(counts, rt)];
  };
});
