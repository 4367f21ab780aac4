import type { Runtime } from '../ops/op.ts';
import { product } from '../ops/shape.ts';
import { transpose } from '../ops/transpose.ts';
import type { Tensor } from '../tensor.ts';

/** The sum of t [rows, cols] over its rows, or with `along` 'cols' over its columns. */
export function sumRows(t: Tensor, rows: number, cols: number, along: 'rows' | 'cols', rt: Runtime): Tensor {
  const y = rt.empty('float', [along === 'rows' ? cols : rows]);
  if (y.data.length === 0) return y;
  if (rows === 0 || cols === 0) (y.data as Float32Array).fill(0);
  else if (along === 'rows') rt.wasm.k.reduce_cols_sum(rt.ptr(t), rows, cols, rt.ptr(y));
  else rt.wasm.k.reduce_rows_sum(rt.ptr(t), rows, cols, rt.ptr(y));
  return y;
}

/** The gradient of a broadcast: t summed over the axes along which a tensor of shape `dims` was repeated to t's shape. */
export function sumTo(t: Tensor, dims: readonly number[], rt: Runtime): Tensor {
  const extra = t.dims.length - dims.length;
  const summed: number[] = [];
  const kept: number[] = [];
  t.dims.forEach((d, i) => {
    if (i < extra || (dims[i - extra] === 1 && d !== 1)) summed.push(i);
    else kept.push(i);
  });
  if (summed.length === 0) return rt.view(t, dims);
  const rows = product(kept.map((i) => t.dims[i]!));
  const cols = product(summed.map((i) => t.dims[i]!));
  const leading = summed.every((a, i) => a === i);
  const y = leading
    ? sumRows(t, cols, rows, 'rows', rt)
    : sumRows(transpose(t, [...kept, ...summed], rt), rows, cols, 'cols', rt);
  return rt.view(y, dims);
}
