import type { Graph, Model, Node } from '../onnx/model.ts';

/** Who makes and who reads every value of a graph. */
export interface Uses {
  /** The node that makes a value. */
  readonly maker: ReadonlyMap<string, Node>;
  /** Nodes that read a value, once each, in the graph's order; those with subgraphs that read it included. */
  readonly readers: ReadonlyMap<string, readonly Node[]>;
  /** Names of the graph's outputs. */
  readonly outputs: ReadonlySet<string>;
}

export function usesOf(graph: Graph): Uses {
  const maker = new Map<string, Node>();
  const readers = new Map<string, Node[]>();
  for (const node of graph.nodes) {
    for (const o of node.outputs) if (o !== '') maker.set(o, node);
    for (const v of new Set(readBy(node))) {
      if (v === '') continue;
      const list = readers.get(v);
      if (list === undefined) readers.set(v, [node]);
      else list.push(node);
    }
  }
  return { maker, readers, outputs: new Set(graph.outputs.map((o) => o.name)) };
}

/** Values a node names: its inputs, and everything its subgraphs read (their own inner values among them). */
function readBy(node: Node): string[] {
  const all = [...node.inputs];
  for (const a of node.attributes.values()) {
    if (a.type !== 'graph') continue;
    for (const inner of a.value.nodes) for (const v of readBy(inner)) all.push(v);
    for (const o of a.value.outputs) all.push(o.name);
  }
  return all;
}

/** Names of the initializers that no caller can replace: from IR version 4 on one that is also an input can be. */
export function constantNames(model: Model): Set<string> {
  const names = new Set(model.graph.initializers.map((i) => i.name));
  if (model.irVersion >= 4) for (const i of model.graph.inputs) names.delete(i.name);
  return names;
}
