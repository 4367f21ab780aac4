import { ModelError } from '../errors.ts';
import type { DType, Tensor } from '../tensor.ts';
import { choice, flag, float, ints, since } from './attributes.ts';
import { isHalf, narrow } from './half.ts';
import { storing, zeroOf } from './numbers.ts';
import type { NodeSpec, Op, Run, Runtime } from './op.ts';
import { axesOf, copyRun, elements, integers, isBig, need, product, scalar } from './shape.ts';
import { place } from './transpose.ts';

type Mode = 'constant' | 'reflect' | 'edge' | 'wrap';

/**
 * For every output position along an axis of n elements the input position it copies, -1 where it is the constant. Negative
 * pads crop first; the mode then goes by what is left.
 */
function sources(n: number, before: number, after: number, mode: Mode): Int32Array {
  const first = Math.max(0, -before);
  const m = n - first - Math.max(0, -after);
  const head = Math.max(0, before);
  const size = n + before + after;
  const period = mode === 'wrap' ? m : Math.max(1, 2 * (m - 1));
  const out = new Int32Array(size);
  for (let i = 0; i < size; i++) {
    const p = i - head;
    const q = ((p % period) + period) % period;
    if (p >= 0 && p < m) out[i] = first + p;
    else if (mode === 'constant') out[i] = -1;
    else if (mode === 'edge') out[i] = first + (p < 0 ? 0 : m - 1);
    else out[i] = first + (mode === 'wrap' ? q : Math.min(q, period - q));
  }
  return out;
}

/** `pads`: [before of every axis..., after of every axis...]; negative ones crop. */
export function pad(x: Tensor, pads: readonly number[], mode: Mode, value: number | bigint, rt: Runtime): Tensor {
  const rank = x.dims.length;
  const dims = x.dims.map((d, i) => {
    const [before, after] = [pads[i]!, pads[i + rank]!];
    const size = d + before + after;
    if (size < 0) throw new ModelError(`pads: axis ${i} of [${x.dims}] would get size ${size}`);
    if (d + Math.min(before, 0) + Math.min(after, 0) <= 0 && size > 0 && mode !== 'constant')
      throw new ModelError(`mode ${mode}: nothing of axis ${i} of [${x.dims}] is there to repeat`);
    return size;
  });
  const y = rt.empty(x.dtype, dims);
  if (y.data.length === 0) return y;
  if (mode === 'constant' && x.dtype === 'float' && pads.every((p) => p >= 0)) {
    (y.data as Float32Array).fill(value as number);
    place(x, y, pads.slice(0, rank), rt);
    return y;
  }
  const from = dims.map((_, i) => sources(x.dims[i]!, pads[i]!, pads[i + rank]!, mode));
  const src = elements(x);
  const out = elements(y);
  const fill = value as number;
  if (rank === 0) {
    out[0] = src[0]!;
    return y;
  }
  const last = rank - 1;
  const line = from[last]!;
  // Along the last axis the input's own elements lie between those that the mode makes up.
  const kept = Math.max(0, pads[last]!);
  const skipped = Math.max(0, -pads[last]!);
  const run = Math.max(0, Math.min(x.dims[last]! - skipped, line.length - kept));
  const copy = (axis: number, at: number, to: number): void => {
    const map = from[axis]!;
    if (axis === last) {
      const make = (a: number, b: number) => {
        for (let i = a; i < b; i++) out[to + i] = map[i]! < 0 ? fill : src[at + map[i]!]!;
      };
      make(0, Math.min(kept, map.length));
      copyRun(src, at + skipped, out, to + kept, run);
      make(kept + run, map.length);
      return;
    }
    const inner = product(dims, axis + 1);
    const step = product(x.dims, axis + 1);
    for (let i = 0; i < map.length; i++) {
      const q = to + i * inner;
      if (map[i]! < 0) out.fill(fill, q, q + inner);
      else copy(axis + 1, at + map[i]! * step, q);
    }
  };
  copy(0, 0, 0);
  return y;
}

/** A number as an element of that type is stored. */
function constantOf(value: number, dtype: DType, rt: Runtime): number | bigint {
  if (!isHalf(dtype)) return storing(dtype)(value);
  const one = rt.empty('float', [1]);
  one.data[0] = value;
  return narrow(one, rt, dtype).data[0]!;
}

function check(pads: readonly number[], n: number): readonly number[] {
  if (pads.length !== 2 * n) throw new ModelError(`pads: expected ${2 * n} values, found [${pads}]`);
  return pads;
}

/** Pads and value as attributes until opset 11, as inputs (with axes since 18). */
export const Pad: Op = [
  {
    since: 2,
    build: (node: NodeSpec): Run => {
      const mode = choice(node, 'mode', ['constant', 'reflect', 'edge'] as const, 'constant');
      const pads = ints(node, 'pads') ?? [];
      const value = float(node, 'value', 0);
      return (inputs, rt) => {
        const x = need(inputs, 0, 'data');
        return [pad(x, check(pads, x.dims.length), mode, constantOf(value, x.dtype, rt), rt)];
      };
    },
  },
  {
    since: 11,
    build: (node: NodeSpec): Run => {
      const mode = choice(node, 'mode', ['constant', 'reflect', 'edge', 'wrap'] as const, 'constant');
      return (inputs, rt) => {
        const x = need(inputs, 0, 'data');
        const rank = x.dims.length;
        const given = integers(need(inputs, 1, 'pads'), 'pads');
        const named = inputs[3] === undefined ? undefined : integers(inputs[3], 'axes');
        if (named !== undefined) axesOf(named, rank);
        const axes = named?.map((a) => (a < 0 ? a + rank : a));
        const pads = axes === undefined ? check(given, rank) : new Array<number>(2 * rank).fill(0);
        if (axes !== undefined) {
          check(given, axes.length);
          axes.forEach((a, i) => {
            (pads as number[])[a] = given[i]!;
            (pads as number[])[a + rank] = given[i + axes.length]!;
          });
        }
        const constant = inputs[2];
        if (constant !== undefined && constant.dtype !== x.dtype)
          throw new ModelError(`constant_value: expected type ${x.dtype}, found ${constant.dtype}`);
        if (constant !== undefined) scalar(constant, 'constant_value');
        return [pad(x, pads, mode, constant?.data[0] ?? zeroOf(x.dtype), rt)];
      };
    },
  },
];

/** The triangle on and above (below) the k-th diagonal of the last two axes; zeros elsewhere. */
export const Trilu: Op = since(14, (node) => {
  const keepUpper = flag(node, 'upper', true);
  return (inputs, rt) => {
    const x = need(inputs, 0, 'input');
    if (x.dims.length < 2) throw new ModelError(`input: expected rank >= 2, found [${x.dims}]`);
    const k = inputs[1] === undefined ? 0 : scalar(inputs[1], 'k');
    const [rows, cols] = x.dims.slice(-2) as [number, number];
    const y = rt.empty(x.dtype, x.dims);
    const src = elements(x);
    const out = elements(y);
    const zero = (isBig(x.dtype) ? 0n : 0) as number;
    for (let at = 0, r = 0; at < out.length; at += cols, r = (r + 1) % rows) {
      const edge = Math.min(Math.max(keepUpper ? r + k : r + k + 1, 0), cols);
      const [from, to] = keepUpper ? [edge, cols] : [0, edge];
      out.fill(zero, at, at + cols);
      out.set(src.subarray(at + from, at + to), at + from);
    }
    return [y];
  };
});
