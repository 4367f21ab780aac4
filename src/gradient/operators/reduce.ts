import { binary } from '../../ops/arithmetic.ts';
import { flag, ints } from '../../ops/attributes.ts';
import { expandTo } from '../../ops/broadcast.ts';
import { OPSETS } from '../../ops/registry.ts';
import type { Runtime } from '../../ops/op.ts';
import { axesOf, integers, product } from '../../ops/shape.ts';
import { apply } from '../../ops/unary.ts';
import type { Tensor } from '../../tensor.ts';
import { type Call, elementwise, type Gradient, single, specOf } from '../gradient.ts';
import { scaled } from './linear.ts';

/** Reductions: each element of the result goes back to those it was made of. */

/** The axes a node reduced; none where it was told to do nothing. */
function axesFor(call: Call): number[] {
  const spec = specOf(call.node, OPSETS.newest);
  const x = call.inputs[0]!;
  const told = call.inputs[1] === undefined ? ints(spec, 'axes') : integers(call.inputs[1], 'axes');
  if (told !== undefined && told.length > 0) return axesOf(told, x.dims.length);
  return flag(spec, 'noop_with_empty_axes') ? [] : x.dims.map((_, i) => i);
}

/** What each element of x has to do with the result: g and y are its gradient and value, repeated to x's shape. */
type Share = (g: Tensor, x: Tensor, y: Tensor, count: number, rt: Runtime) => Tensor;

function reduction(share: Share): Gradient {
  return single((call, dy, x, rt) => {
    const axes = axesFor(call);
    const kept = x.dims.map((d, i) => (axes.includes(i) ? 1 : d));
    const repeated = (t: Tensor) => expandTo(rt.view(t, kept), x.dims, rt);
    return share(repeated(dy), x, repeated(call.outputs[0]!), product(axes.map((a) => x.dims[a]!)), rt);
  });
}

/** To the elements that equal the result: all of them share it. */
const selected = reduction((g, x, y, _, rt) => elementwise(x.dims, [g, x, y], rt, (d, v, r) => (v === r ? d : 0)));

export const ReduceSum = reduction((g) => g);
export const ReduceMean = reduction((g, _, __, n, rt) => scaled(g, 1 / n, rt));
export const ReduceSumSquare = reduction((g, x, _, __, rt) => scaled(binary('mul', g, x, rt), 2, rt));
export const ReduceL1 = reduction((g, x, _, __, rt) =>
  elementwise(x.dims, [g, x], rt, (d, v) => (v > 0 ? d : v < 0 ? -d : 0)),
);
export const ReduceL2 = reduction((g, x, y, _, rt) =>
  elementwise(x.dims, [g, x, y], rt, (d, v, r) => (r > 0 ? (d * v) / r : 0)),
);
export const ReduceLogSum = reduction((g, _, y, __, rt) => binary('mul', g, apply('exp', apply('neg', y, rt), rt), rt));
export const ReduceLogSumExp = reduction((g, x, y, _, rt) =>
  binary('mul', g, apply('exp', binary('sub', x, y, rt), rt), rt),
);
export const ReduceMax = selected;
export const ReduceMin = selected;
