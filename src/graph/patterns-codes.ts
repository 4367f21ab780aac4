import type { Node } from '../onnx/model.ts';
import { type Coded, codedConv, codedProduct, codedSum, sameCoding, scaledProduct, type Target } from '../ops/coded.ts';
import { convAttributes } from '../ops/conv.ts';
import type { Runtime } from '../ops/op.ts';
import { DATA_TYPES, type Tensor } from '../tensor.ts';
import { atNode } from './failure.ts';
import type { Match, Pattern, Uses } from './fuse.ts';
import { type Bounds, clamping, nodeOf, type Value } from './patterns-conv.ts';
import type { Step } from './steps.ts';

/** Operators between DequantizeLinear and QuantizeLinear, run on codes (`src/ops/coded.ts`). */

/** A value that DequantizeLinear makes. */
interface Decoded {
  readonly step: Step;
  /** What it makes it of; undefined where something is missing. */
  read(value: Value): Coded | undefined;
}

const number = (node: Node, name: string, otherwise: number): number => {
  const a = node.attributes.get(name);
  return a?.type === 'int' || a?.type === 'float' ? a.value : otherwise;
};

const ofCodes = ({ domain }: Node): boolean => domain === '' || domain === 'com.microsoft';

function decoded(name: string | undefined, uses: Uses): Decoded | undefined {
  const step = name === undefined ? undefined : uses.decoder(name);
  if (step === undefined || !ofCodes(step.node) || step.node.outputs.length !== 1) return undefined;
  const { node } = step;
  if (number(node, 'block_size', 0) !== 0 || number(node, 'output_dtype', 0) !== 0) return undefined;
  const axis = number(node, 'axis', 1);
  const [x, s, z] = node.inputs;
  return {
    step,
    read: (value) => {
      const [codes, scale] = [value(x!), value(s!)];
      const zero = z ? value(z) : undefined;
      return codes && scale && (!z || zero) ? { codes, scale, zero, axis } : undefined;
    },
  };
}

/** What a QuantizeLinear of those kinds that the kernels have makes codes with; undefined for any other step. */
function encoding(step: Step | undefined): ((value: Value) => Target | undefined) | undefined {
  const node = step?.node;
  if (node?.opType !== 'QuantizeLinear' || !ofCodes(node) || node.outputs.length !== 1) return undefined;
  if (['block_size', 'output_dtype', 'precision'].some((name) => number(node, name, 0) !== 0)) return undefined;
  const [, s, z] = node.inputs;
  return (value) => {
    const scale = value(s!);
    const zero = z ? value(z) : undefined;
    return scale && (!z || zero) ? { scale, zero } : undefined;
  };
}

const outputOf = (step: Step): string => step.node.outputs[0]!;

/** What clamps the result of the last of `members`, and what makes codes of it; both are added to them where there is the latter. */
interface End {
  readonly clamp: (value: Value) => Bounds | undefined;
  readonly target: (value: Value) => Target | undefined;
}

const free = (): Bounds => ({ low: -Infinity, high: Infinity });

function endOf(members: Step[], uses: Uses): End | undefined {
  const y = outputOf(members.at(-1)!);
  const next = uses.reader(y);
  if (next?.node.inputs[0] !== y) return undefined;
  const clamp = clamping(next);
  const last = clamp === undefined ? next : uses.reader(outputOf(next));
  const target = encoding(last);
  if (target === undefined || last!.node.inputs[0] !== (clamp === undefined ? y : outputOf(next))) return undefined;
  members.push(...(clamp === undefined ? [next] : [next, last!]));
  return { clamp: clamp ?? free, target };
}

/** An addend: a value as it is, or what it is decoded from. */
function addendOf(
  name: string | undefined,
  uses: Uses,
): { step?: Step; read(value: Value): Tensor | Coded | undefined } {
  const coded = decoded(name, uses);
  return coded ?? { read: (value) => (name ? value(name) : undefined) };
}

const convolution: Pattern = (conv, uses) => {
  const node = nodeOf(conv, 'Conv');
  const [x, w] = [decoded(node?.inputs[0], uses), decoded(node?.inputs[1], uses)];
  if (node === undefined || x === undefined || w === undefined) return undefined;
  const members = [conv];
  const end = endOf(members, uses);
  if (end === undefined) return undefined;
  const { opType, name, attributes } = node;
  const parsed = convAttributes({ opType, name, attributes, outputs: 1, opset: 0, bodies: new Map() });
  const given = node.inputs[2] || undefined;
  const bias = addendOf(given, uses);
  return {
    members,
    borrowed: [x.step, w.step, ...(bias.step ? [bias.step] : [])],
    run: (value, rt) => {
      const [a, b, c] = [x.read(value), w.read(value), bias.read(value)];
      const [clamp, target] = [end.clamp(value), end.target(value)];
      if (!a || !b || !clamp || !target || (given && !c)) return undefined;
      return atNode(node, () => codedConv(parsed, a, b, c, clamp, target, rt));
    },
  };
};

/** MatMul with what is added to it, or Gemm, with or without codes behind it. */
const product: Pattern = (step, uses) => {
  const node = nodeOf(step, 'MatMul') ?? nodeOf(step, 'Gemm');
  const [x, w] = [decoded(node?.inputs[0], uses), decoded(node?.inputs[1], uses)];
  if (node === undefined || x === undefined || w === undefined) return undefined;
  const gemm = node.opType === 'Gemm';
  const [alpha, beta, ta] = [number(node, 'alpha', 1), number(node, 'beta', 1), number(node, 'transA', 0)];
  if (gemm && (alpha !== 1 || beta !== 1 || ta !== 0)) return undefined;
  const turned = gemm && number(node, 'transB', 0) !== 0;
  const members = [step];
  let given = node.inputs[2] || undefined;
  const add = gemm ? undefined : nodeOf(uses.reader(outputOf(step)), 'Add');
  if (add !== undefined && add.inputs.length === 2) {
    members.push(uses.reader(outputOf(step))!);
    given = add.inputs.find((v) => v !== outputOf(step));
  }
  const bias = addendOf(given, uses);
  const end = endOf(members, uses);
  const rest = members.slice(1);
  return {
    members,
    borrowed: [x.step, w.step, ...(bias.step ? [bias.step] : [])],
    run: (value, rt) => {
      const [a, b, c] = [x.read(value), w.read(value), bias.read(value)];
      const [clamp, target] = [end?.clamp(value) ?? free(), end?.target(value)];
      if (!a || !b || (given && !c) || (end && (!target || !end.clamp(value)))) return undefined;
      const whole = atNode(node, () => codedProduct(a, b, turned, c, clamp, target, rt));
      if (whole !== undefined || gemm || rest.length === 0) return whole;
      const y = codedProduct(a, b, turned, undefined, free(), undefined, rt);
      return y && after(rest, outputOf(step), y, bias.step, value, rt);
    },
  };
};

/** The steps, one by one, behind a value that was made without its step. */
function after(
  steps: readonly Step[],
  name: string,
  made: Tensor,
  borrowed: Step | undefined,
  value: Value,
  rt: Runtime,
): Tensor | undefined {
  const values = new Map<string, Tensor | undefined>([[name, made]]);
  const find: Value = (v) => (values.has(v) ? values.get(v) : value(v));
  let y: Tensor | undefined;
  for (const { node, run } of borrowed ? [borrowed, ...steps] : steps) {
    y = run(node.inputs.map(find), rt)[0];
    values.set(node.outputs[0]!, y);
  }
  return y;
}

const sum: Pattern = (add, uses) => {
  const node = nodeOf(add, 'Add');
  const [x, y] = [decoded(node?.inputs[0], uses), decoded(node?.inputs[1], uses)];
  if (node === undefined || x === undefined || y === undefined) return undefined;
  const members = [add];
  const end = endOf(members, uses);
  if (end === undefined) return undefined;
  return {
    members,
    borrowed: [x.step, y.step],
    run: (value, rt) => {
      const [a, b] = [x.read(value), y.read(value)];
      const [clamp, target] = [end.clamp(value), end.target(value)];
      return a && b && clamp && target ? codedSum(a, b, clamp, target, rt) : undefined;
    },
  };
};

/** A product of integers, cast to float, times scales, with what is added to it. */
const scaled: Pattern = (step, uses) => {
  const node = nodeOf(step, 'MatMulInteger');
  const cast = node && uses.reader(outputOf(step));
  if (nodeOf(cast, 'Cast')?.attributes.get('to')?.value !== DATA_TYPES.float) return undefined;
  const times = uses.reader(outputOf(cast!));
  if (nodeOf(times, 'Mul')?.inputs.length !== 2) return undefined;
  const other = ({ node: { inputs } }: Step, name: string) => inputs[inputs[0] === name ? 1 : 0]!;
  const scale = other(times!, outputOf(cast!));
  const members = [step, cast!, times!];
  const add = uses.reader(outputOf(times!));
  const added = nodeOf(add, 'Add')?.inputs.length === 2 ? other(add!, outputOf(times!)) : undefined;
  if (added !== undefined) members.push(add!);
  return {
    members,
    run: (value, rt) => {
      const [s, b] = [value(scale), added === undefined ? undefined : value(added)];
      if (s === undefined || (added !== undefined && b === undefined)) return undefined;
      const inputs = node!.inputs.map((v) => (v ? value(v) : undefined));
      const all = atNode(node!, () => scaledProduct(inputs, s, b, rt));
      if (all !== undefined || added === undefined) return all;
      const y = scaledProduct(inputs, s, undefined, rt);
      return y && after([add!], outputOf(times!), y, undefined, value, rt);
    },
  };
};

/** Operators whose results hold elements of their first input, or of all of them, and no others. */
const MOVES = new Set([
  ...['Identity', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Transpose', 'Slice', 'Expand', 'Tile'],
  ...['Gather', 'MaxPool', 'DepthToSpace', 'SpaceToDepth', 'Concat'],
]);

/** An operator that only moves elements, between decoding and encoding by one scale and zero point: the codes are moved. */
const moving: Pattern = (step, uses) => {
  const { node } = step;
  if (!MOVES.has(node.opType) || node.domain !== '' || node.outputs.length !== 1) return undefined;
  const count = node.opType === 'Concat' ? node.inputs.length : 1;
  const from = node.inputs.slice(0, count).map((name) => decoded(name, uses));
  const last = uses.reader(outputOf(step));
  const target = last?.node.inputs[0] === outputOf(step) ? encoding(last) : undefined;
  if (target === undefined || from.length === 0 || !from.every((d) => d !== undefined)) return undefined;
  const match: Match = {
    members: [step, last!],
    borrowed: from.map((d) => d.step),
    run: (value, rt) => {
      const codes = from.map((d) => d.read(value));
      const to = target(value);
      if (!to || !codes.every((c) => c !== undefined && sameCoding(c, to))) return undefined;
      return step.run(
        [...codes.map((c) => c!.codes), ...node.inputs.slice(count).map((v) => (v ? value(v) : undefined))],
        rt,
      )[0];
    },
  };
  return match;
};

export const CODED: readonly Pattern[] = [convolution, product, scaled, sum, moving];
