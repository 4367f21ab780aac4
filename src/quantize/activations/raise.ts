import { freshNames } from '../../graph/edit.ts';
import { canRaise, withInitializers } from '../../graph/index.ts';
import { makeInitializer, withGraph, withNode, withOpset } from '../../onnx/index.ts';
import type { Initializer, Model, Node } from '../../onnx/model.ts';
import { tensor } from '../../tensor.ts';
import { INTEGER_OPSET } from './write.ts';

const LARGEST = (1n << 63n) - 1n;

/**
 * The model at the first opset that has operators of integers, where nothing but Slice keeps it from that: what its attributes said
 * becomes inputs (ONNX "Slice", versions 1 and 10). As it is where it has such operators, or where other nodes, or Slices in bodies,
 * would not mean the same there.
 */
export function reachIntegers(model: Model): Model {
  if ((model.opsets.get('') ?? 0) >= INTEGER_OPSET || canRaise(model, INTEGER_OPSET)) return model;
  const isSlice = (node: Node) => node.opType === 'Slice' && node.domain === '' && node.attributes.has('starts');
  const others = withGraph(model, { nodes: model.graph.nodes.filter((n) => !isSlice(n)) });
  if (!canRaise(others, INTEGER_OPSET)) return model;
  const fresh = freshNames(model);
  const added: Initializer[] = [];
  const input = (node: Node, name: string): string => {
    const attribute = node.attributes.get(name);
    if (attribute?.type !== 'ints') return '';
    const values = BigInt64Array.from(attribute.value, exact);
    const own = fresh(`k.${name}`);
    added.push(makeInitializer(own, tensor('int64', [values.length], values)));
    return own;
  };
  const nodes = model.graph.nodes.map((node) => {
    if (!isSlice(node)) return node;
    const inputs = [node.inputs[0]!, input(node, 'starts'), input(node, 'ends'), input(node, 'axes')];
    return withNode(node, { inputs: inputs[3] === '' ? inputs.slice(0, 3) : inputs, attributes: new Map() });
  });
  return withOpset(withInitializers(withGraph(model, { nodes }), added), '', INTEGER_OPSET);
}

/** Whole numbers beyond 2^53 stand for "to the end", in whichever direction. */
function exact(value: number): bigint {
  const whole = BigInt(value);
  return whole > LARGEST ? LARGEST : whole < -LARGEST ? -LARGEST : whole;
}
