import { ModelError, UnsupportedError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { choice, flag, float, ints, since } from './attributes.ts';
import type { NodeSpec, Op, Run, Runtime } from './op.ts';
import { anyElements, axisOf, elements, integers, isBig, need, product, scalar } from './shape.ts';

type Mode = 'constant' | 'reflect' | 'edge' | 'wrap';

/** For every output position along an axis the input position it copies, -1 where it is the constant. */
function sources(n: number, before: number, after: number, mode: Mode): Int32Array {
  const size = n + before + after;
  const out = new Int32Array(size);
  for (let i = 0; i < size; i++) {
    const p = i - before;
    if (p >= 0 && p < n) out[i] = p;
    else if (mode === 'constant') out[i] = -1;
    else if (mode === 'edge') out[i] = p < 0 ? 0 : n - 1;
    else if (mode === 'wrap') out[i] = ((p % n) + n) % n;
    else {
      const period = Math.max(1, 2 * (n - 1));
      const q = ((p % period) + period) % period;
      out[i] = n === 1 ? 0 : Math.min(q, period - q);
    }
  }
  return out;
}

/** `pads`: [before of every axis..., after of every axis...]; negative ones crop. */
function pad(x: Tensor, pads: readonly number[], mode: Mode, value: number | bigint, rt: Runtime): Tensor {
  const rank = x.dims.length;
  const dims = x.dims.map((d, i) => {
    const [before, after] = [pads[i]!, pads[i + rank]!];
    const size = d + before + after;
    if (size < 0) throw new ModelError(`pads: axis ${i} of [${x.dims}] would get size ${size}`);
    if (d === 0 && size > 0 && mode !== 'constant')
      throw new ModelError(`mode ${mode}: axis ${i} of [${x.dims}] is empty`);
    return size;
  });
  const y = rt.empty(x.dtype, dims);
  if (y.data.length === 0) return y;
  const from = dims.map((_, i) => sources(x.dims[i]!, pads[i]!, pads[i + rank]!, mode));
  const src = elements(x);
  const out = elements(y);
  const fill = value as number;
  if (rank === 0) {
    out[0] = src[0]!;
    return y;
  }
  const copy = (axis: number, at: number, to: number): void => {
    const map = from[axis]!;
    const inner = product(dims, axis + 1);
    const step = product(x.dims, axis + 1);
    for (let i = 0; i < map.length; i++) {
      const q = to + i * inner;
      if (map[i]! < 0) out.fill(fill, q, q + inner);
      else if (axis === rank - 1) out[q] = src[at + map[i]!]!;
      else copy(axis + 1, at + map[i]! * step, q);
    }
  };
  copy(0, 0, 0);
  return y;
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
        if (isBig(x.dtype) || x.dtype === 'float16') throw new UnsupportedError(`data: type ${x.dtype}`);
        return [pad(x, check(pads, x.dims.length), mode, value, rt)];
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
        const axes =
          inputs[3] === undefined ? undefined : integers(inputs[3], 'axes').map((a) => axisOf(a, rank, 'axes'));
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
        return [pad(x, pads, mode, constant?.data[0] ?? (isBig(x.dtype) ? 0n : 0), rt)];
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

/** Numbers from start, below limit, in steps of delta. */
export const Range: Op = since(11, () => (inputs, rt) => {
  const names = ['start', 'limit', 'delta'];
  const given = names.map((what, i) => need(inputs, i, what));
  const dtype = given[0]!.dtype;
  for (const [i, t] of given.entries()) {
    if (t.dtype !== dtype) throw new ModelError(`${names[i]}: expected type ${dtype}, found ${t.dtype}`);
    if (!['float', 'double', 'int16', 'int32', 'int64'].includes(dtype)) throw new UnsupportedError(`type ${dtype}`);
  }
  const [start, limit, delta] = given.map((t, i) => scalar(t, names[i]!)) as [number, number, number];
  if (delta === 0 || Number.isNaN(delta)) throw new ModelError(`delta: expected a number other than 0, found ${delta}`);
  const n = Math.max(0, Math.ceil((limit - start) / delta));
  if (!Number.isSafeInteger(n)) throw new ModelError(`${start}..${limit} by ${delta} is not a finite range`);
  const wide = rt.empty(dtype, [n]);
  const out = anyElements(wide);
  if (isBig(dtype)) {
    const [s, , d] = given.map((t) => t.data[0] as bigint) as [bigint, bigint, bigint];
    for (let i = 0; i < n; i++) out[i] = s + BigInt(i) * d;
  } else for (let i = 0; i < n; i++) out[i] = start + i * delta;
  return [wide];
});
