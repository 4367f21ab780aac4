import { ModelError, UnsupportedError } from '../errors.ts';
import type { DType, Tensor } from '../tensor.ts';

/** Shape arithmetic shared by the operators. Strides are in elements; row-major unless said otherwise. */

/** Largest rank of a tensor. */
export const MAX_RANK = 64;

/** Row-major strides of a shape. */
export function stridesOf(dims: readonly number[]): number[] {
  const s = new Array<number>(dims.length);
  let n = 1;
  for (let i = dims.length - 1; i >= 0; i--) {
    s[i] = n;
    n *= dims[i]!;
  }
  return s;
}

/** Product of dims[from..to). */
export function product(dims: readonly number[], from = 0, to = dims.length): number {
  let n = 1;
  for (let i = from; i < to; i++) n *= dims[i]!;
  return n;
}

/** `axis` in 0..last, negative ones counted from the rank. @throws ModelError outside */
export function axisOf(axis: number, rank: number, what = 'axis', last = rank - 1): number {
  const a = axis < 0 ? axis + rank : axis;
  if (!(a >= 0 && a <= last))
    throw new ModelError(`${what}: expected ${-rank}..${last} for rank ${rank}, found ${axis}`);
  return a;
}

/** Sorted distinct axes, normalized. @throws ModelError for one outside the rank or named twice */
export function axesOf(axes: readonly number[], rank: number, what = 'axes'): number[] {
  if (rank > MAX_RANK) throw new UnsupportedError(`rank ${rank}: at most ${MAX_RANK} is supported`);
  const out = axes.map((a) => {
    const b = a < 0 ? a + rank : a;
    if (!(b >= 0 && b < rank))
      throw new ModelError(`${what}: expected ${-rank}..${rank - 1} for rank ${rank}, found ${a}`);
    return b;
  });
  out.sort((a, b) => a - b);
  for (let i = 1; i < out.length; i++)
    if (out[i] === out[i - 1]) throw new ModelError(`${what}: axis ${out[i]} is named twice in [${axes}]`);
  return out;
}

/** Shape of the multidirectional broadcast of two shapes. @throws ModelError when they do not broadcast */
export function broadcastDims(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  const out = new Array<number>(rank);
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) throw new ModelError(`shapes [${a}] and [${b}] do not broadcast`);
    out[i] = x === 1 ? y : x;
  }
  return out;
}

export function sameDims(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Whether a tensor of shape `inner` broadcasts to `dims` and not beyond. */
export function repeats(inner: readonly number[], dims: readonly number[]): boolean {
  const skip = dims.length - inner.length;
  if (skip < 0) return false;
  for (let i = 0; i < inner.length; i++) if (inner[i] !== 1 && inner[i] !== dims[skip + i]) return false;
  return true;
}

/** Strides of a tensor of shape `dims` read under the broadcast shape `out`: 0 along every repeated axis. */
export function broadcastStrides(dims: readonly number[], out: readonly number[]): number[] {
  const s = stridesOf(dims);
  return out.map((_, i) => {
    const j = dims.length - out.length + i;
    return j >= 0 && dims[j] !== 1 ? s[j]! : 0;
  });
}

/** An iteration space: axis lengths and, for each operand, its stride along every axis. */
export interface Space {
  readonly dims: number[];
  readonly strides: number[][];
}

/** The same iteration space with axes of length 1 dropped and neighbours merged where every operand allows; rank >= 1. */
export function collapse(dims: readonly number[], strides: readonly (readonly number[])[]): Space {
  const d: number[] = [];
  const s: number[][] = strides.map(() => []);
  for (let i = 0; i < dims.length; i++) {
    const n = dims[i]!;
    if (n === 1) continue;
    const last = d.length - 1;
    if (last >= 0 && strides.every((t, j) => s[j]![last] === t[i]! * n)) {
      d[last]! *= n;
      for (let j = 0; j < s.length; j++) s[j]![last] = strides[j]![i]!;
    } else {
      d.push(n);
      for (let j = 0; j < s.length; j++) s[j]!.push(strides[j]![i]!);
    }
  }
  if (d.length === 0) {
    d.push(1);
    for (const t of s) t.push(1);
  }
  return { dims: d, strides: s };
}

/**
 * Calls `body(offsets, at)` for every combination of the axes before `from`, in row-major order: `offsets` holds each
 * operand's element offset (reused between calls), `at` the offset in a row-major result.
 */
export function walk(space: Space, from: number, body: (offsets: readonly number[], at: number) => void): void {
  const { dims, strides } = space;
  const inner = product(dims, from);
  const outer = product(dims, 0, from);
  if (inner === 0 || outer === 0) return;
  const index = new Array<number>(from).fill(0);
  const offsets = strides.map(() => 0);
  for (let i = 0; i < outer; i++) {
    body(offsets, i * inner);
    for (let a = from - 1; a >= 0; a--) {
      const next = index[a]! + 1;
      if (next < dims[a]!) {
        index[a] = next;
        for (let j = 0; j < offsets.length; j++) offsets[j]! += strides[j]![a]!;
        break;
      }
      for (let j = 0; j < offsets.length; j++) offsets[j]! -= strides[j]![a]! * index[a]!;
      index[a] = 0;
    }
  }
}

/** Elements seen as opaque values: for copying between arrays of one type, BigInt ones included. */
export function elements(t: Tensor): Float32Array {
  return t.data as Float32Array;
}

/** Below this many elements a loop copies faster than two typed-array calls. */
const SHORT_RUN = 24;

/** Copies n elements between two arrays of one type. */
export function copyRun(x: Float32Array, from: number, y: Float32Array, to: number, n: number): void {
  if (n < SHORT_RUN) for (let i = 0; i < n; i++) y[to + i] = x[from + i]!;
  else y.set(x.subarray(from, from + n), to);
}

/** Elements to be written with whatever their type takes: numbers, or bigints. */
export function anyElements(t: Tensor): unknown[] {
  return t.data as unknown as unknown[];
}

/** Input `i`. @throws ModelError when it is absent */
export function need(inputs: readonly (Tensor | undefined)[], i: number, what: string): Tensor {
  return inputs[i] ?? absent(i, what);
}

function absent(i: number, what: string): never {
  throw new ModelError(`input ${i} (${what}) is missing`);
}

/** Input `i`, which must be float. @throws UnsupportedError for another type */
export function needFloat(inputs: readonly (Tensor | undefined)[], i: number, what: string): Tensor {
  return asFloat(need(inputs, i, what), what);
}

/** The tensor itself when it is float. @throws UnsupportedError for another type */
export function asFloat(t: Tensor, what: string): Tensor {
  if (t.dtype !== 'float') throw new UnsupportedError(`${what}: expected type float, found ${t.dtype}`);
  return t;
}

/** Elements of a small integer tensor as numbers. @throws ModelError for another type or a value beyond 2^53 */
export function integers(t: Tensor, what: string): number[] {
  if (t.dtype !== 'int64' && t.dtype !== 'int32')
    throw new ModelError(`${what}: expected type int64 or int32, found ${t.dtype}`);
  return Array.from(t.data as BigInt64Array, (x) => {
    const n = Number(x);
    // The ends of the int64 range are how a Slice says "to the end".
    if (!Number.isSafeInteger(n)) return n > 0 ? Number.MAX_SAFE_INTEGER : Number.MIN_SAFE_INTEGER;
    return n;
  });
}

/** The one element of a tensor, as a number. @throws ModelError when it has another count */
export function scalar(t: Tensor, what: string): number {
  if (t.data.length !== 1) throw new ModelError(`${what}: expected one element, found shape [${t.dims}]`);
  return Number(t.data[0]);
}

export function isBig(dtype: DType): boolean {
  return dtype === 'int64' || dtype === 'uint64';
}

export function isFloating(dtype: DType): boolean {
  return dtype === 'float' || dtype === 'double' || dtype === 'float16' || dtype === 'bfloat16';
}

/** @throws ModelError unless both tensors have one type */
export function sameType(a: Tensor, b: Tensor): void {
  if (a.dtype !== b.dtype) throw new ModelError(`inputs of one type expected, found ${a.dtype} and ${b.dtype}`);
}
