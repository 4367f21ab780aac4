import { ModelError } from '../errors.ts';
import { has, int, since } from './attributes.ts';
import { comparable, numbersOf, zeroOf } from './numbers.ts';
import type { NodeSpec, Op, Run } from './op.ts';
import { axisOf, copyRun, elements, need, product } from './shape.ts';

/** Operators that turn values into positions, and positions into values. */

/** Positions of the elements that are not 0, in row-major order: int64 [rank, count]. */
export const NonZero: Op = since(9, () => (inputs, rt) => {
  const x = need(inputs, 0, 'X');
  const a = comparable(x, rt);
  const zero = zeroOf(x.dtype);
  let count = 0;
  for (let i = 0; i < a.length; i++) if (a[i] !== zero) count++;
  const found = new Int32Array(count);
  for (let i = 0, q = 0; i < a.length; i++) if (a[i] !== zero) found[q++] = i;
  const y = rt.empty('int64', [x.dims.length, count]);
  const out = y.data as BigInt64Array;
  for (let d = x.dims.length - 1, step = 1; d >= 0; d--) {
    const size = x.dims[d]!;
    for (let i = 0; i < count; i++) out[d * count + i] = BigInt(Math.floor(found[i]! / step) % size);
    step *= size;
  }
  return [y];
});

/** The slices along an axis, or without one the elements, whose condition is true; a short condition ends in false. */
export const Compress: Op = since(9, (node) => {
  const axis = has(node, 'axis') ? int(node, 'axis') : undefined;
  return (inputs, rt) => {
    const x = need(inputs, 0, 'input');
    const condition = need(inputs, 1, 'condition');
    if (condition.dtype !== 'bool' || condition.dims.length !== 1)
      throw new ModelError(`condition: expected bool of rank 1, found ${condition.dtype} [${condition.dims}]`);
    const dims = axis === undefined ? [x.data.length] : x.dims;
    const at = axis === undefined ? 0 : axisOf(axis, dims.length);
    const n = dims[at]!;
    const kept: number[] = [];
    elements(condition).forEach((c, i) => {
      if (c) kept.push(i);
    });
    const last = kept[kept.length - 1] ?? -1;
    if (last >= n) throw new ModelError(`condition: element ${last} is true, expected at most ${n} elements`);
    const y = rt.empty(
      x.dtype,
      dims.map((d, i) => (i === at ? kept.length : d)),
    );
    const inner = product(dims, at + 1);
    const outer = product(dims, 0, at);
    const a = elements(x);
    const out = elements(y);
    if (out.length === 0) return [y];
    for (let o = 0, q = 0; o < outer; o++)
      for (const i of kept) {
        copyRun(a, (o * n + i) * inner, out, q, inner);
        q += inner;
      }
    return [y];
  };
});

function oneHot(node: NodeSpec, negative: boolean): Run {
  const axis = int(node, 'axis', -1);
  return (inputs, rt) => {
    const given = need(inputs, 0, 'indices');
    const depthGiven = need(inputs, 1, 'depth');
    const values = need(inputs, 2, 'values');
    if (depthGiven.data.length !== 1)
      throw new ModelError(`depth: expected one element, found shape [${depthGiven.dims}]`);
    if (values.data.length !== 2 || values.dims.length !== 1)
      throw new ModelError(`values: expected shape [2], off and on, found [${values.dims}]`);
    const depth = Math.trunc(numbersOf(depthGiven, rt)[0]!);
    if (!(depth >= 0)) throw new ModelError(`depth: expected a size >= 0, found ${depth}`);
    const indices = numbersOf(given, rt);
    const at = axisOf(axis, given.dims.length + 1);
    const y = rt.empty(values.dtype, [...given.dims.slice(0, at), depth, ...given.dims.slice(at)]);
    const out = elements(y);
    const [off, on] = elements(values) as unknown as [number, number];
    out.fill(off);
    const inner = product(given.dims, at);
    for (let i = 0; i < indices.length; i++) {
      let v = Math.trunc(indices[i]!);
      if (v < 0 && negative) v += depth;
      if (!(v >= 0 && v < depth)) continue;
      const outer = Math.floor(i / inner);
      out[(outer * depth + v) * inner + (i - outer * inner)] = on;
    }
    return [y];
  };
}

/** A new axis of `depth` elements: on at the index, off elsewhere; negative indices count from the end since opset 11. */
export const OneHot: Op = [
  { since: 9, build: (node) => oneHot(node, false) },
  { since: 11, build: (node) => oneHot(node, true) },
];
