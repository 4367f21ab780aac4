import { ModelError } from '../errors.ts';
import { bitsOf, type DType, type Tensor } from '../tensor.ts';
import { choice, int, since } from './attributes.ts';
import { plainBinary } from './broadcast.ts';
import { nibble, typeAttribute } from './cast.ts';
import { mapElements } from './map.ts';
import type { Op, Runtime } from './op.ts';
import { elements, isBig, isFloating, need, sameType } from './shape.ts';

/** Operators on the bits of integers, and bits read as another type. */

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

function bytesOf(t: Tensor): Uint8Array {
  return new Uint8Array(t.data.buffer, t.data.byteOffset, t.data.byteLength);
}

/** The same bits, read as a type of the same width. */
function bitCast(x: Tensor, to: DType, rt: Runtime): Tensor {
  const bits = bitsOf(x.dtype);
  if (bitsOf(to) !== bits)
    throw new ModelError(`attribute "to": expected a type of ${bits} bits as ${x.dtype}, found ${to}`);
  if (bits < 8) return mapElements(x, (v: number) => nibble(v, bits, to.startsWith('int')), rt, to);
  if (to === 'bool') return mapElements(x, (v: number) => (v === 0 ? 0 : 1), rt, to);
  const y = rt.empty(to, x.dims);
  bytesOf(y).set(bytesOf(x));
  return y;
}

export const BitCast: Op = since(26, (node) => {
  const to = typeAttribute(int(node, 'to'), 'to');
  return (inputs, rt) => [bitCast(need(inputs, 0, 'input'), to, rt)];
});
