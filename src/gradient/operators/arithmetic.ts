import { binary } from '../../ops/arithmetic.ts';
import { expandTo } from '../../ops/broadcast.ts';
import { findOperator, OPSETS } from '../../ops/registry.ts';
import type { Runtime } from '../../ops/op.ts';
import { elements } from '../../ops/shape.ts';
import { apply } from '../../ops/unary.ts';
import type { Tensor } from '../../tensor.ts';
import { elementwise, type Gradient, specOf } from '../gradient.ts';
import { sumTo } from '../sum.ts';
import { scaled } from './linear.ts';

/** Arithmetic on two and more tensors; the gradient of what was broadcast is summed back. */

type Part = (dy: Tensor, a: Tensor, b: Tensor, y: Tensor, rt: Runtime) => Tensor;

/** Gradients of the two operands, each of dy's shape. */
function pair(left: Part, right: Part): Gradient {
  return (call, wants, rt) => {
    const [a, b] = call.inputs as [Tensor, Tensor];
    const of = (part: Part, to: Tensor) => sumTo(part(call.dy[0]!, a, b, call.outputs[0]!, rt), to.dims, rt);
    return [wants[0] ? of(left, a) : undefined, wants[1] ? of(right, b) : undefined];
  };
}

const same: Part = (dy) => dy;
const negative: Part = (dy, _, __, ___, rt) => apply('neg', dy, rt);

export const Add = pair(same, same);
export const Sub = pair(same, negative);
export const Mul = pair(
  (dy, _, b, __, rt) => binary('mul', dy, b, rt),
  (dy, a, _, __, rt) => binary('mul', dy, a, rt),
);
export const Div = pair(
  (dy, _, b, __, rt) => binary('div', dy, b, rt),
  (dy, _, b, y, rt) => apply('neg', binary('div', binary('mul', dy, y, rt), b, rt), rt),
);

function power(a: Tensor, e: Tensor, rt: Runtime): Tensor {
  const spec = specOf(
    { opType: 'Pow', domain: '', name: '', inputs: [], outputs: ['y'], attributes: new Map() },
    OPSETS.newest,
  );
  return findOperator('', 'Pow', OPSETS.newest)!.build(spec)([a, e], rt)[0]!;
}

/** e a^(e - 1) and a^e log a. */
export const Pow: Gradient = (call, wants, rt) => {
  const [a, e] = call.inputs as [Tensor, Tensor];
  const dy = call.dy[0]!;
  const y = call.outputs[0]!;
  const base = () => {
    const exponent = rt.empty('float', e.dims);
    const less = rt.empty('float', e.dims);
    const given = elements(e);
    for (let i = 0; i < given.length; i++) {
      exponent.data[i] = Number(given[i]);
      less.data[i] = Number(given[i]) - 1;
    }
    return sumTo(binary('mul', dy, binary('mul', power(a, less, rt), exponent, rt), rt), a.dims, rt);
  };
  // Where the base is 0, so is the result, whatever the exponent does.
  const exponent = () => {
    const log = expandTo(apply('log', a, rt), y.dims, rt);
    return sumTo(
      elementwise(y.dims, [dy, y, log], rt, (g, p, l) => (p === 0 ? 0 : g * p * l)),
      e.dims,
      rt,
    );
  };
  return [wants[0] ? base() : undefined, wants[1] ? exponent() : undefined];
};

/** a mod b as C's fmod has it is a - trunc(a / b) b. */
export const Mod = pair(same, (dy, a, b, _, rt) => {
  const quotient = binary('div', a, b, rt);
  const whole = elementwise(quotient.dims, [quotient], rt, (q) => -Math.trunc(q));
  return binary('mul', dy, whole, rt);
});

function total(share: (n: number) => number): Gradient {
  return (call, wants, rt) =>
    call.inputs.map((x, i) =>
      wants[i] ? scaled(sumTo(call.dy[0]!, x!.dims, rt), share(call.inputs.length), rt) : undefined,
    );
}

export const Sum = total(() => 1);
export const Mean = total((n) => 1 / n);

/** To the first operand that equals the result. */
const selected: Gradient = (call, wants, rt) => {
  const dy = call.dy[0]!;
  const y = call.outputs[0]!;
  let left = dy;
  return call.inputs.map((x, i) => {
    const operand = expandTo(x!, y.dims, rt);
    const mine = wants[i] ? elementwise(y.dims, [left, operand, y], rt, (g, v, r) => (v === r ? g : 0)) : undefined;
    left = elementwise(y.dims, [left, operand, y], rt, (g, v, r) => (v === r ? 0 : g));
    return mine && sumTo(mine, x!.dims, rt);
  });
};
export const Min = selected;
export const Max = selected;

/** dy where the condition took that operand. */
export const Where: Gradient = (call, wants, rt) => {
  const dy = call.dy[0]!;
  const condition = elements(expandTo(call.inputs[0]!, dy.dims, rt));
  const of = (i: number, taken: number) => {
    const g = rt.empty('float', dy.dims);
    const [from, to] = [dy.data as Float32Array, g.data as Float32Array];
    for (let j = 0; j < to.length; j++) to[j] = Number(condition[j]) === taken ? from[j]! : 0;
    return sumTo(g, call.inputs[i]!.dims, rt);
  };
  return [undefined, wants[1] ? of(1, 1) : undefined, wants[2] ? of(2, 0) : undefined];
};
