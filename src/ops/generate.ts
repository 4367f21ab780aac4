import { ModelError, UnsupportedError } from '../errors.ts';
import { has, int, since } from './attributes.ts';
import { typeAttribute } from './cast.ts';
import { isHalf, narrow } from './half.ts';
import { numbersOf, oneOf, zeroOf } from './numbers.ts';
import type { Op } from './op.ts';
import { anyElements, elements, isBig, need, sameType } from './shape.ts';

/** Tensors made from a rule. */

/** Ones on the k-th diagonal of a matrix of the input's shape. */
export const EyeLike: Op = since(9, (node) => {
  const k = int(node, 'k', 0);
  const dtype = has(node, 'dtype') ? typeAttribute(int(node, 'dtype'), 'dtype') : undefined;
  return (inputs, rt) => {
    const x = need(inputs, 0, 'input');
    if (x.dims.length !== 2) throw new ModelError(`input: expected rank 2, found [${x.dims}]`);
    const [rows, cols] = x.dims as [number, number];
    const y = rt.empty(dtype ?? x.dtype, x.dims);
    const out = elements(y);
    out.fill(zeroOf(y.dtype) as number);
    const one = oneOf(y.dtype) as number;
    for (let r = Math.max(0, -k); r < rows && r + k < cols; r++) out[r * cols + r + k] = one;
    return [y];
  };
});

/** Numbers from start, below limit, in steps of delta; halves are counted in f32 and rounded. */
export const Range: Op = since(11, () => (inputs, rt) => {
  const names = ['start', 'limit', 'delta'];
  const given = names.map((what, i) => need(inputs, i, what));
  const dtype = given[0]!.dtype;
  if (!['float', 'double', 'float16', 'bfloat16', 'int16', 'int32', 'int64'].includes(dtype))
    throw new UnsupportedError(`type ${dtype}`);
  for (const [i, t] of given.entries()) {
    sameType(given[0]!, t);
    if (t.data.length !== 1) throw new ModelError(`${names[i]}: expected one element, found shape [${t.dims}]`);
  }
  if (isBig(dtype)) {
    const [start, limit, delta] = given.map((t) => t.data[0]) as [bigint, bigint, bigint];
    if (delta === 0n) throw new ModelError('delta: expected a number other than 0, found 0');
    const span = delta > 0n ? limit - start : start - limit;
    const step = delta > 0n ? delta : -delta;
    const y = rt.empty('int64', [span > 0n ? Number((span + step - 1n) / step) : 0]);
    const out = anyElements(y);
    for (let i = 0, v = start; i < y.data.length; i++, v += delta) out[i] = v;
    return [y];
  }
  const half = isHalf(dtype) ? dtype : undefined;
  const [start, limit, delta] = given.map((t) => numbersOf(t, rt)[0]) as [number, number, number];
  if (delta === 0 || Number.isNaN(delta)) throw new ModelError(`delta: expected a number other than 0, found ${delta}`);
  const n = Math.max(0, Math.ceil((limit - start) / delta));
  if (!Number.isSafeInteger(n)) throw new ModelError(`${start}..${limit} by ${delta} is not a finite range`);
  const y = rt.empty(half === undefined ? dtype : 'float', [n]);
  const out = elements(y);
  for (let i = 0; i < n; i++) out[i] = start + i * delta;
  return [half === undefined ? y : narrow(y, rt, half)];
});
