import { UnsupportedError } from '../../errors.ts';
import { binary } from '../../ops/arithmetic.ts';
import { float, int } from '../../ops/attributes.ts';
import { OPSETS } from '../../ops/registry.ts';
import type { Runtime } from '../../ops/op.ts';
import { axisOf, product } from '../../ops/shape.ts';
import type { Tensor } from '../../tensor.ts';
import { type Call, type Gradient, specOf, zeros } from '../gradient.ts';
import { sumRows } from '../sum.ts';

/** Normalisations. */

const spec = (call: Call) => specOf(call.node, OPSETS.newest);

/** t [n, channels, ...] times one factor a channel. */
function perChannel(t: Tensor, factors: Tensor, rt: Runtime): Tensor {
  const y = rt.empty('float', t.dims);
  const [n, c] = t.dims as [number, number];
  const shift = zeros([c], rt);
  if (y.data.length > 0)
    rt.wasm.k.channel_affine(rt.ptr(t), rt.ptr(factors), rt.ptr(shift), rt.ptr(y), n, c, product(t.dims, 2));
  return y;
}

/** t [n, channels, ...] summed over everything but the channels. */
function channelSums(t: Tensor, rt: Runtime): Tensor {
  const [n, c] = t.dims as [number, number];
  return sumRows(sumRows(t, n * c, product(t.dims, 2), 'cols', rt), n, c, 'rows', rt);
}

export const BatchNormalization: Gradient = (call, wants, rt) => {
  const [x, scale, , mean, variance] = call.inputs as [Tensor, Tensor, Tensor, Tensor, Tensor];
  if (wants[3] || wants[4]) throw new UnsupportedError('the gradient in the mean and variance');
  if (x.dims.length < 2) throw new UnsupportedError(`the gradient for X of rank ${x.dims.length}`);
  const epsilon = float(spec(call), 'epsilon', 1e-5);
  const c = x.dims[1]!;
  const dy = call.dy[0]!;
  const table = (f: (inverse: number, i: number) => number) => {
    const t = rt.empty('float', [c]);
    for (let i = 0; i < c; i++) t.data[i] = f(1 / Math.sqrt(Number(variance.data[i]) + epsilon), i);
    return t;
  };
  const normalised = () => {
    const y = rt.empty('float', x.dims);
    const s = table((inverse) => inverse);
    const b = table((inverse, i) => -Number(mean.data[i]) * inverse);
    rt.wasm.k.channel_affine(rt.ptr(x), rt.ptr(s), rt.ptr(b), rt.ptr(y), x.dims[0]!, c, product(x.dims, 2));
    return y;
  };
  return [
    wants[0]
      ? perChannel(
          dy,
          table((inverse, i) => Number(scale.data[i]) * inverse),
          rt,
        )
      : undefined,
    wants[1] ? channelSums(binary('mul', dy, normalised(), rt), rt) : undefined,
    wants[2] ? channelSums(dy, rt) : undefined,
  ];
};

/** x normalised over rows of `cols` elements, without scale and shift. */
function normalisedRows(x: Tensor, rows: number, cols: number, epsilon: number, centre: boolean, rt: Runtime): Tensor {
  const h = rt.empty('float', x.dims);
  const { k } = rt.wasm;
  if (centre) k.layer_norm(rt.ptr(x), 0, 0, rt.ptr(h), rows, cols, epsilon);
  else k.rms_norm(rt.ptr(x), 0, rt.ptr(h), rows, cols, epsilon);
  return h;
}

function rowGradient(
  x: Tensor,
  gamma: Tensor | undefined,
  dy: Tensor,
  rows: number,
  cols: number,
  epsilon: number,
  centre: boolean,
  rt: Runtime,
): Tensor {
  const dx = rt.empty('float', x.dims);
  const g = gamma ? rt.ptr(gamma) : 0;
  if (dx.data.length > 0)
    rt.wasm.k.norm_gradient(rt.ptr(x), g, rt.ptr(dy), rt.ptr(dx), rows, cols, epsilon, centre ? 1 : 0);
  return dx;
}

/** Over the axes from `axis` on; mean and deviation, the other outputs, must go unused. */
function trailing(centre: boolean, fallback: number): Gradient {
  return (call, wants, rt) => {
    if (call.dy.slice(1).some((g) => g !== undefined))
      throw new UnsupportedError('the gradient of the mean and the deviation');
    const [x, gamma] = call.inputs as [Tensor, Tensor | undefined];
    const dy = call.dy[0]!;
    const at = axisOf(int(spec(call), 'axis', -1), x.dims.length);
    const [rows, cols] = [product(x.dims, 0, at), product(x.dims, at)];
    const epsilon = float(spec(call), 'epsilon', fallback);
    // Parameters that are broadcast within a row are not met in practice; the executor refuses them too.
    for (const t of call.inputs.slice(1))
      if (t !== undefined && t.data.length !== cols)
        throw new UnsupportedError(`the gradient for parameters of shape [${t.dims}] over rows of ${cols}`);
    const dGamma = () => {
      const h = normalisedRows(x, rows, cols, epsilon, centre, rt);
      return rt.view(sumRows(binary('mul', dy, h, rt), rows, cols, 'rows', rt), gamma!.dims);
    };
    return [
      wants[0] ? rowGradient(x, gamma, dy, rows, cols, epsilon, centre, rt) : undefined,
      wants[1] ? dGamma() : undefined,
      wants[2] ? rt.view(sumRows(dy, rows, cols, 'rows', rt), call.inputs[2]!.dims) : undefined,
    ];
  };
}

export const LayerNormalization = trailing(true, 1e-5);
export const RMSNormalization = trailing(false, 1e-5);
export const SimplifiedLayerNormalization = trailing(false, 1e-5);

/** Each image's channels in `groups` groups, normalised, then one scale and shift a channel. */
function grouped(groupsOf: (call: Call, channels: number) => number): Gradient {
  return (call, wants, rt) => {
    const [x, given] = call.inputs as [Tensor, Tensor];
    const dy = call.dy[0]!;
    const [n, c] = x.dims as [number, number];
    const groups = groupsOf(call, c);
    const epsilon = float(spec(call), 'epsilon', 1e-5);
    const [rows, cols] = [n * groups, product(x.dims, 1) / groups];
    // Before opset 21 a GroupNormalization has one scale a group.
    const perGroup = given.data.length !== c;
    const scale = rt.empty('float', [c]);
    for (let i = 0; i < c; i++) scale.data[i] = given.data[perGroup ? Math.floor((i * groups) / c) : i]!;
    const back = (t: Tensor) => (perGroup ? sumRows(t, groups, c / groups, 'cols', rt) : t);
    const h = () => normalisedRows(x, rows, cols, epsilon, true, rt);
    return [
      wants[0] ? rowGradient(x, undefined, perChannel(dy, scale, rt), rows, cols, epsilon, true, rt) : undefined,
      wants[1] ? back(channelSums(binary('mul', dy, h(), rt), rt)) : undefined,
      wants[2] ? back(channelSums(dy, rt)) : undefined,
    ];
  };
}

export const InstanceNormalization = grouped((_, c) => c);
export const GroupNormalization = grouped((call) => int(spec(call), 'num_groups'));
