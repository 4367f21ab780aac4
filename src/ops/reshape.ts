import { ModelError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { flag, int, ints, since } from './attributes.ts';
import { expandTo } from './broadcast.ts';
import type { NodeSpec, Op, Run, Runtime } from './op.ts';
import { axesOf, axisOf, broadcastDims, copyRun, elements, integers, need, product } from './shape.ts';

/** Operators on shapes; all but Expand and Tile are views. */

/** Shape that `wanted` means for data of shape `dims`: 0 copies (unless allowed as a size), -1 is what is left. */
function reshaped(dims: readonly number[], wanted: readonly number[], zeros: boolean): number[] {
  const total = product(dims);
  let open = -1;
  const out = wanted.map((w, i) => {
    if (w < -1) throw new ModelError(`shape: expected sizes >= -1, found [${wanted}]`);
    if (w === -1 && open >= 0) throw new ModelError(`shape: expected one -1 at most, found [${wanted}]`);
    if (w === -1) open = i;
    if (w !== 0 || zeros) return w;
    const d = dims[i];
    if (d === undefined) throw new ModelError(`shape: 0 at ${i} copies an axis that [${dims}] does not have`);
    return d;
  });
  if (open >= 0) {
    const rest = out.reduce((n, d, i) => (i === open ? n : n * d), 1);
    if (rest === 0 || total % rest !== 0)
      throw new ModelError(`shape: [${dims}] has ${total} elements, which [${wanted}] cannot hold`);
    out[open] = total / rest;
  }
  if (product(out) !== total)
    throw new ModelError(`shape: [${dims}] has ${total} elements and [${wanted}] asks for ${product(out)}`);
  return out;
}

/** Shape as an attribute before opset 5, as an input since. */
export const Reshape: Op = since(5, (node) => {
  const zeros = flag(node, 'allowzero');
  return (inputs, rt) => {
    const x = need(inputs, 0, 'data');
    return [rt.view(x, reshaped(x.dims, integers(need(inputs, 1, 'shape'), 'shape'), zeros))];
  };
});

export const Flatten: Op = since(1, (node) => {
  const axis = int(node, 'axis', 1);
  return (inputs, rt) => {
    const x = need(inputs, 0, 'input');
    const at = axisOf(axis, x.dims.length, 'axis', x.dims.length);
    return [rt.view(x, [product(x.dims, 0, at), product(x.dims, at)])];
  };
});

export const Identity: Op = since(1, () => (inputs, rt) => {
  const x = need(inputs, 0, 'input');
  return [rt.view(x, x.dims)];
});

/** Axes as an attribute until opset 13, as an input since. */
function withAxes(shape: (dims: readonly number[], axes: readonly number[] | undefined) => number[]): Op {
  const run = (x: Tensor, axes: readonly number[] | undefined, rt: Runtime) => [rt.view(x, shape(x.dims, axes))];
  return [
    {
      since: 1,
      build: (node: NodeSpec): Run => {
        const axes = ints(node, 'axes');
        return (inputs, rt) => run(need(inputs, 0, 'data'), axes, rt);
      },
    },
    {
      since: 13,
      build: (): Run => (inputs, rt) =>
        run(need(inputs, 0, 'data'), inputs[1] === undefined ? undefined : integers(inputs[1], 'axes'), rt),
    },
  ];
}

export const Squeeze = withAxes((dims, axes) => {
  // An empty list counts as absent, as in onnxruntime.
  if (axes === undefined || axes.length === 0) return dims.filter((d) => d !== 1);
  const drop = axesOf(axes, dims.length);
  for (const a of drop)
    if (dims[a] !== 1) throw new ModelError(`axes: axis ${a} of [${dims}] has size ${dims[a]}, expected 1`);
  return dims.filter((_, i) => !drop.includes(i));
});

export const Unsqueeze = withAxes((dims, axes) => {
  if (axes === undefined) throw new ModelError('axes are missing');
  const rank = dims.length + axes.length;
  const at = axesOf(axes, rank);
  const rest = [...dims];
  return Array.from({ length: rank }, (_, i) => (at.includes(i) ? 1 : rest.shift()!));
});

/** Broadcast in both directions to a shape. */
export const Expand: Op = since(8, () => (inputs, rt) => {
  const x = need(inputs, 0, 'input');
  const y = expandTo(x, broadcastDims(x.dims, integers(need(inputs, 1, 'shape'), 'shape')), rt);
  return [y === x ? rt.view(x, x.dims) : y];
});

export const Tile: Op = since(6, () => (inputs, rt) => {
  const x = need(inputs, 0, 'input');
  const repeats = integers(need(inputs, 1, 'repeats'), 'repeats');
  if (repeats.length !== x.dims.length || repeats.some((r) => r < 0))
    throw new ModelError(`repeats: expected ${x.dims.length} counts >= 0, found [${repeats}]`);
  const y = rt.empty(
    x.dtype,
    x.dims.map((d, i) => d * repeats[i]!),
  );
  if (y.data.length === 0) return [y];
  const out = elements(y);
  const src = elements(x);
  // Innermost axis first: what is laid out already is the block that the next axis repeats.
  const last = x.dims.length - 1;
  const copy = (axis: number, from: number, to: number): number => {
    const n = x.dims[axis] ?? 1;
    let size = 0;
    if (axis >= last) {
      copyRun(src, from, out, to, n);
      size = n;
    } else {
      const inner = product(x.dims, axis + 1);
      for (let i = 0; i < n; i++) size += copy(axis + 1, from + i * inner, to + size);
    }
    const count = repeats[axis] ?? 1;
    for (let r = 1; r < count; r++) out.copyWithin(to + r * size, to, to + size);
    return size * count;
  };
  copy(0, 0, 0);
  return [y];
});

/** Sizes of the axes start..end. */
export const Shape: Op = since(1, (node) => {
  const start = int(node, 'start', 0);
  const end = int(node, 'end', Number.MAX_SAFE_INTEGER);
  return (inputs, rt) => {
    const { dims } = need(inputs, 0, 'data');
    const clip = (v: number) => Math.min(Math.max(v < 0 ? v + dims.length : v, 0), dims.length);
    const part = dims.slice(clip(start), Math.max(clip(start), clip(end)));
    const y = rt.empty('int64', [part.length]);
    (y.data as BigInt64Array).set(part.map(BigInt));
    return [y];
  };
});

export const Size: Op = since(1, () => (inputs, rt) => {
  const y = rt.empty('int64', []);
  y.data[0] = BigInt(product(need(inputs, 0, 'data').dims));
  return [y];
});
