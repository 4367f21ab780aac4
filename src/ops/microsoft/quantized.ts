import { ModelError } from '../../errors.ts';
import type { Tensor } from '../../tensor.ts';
import { LeakyRelu } from '../activations.ts';
import { Add, Mul } from '../arithmetic.ts';
import { flag, int, ints, since } from '../attributes.ts';
import { codedSum } from '../coded.ts';
import { DequantizeLinear as Dequantize, QuantizeLinear as Quantize } from '../linear.ts';
import { Where } from '../logic.ts';
import type { NodeSpec, Op, Run, Runtime } from '../op.ts';
import { AveragePool, GlobalAveragePool, MaxPool } from '../pool.ts';
import { QLinearConv as QLinearConv10 } from '../quantized.ts';
import { ReduceMean } from '../reduce.ts';
import { need } from '../shape.ts';
import { Concat } from '../slice.ts';
import { Softmax } from '../softmax.ts';
import { transpose } from '../transpose.ts';
import { Sigmoid } from '../unary.ts';
import { built, first, intAttribute, picked } from './built.ts';

/** Operators from codes to codes: each decodes, runs in float, and encodes. */

export const QuantizeLinear: Op = since(1, (node) => built(Quantize, node, picked(node, 'axis', 'block_size')));
export const DequantizeLinear: Op = since(1, (node) => built(Dequantize, node, picked(node, 'axis', 'block_size')));

/** A scale or zero point of one element, as a scalar. */
function point(t: Tensor | undefined, what: string, rt: Runtime): Tensor | undefined {
  if (t === undefined) return undefined;
  if (t.data.length !== 1) throw new ModelError(`${what}: expected one element, found shape [${t.dims}]`);
  return rt.view(t, []);
}

/** Decoding of the operand at input i, its scale and its zero point after it; encoding likewise. */
function codec(node: NodeSpec) {
  const dequantize = built(Dequantize, node);
  const quantize = built(Quantize, node);
  const parameters = (inputs: readonly (Tensor | undefined)[], i: number, what: string, rt: Runtime) =>
    [
      point(need(inputs, i, `${what}_scale`), `${what}_scale`, rt),
      point(inputs[i + 1], `${what}_zero_point`, rt),
    ] as const;
  return {
    decode: (inputs: readonly (Tensor | undefined)[], i: number, what: string, rt: Runtime) =>
      first(dequantize, [need(inputs, i, what), ...parameters(inputs, i + 1, what, rt)], rt),
    encode: (y: Tensor, inputs: readonly (Tensor | undefined)[], i: number, like: Tensor, rt: Runtime) => {
      const [scale, zero] = parameters(inputs, i, 'y', rt);
      // Without a zero point the result has the type of the operand.
      return first(quantize, [y, scale, zero ?? rt.empty(like.dtype, [])], rt);
    },
  };
}

/** One operand X, x_scale, x_zero_point, then y_scale, y_zero_point. */
function onOne(f: (node: NodeSpec) => Run): Op {
  return since(1, (node) => {
    const run = f(node);
    const { decode, encode } = codec(node);
    return (inputs, rt) => [encode(first(run, [decode(inputs, 0, 'X', rt)], rt), inputs, 3, need(inputs, 0, 'X'), rt)];
  });
}

/** Two operands with their parameters, then those of the result. */
function onTwo(op: Op): Op {
  return since(1, (node) => {
    const run = built(op, node);
    const { decode, encode } = codec(node);
    return (inputs, rt) => {
      const y = first(run, [decode(inputs, 0, 'A', rt), decode(inputs, 3, 'B', rt)], rt);
      return [encode(y, inputs, 6, need(inputs, 0, 'A'), rt)];
    };
  });
}

/** Sums of one shape in one pass; others as `onTwo` has them. */
export const QLinearAdd: Op = onTwo(Add).map(({ since, build }) => ({
  since,
  build: (node) => {
    const plain = build(node);
    return (inputs, rt) => {
      const [a, as, az, b, bs, bz, scale, zero] = inputs;
      if (!a || !as || !b || !bs || !scale || !zero) return plain(inputs, rt);
      const one = (codes: Tensor, s: Tensor, z: Tensor | undefined) => ({ codes, scale: s, zero: z, axis: 0 });
      const y = codedSum(one(a, as, az), one(b, bs, bz), FREE, { scale, zero }, rt);
      return y === undefined ? plain(inputs, rt) : [y];
    };
  },
}));
const FREE = { low: -Infinity, high: Infinity };
export const QLinearMul: Op = onTwo(Mul);
export const QLinearSigmoid: Op = onOne((node) => built(Sigmoid, node));
export const QLinearLeakyRelu: Op = onOne((node) => built(LeakyRelu, node, picked(node, 'alpha')));
export const QLinearReduceMean: Op = onOne((node) => {
  const mean = built(ReduceMean, node, picked(node, 'keepdims'));
  const axes = ints(node, 'axes');
  if (axes === undefined) return mean;
  const list: Tensor = { dtype: 'int64', dims: [axes.length], data: BigInt64Array.from(axes, BigInt) };
  return ([x], rt) => mean([x, list], rt);
});

/** Softmax as attribute "opset" has it: along an axis from 13 on, over everything from it on before. */
export const QLinearSoftmax: Op = onOne((node) => {
  const late = int(node, 'opset', 13) >= 13;
  const definition = late ? Softmax : Softmax.slice(0, 1);
  return built(definition, node, { axis: intAttribute(int(node, 'axis', late ? -1 : 1)) });
});

/** A condition, then two operands with their parameters, then those of the result. */
export const QLinearWhere: Op = since(1, (node) => {
  const where = built(Where, node);
  const { decode, encode } = codec(node);
  return (inputs, rt) => {
    const y = first(where, [need(inputs, 0, 'condition'), decode(inputs, 1, 'X', rt), decode(inputs, 4, 'Y', rt)], rt);
    return [encode(y, inputs, 7, need(inputs, 1, 'X'), rt)];
  };
});

/** The result's scale and zero point, then every operand with its own. */
export const QLinearConcat: Op = since(1, (node) => {
  const concat = built(Concat, node, picked(node, 'axis'));
  const { decode, encode } = codec(node);
  return (inputs, rt) => {
    if (inputs.length < 5 || (inputs.length - 2) % 3 !== 0)
      throw new ModelError(`expected 2 + 3 n inputs, found ${inputs.length}`);
    const parts: Tensor[] = [];
    for (let i = 2; i < inputs.length; i += 3) parts.push(decode(inputs, i, `input ${i}`, rt));
    return [encode(first(concat, parts, rt), inputs, 0, need(inputs, 2, 'input 2'), rt)];
  };
});

/** An operator over [N, C, spatial...] run on [N, spatial..., C]. */
export function channelsLast(run: Run): Run {
  return (inputs, rt) => {
    const x = need(inputs, 0, 'X');
    const rest = inputs.slice(1);
    const rank = x.dims.length;
    if (rank < 3) throw new ModelError(`X: expected rank 3 or more, found [${x.dims}]`);
    const axes = [...x.dims.keys()];
    const y = first(run, [transpose(x, [0, rank - 1, ...axes.slice(1, -1)], rt), ...rest], rt);
    return [transpose(y, [0, ...axes.slice(2), 1], rt)];
  };
}

function either(node: NodeSpec, run: Run): Run {
  return flag(node, 'channels_last') ? channelsLast(run) : run;
}

const WINDOW = ['auto_pad', 'ceil_mode', 'dilations', 'kernel_shape', 'pads', 'strides'] as const;

export const QLinearAveragePool: Op = onOne((node) =>
  either(node, built(AveragePool, node, picked(node, ...WINDOW, 'count_include_pad'))),
);
export const QLinearGlobalAveragePool: Op = onOne((node) => either(node, built(GlobalAveragePool, node)));

/** Largest code of each window of [N, spatial..., C]. */
export const NhwcMaxPool: Op = since(1, (node) => channelsLast(built(MaxPool, node, picked(node, ...WINDOW))));

/** QLinearConv, on [N, spatial..., C] if asked; weights are [M, C / group, kernel...] either way. */
export const QLinearConv: Op = since(1, (node) =>
  either(
    node,
    built(QLinearConv10, node, picked(node, 'auto_pad', 'dilations', 'group', 'kernel_shape', 'pads', 'strides')),
  ),
);
