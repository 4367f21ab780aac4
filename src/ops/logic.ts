import { ModelError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { choice, since } from './attributes.ts';
import { plainBinary } from './broadcast.ts';
import { halves } from './half.ts';
import type { Op } from './op.ts';
import {
  broadcastDims,
  broadcastStrides,
  collapse,
  elements,
  isBig,
  isFloating,
  need,
  sameType,
  walk,
} from './shape.ts';

/** Comparisons, logic, bits, and selection. */

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

function integer(t: Tensor, what: string): Tensor {
  if (isFloating(t.dtype) || t.dtype === 'bool')
    throw new ModelError(`${what}: expected an integer type, found ${t.dtype}`);
  return t;
}

function bitwise(f: (a: number, b: number) => number, big: (a: bigint, b: bigint) => bigint): Op {
  return since(18, () => (inputs, rt) => {
    const a = integer(need(inputs, 0, 'A'), 'A');
    const b = need(inputs, 1, 'B');
    sameType(a, b);
    return [isBig(a.dtype) ? plainBinary(big, a, b, a.dtype, rt) : plainBinary(f, a, b, a.dtype, rt)];
  });
}

export const BitwiseAnd = bitwise(
  (a, b) => a & b,
  (a, b) => a & b,
);
export const BitwiseOr = bitwise(
  (a, b) => a | b,
  (a, b) => a | b,
);
export const BitwiseXor = bitwise(
  (a, b) => a ^ b,
  (a, b) => a ^ b,
);

export const BitwiseNot: Op = since(18, () => (inputs, rt) => {
  const x = integer(need(inputs, 0, 'X'), 'X');
  const y = rt.empty(x.dtype, x.dims);
  const a = elements(x);
  const out = elements(y);
  if (isBig(x.dtype)) for (let i = 0; i < out.length; i++) out[i] = ~(a[i] as unknown as bigint) as unknown as number;
  else for (let i = 0; i < out.length; i++) out[i] = ~a[i]!;
  return [y];
});

/** Unsigned integers shifted; a shift by the width or more gives 0. */
export const BitShift: Op = since(11, (node) => {
  const left = choice(node, 'direction', ['LEFT', 'RIGHT'] as const, '' as 'LEFT') === 'LEFT';
  const shift = (a: number, b: number) => (b > 31 ? 0 : left ? a << b : a >>> b);
  const wide = (a: bigint, b: bigint) => (b > 63n ? 0n : left ? a << b : a >> b);
  return (inputs, rt) => {
    const a = need(inputs, 0, 'X');
    const b = need(inputs, 1, 'Y');
    sameType(a, b);
    if (!a.dtype.startsWith('uint')) throw new ModelError(`expected an unsigned integer type, found ${a.dtype}`);
    return [a.dtype === 'uint64' ? plainBinary(wide, a, b, a.dtype, rt) : plainBinary(shift, a, b, a.dtype, rt)];
  };
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
