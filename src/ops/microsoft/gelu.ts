import { ModelError } from '../../errors.ts';
import { Gelu as Gelu20, Swish } from '../activations.ts';
import { Add, Mul } from '../arithmetic.ts';
import { float, since } from '../attributes.ts';
import { withHalf } from '../half.ts';
import type { NodeSpec, Op, Run } from '../op.ts';
import { need } from '../shape.ts';
import { Split } from '../slice.ts';
import { built, first, floatAttribute, intAttribute, stringAttribute } from './built.ts';

/** The function of input 0 plus input 1, where there is one. */
export function biased(node: NodeSpec, f: Run): Run {
  const add = built(Add, node);
  return (inputs, rt) => {
    const x = need(inputs, 0, 'X');
    return f([inputs[1] === undefined ? x : first(add, [x, inputs[1]], rt)], rt);
  };
}

/** Gaussian error linear unit, by erf. */
export const Gelu: Op = since(1, (node) => built(Gelu20, node));

/** Gelu of X plus a bias. */
export const BiasGelu: Op = withHalf(since(1, (node) => biased(node, built(Gelu20, node))));

/** Gelu by its approximation through tanh, of X plus a bias if there is one. */
export const FastGelu: Op = withHalf(
  since(1, (node) => biased(node, built(Gelu20, node, { approximate: stringAttribute('tanh') }))),
);

/** x sigmoid(alpha x). */
export const QuickGelu: Op = since(1, (node) =>
  built(Swish, node, { alpha: floatAttribute(float(node, 'alpha', Math.fround(1.702))) }),
);

/** With X plus bias split in halves a, b along the last axis: a Gelu(b). */
export const BiasSplitGelu: Op = withHalf(
  since(1, (node) => {
    const add = built(Add, node);
    const split = built(Split, node, { axis: intAttribute(-1), num_outputs: intAttribute(2) }, 2);
    const gelu = built(Gelu20, node);
    const mul = built(Mul, node);
    return (inputs, rt) => {
      const x = first(add, [need(inputs, 0, 'X'), need(inputs, 1, 'bias')], rt);
      if ((x.dims[x.dims.length - 1] ?? 1) % 2 !== 0)
        throw new ModelError(`X: expected an even last axis, found [${x.dims}]`);
      const [a, b] = split([x], rt);
      return mul([a, first(gelu, [b], rt)], rt);
    };
  }),
);
