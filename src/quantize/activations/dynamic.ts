import { makeNode, withGraph } from '../../onnx/index.ts';
import type { Model, Node } from '../../onnx/model.ts';
import { DATA_TYPES } from '../../tensor.ts';
import { Builder } from '../builder.ts';
import { insertSites } from './insert.ts';
import { biasOf } from './operators.ts';
import type { IntegerNode } from './place.ts';

/**
 * The model with matrix products of integers whose left sides are rounded in every run, to the range they have there (ONNX
 * "DynamicQuantizeLinear", opset 11): MatMulInteger, times both scales, plus the bias, which stays in float. Runtimes make one
 * operator of these.
 * @param model weights of the nodes made by DequantizeLinear: what that reads is multiplied as it is
 */
export function writeDynamic(model: Model, nodes: readonly IntegerNode[]): Model {
  const b = new Builder(model);
  const makers = new Map(model.graph.nodes.flatMap((n) => n.outputs.map((o) => [o, n] as const)));
  const own = new Set(nodes.map((n) => n.node));
  const rounded = new Map<string, readonly [codes: string, scale: string, zero: string]>();
  const { graph } = insertSites(
    model,
    [],
    () => ({ nodes: [], output: '' }),
    (node) => {
      if (!own.has(node)) return [node];
      const input = node.inputs[0]!;
      const known = rounded.get(input);
      const [codes, scale, zero] = known ?? [b.name('k.q'), b.name('k.s'), b.name('k.z')];
      const first: Node[] = known ? [] : [makeNode('DynamicQuantizeLinear', [input], [codes, scale, zero])];
      rounded.set(input, [codes, scale, zero]);
      const decode = makers.get(node.inputs[1]!)!;
      const turned = node.attributes.get('transB')?.value === 1;
      const weight = turned
        ? b.node('Transpose', [decode.inputs[0]!], { perm: { type: 'ints', value: [1, 0] } })
        : decode.inputs[0]!;
      const product = b.node('MatMulInteger', [codes, weight, zero]);
      const factor = b.node('Mul', [scale, decode.inputs[1]!]);
      const bias = biasOf(node);
      const float = b.cast(product, DATA_TYPES.float);
      const output = node.outputs[0]!;
      const y = b.node('Mul', [float, factor], {}, bias === '' ? output : undefined);
      if (bias !== '') b.node('Add', [y, bias], {}, output);
      return [...first, ...b.take().nodes];
    },
  );
  const decoders = new Set(nodes.map((n) => makers.get(n.node.inputs[1]!)!));
  return withGraph(model, {
    nodes: graph.nodes.filter((n) => !decoders.has(n)),
    initializers: [...graph.initializers, ...b.common().initializers],
  });
}
