import { ModelError } from '../errors.ts';
import { int, since } from './attributes.ts';
import { elementOffsets, indicesOf, tupleOffsets } from './indices.ts';
import type { Op } from './op.ts';
import { axisOf, copyRun, elements, need, product } from './shape.ts';

/** Slices of `data` along an axis, in the order and shape of `indices`. */
export const Gather: Op = since(1, (node) => {
  const axis = int(node, 'axis', 0);
  return (inputs, rt) => {
    const x = need(inputs, 0, 'data');
    const indices = need(inputs, 1, 'indices');
    const at = axisOf(axis, x.dims.length);
    const n = x.dims[at]!;
    const y = rt.empty(x.dtype, [...x.dims.slice(0, at), ...indices.dims, ...x.dims.slice(at + 1)]);
    const index = indicesOf(indices, n);
    const inner = product(x.dims, at + 1);
    const outer = product(x.dims, 0, at);
    const a = elements(x);
    const out = elements(y);
    if (out.length === 0) return [y];
    let q = 0;
    for (let o = 0; o < outer; o++)
      for (const i of index) {
        copyRun(a, (o * n + i) * inner, out, q, inner);
        q += inner;
      }
    return [y];
  };
});

/** y[i][j][k] = data[i][index[i][j][k]][k] for axis 1, and so on. */
export const GatherElements: Op = since(11, (node) => {
  const axis = int(node, 'axis', 0);
  return (inputs, rt) => {
    const x = need(inputs, 0, 'data');
    const indices = need(inputs, 1, 'indices');
    const offsets = elementOffsets(indices, x.dims, axisOf(axis, x.dims.length));
    const y = rt.empty(x.dtype, indices.dims);
    const a = elements(x);
    const out = elements(y);
    for (let q = 0; q < offsets.length; q++) out[q] = a[offsets[q]!]!;
    return [y];
  };
});

/** The slices that the tuples in the last axis of `indices` name, below `batch_dims` axes that data and indices share. */
export const GatherND: Op = since(11, (node) => {
  const batch = int(node, 'batch_dims', 0);
  return (inputs, rt) => {
    const x = need(inputs, 0, 'data');
    const indices = need(inputs, 1, 'indices');
    const rank = x.dims.length;
    const q = indices.dims.length;
    if (!(batch >= 0 && batch < Math.min(rank, q)))
      throw new ModelError(
        `attribute "batch_dims": expected 0..${Math.min(rank, q) - 1} for data [${x.dims}] and indices [${indices.dims}], found ${batch}`,
      );
    const k = indices.dims[q - 1]!;
    if (k < 1 || k > rank - batch)
      throw new ModelError(`indices: expected 1..${rank - batch} for the last axis, found [${indices.dims}]`);
    for (let i = 0; i < batch; i++)
      if (x.dims[i] !== indices.dims[i])
        throw new ModelError(`data [${x.dims}] and indices [${indices.dims}] differ in batch axis ${i}`);
    const y = rt.empty(x.dtype, [...indices.dims.slice(0, -1), ...x.dims.slice(batch + k)]);
    const offsets = tupleOffsets(indices, x.dims, batch, product(indices.dims, batch, q - 1));
    const inner = product(x.dims, batch + k);
    const a = elements(x);
    const out = elements(y);
    for (let i = 0; i < offsets.length; i++) copyRun(a, offsets[i]!, out, i * inner, inner);
    return [y];
  };
});
