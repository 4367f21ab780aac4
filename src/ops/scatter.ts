import { ModelError } from '../errors.ts';
import type { DType, Tensor } from '../tensor.ts';
import { choice, int, since } from './attributes.ts';
import { halves } from './half.ts';
import { elementOffsets, tupleOffsets } from './indices.ts';
import { sumAndProduct } from './numbers.ts';
import type { NodeSpec, Op, Run, Runtime } from './op.ts';
import { axisOf, copyRun, elements, need, product, sameType } from './shape.ts';

/** Writing parts of a copy of a tensor. Where one element is written more than once, writes are made in the order of the indices. */

type Reduction = 'none' | 'add' | 'mul' | 'max' | 'min';
/** What an element becomes when another one is written over it, on elements as stored. */
type Combine = (a: number, b: number) => number;

const larger = (a: number, b: number) => (a > b || Number.isNaN(a) ? a : b);
const smaller = (a: number, b: number) => (a < b || Number.isNaN(a) ? a : b);

function combine(dtype: DType, reduction: Reduction): Combine | undefined {
  if (reduction === 'none') return undefined;
  if (reduction === 'max') return larger;
  if (reduction === 'min') return smaller;
  return sumAndProduct(dtype)[reduction] as unknown as Combine;
}

function copy(x: Tensor, rt: Runtime): Tensor {
  const y = rt.empty(x.dtype, x.dims);
  elements(y).set(elements(x));
  return y;
}

/** Attribute `reduction`, there since opset 16. */
function reductionOf(node: NodeSpec): Reduction {
  return choice(node, 'reduction', ['none', 'add', 'mul', 'max', 'min'] as const, 'none');
}

/** Halves are moved as they are, and widened only where they are added up. */
function withReduction(reduction: Reduction, run: Run): Run {
  return reduction === 'none' ? run : halves(run);
}

function scatterElements(node: NodeSpec): Run {
  const axis = int(node, 'axis', 0);
  const reduction = reductionOf(node);
  return withReduction(reduction, (inputs, rt) => {
    const x = need(inputs, 0, 'data');
    const indices = need(inputs, 1, 'indices');
    const updates = need(inputs, 2, 'updates');
    sameType(x, updates);
    if (String(updates.dims) !== String(indices.dims))
      throw new ModelError(`updates: expected shape [${indices.dims}] of the indices, found [${updates.dims}]`);
    const offsets = elementOffsets(indices, x.dims, axisOf(axis, x.dims.length));
    const f = combine(x.dtype, reduction);
    const y = copy(x, rt);
    const u = elements(updates);
    const out = elements(y);
    if (f === undefined) for (let q = 0; q < offsets.length; q++) out[offsets[q]!] = u[q]!;
    else for (let q = 0; q < offsets.length; q++) out[offsets[q]!] = f(out[offsets[q]!]!, u[q]!);
    return [y];
  });
}

/** y[index[i][j][k]][j][k] = updates[i][j][k] for axis 0, and so on. */
export const ScatterElements: Op = since(11, scatterElements);
/** ScatterElements under its first name; deprecated since opset 11. */
export const Scatter: Op = since(9, scatterElements);

/** y[indices[i]] = updates[i], i over all but the last axis of `indices`, whose last axis holds tuples. */
export const ScatterND: Op = since(11, (node) => {
  const reduction = reductionOf(node);
  return withReduction(reduction, (inputs, rt) => {
    const x = need(inputs, 0, 'data');
    const indices = need(inputs, 1, 'indices');
    const updates = need(inputs, 2, 'updates');
    sameType(x, updates);
    const k = indices.dims[indices.dims.length - 1];
    if (k === undefined || k > x.dims.length)
      throw new ModelError(
        `indices: expected 0..${x.dims.length} for the last axis, one index an axis of data [${x.dims}], found [${indices.dims}]`,
      );
    const dims = [...indices.dims.slice(0, -1), ...x.dims.slice(k)];
    if (String(updates.dims) !== String(dims))
      throw new ModelError(`updates: expected shape [${dims}], found [${updates.dims}]`);
    const offsets = tupleOffsets(indices, x.dims, 0, 1);
    const inner = product(x.dims, k);
    const f = combine(x.dtype, reduction);
    const y = copy(x, rt);
    const u = elements(updates);
    const out = elements(y);
    for (let i = 0; i < offsets.length; i++) {
      const to = offsets[i]!;
      if (f === undefined) copyRun(u, i * inner, out, to, inner);
      else for (let j = 0; j < inner; j++) out[to + j] = f(out[to + j]!, u[i * inner + j]!);
    }
    return [y];
  });
});

/** A copy of a key or value cache with `update` written from `write_indices[batch]` on along the axis of the sequence. */
export const TensorScatter: Op = since(24, (node) => {
  const axis = int(node, 'axis', -2);
  const circular = choice(node, 'mode', ['linear', 'circular'] as const, 'linear') === 'circular';
  return (inputs, rt) => {
    const cache = need(inputs, 0, 'past_cache');
    const update = need(inputs, 1, 'update');
    sameType(cache, update);
    const at = axisOf(axis, cache.dims.length);
    if (at === 0) throw new ModelError(`attribute "axis": expected an axis after the batch, found ${axis}`);
    const size = cache.dims[at]!;
    if (
      update.dims.length !== cache.dims.length ||
      update.dims.some((d, i) => (i === at ? d > size : d !== cache.dims[i]))
    )
      throw new ModelError(
        `update: expected shape [${cache.dims}] with at most ${size} along axis ${at}, found [${update.dims}]`,
      );
    const batch = cache.dims[0]!;
    const length = update.dims[at]!;
    const starts = startsOf(inputs[2], batch, size, length, circular);
    const perBatch = product(cache.dims, 1, at);
    const inner = product(cache.dims, at + 1);
    const y = copy(cache, rt);
    const u = elements(update);
    const out = elements(y);
    if (u.length === 0) return [y];
    for (let b = 0, from = 0; b < batch; b++)
      for (let r = 0; r < perBatch; r++)
        for (let s = 0; s < length; s++, from += inner) {
          const row = (starts[b]! + s) % size;
          copyRun(u, from, out, ((b * perBatch + r) * size + row) * inner, inner);
        }
    return [y];
  };
});

function startsOf(given: Tensor | undefined, batch: number, size: number, length: number, circular: boolean): number[] {
  if (given === undefined) return new Array<number>(batch).fill(0);
  if (given.dtype !== 'int64' || given.data.length !== batch)
    throw new ModelError(`write_indices: expected int64 [${batch}], found ${given.dtype} [${given.dims}]`);
  const last = circular ? size - 1 : size - length;
  return Array.from(given.data as BigInt64Array, (v) => {
    if (v < 0n || v > BigInt(last)) throw new ModelError(`write_indices: expected 0..${last}, found ${v}`);
    return Number(v);
  });
}
