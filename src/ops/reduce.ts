import * as math from '../math.ts';
import { ModelError } from '../errors.ts';
import { arrayOf, type DType, type Tensor } from '../tensor.ts';
import { binary } from './arithmetic.ts';
import { flag, int, ints, since } from './attributes.ts';
import { halves, isHalf, widen } from './half.ts';
import type { NodeSpec, Op, Run, Runtime } from './op.ts';
import { anyElements, axesOf, axisOf, elements, integers, isBig, isFloating, need } from './shape.ts';
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

/** A reduction of float rows in kernels. */
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

/** One row of real numbers, or of integers, whose result wraps into their type. */
type RowFunction<T> = (a: ArrayLike<T>, from: number, to: number) => T;

interface Reduction {
  readonly float?: Body;
  readonly real: RowFunction<number>;
  /** 64-bit integers; without it `real` serves them, truncated. */
  readonly big?: RowFunction<bigint>;
  /** Integers of up to 32 bits where f64 would lose the bits that stay; `real`, truncated, serves them otherwise. */
  readonly int?: RowFunction<number>;
  /** Also of bool. */
  readonly bools?: boolean;
  /** What a row of no elements gives, where a type has no infinity: its least or its greatest value. */
  readonly empty?: 'least' | 'greatest';
}

function folded<T>(start: T, step: (acc: T, v: T) => T): RowFunction<T> {
  return (a, from, to) => {
    let acc = start;
    for (let i = from; i < to; i++) acc = step(acc, a[i]!);
    return acc;
  };
}

const plainSum = folded<number>(0, (acc, v) => acc + v);
const bigSum = folded<bigint>(0n, (acc, v) => acc + v);
const sumOfSquares = folded<number>(0, (acc, v) => acc + v * v);
const bigSquares = folded<bigint>(0n, (acc, v) => acc + v * v);

const least = folded<number>(Number.POSITIVE_INFINITY, (acc, v) => (v < acc || Number.isNaN(v) ? v : acc));
const greatest = folded<number>(Number.NEGATIVE_INFINITY, (acc, v) => (v > acc || Number.isNaN(v) ? v : acc));

/** As `logSumExp`. */
const plainLogSumExp: RowFunction<number> = (a, from, to) => {
  const top = greatest(a, from, to);
  const shift = Number.isFinite(top) ? top : 0;
  let total = 0;
  for (let i = from; i < to; i++) total += math.exp(a[i]! - shift);
  return math.log(total) + shift;
};

const REDUCTIONS = {
  ReduceSum: { float: sum, real: plainSum, big: bigSum },
  ReduceMean: {
    float: kernel('reduce_rows_mean'),
    real: (a, from, to) => plainSum(a, from, to) / (to - from),
    big: (a, from, to) => bigSum(a, from, to) / BigInt(Math.max(to - from, 1)),
  },
  ReduceMax: {
    float: max,
    real: greatest,
    big: (a, from, to) => folded(a[from]!, (acc, v) => (v > acc ? v : acc))(a, from, to),
    bools: true,
    empty: 'least',
  },
  ReduceMin: {
    float: kernel('reduce_rows_min'),
    real: least,
    big: (a, from, to) => folded(a[from]!, (acc, v) => (v < acc ? v : acc))(a, from, to),
    bools: true,
    empty: 'greatest',
  },
  ReduceProd: {
    real: folded<number>(1, (acc, v) => acc * v),
    int: folded<number>(1, Math.imul),
    big: folded<bigint>(1n, (acc, v) => BigInt.asIntN(64, acc * v)),
  },
  ReduceSumSquare: {
    float: squares,
    real: sumOfSquares,
    int: folded<number>(0, (acc, v) => (acc + Math.imul(v, v)) | 0),
    big: bigSquares,
  },
  ReduceL1: {
    float: (r, rt) => sum({ ...r, x: apply('abs', r.x, rt) }, rt),
    real: folded<number>(0, (acc, v) => acc + Math.abs(v)),
    big: folded<bigint>(0n, (acc, v) => (v < 0n ? acc - v : acc + v)),
  },
  ReduceL2: {
    float: (r, rt) => apply('sqrt', squares(r, rt), rt),
    real: (a, from, to) => Math.sqrt(sumOfSquares(a, from, to)),
  },
  ReduceLogSum: {
    float: (r, rt) => apply('log', sum(r, rt), rt),
    real: (a, from, to) => math.log(plainSum(a, from, to)),
  },
  ReduceLogSumExp: { float: logSumExp, real: plainLogSumExp },
} satisfies Record<string, Reduction>;

/** Those that leave an element as it is when no axis is reduced. */
const IDENTITY = ['ReduceSum', 'ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceProd'];

/** What a whole number, -0 or an infinity is in a 64-bit integer: that number, or the end of the range. */
function toBig(v: number): bigint {
  if (Number.isNaN(v)) return 0n;
  return BigInt(Math.trunc(Math.max(-(2 ** 63), Math.min(v, 2 ** 63 - 1024))));
}

/** The least or greatest value of an integer type. */
function end(dtype: DType, side: 'least' | 'greatest'): number | bigint {
  if (dtype === 'bool') return side === 'least' ? 0 : 1;
  const bits = 8 * arrayOf(dtype).BYTES_PER_ELEMENT;
  const signed = dtype.startsWith('int');
  const value =
    side === 'greatest' ? (1n << BigInt(signed ? bits - 1 : bits)) - 1n : signed ? -(1n << BigInt(bits - 1)) : 0n;
  return bits === 64 ? value : Number(value);
}

/** Rows of any type, one after another. */
function plainReduce(r: Rows, f: Reduction, rt: Runtime): Tensor {
  const { dtype } = r.x;
  const y = rt.empty(dtype, r.dims);
  const out = anyElements(y);
  const whole = !isFloating(dtype);
  if (whole && r.cols === 0 && f.empty !== undefined) {
    out.fill(end(dtype, f.empty));
    return y;
  }
  const a = r.x.data as ArrayLike<number>;
  if (!isBig(dtype)) {
    const g = whole ? (f.int ?? f.real) : f.real;
    for (let i = 0; i < r.rows; i++) out[i] = g(a, i * r.cols, (i + 1) * r.cols);
  } else if (f.big !== undefined) {
    const b = r.x.data as unknown as ArrayLike<bigint>;
    for (let i = 0; i < r.rows; i++) out[i] = f.big(b, i * r.cols, (i + 1) * r.cols);
  } else {
    const b = Float64Array.from(r.x.data as BigInt64Array, Number);
    for (let i = 0; i < r.rows; i++) out[i] = toBig(f.real(b, i * r.cols, (i + 1) * r.cols));
  }
  return y;
}

/** Axes as an attribute until opset 13 (ReduceSum) or 18, as an input since. */
function reduction(name: keyof typeof REDUCTIONS): Op {
  const f: Reduction = REDUCTIONS[name];
  const make = (
    node: NodeSpec,
    given: (inputs: readonly (Tensor | undefined)[]) => readonly number[] | undefined,
  ): Run => {
    const keep = flag(node, 'keepdims', true);
    const noop = flag(node, 'noop_with_empty_axes');
    return halves((inputs, rt) => {
      const x = need(inputs, 0, 'data');
      if (x.dtype === 'bool' && !f.bools) throw new ModelError('data: expected a numeric type, found bool');
      const named = given(inputs);
      const none = named === undefined || named.length === 0;
      if (none && noop && IDENTITY.includes(name)) return [rt.view(x, x.dims)];
      const axes = none ? (noop ? [] : x.dims.map((_, i) => i)) : axesOf(named, x.dims.length);
      const r = rowsOf(x, axes, keep, rt);
      return [x.dtype === 'float' && f.float !== undefined ? f.float(r, rt) : plainReduce(r, f, rt)];
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
      const r = rowsOf(isHalf(x.dtype) ? widen(x, rt) : x, [at], keep, rt);
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
