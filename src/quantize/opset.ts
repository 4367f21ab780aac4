import { UnsupportedError } from '../errors.ts';
import { canRaise } from '../graph/index.ts';
import { withOpset } from '../onnx/index.ts';
import type { Model } from '../onnx/model.ts';

/**
 * The model at opset `to` of ai.onnx, or as it is where it imports that or a later one.
 * @param purpose what needs the opset, for the error
 * @param instead what serves without it
 * @throws UnsupportedError naming a node that would not mean the same there
 */
export function raiseOpset(
  model: Model,
  to: number,
  purpose: string,
  instead = '; use format dense, which serves every opset from 7',
): Model {
  const from = model.opsets.get('') ?? 0;
  if (from >= to) return model;
  if (canRaise(model, to)) return withOpset(model, '', to);
  const alone = (i: number): Model => ({ ...model, graph: { ...model.graph, nodes: [model.graph.nodes[i]!] } });
  const at = model.graph.nodes.findIndex((_, i) => !canRaise(alone(i), to));
  const node = model.graph.nodes[at];
  const why = node
    ? `${node.opType} '${node.name || node.outputs[0]}' may not mean the same there`
    : 'it cannot be raised';
  throw new UnsupportedError(`${purpose}: needs opset ${to}, the model has ${from} and ${why}${to > 7 ? instead : ''}`);
}
