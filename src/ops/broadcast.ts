import type { Tensor } from '../tensor.ts';
import type { Runtime } from './op.ts';
import {
  anyElements,
  broadcastDims,
  broadcastStrides,
  collapse,
  elements,
  product,
  repeats,
  sameDims,
  walk,
} from './shape.ts';

type Pair = (a: number, b: number, y: number, n: number) => void;
type Scalar = (a: number, s: number, y: number, n: number) => void;
type Plane = (a: number, b: number, y: number, rows: number, cols: number) => void;

/** The kernels of a two-operand float operator: a op b, and `reversed` for b op a (the same ones when it commutes). */
export interface FloatKernels {
  readonly same: Pair;
  readonly scalar: Scalar;
  readonly row: Plane;
  readonly col: Plane;
  readonly reversed: { readonly scalar: Scalar; readonly row: Plane; readonly col: Plane };
}

/**
 * y = a op b with multidirectional broadcasting, all float in wasm memory. Every shape is brought to its fewest axes; the
 * last one or two run in a kernel, the others in a loop here.
 */
export function floatBinary(k: FloatKernels, a: Tensor, b: Tensor, rt: Runtime): Tensor {
  if (sameDims(a.dims, b.dims)) {
    const y = rt.over(a);
    k.same(rt.ptr(a), rt.ptr(b), rt.ptr(y), product(a.dims));
    return y;
  }
  return (
    rowsOf(k, a, b, rt) ?? rowsOf({ ...k.reversed, same: k.same, reversed: k }, b, a, rt) ?? anyBinary(k, a, b, rt)
  );
}

/** Where b is one number, or one row that repeats for all of a. */
function rowsOf(k: FloatKernels, a: Tensor, b: Tensor, rt: Runtime): Tensor | undefined {
  if (!repeats(b.dims, a.dims)) return undefined;
  const n = product(a.dims);
  const cols = product(b.dims);
  if (n === 0 || (cols > 1 && (b.dims.at(-1) !== cols || a.dims.at(-1) !== cols))) return undefined;
  const y = rt.over(a);
  if (cols === 1) k.scalar(rt.ptr(a), b.data[0] as number, rt.ptr(y), n);
  else k.row(rt.ptr(a), rt.ptr(b), rt.ptr(y), n / cols, cols);
  return y;
}

function anyBinary(k: FloatKernels, a: Tensor, b: Tensor, rt: Runtime): Tensor {
  const dims = broadcastDims(a.dims, b.dims);
  const y = rt.empty('float', dims);
  if (product(dims) === 0) return y;
  const space = collapse(dims, [broadcastStrides(a.dims, dims), broadcastStrides(b.dims, dims)]);
  const [sa, sb] = space.strides as [number[], number[]];
  const pa = rt.ptr(a);
  const pb = rt.ptr(b);
  const py = rt.ptr(y);
  const last = space.dims.length - 1;
  const n = space.dims[last]!;
  const rows = last > 0 ? space.dims[last - 1]! : 1;
  const ja = last > 0 ? sa[last - 1]! : -1;
  const jb = last > 0 ? sb[last - 1]! : -1;
  // Views on single elements: no allocation happens below, so they stay valid.
  const va = rt.wasm.arena.f32(pa, product(a.dims));
  const vb = rt.wasm.arena.f32(pb, product(b.dims));
  const run = (from: number, body: (x: number, z: number, y: number) => void) =>
    walk(space, from, (o, at) => body(o[0]!, o[1]!, py + 4 * at));
  if (sa[last] === sb[last]) {
    if (ja === n && jb === 0) run(last - 1, (i, j, q) => k.row(pa + 4 * i, pb + 4 * j, q, rows, n));
    else if (ja === 0 && jb === n) run(last - 1, (i, j, q) => k.reversed.row(pb + 4 * j, pa + 4 * i, q, rows, n));
    else run(last, (i, j, q) => k.same(pa + 4 * i, pb + 4 * j, q, n));
  } else if (sb[last] === 0) {
    if (ja === n && jb === 1) run(last - 1, (i, j, q) => k.col(pa + 4 * i, pb + 4 * j, q, rows, n));
    else run(last, (i, j, q) => k.scalar(pa + 4 * i, vb[j]!, q, n));
  } else if (ja === 1 && jb === n) run(last - 1, (i, j, q) => k.reversed.col(pb + 4 * j, pa + 4 * i, q, rows, n));
  else run(last, (i, j, q) => k.reversed.scalar(pb + 4 * j, va[i]!, q, n));
  return y;
}

/**
 * y = f(a, b) element by element with broadcasting, on the JavaScript side; `f` takes the elements as they are stored
 * (bigint for 64-bit integers) and y's array converts what it is given.
 */
export function plainBinary<T extends number | bigint>(
  f: (a: T, b: T) => number | bigint,
  a: Tensor,
  b: Tensor,
  dtype: Tensor['dtype'],
  rt: Runtime,
): Tensor {
  const dims = broadcastDims(a.dims, b.dims);
  const y = rt.empty(dtype, dims);
  const out = anyElements(y);
  const xs = elements(a) as unknown as T[];
  const zs = elements(b) as unknown as T[];
  const space = collapse(dims, [broadcastStrides(a.dims, dims), broadcastStrides(b.dims, dims)]);
  const last = space.dims.length - 1;
  const n = space.dims[last]!;
  const sa = space.strides[0]![last]!;
  const sb = space.strides[1]![last]!;
  walk(space, last, (o, at) => {
    let i = o[0]!;
    let j = o[1]!;
    for (let q = at; q < at + n; q++, i += sa, j += sb) out[q] = f(xs[i]!, zs[j]!);
  });
  return y;
}

/** The tensor repeated to a broadcast shape: itself where it has that shape already. */
export function expandTo(t: Tensor, dims: readonly number[], rt: Runtime): Tensor {
  if (t.dims.length === dims.length && dims.every((d, i) => d === t.dims[i])) return t;
  const y = rt.empty(t.dtype, dims);
  const x = elements(t);
  const out = elements(y);
  const space = collapse(dims, [broadcastStrides(t.dims, dims)]);
  const last = space.dims.length - 1;
  const n = space.dims[last]!;
  const s = space.strides[0]![last]!;
  walk(space, last, (o, at) => {
    const i = o[0]!;
    if (s === 1) out.set(x.subarray(i, i + n), at);
    else out.fill(x[i]!, at, at + n);
  });
  return y;
}
