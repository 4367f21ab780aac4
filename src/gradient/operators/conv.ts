import { UnsupportedError } from '../../errors.ts';
import { convWindow, type Window } from '../../graph/window.ts';
import { int, ints } from '../../ops/attributes.ts';
import { OPSETS } from '../../ops/registry.ts';
import type { Runtime } from '../../ops/op.ts';
import { product } from '../../ops/shape.ts';
import { windowAttributes } from '../../ops/window.ts';
import type { Tensor } from '../../tensor.ts';
import { type Convolution, toNarrow, toWeights, toWide } from '../columns.ts';
import { type Call, type Gradient, specOf, zeros } from '../gradient.ts';
import { sumRows } from '../sum.ts';

/** dy [N, M, ...] summed over everything but the channels. */
function biasGradient(dy: Tensor, rt: Runtime): Tensor {
  const [n, m] = dy.dims as [number, number];
  const l = product(dy.dims, 2);
  const planes = rt.view(sumRows(dy, n * m, l, 'cols', rt), [n, m]);
  return sumRows(planes, n, m, 'rows', rt);
}

export const Conv: Gradient = (call, wants, rt) => {
  const [x, w] = call.inputs as [Tensor, Tensor];
  const dy = call.dy[0]!;
  const spec = specOf(call.node, OPSETS.newest);
  const groups = int(spec, 'group', 1);
  const c: Convolution = {
    window: convWindow(call.node, w.dims, x.dims),
    images: x.dims[0]!,
    groups,
    wide: x.dims[1]! / groups,
    narrow: w.dims[0]! / groups,
  };
  const empty = dy.data.length === 0;
  const dx = wants[0] ? zeros(x.dims, rt) : undefined;
  const dw = wants[1] ? zeros(w.dims, rt) : undefined;
  const narrow = rt.ptr(dy);
  if (dx && !empty) toWide(c, rt, { wide: rt.ptr(dx), narrow, weights: rt.ptr(w) });
  if (dw && !empty) toWeights(c, rt, { wide: rt.ptr(x), narrow, weights: rt.ptr(dw) });
  return [dx, dw, wants[2] ? biasGradient(dy, rt) : undefined];
};

/** The convolution over y that a transposed one turns around. */
function turned(call: Call): Window {
  const spec = specOf(call.node, OPSETS.newest);
  const a = windowAttributes(spec);
  const [x, w] = call.inputs as [Tensor, Tensor];
  const y = call.outputs[0]!;
  const rank = x.dims.length - 2;
  if (rank > 2) throw new UnsupportedError(`${rank} spatial axes; gradients over 1 or 2 are supported`);
  const shaped = ints(spec, 'output_shape') !== undefined || a.autoPad.startsWith('SAME');
  const extra = ints(spec, 'output_padding');
  const axes = Array.from({ length: rank }, (_, i) => {
    const [input, output, kernel] = [x.dims[i + 2]!, y.dims[i + 2]!, w.dims[i + 2]!];
    const stride = a.strides?.[i] ?? 1;
    const dilation = a.dilations?.[i] ?? 1;
    const full = (input - 1) * stride + (extra?.[i] ?? 0) + (kernel - 1) * dilation + 1;
    const total = Math.max(0, full - output);
    const shared = a.autoPad === 'SAME_UPPER' ? Math.floor(total / 2) : total - Math.floor(total / 2);
    const pad = shaped ? shared : a.autoPad === 'NOTSET' ? (a.pads?.[i] ?? 0) : 0;
    return { input, output, kernel, stride, dilation, pad };
  });
  const two = (pick: (a: (typeof axes)[number]) => number, fill: number): [number, number] =>
    rank === 1 ? [fill, pick(axes[0]!)] : [pick(axes[0]!), pick(axes[1]!)];
  const pads = two((v) => v.pad, 0);
  return {
    input: two((v) => v.output, 1),
    kernel: two((v) => v.kernel, 1),
    strides: two((v) => v.stride, 1),
    dilations: two((v) => v.dilation, 1),
    pads: [...pads, ...pads],
    output: two((v) => v.input, 1),
    outputDims: x.dims.slice(2),
  };
}

export const ConvTranspose: Gradient = (call, wants, rt) => {
  const [x, w] = call.inputs as [Tensor, Tensor];
  const dy = call.dy[0]!;
  const groups = int(specOf(call.node, OPSETS.newest), 'group', 1);
  const c: Convolution = {
    window: turned(call),
    images: x.dims[0]!,
    groups,
    wide: w.dims[1]!,
    narrow: x.dims[1]! / groups,
  };
  const empty = x.data.length === 0;
  const dx = wants[0] ? zeros(x.dims, rt) : undefined;
  const dw = wants[1] ? zeros(w.dims, rt) : undefined;
  const wide = rt.ptr(dy);
  if (dx && !empty) toNarrow(c, rt, { wide, narrow: rt.ptr(dx), weights: rt.ptr(w) });
  if (dw && !empty) toWeights(c, rt, { wide, narrow: rt.ptr(x), weights: rt.ptr(dw) });
  return [dx, dw, wants[2] ? biasGradient(dy, rt) : undefined];
};
