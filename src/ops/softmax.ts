import * as math from '../math.ts';
import { ModelError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { int } from './attributes.ts';
import { halves } from './half.ts';
import type { NodeSpec, Op, Run, Runtime } from './op.ts';
import { axisOf, isFloating, need, product } from './shape.ts';
import { transpose } from './transpose.ts';

/** Softmax, its logarithm and Hardmax: rows along one axis; before opset 13 everything from `axis` on is one row. */

type Rows = Float32Array | Float64Array;
/** y's rows from x's, both [rows, cols]. */
type Fill = (x: Rows, y: Rows, rows: number, cols: number) => void;

/** Rows of softmax, or of its logarithm, in double arithmetic. */
export function soft(log: boolean): Fill {
  return (x, y, rows, cols) => {
    for (let at = 0; at < rows * cols; at += cols) {
      let top = Number.NEGATIVE_INFINITY;
      for (let j = at; j < at + cols; j++) top = Math.max(top, x[j]!);
      let sum = 0;
      for (let j = at; j < at + cols; j++) sum += math.exp(x[j]! - top);
      const shift = math.log(sum);
      for (let j = at; j < at + cols; j++) y[j] = log ? x[j]! - top - shift : math.exp(x[j]! - top) / sum;
    }
  };
}

/** 1 at the first of the largest elements, 0 elsewhere. */
const hard: Fill = (x, y, rows, cols) => {
  y.fill(0);
  for (let at = 0; at < rows * cols; at += cols) {
    let best = at;
    for (let j = at + 1; j < at + cols; j++) if (x[j]! > x[best]!) best = j;
    y[best] = 1;
  }
};

function overRows(kernel: 'softmax' | 'log_softmax' | undefined, fill: Fill): Op {
  const over = (x: Tensor, rows: number, cols: number, rt: Runtime) => {
    const y = rt.empty(x.dtype, x.dims);
    if (y.data.length === 0) return y;
    if (x.dtype === 'float' && kernel !== undefined) rt.wasm.k[kernel](rt.ptr(x), rt.ptr(y), rows, cols);
    else fill(x.data as Rows, y.data as Rows, rows, cols);
    return y;
  };
  const input = (inputs: readonly (Tensor | undefined)[]) => {
    const x = need(inputs, 0, 'input');
    if (!isFloating(x.dtype)) throw new ModelError(`input: expected a floating type, found ${x.dtype}`);
    return x;
  };
  return [
    {
      since: 1,
      build: (node: NodeSpec): Run => {
        const axis = int(node, 'axis', 1);
        return halves((inputs, rt) => {
          const x = input(inputs);
          const at = axisOf(axis, x.dims.length, 'axis', x.dims.length);
          return [over(x, product(x.dims, 0, at), product(x.dims, at), rt)];
        });
      },
    },
    {
      since: 13,
      build: (node: NodeSpec): Run => {
        const axis = int(node, 'axis', -1);
        return halves((inputs, rt) => {
          const x = input(inputs);
          const rank = x.dims.length;
          if (rank === 0) return [over(x, 1, 1, rt)];
          const at = axisOf(axis, rank);
          const cols = x.dims[at]!;
          const inner = product(x.dims, at + 1);
          const rows = product(x.dims, 0, at) * inner;
          if (inner === 1) return [over(x, rows, cols, rt)];
          const perm = x.dims.map((_, i) => (i === rank - 1 ? at : i < at ? i : i + 1));
          const back = x.dims.map((_, i) => (i === at ? rank - 1 : i < at ? i : i - 1));
          return [transpose(over(transpose(x, perm, rt), rows, cols, rt), back, rt)];
        });
      },
    },
  ];
}

export const Softmax = overRows('softmax', soft(false));
export const LogSoftmax = overRows('log_softmax', soft(true));
export const Hardmax = overRows(undefined, hard);
