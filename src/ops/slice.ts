import { ModelError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { bounds, int, ints, since } from './attributes.ts';
import type { NodeSpec, Op, Run, Runtime } from './op.ts';
import { axesOf, axisOf, copyRun, elements, integers, need, product, sameType, stridesOf } from './shape.ts';
import { strided } from './transpose.ts';

/** Taking tensors apart and putting them together. */

function clamp(v: number, lo: number, hi: number): number {
  return Math.min(Math.max(v, lo), hi);
}

function slice(
  x: Tensor,
  starts: readonly number[],
  ends: readonly number[],
  axes: readonly number[] | undefined,
  steps: readonly number[] | undefined,
  rt: Runtime,
): Tensor {
  const rank = x.dims.length;
  const n = starts.length;
  if (ends.length !== n || (axes ?? starts).length !== n || (steps ?? starts).length !== n)
    throw new ModelError(
      `starts, ends, axes and steps: expected one length, found ${n}, ${ends.length}, ${axes?.length ?? n}, ${steps?.length ?? n}`,
    );
  if (axes === undefined && n > rank) throw new ModelError(`starts: expected at most ${rank} values, found ${n}`);
  axesOf(axes ?? [], rank);
  const dims = [...x.dims];
  const strides = stridesOf(x.dims);
  let offset = 0;
  for (let i = 0; i < n; i++) {
    const a = axisOf(axes?.[i] ?? i, rank, 'axes');
    const size = x.dims[a]!;
    const step = steps?.[i] ?? 1;
    if (step === 0) throw new ModelError('steps: expected values other than 0');
    const from = (v: number) => (v < 0 ? v + size : v);
    const start = step > 0 ? clamp(from(starts[i]!), 0, size) : clamp(from(starts[i]!), 0, size - 1);
    const end = step > 0 ? clamp(from(ends[i]!), 0, size) : clamp(from(ends[i]!), -1, size - 1);
    dims[a] = Math.max(0, Math.ceil((end - start) / step));
    offset += start * strides[a]!;
    strides[a]! *= step;
  }
  return strided(x, dims, strides, rt, offset);
}

/** Bounds as attributes until opset 10, as inputs (with steps) since. */
export const Slice: Op = [
  {
    since: 1,
    build: (node: NodeSpec): Run => {
      const starts = bounds(node, 'starts');
      const ends = bounds(node, 'ends');
      const axes = ints(node, 'axes');
      return (inputs, rt) => [slice(need(inputs, 0, 'data'), starts, ends, axes, undefined, rt)];
    },
  },
  {
    since: 10,
    build: (): Run => (inputs, rt) => {
      const list = (i: number, what: string) => (inputs[i] === undefined ? undefined : integers(inputs[i], what));
      const starts = integers(need(inputs, 1, 'starts'), 'starts');
      const ends = integers(need(inputs, 2, 'ends'), 'ends');
      return [slice(need(inputs, 0, 'data'), starts, ends, list(3, 'axes'), list(4, 'steps'), rt)];
    },
  },
];

export const Concat: Op = since(4, (node) => {
  const axis = int(node, 'axis');
  return (inputs, rt) => {
    const first = need(inputs, 0, 'inputs');
    const at = axisOf(axis, first.dims.length);
    const dims = [...first.dims];
    const all = inputs.map((_, i) => need(inputs, i, 'inputs'));
    for (const t of all.slice(1)) {
      sameType(first, t);
      if (t.dims.length !== dims.length || t.dims.some((d, i) => i !== at && d !== dims[i]))
        throw new ModelError(`shapes [${first.dims}] and [${t.dims}] differ outside axis ${at}`);
      dims[at]! += t.dims[at]!;
    }
    const y = rt.empty(first.dtype, dims);
    if (product(dims) === 0) return [y];
    const outer = product(dims, 0, at);
    const width = product(dims, at);
    let column = 0;
    if (first.dtype === 'float') {
      for (const t of all) {
        const w = product(t.dims, at);
        rt.wasm.k.place4(rt.ptr(t), 1, 1, outer, w, rt.ptr(y) + 4 * column, 0, 0, width);
        column += w;
      }
      return [y];
    }
    const out = elements(y);
    for (const t of all) {
      const src = elements(t);
      const w = product(t.dims, at);
      for (let o = 0; o < outer; o++) copyRun(src, o * w, out, o * width + column, w);
      column += w;
    }
    return [y];
  };
});

/** Sizes of the parts, of the first `wanted` at least: as told, or equal ones, the last the smaller. */
function parts(
  size: number,
  told: readonly number[] | undefined,
  n: number,
  even: boolean,
  wanted: number,
): readonly number[] {
  if (told !== undefined) {
    if (told.some((p) => p < 0) || told.reduce((a, b) => a + b, 0) !== size)
      throw new ModelError(`split: expected sizes that add up to ${size}, found [${told}]`);
    return told;
  }
  if (n < 1 || (even && size % n !== 0))
    throw new ModelError(`an axis of ${size} does not split into ${n} equal parts`);
  const each = Math.ceil(size / n);
  return Array.from({ length: Math.min(n, wanted) }, (_, i) => Math.max(0, Math.min(each, size - i * each)));
}

/** Sizes as an attribute until opset 13, as an input since; equal parts where absent (uneven ones since 18). */
export const Split: Op = since(2, (node) => {
  const axis = int(node, 'axis', 0);
  const attribute = node.opset < 13 ? ints(node, 'split') : undefined;
  const count = node.opset >= 18 ? int(node, 'num_outputs', node.outputs) : node.outputs;
  return (inputs, rt) => {
    const x = need(inputs, 0, 'input');
    const at = axisOf(axis, x.dims.length);
    const told = inputs[1] === undefined ? attribute : integers(inputs[1], 'split');
    const sizes = parts(x.dims[at]!, told, count, node.opset < 18, node.outputs);
    if (sizes.length < node.outputs)
      throw new ModelError(`expected ${node.outputs} parts, one an output, found ${sizes.length}`);
    const outer = product(x.dims, 0, at);
    const inner = product(x.dims, at + 1);
    const width = product(x.dims, at);
    const outputs = sizes.map((s) =>
      rt.empty(
        x.dtype,
        x.dims.map((d, i) => (i === at ? s : d)),
      ),
    );
    const src = elements(x);
    if (src.length === 0) return outputs;
    let column = 0;
    for (let i = 0; i < sizes.length; i++) {
      const out = elements(outputs[i]!);
      const w = sizes[i]! * inner;
      for (let o = 0; o < outer; o++) copyRun(src, o * width + column, out, o * w, w);
      column += w;
    }
    return outputs;
  };
});
