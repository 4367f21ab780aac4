import * as math from '../math.ts';
import { ModelError, UnsupportedError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { flag, int, since } from './attributes.ts';
import { halves, withHalf } from './half.ts';
import type { Op, Run, Runtime } from './op.ts';
import { type Place, Real, realOf } from './precision.ts';
import { elements, need, product, stridesOf } from './shape.ts';
import { planeArguments, type Window, type WindowAttributes, windowAttributes, windowOf } from './window.ts';

/** Pooling over any number of spatial axes. A window is a product of one axis' positions with another's: axes are pooled in turn. */

/** The attribute that pooling cannot do without. */
export function kernelOf(a: WindowAttributes): readonly number[] {
  if (a.kernel === undefined) throw new ModelError('attribute "kernel_shape" is missing');
  return a.kernel;
}

/** Shape of the result of a window over `x`. */
export function pooledDims(x: Tensor, w: Window): readonly number[] {
  return [...x.dims.slice(0, 2), ...w.outputDims];
}

/**
 * Largest element, mean of what lies inside, or sum over the size of the window, of planes [planes, input...] at x.
 * The last two axes go together, those before one at a time.
 */
export function slide(
  real: Real,
  w: Window,
  planes: number,
  x: number,
  kind: 'max' | 'mean' | 'padded',
  y: number,
): void {
  const pool = (rows: number, from: number, a: ReturnType<typeof planeArguments>, to: number) => {
    if (kind === 'max') real.k.maxpool2d(from, rows, ...a, to);
    else real.k.avgpool2d(from, rows, ...a, kind === 'padded' ? 1 : 0, to);
  };
  const lead = w.input.length - 2;
  let rest = product(w.output.slice(lead));
  let from = x;
  for (let axis = lead; axis >= 0; axis--) {
    const outer = planes * product(w.input, 0, axis);
    const to = axis === 0 ? y : real.scratch(outer * (axis === lead ? rest : w.output[axis]! * rest));
    if (axis === lead) pool(outer, from, planeArguments(w), to);
    else {
      const [n, k, s, p, d, o] = [w.input, w.kernel, w.strides, w.pads, w.dilations, w.output].map((v) => v[axis]!) as [
        number,
        number,
        number,
        number,
        number,
        number,
      ];
      pool(outer, from, [n, rest, k, 1, s, 1, p, 0, d, 1, o, rest], to);
      rest *= o;
    }
    from = to;
  }
}

/** Positions o*s - p + k*d of a window that lie in [0, n), as [first, past the last] of k. */
function inside(o: number, s: number, p: number, d: number, kernel: number, n: number): [number, number] {
  const start = o * s - p;
  const first = start < 0 ? Math.ceil(-start / d) : 0;
  return [first, Math.max(first, Math.min(kernel, Math.ceil((n - start) / d)))];
}

/** Flat position in x of each window's largest element, the first of several in row-major order, NaN before all; -1 for an empty window. */
function largest(x: ArrayLike<number>, planes: number, w: Window): Int32Array {
  let at: Int32Array = Int32Array.from({ length: x.length }, (_, i) => i);
  let inner = 1;
  for (let axis = w.input.length - 1; axis >= 0; axis--) {
    const n = w.input[axis]!;
    const outputs = w.output[axis]!;
    const [s, p, d, k] = [w.strides[axis]!, w.pads[axis]!, w.dilations[axis]!, w.kernel[axis]!];
    const outer = planes * product(w.input, 0, axis);
    const next = new Int32Array(outer * outputs * inner).fill(-1);
    for (let o = 0; o < outputs; o++) {
      const [first, end] = inside(o, s, p, d, k, n);
      for (let i = 0; i < outer; i++)
        for (let tap = first; tap < end; tap++) {
          const from = (i * n + o * s - p + tap * d) * inner;
          const to = (i * outputs + o) * inner;
          for (let j = 0; j < inner; j++) {
            const candidate = at[from + j]!;
            if (candidate < 0) continue;
            const best = next[to + j]!;
            const [v, b] = [x[candidate]!, x[best]!];
            if (best < 0 || v > b || (Number.isNaN(v) && !Number.isNaN(b))) next[to + j] = candidate;
          }
        }
    }
    at = next;
    inner *= outputs;
  }
  return at;
}

/** Positions in row-major order renumbered with the first spatial axis moving fastest, plane by plane. */
function columnMajor(at: Int32Array, input: readonly number[]): void {
  const size = product(input);
  const rows = stridesOf(input);
  const columns = stridesOf([...input].reverse()).reverse();
  for (let i = 0; i < at.length; i++) {
    let rest = at[i]! % size;
    let p = at[i]! - rest;
    for (let a = 0; a < input.length; a++) {
      const index = Math.floor(rest / rows[a]!);
      rest -= index * rows[a]!;
      p += index * columns[a]!;
    }
    if (at[i]! >= 0) at[i] = p;
  }
}

/** Largest codes of windows, by way of floats, which hold them exactly. */
function largestCodes(x: Tensor, dtype: 'int8' | 'uint8', w: Window, planes: number, rt: Runtime): Tensor {
  const real = new Real(rt, 'float');
  const n = product(x.dims);
  const y = rt.codes(dtype, pooledDims(x, w));
  const size = product(y.dims);
  if (size === 0) return y;
  const [type, lo, hi] = dtype === 'uint8' ? [0, 0, 255] : [1, -128, 127];
  const [from, to] = [rt.scratch(4 * n), rt.scratch(4 * size)];
  rt.wasm.k.codes_to_f32(rt.ptr(x), n, type, 0, 1, from);
  slide(real, w, planes, from, 'max', to);
  rt.wasm.k.f32_to_codes(to, size, type, 0, 1, lo, hi, rt.ptr(y));
  return y;
}

const LOWEST: Partial<Record<Tensor['dtype'], number>> = { int8: -128, uint8: 0 };

/** Largest element of each window, of floating types, int8 and uint8; its flat index on request. */
export const MaxPool: Op = since(1, (node) => {
  const attributes = windowAttributes(node);
  const kernel = kernelOf(attributes);
  const byColumns = int(node, 'storage_order', 0) !== 0;
  const run: Run = (inputs, rt) => {
    const x = need(inputs, 0, 'X');
    const w = windowOf(attributes, x.dims, kernel);
    const planes = x.dims[0]! * x.dims[1]!;
    if (node.outputs < 2 && (x.dtype === 'float' || x.dtype === 'double')) {
      const real = realOf(x, 'X', rt);
      const y = real.empty(pooledDims(x, w));
      if (y.length > 0) slide(real, w, planes, real.ptr(x), 'max', y.ptr);
      return [y.done()];
    }
    if (x.dtype !== 'float' && x.dtype !== 'double' && x.dtype !== 'int8' && x.dtype !== 'uint8')
      throw new UnsupportedError(`X: expected type float, double, float16, int8 or uint8, found ${x.dtype}`);
    if (node.outputs < 2 && (x.dtype === 'int8' || x.dtype === 'uint8'))
      return [largestCodes(x, x.dtype, w, planes, rt)];
    const y = rt.empty(x.dtype, pooledDims(x, w));
    const values = elements(x);
    const at = largest(values, planes, w);
    const out = elements(y);
    const lowest = LOWEST[x.dtype] ?? Number.NEGATIVE_INFINITY;
    for (let i = 0; i < out.length; i++) out[i] = at[i]! < 0 ? lowest : values[at[i]!]!;
    if (node.outputs < 2) return [y];
    if (byColumns) columnMajor(at, w.input);
    const indices = rt.empty('int64', y.dims);
    for (let i = 0; i < at.length; i++) indices.data[i] = BigInt(at[i]!);
    return [y, indices];
  };
  return halves(run);
});

/** Mean of each window. Padding counts as zeros with `count_include_pad`; what lies beyond the padding never counts. */
export const AveragePool: Op = withHalf(
  since(7, (node) => {
    const attributes = windowAttributes(node);
    const kernel = kernelOf(attributes);
    const padded = flag(node, 'count_include_pad');
    return (inputs, rt) => {
      const x = need(inputs, 0, 'X');
      const real = realOf(x, 'X', rt);
      const w = windowOf(attributes, x.dims, kernel);
      const y = real.empty(pooledDims(x, w));
      if (y.length > 0) {
        slide(real, w, x.dims[0]! * x.dims[1]!, real.ptr(x), padded ? 'padded' : 'mean', y.ptr);
        if (padded && attributes.ceil) recount(real, y, w);
      }
      return [y.done()];
    };
  }),
);

/** Windows that `ceil_mode` lets run past the padding were divided by the whole kernel: divide by what is there instead. */
function recount(real: Real, y: Place, w: Window): void {
  const rank = w.input.length;
  const whole = product(w.kernel);
  let counts = [1];
  for (let a = 0; a < rank; a++) {
    const end = w.input[a]! + w.pads[a]! + w.pads[a + rank]!;
    const own = Array.from({ length: w.output[a]! }, (_, o) => {
      const [first, past] = inside(o, w.strides[a]!, 0, w.dilations[a]!, w.kernel[a]!, end);
      return past - first;
    });
    counts = counts.flatMap((c) => own.map((d) => c * d));
  }
  const out = real.view(y.ptr, y.length);
  for (let i = 0; i < out.length; i++) {
    const count = counts[i % counts.length]!;
    if (count !== whole) out[i] = (out[i]! * whole) / count;
  }
}

/** Rows of one plane each: [N * C, everything else]. @throws ModelError for fewer than three axes */
function planesOf(x: Tensor): { planes: number; size: number; dims: readonly number[] } {
  if (x.dims.length < 3) throw new ModelError(`X: expected shape [N, C, spatial...], found [${x.dims}]`);
  return {
    planes: x.dims[0]! * x.dims[1]!,
    size: product(x.dims, 2),
    dims: x.dims.map((d, i) => (i < 2 ? d : 1)),
  };
}

function global(kernel: 'reduce_rows_mean' | 'reduce_rows_max'): Op {
  return withHalf(
    since(1, () => (inputs, rt) => {
      const x = need(inputs, 0, 'X');
      const real = realOf(x, 'X', rt);
      const { planes, size, dims } = planesOf(x);
      const y = real.empty(dims);
      real.k[kernel](real.ptr(x), planes, size, y.ptr);
      return [y.done()];
    }),
  );
}

export const GlobalAveragePool = global('reduce_rows_mean');
export const GlobalMaxPool = global('reduce_rows_max');

/** The p of a p-norm. */
function normOf(p: number): number {
  if (p < 1) throw new ModelError(`attribute "p": expected >= 1, found ${p}`);
  return p;
}

/** |v|^p at `from`, n elements, written to `to`; p a whole number. */
function powers(real: Real, from: number, to: number, n: number, p: number, rt: Runtime): void {
  real.k.abs(from, to, n);
  if (p === 1) return;
  if (p > 64) {
    const v = real.view(to, n);
    for (let i = 0; i < n; i++) v[i] = math.pow(v[i]!, p);
    return;
  }
  const base = real.scratch(n);
  const bytes = real.bytes * n;
  rt.wasm.arena.u8(base, bytes).set(rt.wasm.arena.u8(to, bytes));
  for (let i = 1; i < p; i++) real.k.mul(to, base, to, n);
}

function roots(v: Float32Array | Float64Array, p: number): void {
  if (p === 1) return;
  for (let i = 0; i < v.length; i++) v[i] = p === 2 ? Math.sqrt(v[i]!) : math.pow(v[i]!, 1 / p);
}

/** p-norm of each window: (sum |x|^p)^(1/p). */
export const LpPool: Op = withHalf(
  since(2, (node) => {
    const attributes = windowAttributes(node);
    const kernel = kernelOf(attributes);
    const p = normOf(int(node, 'p', 2));
    return (inputs, rt) => {
      const x = need(inputs, 0, 'X');
      const real = realOf(x, 'X', rt);
      const w = windowOf(attributes, x.dims, kernel);
      const y = real.empty(pooledDims(x, w));
      if (y.length === 0) return [y.done()];
      const n = x.data.length;
      const raised = real.scratch(n);
      powers(real, real.ptr(x), raised, n, p, rt);
      slide(real, w, x.dims[0]! * x.dims[1]!, raised, 'padded', y.ptr);
      real.k.mul_scalar(y.ptr, product(w.kernel), y.ptr, y.length);
      roots(real.view(y.ptr, y.length), p);
      return [y.done()];
    };
  }),
);

/** p-norm of each plane. */
export const GlobalLpPool: Op = withHalf(
  since(2, (node) => {
    const p = normOf(int(node, 'p', 2));
    return (inputs, rt) => {
      const x = need(inputs, 0, 'X');
      const real = realOf(x, 'X', rt);
      const { planes, size, dims } = planesOf(x);
      const y = real.empty(dims);
      const n = x.data.length;
      const raised = real.scratch(n);
      powers(real, real.ptr(x), raised, n, p, rt);
      real.k.reduce_rows_mean(raised, planes, size, y.ptr);
      if (size > 0) real.k.mul_scalar(y.ptr, size, y.ptr, planes);
      else real.view(y.ptr, planes).fill(0);
      roots(real.view(y.ptr, planes), p);
      return [y.done()];
    };
  }),
);
