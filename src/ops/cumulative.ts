import { ModelError } from '../errors.ts';
import { flag } from './attributes.ts';
import { withHalf } from './half.ts';
import type { NodeSpec, Op, Run } from './op.ts';
import { anyElements, axisOf, elements, integers, isBig, need, product } from './shape.ts';
import { numeric } from './map.ts';

/** Running sums and products along an axis, forwards or backwards, each element's own value in or out. */

interface Fold {
  readonly start: number;
  readonly real: (acc: number, v: number) => number;
  readonly int: (acc: number, v: number) => number;
  readonly big: (acc: bigint, v: bigint) => bigint;
}

const SUM: Fold = {
  start: 0,
  real: (a, v) => a + v,
  int: (a, v) => (a + v) | 0,
  big: (a, v) => BigInt.asIntN(64, a + v),
};

const PRODUCT: Fold = {
  start: 1,
  real: (a, v) => a * v,
  int: Math.imul,
  big: (a, v) => BigInt.asIntN(64, a * v),
};

function cumulative(fold: Fold): (node: NodeSpec) => Run {
  return (node) => {
    const exclusive = flag(node, 'exclusive');
    const reverse = flag(node, 'reverse');
    return (inputs, rt) => {
      const x = numeric(need(inputs, 0, 'x'), 'x');
      const which = integers(need(inputs, 1, 'axis'), 'axis');
      if (which.length !== 1) throw new ModelError(`axis: expected one element, found ${which.length}`);
      const at = axisOf(which[0]!, x.dims.length);
      const n = x.dims[at]!;
      const inner = product(x.dims, at + 1);
      const outer = product(x.dims, 0, at);
      const y = rt.empty(x.dtype, x.dims);
      const a = elements(x);
      const out = anyElements(y);
      const floats = x.dtype === 'float' || x.dtype === 'double';
      const step = (isBig(x.dtype) ? fold.big : floats ? fold.real : fold.int) as Fold['real'];
      const start = (isBig(x.dtype) ? BigInt(fold.start) : fold.start) as number;
      for (let o = 0; o < outer; o++)
        for (let i = 0; i < inner; i++) {
          let acc = start;
          for (let s = 0; s < n; s++) {
            const j = (o * n + (reverse ? n - 1 - s : s)) * inner + i;
            const v = a[j]!;
            if (exclusive) out[j] = acc;
            acc = step(acc, v);
            if (!exclusive) out[j] = acc;
          }
        }
      return [y];
    };
  };
}

export const CumSum: Op = withHalf([{ since: 11, build: cumulative(SUM) }]);
export const CumProd: Op = withHalf([{ since: 26, build: cumulative(PRODUCT) }]);
