import { ModelError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { since } from './attributes.ts';
import { plainBinary } from './broadcast.ts';
import { halves } from './half.ts';
import type { Op } from './op.ts';
import { broadcastDims, broadcastStrides, collapse, elements, need, sameType, walk } from './shape.ts';

/** Comparisons, logic and selection. */

type Compare = (a: number | bigint, b: number | bigint) => boolean;

function compare(f: Compare, version: number, bools = false): Op {
  const asNumber = (a: number | bigint, b: number | bigint) => (f(a, b) ? 1 : 0);
  return since(version, () =>
    halves((inputs, rt) => {
      const a = need(inputs, 0, 'A');
      const b = need(inputs, 1, 'B');
      sameType(a, b);
      if (a.dtype === 'bool' && !bools) throw new ModelError('expected a numeric type, found bool');
      return [plainBinary(asNumber, a, b, 'bool', rt)];
    }),
  );
}

export const Equal = compare((a, b) => a === b, 7, true);
export const Less = compare((a, b) => a < b, 7);
export const Greater = compare((a, b) => a > b, 7);
export const LessOrEqual = compare((a, b) => a <= b, 12);
export const GreaterOrEqual = compare((a, b) => a >= b, 12);

function boolean(t: Tensor, what: string): Tensor {
  if (t.dtype !== 'bool') throw new ModelError(`${what}: expected type bool, found ${t.dtype}`);
  return t;
}

function logical(f: (a: number, b: number) => number): Op {
  return since(7, () => (inputs, rt) => {
    const a = boolean(need(inputs, 0, 'A'), 'A');
    return [plainBinary(f, a, boolean(need(inputs, 1, 'B'), 'B'), 'bool', rt)];
  });
}

export const And = logical((a, b) => a & b);
export const Or = logical((a, b) => a | b);
export const Xor = logical((a, b) => a ^ b);

export const Not: Op = since(1, () => (inputs, rt) => {
  const x = boolean(need(inputs, 0, 'X'), 'X');
  const y = rt.empty('bool', x.dims);
  for (let i = 0; i < x.data.length; i++) y.data[i] = x.data[i] ? 0 : 1;
  return [y];
});

/** condition ? X : Y with broadcasting, any type. */
export const Where: Op = since(9, () => (inputs, rt) => {
  const c = boolean(need(inputs, 0, 'condition'), 'condition');
  const a = need(inputs, 1, 'X');
  const b = need(inputs, 2, 'Y');
  sameType(a, b);
  const dims = broadcastDims(c.dims, broadcastDims(a.dims, b.dims));
  const y = rt.empty(a.dtype, dims);
  const [cs, xs, zs, out] = [elements(c), elements(a), elements(b), elements(y)];
  const space = collapse(
    dims,
    [c, a, b].map((t) => broadcastStrides(t.dims, dims)),
  );
  const last = space.dims.length - 1;
  const n = space.dims[last]!;
  const [sc, sa, sb] = space.strides.map((s) => s[last]!) as [number, number, number];
  walk(space, last, ([h, i, j], at) => {
    for (let q = 0; q < n; q++) out[at + q] = cs[h! + q * sc] ? xs[i! + q * sa]! : zs[j! + q * sb]!;
  });
  return [y];
});
