import { UnsupportedError } from '../errors.ts';
import type { Node } from '../onnx/model.ts';
import type { NodeSpec } from '../ops/op.ts';
import { windowAttributes, windowOf } from '../ops/window.ts';

const NONE: NodeSpec['bodies'] = new Map();

/** A window over a plane. Pairs are [vertical, horizontal]; `pads` the four sides top, left, bottom, right. */
export interface Window {
  readonly input: readonly [number, number];
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  readonly pads: readonly [number, number, number, number];
  readonly output: readonly [number, number];
  /** Spatial sizes of the output as the operator's rank has them. */
  readonly outputDims: readonly number[];
}

/**
 * How a convolution node with a kernel of `weightDims` moves over an input of `inputDims` [N, C, spatial...]; one spatial axis
 * is seen as two, the first of length 1.
 * @throws UnsupportedError for more than two spatial axes
 */
export function convWindow(node: Node, weightDims: readonly number[], inputDims: readonly number[]): Window {
  const spec = {
    opType: node.opType,
    name: node.name,
    attributes: node.attributes,
    outputs: 1,
    opset: 1,
    bodies: NONE,
  };
  const w = windowOf(windowAttributes(spec), inputDims, weightDims.slice(2));
  if (w.input.length > 2)
    throw new UnsupportedError(`X: shape [${inputDims}] has ${w.input.length} spatial axes; 1 or 2 are supported here`);
  const two = (v: readonly number[]) => [v[0]!, v[1]!] as const;
  return {
    input: two(w.input),
    kernel: two(w.kernel),
    strides: two(w.strides),
    dilations: two(w.dilations),
    pads: [...two(w.pads), w.pads[2]!, w.pads[3]!],
    output: two(w.output),
    outputDims: w.outputDims,
  };
}
