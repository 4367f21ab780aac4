import { ModelError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { int, since } from './attributes.ts';
import type { Op } from './op.ts';
import { axisOf, elements, need, product } from './shape.ts';

/** Indices as numbers in 0..n-1, negative ones counted from the end. @throws ModelError for one outside */
function indicesOf(t: Tensor, n: number): Int32Array {
  if (t.dtype !== 'int64' && t.dtype !== 'int32')
    throw new ModelError(`indices: expected type int64 or int32, found ${t.dtype}`);
  const out = new Int32Array(t.data.length);
  for (let i = 0; i < out.length; i++) {
    const v = Number(t.data[i]);
    const j = v < 0 ? v + n : v;
    if (!(j >= 0 && j < n)) throw new ModelError(`indices: expected ${-n}..${n - 1}, found ${v} at element ${i}`);
    out[i] = j;
  }
  return out;
}

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
    let q = 0;
    if (inner === 1) {
      for (let o = 0; o < outer; o++) for (const i of index) out[q++] = a[o * n + i]!;
      return [y];
    }
    for (let o = 0; o < outer; o++)
      for (const i of index) {
        const from = (o * n + i) * inner;
        out.set(a.subarray(from, from + inner), q);
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
    const rank = x.dims.length;
    const at = axisOf(axis, rank);
    if (indices.dims.length !== rank || indices.dims.some((d, i) => i !== at && d > x.dims[i]!))
      throw new ModelError(
        `indices: expected a shape within [${x.dims}] but along axis ${at}, found [${indices.dims}]`,
      );
    const y = rt.empty(x.dtype, indices.dims);
    const index = indicesOf(indices, x.dims[at]!);
    const a = elements(x);
    const out = elements(y);
    const position = new Array<number>(rank).fill(0);
    const strides = x.dims.map((_, i) => product(x.dims, i + 1));
    for (let q = 0; q < index.length; q++) {
      let from = 0;
      for (let i = 0; i < rank; i++) from += strides[i]! * (i === at ? index[q]! : position[i]!);
      out[q] = a[from]!;
      for (let i = rank - 1; i >= 0; i--) {
        if (++position[i]! < indices.dims[i]!) break;
        position[i] = 0;
      }
    }
    return [y];
  };
});
