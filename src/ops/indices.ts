import { ModelError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { product, stridesOf } from './shape.ts';

/** Reading tensors of indices: what Gather*, Scatter* and their kin share. */

function wrongIndex(n: number, v: number, i: number): never {
  throw new ModelError(`indices: expected ${-n}..${n - 1}, found ${v} at element ${i}`);
}

function checkType(t: Tensor): void {
  if (t.dtype !== 'int64' && t.dtype !== 'int32')
    throw new ModelError(`indices: expected type int64 or int32, found ${t.dtype}`);
}

/** Indices as numbers in 0..n-1, negative ones counted from the end. @throws ModelError for one outside */
export function indicesOf(t: Tensor, n: number): Int32Array {
  checkType(t);
  const out = new Int32Array(t.data.length);
  for (let i = 0; i < out.length; i++) {
    const v = Number(t.data[i]);
    const j = v < 0 ? v + n : v;
    if (!(j >= 0 && j < n)) wrongIndex(n, v, i);
    out[i] = j;
  }
  return out;
}

/**
 * Element offsets that tuples of indices name: `t` is [..., k], each tuple indexes axes from..from+k of `dims`. `per` tuples in
 * a row share one combination of the axes before `from`.
 * @throws ModelError for an index outside
 */
export function tupleOffsets(t: Tensor, dims: readonly number[], from: number, per: number): Int32Array {
  checkType(t);
  const k = t.dims[t.dims.length - 1]!;
  const strides = stridesOf(dims);
  const count = product(t.dims, 0, t.dims.length - 1);
  const block = product(dims, from);
  const out = new Int32Array(count);
  for (let i = 0, q = 0; i < count; i++) {
    let at = from === 0 ? 0 : Math.floor(i / per) * block;
    for (let a = from; a < from + k; a++, q++) {
      const n = dims[a]!;
      const v = Number(t.data[q]);
      const j = v < 0 ? v + n : v;
      if (!(j >= 0 && j < n)) wrongIndex(n, v, q);
      at += j * strides[a]!;
    }
    out[i] = at;
  }
  return out;
}

/**
 * Offsets into data of shape `dims` for every element of indices of shape `shape`: the element's own position, but along
 * `axis` the position that its index says. @throws ModelError for shapes that do not fit or an index outside
 */
export function elementOffsets(indices: Tensor, dims: readonly number[], axis: number): Int32Array {
  const shape = indices.dims;
  const rank = dims.length;
  if (shape.length !== rank || shape.some((d, i) => i !== axis && d > dims[i]!))
    throw new ModelError(`indices: expected a shape within [${dims}] but along axis ${axis}, found [${shape}]`);
  const index = indicesOf(indices, dims[axis]!);
  const strides = stridesOf(dims);
  const step = strides[axis]!;
  const moves = strides.map((s, i) => (i === axis ? 0 : s));
  const position = new Array<number>(rank).fill(0);
  const out = new Int32Array(index.length);
  for (let q = 0, base = 0; q < out.length; q++) {
    out[q] = base + step * index[q]!;
    for (let i = rank - 1; i >= 0; i--) {
      base += moves[i]!;
      if (++position[i]! < shape[i]!) break;
      base -= moves[i]! * shape[i]!;
      position[i] = 0;
    }
  }
  return out;
}
