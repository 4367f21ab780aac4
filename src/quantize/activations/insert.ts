import { freshNames } from '../../graph/edit.ts';
import { orderedNodes } from '../../graph/index.ts';
import { withGraph, withNode } from '../../onnx/index.ts';
import type { Model, Node } from '../../onnx/model.ts';
import type { Site } from './place.ts';

/** What stands in the place of a value: nodes that make `output` of it. */
export interface Replacement {
  readonly nodes: readonly Node[];
  readonly output: string;
}

/**
 * The model with nodes behind some of its values.
 * @param replace what is put behind a site's value `from`; where `to` is there the last node must make it
 * @param change what becomes of a node of the graph, once its inputs and outputs have their new names
 */
export function insertSites(
  model: Model,
  sites: readonly Site[],
  replace: (site: Site, from: string, to: string | undefined) => Replacement,
  change: (node: Node, original: Node) => readonly Node[] = (node) => [node],
): Model {
  const { graph } = model;
  const fresh = freshNames(model);
  const own = new Map(sites.map((s) => [s.value, s]));
  const before: Node[] = [];
  const behind = new Map<Node, Node[]>();
  const inputs = new Map<Node, Map<string, string>>();
  const outputs = new Map<Node, Map<string, string>>();
  const nodes = orderedNodes(graph);
  const add = (site: Site, maker: Node | undefined): void => {
    const { value, everywhere, readers } = site;
    const moved = everywhere && maker !== undefined;
    const from = moved ? fresh('k.f') : value;
    const made = replace(site, from, moved ? value : undefined);
    if (moved) outputs.set(maker, (outputs.get(maker) ?? new Map()).set(value, from));
    else for (const r of readers) inputs.set(r, (inputs.get(r) ?? new Map()).set(value, made.output));
    if (maker === undefined) before.push(...made.nodes);
    else behind.set(maker, [...(behind.get(maker) ?? []), ...made.nodes]);
  };
  for (const { name } of graph.inputs) if (own.has(name)) add(own.get(name)!, undefined);
  for (const node of nodes) for (const o of node.outputs) if (own.has(o)) add(own.get(o)!, node);
  const renamed = (node: Node): Node => {
    const [ins, outs] = [inputs.get(node), outputs.get(node)];
    if (!ins && !outs) return node;
    return withNode(node, {
      inputs: node.inputs.map((v) => ins?.get(v) ?? v),
      outputs: node.outputs.map((v) => outs?.get(v) ?? v),
    });
  };
  return withGraph(model, {
    nodes: [...before, ...nodes.flatMap((n) => [...change(renamed(n), n), ...(behind.get(n) ?? [])])],
  });
}
