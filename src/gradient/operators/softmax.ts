import { int } from '../../ops/attributes.ts';
import { OPSETS } from '../../ops/registry.ts';
import type { Runtime } from '../../ops/op.ts';
import { product } from '../../ops/shape.ts';
import { transpose } from '../../ops/transpose.ts';
import { apply } from '../../ops/unary.ts';
import type { Tensor } from '../../tensor.ts';
import { type Call, type Gradient, single, specOf } from '../gradient.ts';

/**
 * The axes [from, to) that a node normalised together: one axis since opset 13 (the last unless told), all from `axis` on (1
 * unless told) before. Which it was is read off the probabilities: only if all from `axis` on were taken together do they sum
 * to 1, unless there is one axis and both are the same.
 */
function normalised(call: Call, p: Tensor): [number, number] {
  const rank = p.dims.length;
  if (rank === 0) return [0, 0];
  const axis = (fallback: number) => (int(specOf(call.node, OPSETS.newest), 'axis', fallback) + rank) % rank;
  const together = product(p.dims, axis(1));
  let sum = 0;
  for (let i = 0; i < together && i < p.data.length; i++) sum += Number(p.data[i]);
  return Math.abs(sum - 1) < 1e-3 ? [axis(1), rank] : [axis(-1), axis(-1) + 1];
}

type RowGradient = (p: Tensor, dy: Tensor, rows: number, cols: number, rt: Runtime) => Tensor;

/** The gradient of rows of probabilities p, brought to the end and back where they lie across. */
function alongRows(call: Call, p: Tensor, dy: Tensor, rt: Runtime, gradient: RowGradient): Tensor {
  const [from, to] = normalised(call, p);
  const rank = p.dims.length;
  const cols = product(p.dims, from, to);
  const rows = p.data.length / Math.max(cols, 1);
  if (product(p.dims, to) === 1) return gradient(p, dy, rows, cols, rt);
  const perm = p.dims.map((_, i) => (i === rank - 1 ? from : i < from ? i : i + 1));
  const back = p.dims.map((_, i) => (i === from ? rank - 1 : i < from ? i : i - 1));
  return transpose(gradient(transpose(p, perm, rt), transpose(dy, perm, rt), rows, cols, rt), back, rt);
}

function rows(kernel: 'softmax_gradient' | 'log_softmax_gradient'): RowGradient {
  return (p, dy, rows, cols, rt) => {
    const dx = rt.empty('float', p.dims);
    if (dx.data.length > 0) rt.wasm.k[kernel](rt.ptr(p), rt.ptr(dy), rt.ptr(dx), rows, cols);
    return dx;
  };
}

export const Softmax: Gradient = single((call, dy, _, rt) =>
  alongRows(call, call.outputs[0]!, dy, rt, rows('softmax_gradient')),
);
export const LogSoftmax: Gradient = single((call, dy, _, rt) =>
  alongRows(call, apply('exp', call.outputs[0]!, rt), dy, rt, rows('log_softmax_gradient')),
);
