/** What must hold in a model for its values to have one meaning each (ONNX IR specification, "Names Within a Graph"). */
import { ModelError } from '../errors.ts';
import type { Graph, Model, Node } from './model.ts';
import { show } from './show.ts';

/**
 * Inputs, initializers and node outputs are each unique, and no node makes a value that is an input or an initializer.
 * (An initializer that is also an input is that input's default.)
 * @throws ModelError naming the value
 */
export function checkGraph(graph: Graph, where: string): void {
  const inputs = new Set<string>();
  for (const { name } of graph.inputs) {
    if (inputs.has(name)) throw new ModelError(`${where}: input ${show(name)} appears twice`);
    inputs.add(name);
  }
  const initializers = new Set<string>();
  for (const { name } of graph.initializers) {
    if (initializers.has(name)) throw new ModelError(`${where}: initializer ${show(name)} appears twice`);
    initializers.add(name);
  }
  const made = new Map<string, Node>();
  for (const node of graph.nodes) {
    for (const name of node.outputs) {
      if (name === '') continue;
      const other = made.get(name);
      const clash = inputs.has(name)
        ? 'an input of the graph'
        : initializers.has(name)
          ? 'an initializer'
          : other && `an output of ${describe(other)}`;
      if (clash)
        throw new ModelError(`${where}: value ${show(name)}, an output of ${describe(node)}, is also ${clash}`);
      made.set(name, node);
    }
  }
}

function describe(node: Node): string {
  return node.name ? `${show(node.opType).slice(1, -1)} ${show(node.name)}` : show(node.opType).slice(1, -1);
}

/** @throws ModelError where nodes use ONNX's own operators but the model does not say of which version */
export function checkOpsets(model: Model, where: string): void {
  if (model.opsets.has('')) return;
  if (model.opsets.size === 0)
    throw new ModelError(`${where}: the model imports no operator set (opset_import is missing)`);
  const node = model.graph.nodes.find((n) => n.domain === '');
  if (node)
    throw new ModelError(
      `${where}: ${describe(node)} is an operator of ai.onnx, whose version opset_import does not give (it has ${[...model.opsets.keys()].map(show).join(', ')})`,
    );
}

/**
 * A node calls a function by domain, name and overload.
 * @throws ModelError for two functions that are called alike
 */
export function checkFunctions(model: Model, where: string): void {
  const seen = new Set<string>();
  for (const { domain, name, overload = '' } of model.functions) {
    const key = JSON.stringify([domain, name, overload]);
    if (seen.has(key))
      throw new ModelError(
        `${where}: function ${show(name)} of domain ${show(domain)}${overload ? `, overload ${show(overload)},` : ''} is there twice`,
      );
    seen.add(key);
  }
}
