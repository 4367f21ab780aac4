import { ModelError, UnsupportedError } from '../../errors.ts';
import type { Tensor } from '../../tensor.ts';
import {
  Elu,
  Gelu,
  HardSigmoid,
  HardSwish,
  LeakyRelu,
  Selu,
  Softplus,
  Softsign,
  ThresholdedRelu,
} from '../activations.ts';
import { Add } from '../arithmetic.ts';
import { flag, float, floats, has, since, string } from '../attributes.ts';
import { Clip } from '../clip.ts';
import { Conv } from '../conv.ts';
import { Gemm, MatMul, multiplyAll, productsOf } from '../gemm.ts';
import { withHalf } from '../half.ts';
import type { NodeSpec, Op, Run, Runtime } from '../op.ts';
import { realOf } from '../precision.ts';
import { need, sameType } from '../shape.ts';
import { transpose } from '../transpose.ts';
import { Relu, Sigmoid, Tanh } from '../unary.ts';
import { built, first, floatAttribute, picked, stringAttribute } from './built.ts';
import { biased } from './gelu.ts';

/** Products with what follows them in one node. */

/** Activations by name, and which attributes their parameters are, in order. */
const ACTIVATIONS: Readonly<Record<string, readonly [Op, ...string[]]>> = {
  Relu: [Relu],
  Sigmoid: [Sigmoid],
  Tanh: [Tanh],
  Softplus: [Softplus],
  Softsign: [Softsign],
  HardSwish: [HardSwish],
  LeakyRelu: [LeakyRelu, 'alpha'],
  Elu: [Elu, 'alpha'],
  ThresholdedRelu: [ThresholdedRelu, 'alpha'],
  Selu: [Selu, 'alpha', 'gamma'],
  HardSigmoid: [HardSigmoid, 'alpha', 'beta'],
  // The version that takes its bounds as attributes.
  Clip: [Clip.slice(0, 1), 'min', 'max'],
};

/** The activation that attribute "activation" names; undefined where there is none. @throws UnsupportedError for another */
function activation(node: NodeSpec, parameters: readonly (number | undefined)[]): Run | undefined {
  const name = string(node, 'activation', '');
  if (name === '') return undefined;
  const known = Object.hasOwn(ACTIVATIONS, name) ? ACTIVATIONS[name] : undefined;
  if (known === undefined) throw new UnsupportedError(`attribute "activation": "${name}"`);
  const [op, ...names] = known;
  const given = names.flatMap((n, i) => (parameters[i] === undefined ? [] : [[n, floatAttribute(parameters[i])]]));
  return built(op, node, Object.fromEntries(given));
}

function named(node: NodeSpec): (number | undefined)[] {
  const parameter = (name: string) => (has(node, name) ? float(node, name) : undefined);
  const alpha = parameter('activation_alpha');
  const last = string(node, 'activation', '') === 'Selu' ? 'activation_gamma' : 'activation_beta';
  return [alpha ?? parameter('leaky_relu_alpha'), parameter(last)];
}

function then(run: Run, after: Run | undefined): Run {
  return after === undefined ? run : (inputs, rt) => after(run(inputs, rt), rt);
}

/** The first axis brought before the last: [M, batch..., K] to [batch..., M, K]. */
function batchFirst(t: Tensor, rt: Runtime): Tensor {
  const last = t.dims.length - 1;
  return transpose(
    t,
    t.dims.map((_, i) => (i === last ? last : i === last - 1 ? 0 : i + 1)),
    rt,
  );
}

function swapped(dims: readonly number[]): number[] {
  return dims.length < 2 ? [...dims] : [...dims.slice(0, -2), dims[dims.length - 1]!, dims[dims.length - 2]!];
}

/**
 * alpha op(A) op(B) with the broadcasting of numpy.matmul: `transA`, `transB` swap the last two axes, `transBatchA`,
 * `transBatchB` before that bring the first axis behind the batch axes. A vector is never transposed.
 */
function matMul(node: NodeSpec): Run {
  const alpha = float(node, 'alpha', 1);
  const [ta, tb] = [flag(node, 'transA'), flag(node, 'transB')];
  const [ba, bb] = [flag(node, 'transBatchA'), flag(node, 'transBatchB')];
  return (inputs, rt) => {
    const operand = (i: number, what: string, batch: boolean) => {
      const t = need(inputs, i, what);
      return batch && t.dims.length > 2 ? batchFirst(t, rt) : t;
    };
    const b = operand(1, 'B', bb);
    let a = operand(0, 'A', ba);
    sameType(a, b);
    // Rows of A are run through at once: they have to lie one after the other.
    if (ta && a.dims.length > 1) {
      const last = a.dims.length - 1;
      a = transpose(
        a,
        [...a.dims.keys()].map((i) => (i === last ? last - 1 : i === last - 1 ? last : i)),
        rt,
      );
    }
    const transposed = tb && b.dims.length > 1;
    const p = productsOf(a.dims, transposed ? swapped(b.dims) : b.dims);
    const real = realOf(a, 'A', rt);
    const y = real.empty(p.dims);
    multiplyAll(real, p, transposed ? 1 : 0, a, b, y.ptr, alpha);
    return [y.done()];
  };
}

export const FusedMatMul: Op = withHalf(since(1, matMul));
export const TransposeMatMul: Op = FusedMatMul;

/** FusedMatMul followed by an activation. */
export const FusedMatMulActivation: Op = withHalf(
  since(1, (node) => then(matMul(node), activation(node, named(node)))),
);

/** Gemm followed by an activation. */
export const FusedGemm: Op = withHalf(
  since(1, (node) =>
    then(built(Gemm, node, picked(node, 'alpha', 'beta', 'transA', 'transB')), activation(node, named(node))),
  ),
);

/** Convolution, plus input Z where there is one, followed by an activation. */
export const FusedConv: Op = withHalf(
  since(1, (node) => {
    const window = picked(node, 'auto_pad', 'dilations', 'group', 'kernel_shape', 'pads', 'strides');
    const conv = built(Conv, node, window);
    const add = built(Add, node);
    const run: Run = (inputs, rt) => {
      const y = first(conv, inputs.slice(0, 3), rt);
      const z = inputs[3];
      if (z === undefined) return [y];
      if (String(z.dims) !== String(y.dims)) throw new ModelError(`Z: expected shape [${y.dims}], found [${z.dims}]`);
      return add([y, z], rt);
    };
    return then(run, activation(node, floats(node, 'activation_params') ?? []));
  }),
);

/** X times W, plus a bias, through FastGelu. */
export const GemmFastGelu: Op = withHalf(
  since(1, (node) => {
    const product = built(MatMul, node);
    const gelu = biased(node, built(Gelu, node, { approximate: stringAttribute('tanh') }));
    return (inputs, rt) => gelu([first(product, inputs.slice(0, 2), rt), inputs[2]], rt);
  }),
);
