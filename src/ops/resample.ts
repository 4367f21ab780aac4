import type { Tensor } from '../tensor.ts';
import { storing } from './numbers.ts';
import type { Runtime } from './op.ts';
import { elements, product } from './shape.ts';

/** Separable interpolation: one table of neighbours and weights an axis, one pass an axis. */

/** Along one axis: output element i is the sum over t of weight[i, t] times input element index[i, t]. */
export interface AxisTable {
  readonly axis: number;
  readonly size: number;
  readonly taps: number;
  /** [size, taps], all inside the axis. */
  readonly index: Int32Array;
  /** [size, taps]; absent where each output element is a copy of one input element. */
  readonly weight?: Float64Array;
}

function identity(t: AxisTable, n: number): boolean {
  return t.weight === undefined && t.size === n && t.index.every((v, i) => v === i);
}

/** The tensor with every axis named in `tables` resampled, those that shrink it first. Interpolates float and plain numeric types. */
export function resample(x: Tensor, tables: readonly AxisTable[], rt: Runtime): Tensor {
  const growth = (t: AxisTable) => t.size / x.dims[t.axis]!;
  const passes = tables.filter((t) => !identity(t, x.dims[t.axis]!));
  passes.sort((a, b) => growth(a) - growth(b) || b.axis - a.axis);
  if (passes.length === 0) return rt.view(x, x.dims);
  if (x.dtype === 'float') return passes.reduce((t, pass) => floatPass(t, pass, rt), x);
  if (passes.every((t) => t.weight === undefined)) return passes.reduce((t, pass) => copyPass(t, pass, rt), x);
  return plain(x, passes, rt);
}

/** Sizes around an axis, and the shape after the pass. */
function around(dims: readonly number[], t: AxisTable) {
  return {
    outer: product(dims, 0, t.axis),
    n: dims[t.axis]!,
    inner: product(dims, t.axis + 1),
    dims: dims.map((d, i) => (i === t.axis ? t.size : d)),
  };
}

function floatPass(x: Tensor, t: AxisTable, rt: Runtime): Tensor {
  const { outer, n, inner, dims } = around(x.dims, t);
  const y = rt.empty('float', dims);
  const { k, arena } = rt.wasm;
  const index = rt.scratch(4 * t.index.length);
  const weight = t.weight === undefined ? 0 : rt.scratch(4 * t.weight.length);
  arena.put(index, t.index);
  if (t.weight === undefined) k.resample_nearest(rt.ptr(x), outer, n, inner, index, t.size, rt.ptr(y));
  else {
    arena.put(weight, Float32Array.from(t.weight));
    k.resample(rt.ptr(x), outer, n, inner, index, weight, t.taps, t.size, rt.ptr(y));
  }
  return y;
}

function copyPass(x: Tensor, t: AxisTable, rt: Runtime): Tensor {
  const { outer, n, inner, dims } = around(x.dims, t);
  const y = rt.empty(x.dtype, dims);
  const a = elements(x);
  const out = elements(y);
  for (let o = 0, to = 0; o < outer; o++)
    for (let i = 0; i < t.size; i++) {
      const from = (o * n + t.index[i]!) * inner;
      for (let j = 0; j < inner; j++) out[to++] = a[from + j]!;
    }
  return y;
}

/** Passes in f64; integers are truncated at the end. */
function plain(x: Tensor, passes: readonly AxisTable[], rt: Runtime): Tensor {
  let dims: readonly number[] = x.dims;
  let values = Float64Array.from(x.data as ArrayLike<number>, Number);
  for (const t of passes) {
    const s = around(dims, t);
    const next = new Float64Array(product(s.dims));
    for (let o = 0, to = 0; o < s.outer; o++)
      for (let i = 0; i < t.size; i++, to += s.inner)
        for (let q = i * t.taps; q < (i + 1) * t.taps; q++) {
          const from = (o * s.n + t.index[q]!) * s.inner;
          const w = t.weight === undefined ? 1 : t.weight[q]!;
          for (let j = 0; j < s.inner; j++) next[to + j]! += w * values[from + j]!;
        }
    values = next;
    dims = s.dims;
  }
  const y = rt.empty(x.dtype, dims);
  if (x.dtype === 'double') {
    (y.data as Float64Array).set(values);
    return y;
  }
  const store = storing(x.dtype) as (v: number) => number;
  const out = elements(y);
  // Weights that add up to 1 but for the last bits of f64 must not push a whole number below itself.
  const settled = (v: number) => (Math.abs(v) < 2 ** 24 ? Math.fround(v) : v);
  for (let i = 0; i < out.length; i++) out[i] = store(settled(values[i]!));
  return y;
}
