import { ModelError, UnsupportedError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { cast } from './cast.ts';
import type { Runtime } from './op.ts';
import { Real } from './precision.ts';
import { isFloating } from './shape.ts';

/** What attention operators are given: heads in their layouts, masks and biases, caches. */

/** Where the heads of a tensor lie: element (b, h, s, d) is number b batch + h head + s row + d from address `at`. */
export interface Heads {
  readonly at: number;
  readonly length: number;
  readonly size: number;
  readonly batch: number;
  readonly head: number;
  readonly row: number;
}

/** A tensor [batch, heads, length, size]. */
export function headsFirst(dims: readonly number[], at: number): Heads {
  const [, heads, length, size] = dims as [number, number, number, number];
  return { at, length, size, batch: heads * length * size, head: length * size, row: size };
}

/** A tensor [batch, length, heads * size]. */
export function headsLast(dims: readonly number[], heads: number, at: number): Heads {
  const [, length, hidden] = dims as [number, number, number];
  const size = hidden / heads;
  return { at, length, size, batch: length * hidden, head: size, row: hidden };
}

/** An addend of the scores: [rows, keys] numbers for (b, h), from number b batch + h head after `at`. */
export interface Bias {
  readonly at: number;
  readonly batch: number;
  readonly head: number;
}

/**
 * A mask or bias of shape [batch or 1, heads or 1, rows or 1, keys or 1], leading axes optional, as an addend: a boolean one is
 * 0 where true and -Infinity where false. With `padded`, a last axis shorter than `keys` ends in -Infinity.
 * @throws ModelError for another shape
 */
export function biasOf(
  t: Tensor,
  what: string,
  [batch, heads, rows, keys]: readonly [number, number, number, number],
  padded: boolean,
  real: Real,
): Bias {
  const lead = new Array<number>(Math.max(0, 4 - t.dims.length)).fill(1);
  const dims = [...lead, ...t.dims];
  const [mb, mh, ms, mt] = dims as [number, number, number, number];
  const fits = (d: number, n: number) => d === n || d === 1;
  const last = padded ? mt <= keys : fits(mt, keys);
  if (dims.length !== 4 || !fits(mb, batch) || !fits(mh, heads) || !fits(ms, rows) || !last)
    throw new ModelError(
      `${what}: expected a shape that broadcasts to [${batch},${heads},${rows},${keys}], found [${t.dims}]`,
    );
  const strides = { batch: mb === 1 ? 0 : mh * rows * keys, head: mh === 1 ? 0 : rows * keys };
  const whole = t.dtype === 'bool' ? unmasked(t, real) : cast(t, real.dtype, real.rt);
  const from = real.ptr(whole);
  if (ms === rows && mt === keys) return { at: from, ...strides };
  const y = real.scratch(mb * mh * rows * keys);
  const out = real.view(y, mb * mh * rows * keys);
  const source = real.view(from, mb * mh * ms * mt);
  const repeated = mt === 1 && !padded;
  for (let i = 0, q = 0; i < mb * mh; i++)
    for (let s = 0; s < rows; s++, q += keys) {
      const row = (i * ms + (ms === 1 ? 0 : s)) * mt;
      if (repeated) out.fill(source[row]!, q, q + keys);
      else {
        out.set(source.subarray(row, row + mt), q);
        out.fill(Number.NEGATIVE_INFINITY, q + mt, q + keys);
      }
    }
  return { at: y, ...strides };
}

/** 0 where true, -Infinity where false. */
function unmasked(t: Tensor, real: Real): Tensor {
  const y = real.rt.empty(real.dtype, t.dims);
  const out = y.data;
  const m = t.data;
  for (let i = 0; i < m.length; i++) out[i] = m[i] ? 0 : Number.NEGATIVE_INFINITY;
  return y;
}

/**
 * A cache [batch, heads, length, size] that holds past's first `kept(b)` rows and, from there on, x's; zero elsewhere.
 * @throws ModelError where they do not fit in `length`
 */
export function appended(
  past: Heads | undefined,
  x: Heads,
  batch: number,
  heads: number,
  length: number,
  kept: (b: number) => number,
  real: Real,
): Cache {
  const dims = [batch, heads, length, x.size];
  const y = real.empty(dims);
  const out = real.view(y.ptr, y.length);
  const copy = (from: Heads, b: number, h: number, rows: number, at: number) => {
    const source = real.at(from.at, b * from.batch + h * from.head);
    const target = real.at(y.ptr, ((b * heads + h) * length + at) * x.size);
    if (rows > 0 && x.size > 0) real.k.permute4(source, 1, 1, rows, x.size, 0, 0, from.row, 1, target);
  };
  for (let b = 0; b < batch; b++) {
    const n = kept(b);
    if (!(n >= 0 && n <= (past?.length ?? 0) && n + x.length <= length))
      throw new ModelError(`cache of batch entry ${b}: ${n} past and ${x.length} new rows do not fit in ${length}`);
    for (let h = 0; h < heads; h++) {
      if (past !== undefined) copy(past, b, h, n, 0);
      copy(x, b, h, x.length, n);
      const row = (b * heads + h) * length;
      out.fill(0, (row + n + x.length) * x.size, (row + length) * x.size);
    }
  }
  return { heads: headsFirst(dims, y.ptr), done: y.done };
}

/** Heads made here, and the tensor [batch, heads, length, size] that they are. */
export interface Cache {
  readonly heads: Heads;
  done(): Tensor;
}

/** Arithmetic of an operator's inputs: double where one of them is, else float. @throws UnsupportedError for other types */
export function realFor(inputs: readonly (Tensor | undefined)[], rt: Runtime): Real {
  return new Real(rt, inputs.some((t) => t?.dtype === 'double') ? 'double' : 'float');
}

/** A floating tensor in that arithmetic's type. @throws UnsupportedError for another type */
export function toReal(t: Tensor, what: string, real: Real): Tensor {
  return cast(needFloating(t, what), real.dtype, real.rt);
}

/** A floating tensor as float; double is rounded. @throws UnsupportedError for another type */
export function asFloats(t: Tensor, what: string, rt: Runtime): Tensor {
  return cast(needFloating(t, what), 'float', rt);
}

function needFloating(t: Tensor, what: string): Tensor {
  if (!isFloating(t.dtype)) throw new UnsupportedError(`${what}: expected a floating type, found ${t.dtype}`);
  return t;
}

/** Splits a packed size into heads. @throws ModelError where it does not divide */
export function headSize(hidden: number, heads: number, what: string): number {
  if (heads < 1 || hidden % heads !== 0)
    throw new ModelError(`${what}: ${hidden} features do not divide into ${heads} heads`);
  return hidden / heads;
}

/** @throws ModelError unless t has exactly these sizes */
export function needDims(t: Tensor, dims: readonly number[], what: string): Tensor {
  if (t.dims.length !== dims.length || t.dims.some((d, i) => d !== dims[i]))
    throw new ModelError(`${what}: expected shape [${dims}], found [${t.dims}]`);
  return t;
}

/** @throws ModelError unless t has that rank */
export function needRank(t: Tensor, rank: number, what: string): Tensor {
  if (t.dims.length !== rank) throw new ModelError(`${what}: expected rank ${rank}, found [${t.dims}]`);
  return t;
}
