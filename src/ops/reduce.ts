import { ModelError, UnsupportedError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { binary } from './arithmetic.ts';
import { flag, int, ints, since } from './attributes.ts';
import { halves, widen, withHalf } from './half.ts';
import type { NodeSpec, Op, Run, Runtime } from './op.ts';
import { anyElements, asFloat, axesOf, axisOf, elements, integers, isBig, need, product } from './shape.ts';
import { transpose } from './transpose.ts';
import { apply } from './unary.ts';

/** Reductions: the reduced axes are brought to the end, then each row becomes one number. */

interface Rows {
  /** The reduced axes last; rows * cols elements. */
  readonly x: Tensor;
  readonly rows: number;
  readonly cols: number;
  readonly dims: readonly number[];
}

function rowsOf(x: Tensor, axes: readonly number[], keep: boolean, rt: Runtime): Rows {
  const kept = x.dims.map((_, i) => i).filter((i) => !axes.includes(i));
  const cols = axes.reduce((n, a) => n * x.dims[a]!, 1);
  return {
    x: transpose(x, [...kept, ...axes], rt),
    rows: kept.reduce((n, a) => n * x.dims[a]!, 1),
    cols,
    dims: keep ? x.dims.map((d, i) => (axes.includes(i) ? 1 : d)) : kept.map((i) => x.dims[i]!),
  };
}

type RowKernel = 'reduce_rows_sum' | 'reduce_rows_mean' | 'reduce_rows_max' | 'reduce_rows_min';

/** A reduction of float rows. */
type Body = (r: Rows, rt: Runtime) => Tensor;

function kernel(name: RowKernel): Body {
  return (r, rt) => {
    const y = rt.empty('float', r.dims);
    if (y.data.length > 0) rt.wasm.k[name](rt.ptr(r.x), r.rows, r.cols, rt.ptr(y));
    return y;
  };
}

const sum = kernel('reduce_rows_sum');
const max = kernel('reduce_rows_max');

const squares: Body = (r, rt) => sum({ ...r, x: binary('mul', r.x, r.x, rt) }, rt);

const prod: Body = (r, rt) => {
  const y = rt.empty('float', r.dims);
  const a = r.x.data;
  for (let i = 0; i < r.rows; i++) {
    let p = 1;
    for (let j = 0; j < r.cols; j++) p *= Number(a[i * r.cols + j]);
    y.data[i] = p;
  }
  return y;
};

/** max + log(sum of exp(x - max)); a row whose largest is infinite needs no sum. */
const logSumExp: Body = (r, rt) => {
  const top = max({ ...r, dims: [r.rows] }, rt);
  const shift = rt.empty('float', [r.rows, 1]);
  const t = top.data as Float32Array;
  for (let i = 0; i < r.rows; i++) shift.data[i] = Number.isFinite(t[i]) ? t[i]! : 0;
  const shifted = binary('sub', rt.view(r.x, [r.rows, r.cols]), shift, rt);
  const total = sum({ x: apply('exp', shifted, rt), rows: r.rows, cols: r.cols, dims: r.dims }, rt);
  return binary('add', apply('log', total, rt), rt.view(shift, r.dims), rt);
};

/** The same for types without a kernel, one element after another; `finish` turns the total into the result. */
interface Plain {
  readonly start: (first: number | bigint, zero: number | bigint) => number | bigint;
  readonly step: (acc: never, v: never) => number | bigint;
  readonly finish?: (acc: never, n: number) => number | bigint;
}

interface Reduction {
  readonly float: Body;
  readonly plain?: Plain;
}

type Real = number;
const zeroStart = (_: number | bigint, zero: number | bigint) => zero;
const one = (_: number | bigint, zero: number | bigint) => (typeof zero === 'bigint' ? 1n : 1);
const first = (v: number | bigint) => v;
const add: Plain = { start: zeroStart, step: (a: Real, v: Real) => a + v };

const REDUCTIONS = {
  ReduceSum: { float: sum, plain: add },
  ReduceMean: {
    float: kernel('reduce_rows_mean'),
    plain: { ...add, finish: (a: Real | bigint, n: number) => (typeof a === 'bigint' ? a / BigInt(n) : a / n) },
  },
  ReduceMax: { float: max, plain: { start: first, step: (a: Real, v: Real) => (v > a || Number.isNaN(v) ? v : a) } },
  ReduceMin: {
    float: kernel('reduce_rows_min'),
    plain: { start: first, step: (a: Real, v: Real) => (v < a || Number.isNaN(v) ? v : a) },
  },
  ReduceProd: { float: prod, plain: { start: one, step: (a: Real, v: Real) => a * v } },
  ReduceSumSquare: { float: squares, plain: { start: zeroStart, step: (a: Real, v: Real) => a + v * v } },
  ReduceL1: {
    float: (r, rt) => sum({ ...r, x: apply('abs', r.x, rt) }, rt),
    plain: { start: zeroStart, step: (a: Real, v: Real) => (v < 0 ? a - v : a + v) },
  },
  ReduceL2: {
    float: (r, rt) => apply('sqrt', squares(r, rt), rt),
    plain: {
      start: zeroStart,
      step: (a: Real, v: Real) => a + v * v,
      finish: (a: Real | bigint) => (typeof a === 'bigint' ? BigInt(Math.trunc(Math.sqrt(Number(a)))) : Math.sqrt(a)),
    },
  },
  ReduceLogSum: { float: (r, rt) => apply('log', sum(r, rt), rt) },
  ReduceLogSumExp: { float: logSumExp },
} satisfies Record<string, Reduction>;

function plainReduce(r: Rows, p: Plain, rt: Runtime): Tensor {
  const y = rt.empty(r.x.dtype, r.dims);
  const a = elements(r.x);
  const out = anyElements(y);
  const zero = isBig(r.x.dtype) ? 0n : 0;
  for (let i = 0; i < r.rows; i++) {
    if (r.cols === 0 && p.start === first) throw new ModelError(`nothing to reduce in a row of shape [${r.x.dims}]`);
    let acc = p.start(a[i * r.cols] as number, zero);
    for (let j = 0; j < r.cols; j++) acc = p.step(acc as never, a[i * r.cols + j] as never);
    out[i] = p.finish ? p.finish(acc as never, r.cols) : acc;
  }
  return y;
}

/** Axes as an attribute until opset 13 (ReduceSum) or 18, as an input since. */
function reduction(name: keyof typeof REDUCTIONS): Op {
  const { float, plain }: Reduction = REDUCTIONS[name];
  const make = (
    node: NodeSpec,
    given: (inputs: readonly (Tensor | undefined)[]) => readonly number[] | undefined,
  ): Run => {
    const keep = flag(node, 'keepdims', true);
    const noop = flag(node, 'noop_with_empty_axes');
    return halves((inputs, rt) => {
      const x = need(inputs, 0, 'data');
      const rank = x.dims.length;
      const named = given(inputs);
      const none = named === undefined || named.length === 0;
      if (
        none &&
        noop &&
        !['ReduceSumSquare', 'ReduceL1', 'ReduceL2', 'ReduceLogSum', 'ReduceLogSumExp'].includes(name)
      )
        return [rt.view(x, x.dims)];
      const axes = none ? (noop ? [] : x.dims.map((_, i) => i)) : axesOf(named, rank);
      const r = rowsOf(x, axes, keep, rt);
      if (x.dtype === 'float') return [float(r, rt)];
      if (plain === undefined || (x.dtype === 'bool' && name !== 'ReduceMax' && name !== 'ReduceMin'))
        throw new UnsupportedError(`data: type ${x.dtype}`);
      return [plainReduce(r, plain, rt)];
    });
  };
  return [
    {
      since: 1,
      build: (node) => {
        const axes = ints(node, 'axes');
        return make(node, () => axes);
      },
    },
    {
      since: name === 'ReduceSum' ? 13 : 18,
      build: (node) => make(node, (inputs) => (inputs[1] === undefined ? undefined : integers(inputs[1], 'axes'))),
    },
  ];
}

export const ReduceSum = reduction('ReduceSum');
export const ReduceMean = reduction('ReduceMean');
export const ReduceMax = reduction('ReduceMax');
export const ReduceMin = reduction('ReduceMin');
export const ReduceProd = reduction('ReduceProd');
export const ReduceSumSquare = reduction('ReduceSumSquare');
export const ReduceL1 = reduction('ReduceL1');
export const ReduceL2 = reduction('ReduceL2');
export const ReduceLogSum = reduction('ReduceLogSum');
export const ReduceLogSumExp = reduction('ReduceLogSumExp');

/** Index of the largest (smallest) element along an axis, the first one of equals, or the last on request. */
function arg(better: (v: number, best: number) => boolean): Op {
  return since(1, (node) => {
    const axis = int(node, 'axis', 0);
    const keep = flag(node, 'keepdims', true);
    const last = flag(node, 'select_last_index');
    return (inputs, rt) => {
      const x = need(inputs, 0, 'data');
      const at = axisOf(axis, x.dims.length);
      const r = rowsOf(x.dtype === 'float16' ? widen(x, rt) : x, [at], keep, rt);
      const y = rt.empty('int64', r.dims);
      const a = elements(r.x);
      if (r.cols === 0 && r.rows > 0) throw new ModelError(`nothing to choose from along axis ${at} of [${x.dims}]`);
      for (let i = 0; i < r.rows; i++) {
        let best = 0;
        for (let j = 1; j < r.cols; j++) {
          const v = a[i * r.cols + j]!;
          const b = a[i * r.cols + best]!;
          if (better(v, b) || (last && v === b)) best = j;
        }
        y.data[i] = BigInt(best);
      }
      return [y];
    };
  });
}

export const ArgMax = arg((v, best) => v > best);
export const ArgMin = arg((v, best) => v < best);

/** Running sums along an axis. */
export const CumSum: Op = withHalf(
  since(11, (node) => {
    const exclusive = flag(node, 'exclusive');
    const reverse = flag(node, 'reverse');
    return (inputs, rt) => {
      const x = need(inputs, 0, 'x');
      const which = integers(need(inputs, 1, 'axis'), 'axis');
      if (which.length !== 1) throw new ModelError(`axis: expected one element, found ${which.length}`);
      if (x.dtype !== 'double' && !isBig(x.dtype) && x.dtype !== 'int32' && x.dtype !== 'uint32') asFloat(x, 'x');
      const at = axisOf(which[0]!, x.dims.length);
      const n = x.dims[at]!;
      const inner = product(x.dims, at + 1);
      const outer = product(x.dims, 0, at);
      const y = rt.empty(x.dtype, x.dims);
      const a = elements(x);
      const out = elements(y);
      const zero = (isBig(x.dtype) ? 0n : 0) as number;
      for (let o = 0; o < outer; o++)
        for (let i = 0; i < inner; i++) {
          let acc = zero;
          for (let s = 0; s < n; s++) {
            const j = (o * n + (reverse ? n - 1 - s : s)) * inner + i;
            if (exclusive) out[j] = acc;
            acc += a[j]!;
            if (!exclusive) out[j] = acc;
          }
        }
      return [y];
    };
  }),
);
