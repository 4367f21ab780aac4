import { binary } from '../../ops/arithmetic.ts';
import { flag, float } from '../../ops/attributes.ts';
import { findOperator, OPSETS } from '../../ops/registry.ts';
import type { Runtime } from '../../ops/op.ts';
import { transpose } from '../../ops/transpose.ts';
import { UnsupportedError } from '../../errors.ts';
import type { Tensor } from '../../tensor.ts';
import { type Call, type Gradient, single, specOf } from '../gradient.ts';
import { sumTo } from '../sum.ts';
import { Gelu } from './activation.ts';
import { MatMul, scaled } from './linear.ts';
import { LayerNormalization, RMSNormalization } from './norm.ts';

/** Operators that do what several do: onnxruntime's fusions, and those that are their own adjoint up to an argument. */

const spec = (call: Call) => specOf(call.node, OPSETS.newest);

/** Gelu(x + bias). */
export const BiasGelu: Gradient = (call, wants, rt) => {
  const [x, bias] = call.inputs as [Tensor, Tensor];
  const sum = binary('add', x, bias, rt);
  const [g] = Gelu({ ...call, inputs: [sum] }, [true], rt);
  return [wants[0] ? g : undefined, wants[1] ? sumTo(g!, bias.dims, rt) : undefined];
};

/** Normalisation of input + skip + bias; the sum, the last output, may be used as well. */
function skip(norm: Gradient, biasAt: number): Gradient {
  return (call, wants, rt) => {
    if (call.dy[1] !== undefined || call.dy[2] !== undefined)
      throw new UnsupportedError('the gradient of the mean and the deviation');
    const [x, other, gamma] = call.inputs as [Tensor, Tensor, Tensor];
    const beta = biasAt === 4 ? call.inputs[3] : undefined;
    const bias = call.inputs[biasAt];
    let sum = binary('add', x, other, rt);
    if (bias !== undefined) sum = binary('add', sum, bias, rt);
    const wanted = [true, wants[2] ?? false, beta !== undefined && (wants[3] ?? false)];
    const made = call.dy[0] && norm({ ...call, inputs: [sum, gamma, beta], dy: [call.dy[0]] }, wanted, rt);
    const through = call.dy[3];
    const g =
      made?.[0] === undefined ? through! : through === undefined ? made[0] : binary('add', made[0], through, rt);
    const parameters = biasAt === 4 ? [made?.[1], made?.[2]] : [made?.[1]];
    return [
      wants[0] ? g : undefined,
      wants[1] ? sumTo(g, other.dims, rt) : undefined,
      ...parameters,
      wants[biasAt] ? sumTo(g, bias!.dims, rt) : undefined,
    ];
  };
}

/** Their epsilon is 1e-12 unless told. */
function withEpsilon(norm: Gradient): Gradient {
  return (call, wants, rt) => {
    const attributes = new Map(call.node.attributes);
    attributes.set('epsilon', { type: 'float', value: float(spec(call), 'epsilon', Math.fround(1e-12)) });
    return norm({ ...call, node: { ...call.node, attributes } }, wants, rt);
  };
}

export const SkipLayerNormalization = skip(withEpsilon(LayerNormalization), 4);
export const SkipSimplifiedLayerNormalization = skip(withEpsilon(RMSNormalization), 3);

/** alpha op(A) op(B), op swapping the last two axes. */
export const FusedMatMul: Gradient = (call, wants, rt) => {
  const s = spec(call);
  if (flag(s, 'transBatchA') || flag(s, 'transBatchB'))
    throw new UnsupportedError('the gradient of transBatchA and transBatchB');
  const swap = (t: Tensor) =>
    transpose(
      t,
      t.dims.map((_, i) => (i < t.dims.length - 2 ? i : 2 * t.dims.length - 3 - i)),
      rt,
    );
  const flags = [flag(s, 'transA'), flag(s, 'transB')].map((f, i) => f && call.inputs[i]!.dims.length > 1);
  const inputs = [0, 1].map((i) => (flags[i] ? swap(call.inputs[i]!) : call.inputs[i]!));
  const dy = scaled(call.dy[0]!, float(s, 'alpha', 1), rt);
  return MatMul({ ...call, inputs, dy: [dy] }, wants, rt).map((g, i) => (g && flags[i] ? swap(g) : g));
};
export const TransposeMatMul = FusedMatMul;

function rerun(call: Call, inputs: readonly (Tensor | undefined)[], rt: Runtime, node = call.node): Tensor {
  return findOperator(node.domain, node.opType, OPSETS.newest)!.build(specOf(node, OPSETS.newest))(inputs, rt)[0]!;
}

/** A rotation: back with the sines turned round. */
function rotation(sinAt: number): Gradient {
  return single((call, dy, _, rt) => {
    const sin = scaled(call.inputs[sinAt]!, -1, rt);
    return rerun(call, [dy, ...call.inputs.slice(1).map((t, i) => (i + 1 === sinAt ? sin : t))], rt);
  });
}

export const RotaryEmbedding = rotation(2);
export const MicrosoftRotaryEmbedding = rotation(3);

/** Sums from the other end. */
export const CumSum: Gradient = single((call, dy, _, rt) => {
  const attributes = new Map(call.node.attributes);
  attributes.set('reverse', { type: 'int', value: flag(spec(call), 'reverse') ? 0 : 1 });
  return rerun(call, [dy, call.inputs[1]], rt, { ...call.node, attributes });
});
