import type { Attribute } from '../../onnx/model.ts';
import type { Tensor } from '../../tensor.ts';
import type { NodeSpec, Op, Run, Runtime } from '../op.ts';

/** Fused operators are run as the ai.onnx operators they stand for. */

export type Attributes = Readonly<Record<string, Attribute>>;

/** Later than every version: the newest meaning of an operator. */
const NEWEST = Number.MAX_SAFE_INTEGER;

/** The newest definition of an ai.onnx operator, with these attributes, as a part of that node. */
export function built(op: Op, node: NodeSpec, attributes: Attributes = {}, outputs = 1): Run {
  const { build } = op[op.length - 1]!;
  return build({ ...node, opset: NEWEST, outputs, attributes: new Map(Object.entries(attributes)) });
}

/** The first result of a run. */
export function first(run: Run, inputs: readonly (Tensor | undefined)[], rt: Runtime): Tensor {
  return run(inputs, rt)[0]!;
}

/** The node's attributes of these names, where it has them. */
export function picked(node: NodeSpec, ...names: string[]): Attributes {
  return Object.fromEntries(
    names.flatMap((name) => (node.attributes.has(name) ? [[name, node.attributes.get(name)!]] : [])),
  );
}

export const floatAttribute = (value: number): Attribute => ({ type: 'float', value });
export const intAttribute = (value: number): Attribute => ({ type: 'int', value });
export const stringAttribute = (value: string): Attribute => ({ type: 'string', value });
