import { UnsupportedError } from '../../errors.ts';
import { choice, int, ints } from '../../ops/attributes.ts';
import { cast } from '../../ops/cast.ts';
import { findOperator, OPSETS } from '../../ops/registry.ts';
import { axisOf, elements, product } from '../../ops/shape.ts';
import { transpose } from '../../ops/transpose.ts';
import type { Tensor } from '../../tensor.ts';
import { type Call, type Gradient, single, specOf, zeros } from '../gradient.ts';
import { sumTo } from '../sum.ts';

/** Operators that move elements without changing them. */

const spec = (call: Call) => specOf(call.node, OPSETS.newest);

const view: Gradient = single((_, dy, x, rt) => rt.view(dy, x.dims));
export const Reshape = view;
export const Flatten = view;
export const Identity = view;
export const Squeeze = view;
export const Unsqueeze = view;
export const Dropout = view;

export const Expand: Gradient = single((_, dy, x, rt) => sumTo(dy, x.dims, rt));

/** Between floating types; toward integers there is no gradient. */
export const Cast: Gradient = single((_, dy, x, rt) => cast(dy, x.dtype, rt));
/** The second input lends its type only. */
export const CastLike: Gradient = (call, wants, rt) => Cast(call, wants.slice(0, 1), rt);

export const Transpose: Gradient = single((call, dy, x, rt) => {
  const rank = x.dims.length;
  const perm = ints(spec(call), 'perm') ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  return transpose(
    dy,
    perm.map((_, i) => perm.indexOf(i)),
    rt,
  );
});

/** Copies `outer` stretches of `width` floats between tensors whose stretches are that far apart. */
function stretches(
  from: { t: Tensor; step: number; at: number },
  to: { t: Tensor; step: number; at: number },
  outer: number,
  width: number,
): void {
  const [src, out] = [from.t.data as Float32Array, to.t.data as Float32Array];
  for (let o = 0; o < outer; o++) {
    const start = o * from.step + from.at;
    out.set(src.subarray(start, start + width), o * to.step + to.at);
  }
}

export const Concat: Gradient = (call, wants, rt) => {
  const dy = call.dy[0]!;
  const at = axisOf(int(spec(call), 'axis'), dy.dims.length);
  const outer = product(dy.dims, 0, at);
  const step = product(dy.dims, at);
  let column = 0;
  return call.inputs.map((x, i) => {
    const width = product(x!.dims, at);
    const from = column;
    column += width;
    if (!wants[i]) return undefined;
    const dx = rt.empty('float', x!.dims);
    stretches({ t: dy, step, at: from }, { t: dx, step: width, at: 0 }, outer, width);
    return dx;
  });
};

export const Split: Gradient = (call, wants, rt) => {
  const x = call.inputs[0]!;
  if (!wants[0]) return [];
  const at = axisOf(int(spec(call), 'axis', 0), x.dims.length);
  const step = product(x.dims, at);
  const dx = zeros(x.dims, rt);
  let column = 0;
  call.outputs.forEach((y, i) => {
    const dy = call.dy[i];
    const width = product(y!.dims, at);
    if (dy !== undefined)
      stretches({ t: dy, step: width, at: 0 }, { t: dx, step, at: column }, product(x.dims, 0, at), width);
    column += width;
  });
  return [dx];
};

/** Slices along an axis, added where they were taken. */
export const Gather: Gradient = single((call, dy, x, rt) => {
  const at = axisOf(int(spec(call), 'axis', 0), x.dims.length);
  const n = x.dims[at]!;
  const index = Array.from(elements(call.inputs[1]!), (i) => (Number(i) < 0 ? Number(i) + n : Number(i)));
  const inner = product(x.dims, at + 1);
  const dx = zeros(x.dims, rt);
  const [from, to] = [rt.ptr(dy), rt.ptr(dx)];
  let source = from;
  for (let o = 0; o < product(x.dims, 0, at); o++)
    for (const i of index) {
      const target = to + 4 * (o * n + i) * inner;
      rt.wasm.k.add(target, source, target, inner);
      source += 4 * inner;
    }
  return dx;
});

/** What an operator fills up with, as an attribute: 0 unless told. */
const FILLS = ['value', 'extrapolation_value'];

/**
 * Any operator that picks elements of its first input: run on their numbers (from 1 on, 0 for what came from elsewhere) it
 * says where each went.
 */
const moved: Gradient = single((call, dy, x, rt) => {
  const dx = zeros(x.dims, rt);
  const numbers = rt.empty('int32', x.dims);
  for (let i = 0; i < numbers.data.length; i++) numbers.data[i] = i + 1;
  const opset = opsetOf(call);
  const version = findOperator(call.node.domain, call.node.opType, opset);
  if (version === undefined) throw new UnsupportedError(`the gradient of ${call.node.opType}`);
  const attributes = new Map([...call.node.attributes].filter(([name]) => !FILLS.includes(name)));
  // Floats that follow are what to fill up with, but for the regions and scales of a Resize.
  const scales = call.node.opType === 'Resize' || call.node.opType === 'Upsample';
  const inputs = call.inputs.map((t, i) => (i === 0 ? numbers : !scales && t?.dtype === 'float' ? undefined : t));
  const places = elements(version.build(specOf({ ...call.node, attributes }, opset))(inputs, rt)[0]!);
  const [g, out] = [dy.data as Float32Array, dx.data as Float32Array];
  for (let i = 0; i < places.length; i++) if (places[i]! > 0) out[places[i]! - 1]! += g[i]!;
  return dx;
});

/** Bounds, pads and scales are attributes in older versions, inputs in newer ones: the form of the node tells. */
function opsetOf({ node, inputs }: Call): number {
  if (['starts', 'pads', 'scales'].some((name) => node.attributes.has(name))) return OPSETS.oldest;
  if (node.opType === 'Upsample') return 9;
  return node.opType === 'Resize' && inputs.length === 2 ? 10 : OPSETS.newest;
}

export const Slice = moved;
export const Pad = moved;
export const Tile = moved;
export const GatherElements = moved;
export const GatherND = moved;
export const DepthToSpace = moved;
export const SpaceToDepth = moved;
export const ReverseSequence = moved;
export const Trilu = moved;
export const Compress = moved;

/** Nearest neighbours are picked; anything between them is not. */
const nearest: Gradient = (call, wants, rt) => {
  const mode = choice(spec(call), 'mode', ['nearest', 'linear', 'bilinear', 'cubic'] as const, 'nearest');
  if (mode !== 'nearest') throw new UnsupportedError(`the gradient of mode ${mode}`);
  return moved(call, wants, rt);
};
export const Resize = nearest;
export const Upsample = nearest;
export const CenterCropPad = moved;

/** Nothing to pass on: what they are made of has no gradient. */
const none: Gradient = () => [];
export const ConstantOfShape = none;
export const Range = none;
export const OneHot = none;
