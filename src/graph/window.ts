import type { Node } from '../onnx/model.ts';
import { type Window, windowAttributes, windowOf } from '../ops/window.ts';

export type { Window } from '../ops/window.ts';

/** How a convolution node with a kernel of `weightDims` moves over an input of `inputDims` [N, C, spatial...]. */
export function convWindow(node: Node, weightDims: readonly number[], inputDims: readonly number[]): Window {
  const spec = { opType: node.opType, name: node.name, attributes: node.attributes, outputs: 1, opset: 1 };
  return windowOf(windowAttributes(spec), inputDims, weightDims.slice(2));
}
