import type { Node } from '../onnx/model.ts';
import { convAttributes, finishedConv } from '../ops/conv.ts';
import type { Tensor } from '../tensor.ts';
import { atNode } from './failure.ts';
import type { Pattern } from './fuse.ts';
import type { Step } from './steps.ts';

/** A value of a run by name. */
export type Value = (name: string) => Tensor | undefined;

export interface Bounds {
  readonly low: number;
  readonly high: number;
}

/** The node of a step, where it is of that operator of ai.onnx with one output. */
export function nodeOf(step: Step | undefined, opType: string): Node | undefined {
  const node = step?.node;
  return node?.opType === opType && node.domain === '' && node.outputs.length === 1 ? node : undefined;
}

/** What a step that clamps its first input clamps it to; undefined for any other step. */
export function clamping(step: Step | undefined): ((value: Value) => Bounds | undefined) | undefined {
  if (nodeOf(step, 'Relu')) return () => ({ low: 0, high: Infinity });
  const clip = nodeOf(step, 'Clip');
  if (clip === undefined) return undefined;
  const { inputs, attributes } = clip;
  return (value) => {
    // Bounds were attributes before they were inputs.
    const bound = (name: string, input: string | undefined, none: number): number | undefined => {
      const given = attributes.get(name);
      if (given !== undefined) return given.type === 'float' ? given.value : undefined;
      if (input === undefined || input === '') return none;
      const t = value(input);
      return t?.dtype === 'float' && t.dims.length === 0 ? Number(t.data[0]) : undefined;
    };
    const [low, high] = [bound('min', inputs[1], -Infinity), bound('max', inputs[2], Infinity)];
    return low === undefined || high === undefined ? undefined : { low, high };
  };
}

/** The node of a step that normalizes its first input by given statistics, a channel at a time. */
function normalizing(step: Step | undefined): Node | undefined {
  const node = nodeOf(step, 'BatchNormalization');
  const number = (name: string, otherwise: number) => Number(node?.attributes.get(name)?.value ?? otherwise);
  return number('training_mode', 0) === 0 && number('spatial', 1) === 1 ? node : undefined;
}

/** A convolution, what normalizes its result, what is added to it and what clamps it: done where the sums are at hand. */
export const convolution: Pattern = (conv, uses) => {
  const node = nodeOf(conv, 'Conv');
  if (node === undefined) return undefined;
  const { opType, name, attributes } = node;
  const parsed = convAttributes({ opType, name, attributes, outputs: 1, opset: 0, bodies: new Map() });
  const members = [conv];
  const result = () => members.at(-1)!.node.outputs[0]!;
  const next = uses.reader(result());
  const norm = next?.node.inputs[0] === result() ? normalizing(next) : undefined;
  if (norm !== undefined) members.push(next!);
  const epsilon = Number(norm?.attributes.get('epsilon')?.value ?? 1e-5);
  let residual: string | undefined;
  const add = uses.reader(result());
  if (nodeOf(add, 'Add')?.inputs.length === 2) {
    residual = add!.node.inputs.find((v) => v !== result());
    members.push(add!);
  }
  const last = uses.reader(result());
  const bounds = last?.node.inputs[0] === result() ? clamping(last) : undefined;
  if (bounds !== undefined) members.push(last!);
  if (members.length === 1) return undefined;
  return {
    members,
    run: (value, rt) => {
      const clamp = bounds === undefined ? { low: -Infinity, high: Infinity } : bounds(value);
      const added = residual === undefined ? undefined : value(residual);
      if (clamp === undefined || (residual !== undefined && added === undefined)) return undefined;
      const inputs = node.inputs.map(value);
      const by = norm && { inputs: norm.inputs.map((v, i) => (i === 0 ? undefined : value(v))), epsilon };
      return atNode(node, () => finishedConv(parsed, inputs, by, added, clamp, rt));
    },
  };
};
