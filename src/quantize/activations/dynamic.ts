import { makeNode, withGraph } from '../../onnx/index.ts';
import type { Model, Node } from '../../onnx/model.ts';
import { Builder } from '../builder.ts';
import { insertSites } from './insert.ts';
import type { IntegerNode } from './place.ts';
import { addProduct, type Codes } from './product.ts';

/**
 * The model with matrix products of integers whose left sides are rounded in every run, to the range they have there (ONNX
 * "DynamicQuantizeLinear", opset 11).
 * @param model weights of the nodes made by DequantizeLinear: what that reads is multiplied as it is
 */
export function writeDynamic(model: Model, nodes: readonly IntegerNode[]): Model {
  const b = new Builder(model);
  const makers = new Map(model.graph.nodes.flatMap((n) => n.outputs.map((o) => [o, n] as const)));
  const own = new Set(nodes.map((n) => n.node));
  const rounded = new Map<string, Codes>();
  const product = (node: Node): readonly Node[] => {
    const [input, weight] = node.inputs as [string, string];
    const known = rounded.get(input);
    const codes = known ?? { codes: b.name('k.q'), scale: b.name('k.s'), zero: b.name('k.z') };
    rounded.set(input, codes);
    addProduct(b, node, makers.get(weight)!, codes);
    const part = b.take().nodes;
    if (known) return part;
    return [makeNode('DynamicQuantizeLinear', [input], [codes.codes, codes.scale, codes.zero]), ...part];
  };
  const nothing = () => ({ nodes: [], output: '' });
  const { graph } = insertSites(model, [], nothing, (node) => (own.has(node) ? product(node) : [node]));
  const decoders = new Set(nodes.map((n) => makers.get(n.node.inputs[1]!)!));
  return withGraph(model, {
    nodes: graph.nodes.filter((n) => !decoders.has(n)),
    initializers: [...graph.initializers, ...b.common().initializers],
  });
}
