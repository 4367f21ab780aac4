import { erfGelu, productPlus, scoredSoftmax } from '../ops/chains.ts';
import { LINKS, pointwise } from '../ops/pointwise.ts';
import type { Tensor } from '../tensor.ts';
import type { Match, Pattern } from './fuse.ts';
import { CODED } from './patterns-codes.ts';
import { convolution } from './patterns-conv.ts';
import type { Step } from './steps.ts';

/** Chains of operators that exporters write and `src/ops/chains.ts` runs in one pass. */

/** Whether it is that operator of ai.onnx with those counts of inputs and one output. */
function is(step: Step | undefined, opType: string, inputs: number): step is Step {
  const node = step?.node;
  return node?.opType === opType && node.domain === '' && node.inputs.length === inputs && node.outputs.length === 1;
}

const outputOf = (step: Step): string => step.node.outputs[0]!;

/** Of a two-operand node the operand that is not `name`. */
function other(step: Step, name: string): string {
  const [a, b] = step.node.inputs as [string, string];
  return a === name ? b : a;
}

/** x / c or x c by a value c that may be one number: the operand scaled, the factor and how. */
function scaling(step: Step | undefined): { x: string; factor: string; divide: boolean } | undefined {
  const [a, b] = step?.node.inputs ?? [];
  if (is(step, 'Div', 2)) return { x: a!, factor: b!, divide: true };
  if (is(step, 'Mul', 2)) return { x: a!, factor: b!, divide: false };
  return undefined;
}

/** x (1 + erf(x / sqrt 2)) / 2, in the two orders it is written in. */
const gelu: Pattern = (erf, uses) => {
  if (!is(erf, 'Erf', 1)) return undefined;
  const first = uses.maker(erf.node.inputs[0]!);
  const scaled = scaling(first);
  const plus = uses.reader(outputOf(erf));
  if (scaled === undefined || uses.reader(outputOf(first!)) !== erf || !is(plus, 'Add', 2)) return undefined;
  const product = uses.reader(outputOf(plus));
  if (!is(product, 'Mul', 2)) return undefined;
  const { x, factor, divide } = scaled;
  const one = other(plus, outputOf(erf));
  const gate = other(product, outputOf(plus));
  const match = (members: readonly Step[], half: string): Match => ({
    members,
    run: (value, rt) => erfGelu(value(x), value(factor), divide, value(one), value(half), rt),
  });
  if (gate === x) {
    const end = uses.reader(outputOf(product));
    return is(end, 'Mul', 2) ? match([first!, erf, plus, product, end], other(end, outputOf(product))) : undefined;
  }
  const halved = uses.maker(gate);
  if (!is(halved, 'Mul', 2) || !halved.node.inputs.includes(x) || uses.reader(gate) !== product) return undefined;
  return match([halved, first!, erf, plus, product], other(halved, x));
};

/** Softmax along the last axis of scores that were scaled, masked or both. */
const softmax: Pattern = (step, uses) => {
  if (!is(step, 'Softmax', 1) || step.node.attributes.get('axis')?.value !== -1) return undefined;
  const members = [step];
  let x = step.node.inputs[0]!;
  const before = (): Step | undefined => (uses.reader(x) === members[0] ? uses.maker(x) : undefined);
  let mask: string | undefined;
  const add = before();
  if (is(add, 'Add', 2)) {
    members.unshift(add);
    // Scores are the operand that another step has just made; of two, the first.
    const [a, b] = add.node.inputs as [string, string];
    const scores = scaling(uses.reader(b) === add ? uses.maker(b) : undefined) ? b : a;
    mask = other(add, scores);
    x = scores;
  }
  const scale = before();
  const scaled = scaling(scale);
  if (scaled !== undefined) {
    members.unshift(scale!);
    x = scaled.x;
  }
  if (members.length === 1) return undefined;
  return {
    members,
    run: (value, rt) => {
      const factor = scaled && value(scaled.factor);
      const by = scaled && { factor, divide: scaled.divide };
      return scoredSoftmax(value(x), by, mask === undefined ? undefined : (value(mask) ?? null), rt);
    },
  };
};

/** A product, and what is added to it while it is at hand. */
const sum: Pattern = (product, uses) => {
  if (!is(product, 'MatMul', 2)) return undefined;
  const addends: string[] = [];
  const members = [product];
  for (let y = outputOf(product); addends.length < 2; ) {
    const add = uses.reader(y);
    if (!is(add, 'Add', 2)) break;
    addends.push(other(add, y));
    members.push(add);
    y = outputOf(add);
  }
  if (addends.length === 0) return undefined;
  return {
    members,
    run: (value, rt) => {
      const given = [...product.node.inputs, ...addends].map(value);
      if (!given.every((t) => t?.dtype === 'float')) return undefined;
      const [a, b, ...rest] = given as Tensor[];
      return productPlus(a!, b!, rest, rt);
    },
  };
};

function linkable({ node }: Step): boolean {
  const counts = node.domain === '' && Object.hasOwn(LINKS, node.opType) ? LINKS[node.opType]! : [];
  return counts.includes(node.inputs.length) && node.outputs.length === 1;
}

/** Operators that work element by element, each on what the one before has made. */
const elementwise: Pattern = (step, uses) => {
  if (!linkable(step)) return undefined;
  const members = [step];
  for (;;) {
    const y = outputOf(members.at(-1)!);
    const next = uses.reader(y);
    // The bounds of a Clip are not what it works on.
    if (!next || !linkable(next) || (next.node.opType === 'Clip' && next.node.inputs[0] !== y)) break;
    members.push(next);
  }
  if (members.length === 1) return undefined;
  const made = new Set(members.slice(0, -1).map(outputOf));
  return {
    members,
    run: (value, rt) => {
      let y: Tensor | undefined;
      for (let i = 0; i < members.length; ) {
        const links = members.slice(i).map(({ node: { opType, inputs } }, j) => ({
          opType,
          inputs: inputs.map((name) => (made.has(name) ? (j === 0 ? y : undefined) : (value(name) ?? null))),
        }));
        const done = pointwise(links, rt);
        const given = links[0]!.inputs.map((t) => t ?? undefined);
        y = done === undefined ? members[i]!.run(given, rt)[0] : done.y;
        i += done?.count ?? 1;
      }
      return y;
    },
  };
};

/** The first that matches a step has it. */
export const PATTERNS: readonly Pattern[] = [...CODED, gelu, softmax, sum, convolution, elementwise];
