import { ModelError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { int, ints, since } from './attributes.ts';
import type { Body, NodeSpec, Op, Run, Runtime } from './op.ts';
import { axisOf, elements, isBig, need } from './shape.ts';
import { Stack, take } from './stack.ts';

/** Control flow: operators that run bodies. */

function bodyOf(node: NodeSpec, name: string): Body {
  const body = node.bodies.get(name);
  if (body === undefined) throw new ModelError(`attribute "${name}": expected a graph, found none`);
  return body;
}

/** The one element of a condition. */
function truth(t: Tensor, what: string): boolean {
  if (t.dtype !== 'bool') throw new ModelError(`${what}: expected type bool, found ${t.dtype}`);
  if (t.data.length !== 1) throw new ModelError(`${what}: expected one element, found shape [${t.dims}]`);
  return t.data[0] !== 0;
}

function sameType(before: Tensor, now: Tensor, what: string): void {
  if (now.dtype !== before.dtype) throw new ModelError(`${what}: expected type ${before.dtype}, found ${now.dtype}`);
}

/** @throws ModelError unless the body has so many inputs, and outputs for what is carried and what the node asks for */
function checkBody(body: Body, inputs: number, carried: number, node: NodeSpec, more: number): void {
  if (body.inputs.length !== inputs)
    throw new ModelError(`body: expected ${inputs} inputs for the node's own, found ${body.inputs.length}`);
  const least = Math.max(carried, node.outputs) + more;
  if (body.outputs.length < least)
    throw new ModelError(`body: expected ${least} outputs or more, found ${body.outputs.length}`);
}

const bool = (value: boolean): Tensor => ({ dtype: 'bool', dims: [], data: Uint8Array.of(value ? 1 : 0) });
const int64 = (value: number): Tensor => ({ dtype: 'int64', dims: [], data: BigInt64Array.of(BigInt(value)) });

/** Types and shapes of the branches' outputs need not agree. */
export const If: Op = since(1, (node) => {
  const otherwise = bodyOf(node, 'else_branch');
  const then = bodyOf(node, 'then_branch');
  for (const { inputs, outputs } of [otherwise, then]) {
    if (inputs.length > 0) throw new ModelError(`branch: expected no inputs, found ${inputs.length}`);
    if (outputs.length < node.outputs)
      throw new ModelError(`branch: expected ${node.outputs} outputs, found ${outputs.length}`);
  }
  return (inputs) => (truth(need(inputs, 0, 'cond'), 'cond') ? then : otherwise).run([]);
});

/** M: absent means no bound. */
function tripCount(t: Tensor | undefined): number {
  if (t === undefined) return Number.POSITIVE_INFINITY;
  if (t.dtype !== 'int64' || t.data.length !== 1)
    throw new ModelError(`M: expected one int64, found ${t.dtype} [${t.dims}]`);
  return Number(t.data[0]);
}

/** At most M times, while the condition holds; either may be absent. Outputs: what was carried, then what was scanned. */
export const Loop: Op = since(1, (node) => {
  const body = bodyOf(node, 'body');
  return (inputs, rt) => {
    const start = inputs.slice(2).map((_, i) => need(inputs, i + 2, `v_initial ${i}`));
    const n = start.length;
    checkBody(body, n + 2, n, node, 1);
    const most = tripCount(inputs[0]);
    const scanned = body.types.slice(n + 1).map((type) => new Stack(rt, type));
    let going = inputs[1] === undefined || truth(inputs[1], 'cond');
    let carried: readonly Tensor[] = start;
    for (let i = 0; going && i < most; i++) {
      const made = body.run([int64(i), bool(true), ...carried]);
      going = truth(made[0]!, 'the condition that the body puts out');
      scanned.forEach((s, j) => {
        s.push(made[n + 1 + j]!);
      });
      carried = carry(carried, made.slice(1, n + 1), start, rt);
    }
    return [...carried, ...scanned.map((s) => s.join(0, false))];
  };
});

/** The values of the next iteration; those of this one are freed, unless they are what the node was given. */
function carry(
  before: readonly Tensor[],
  next: readonly Tensor[],
  start: readonly Tensor[],
  rt: Runtime,
): readonly Tensor[] {
  next.forEach((t, j) => {
    sameType(start[j]!, t, `carried value ${j}`);
  });
  if (before !== start) rt.drop(before);
  return next;
}

/** What is scanned: the slices of each input, and where the slices of each output go. */
interface Scanned {
  readonly inputs: readonly Tensor[];
  readonly inputAxes: readonly number[];
  readonly inputReversed: readonly boolean[];
  readonly outputAxes: readonly number[];
  readonly outputReversed: readonly boolean[];
}

/** The body over every slice; states, then stacked outputs. */
function scan(body: Body, states: readonly Tensor[], s: Scanned, rt: Runtime): Tensor[] {
  const n = states.length;
  const axes = s.inputs.map((t, i) => axisOf(s.inputAxes[i] ?? 0, t.dims.length, 'scan_input_axes'));
  const lengths = s.inputs.map((t, i) => t.dims[axes[i]!]!);
  const [length = 0] = lengths;
  if (lengths.some((l) => l !== length))
    throw new ModelError(`scan inputs: expected equal lengths along their axes, found ${lengths}`);
  const stacks = body.types.slice(n).map((type) => new Stack(rt, type));
  let carried = states;
  for (let i = 0; i < length; i++) {
    const slices = s.inputs.map((t, j) => take(t, axes[j]!, s.inputReversed[j] ? length - 1 - i : i, rt));
    const made = body.run([...carried, ...slices]);
    rt.drop(slices);
    stacks.forEach((stack, j) => {
      stack.push(made[n + j]!);
    });
    carried = carry(carried, made.slice(0, n), states, rt);
  }
  return [...carried, ...stacks.map((stack, j) => stack.join(s.outputAxes[j] ?? 0, s.outputReversed[j] ?? false))];
}

function directions(node: NodeSpec, name: string): boolean[] {
  return (ints(node, name) ?? []).map((d) => {
    if (d !== 0 && d !== 1) throw new ModelError(`attribute "${name}": expected 0 or 1, found ${d}`);
    return d === 1;
  });
}

/** Splits a Scan's inputs into states and what is scanned. */
function split(inputs: readonly (Tensor | undefined)[], count: number, body: Body, node: NodeSpec) {
  if (count < 1 || count > inputs.length)
    throw new ModelError(`attribute "num_scan_inputs": expected 1..${inputs.length}, found ${count}`);
  const all = inputs.map((_, i) => need(inputs, i, 'state or scan input'));
  checkBody(body, all.length, all.length - count, node, 0);
  return { states: all.slice(0, all.length - count), scanned: all.slice(all.length - count) };
}

/** Without a batch axis since version 9; before it, every input and output has a batch axis in front and the scan axis next. */
export const Scan: Op = [
  { since: 8, build: batched },
  {
    since: 9,
    build: (node) => {
      const body = bodyOf(node, 'body');
      const count = int(node, 'num_scan_inputs');
      const inputAxes = ints(node, 'scan_input_axes') ?? [];
      const outputAxes = ints(node, 'scan_output_axes') ?? [];
      const inputReversed = directions(node, 'scan_input_directions');
      const outputReversed = directions(node, 'scan_output_directions');
      return (inputs, rt) => {
        const { states, scanned } = split(inputs, count, body, node);
        return scan(body, states, { inputs: scanned, inputAxes, inputReversed, outputAxes, outputReversed }, rt);
      };
    },
  },
];

/** Version 8: every sequence of the batch by itself, sequence_lens[b] long; what its outputs lack then is 0. */
function batched(node: NodeSpec): Run {
  const body = bodyOf(node, 'body');
  const count = int(node, 'num_scan_inputs');
  const inputReversed = directions(node, 'directions');
  return ([lengths, ...inputs], rt) => {
    const { states, scanned } = split(inputs, count, body, node);
    const [batch, most] = [scanned[0]!.dims[0] ?? 0, scanned[0]!.dims[1] ?? 0];
    for (const t of [...states, ...scanned])
      if (t.dims[0] !== batch) throw new ModelError(`expected batches of ${batch}, found shape [${t.dims}]`);
    if (lengths !== undefined && (lengths.dtype !== 'int64' || lengths.data.length !== batch))
      throw new ModelError(`sequence_lens: expected ${batch} of int64, found ${lengths.dtype} [${lengths.dims}]`);
    const n = states.length;
    const stacks = body.types.map((type) => new Stack(rt, type));
    for (let b = 0; b < batch; b++) {
      const length = lengths === undefined ? most : Number(lengths.data[b]);
      if (!(length >= 0 && length <= most)) throw new ModelError(`sequence_lens: expected 0..${most}, found ${length}`);
      const own = scanned.map((t) => resized(take(t, 0, b, rt), length, rt));
      const start = states.map((t) => take(t, 0, b, rt));
      const made = scan(
        body,
        start,
        { inputs: own, inputAxes: [], inputReversed, outputAxes: [], outputReversed: [] },
        rt,
      );
      made.forEach((t, j) => {
        stacks[j]!.push(j < n ? t : resized(t, most, rt));
      });
    }
    return stacks.map((s) => s.join(0, false));
  };
}

/** A sequence `length` slices long: cut at its end, or zeros behind. */
function resized(t: Tensor, length: number, rt: Runtime): Tensor {
  if (t.dims[0] === length) return t;
  const y = rt.empty(t.dtype, [length, ...t.dims.slice(1)]);
  const [from, to] = [elements(t), elements(y)];
  to.fill((isBig(t.dtype) ? 0n : 0) as number);
  to.set(from.subarray(0, to.length));
  return y;
}
