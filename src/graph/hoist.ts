import { makeInitializer, withGraph } from '../onnx/index.ts';
import type { Model } from '../onnx/model.ts';
import type { Tensor } from '../tensor.ts';
import { withInitializers } from './edit.ts';

/**
 * The model with every float tensor of a `Constant` node as an initializer of the same name: some exporters keep all weights
 * in such nodes. A constant that is itself an output of the graph stays. Bodies of control flow are left alone.
 */
export function hoistConstants(model: Model): Model {
  const outputs = new Set(model.graph.outputs.map((o) => o.name));
  const found = new Map<string, Tensor>();
  for (const node of model.graph.nodes) {
    const value = node.opType === 'Constant' && node.domain === '' ? node.attributes.get('value') : undefined;
    const name = node.outputs[0];
    if (value?.type !== 'tensor' || name === undefined || outputs.has(name)) continue;
    if (value.value.dtype === 'float') found.set(name, value.value);
  }
  if (found.size === 0) return model;
  const nodes = model.graph.nodes.filter((n) => !(n.opType === 'Constant' && found.has(n.outputs[0] ?? '')));
  return withInitializers(
    withGraph(model, { nodes }),
    [...found].map(([name, tensor]) => makeInitializer(name, tensor)),
  );
}
