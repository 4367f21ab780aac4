import { withNode } from '../onnx/index.ts';
import type { Attribute, Graph, Initializer, Node } from '../onnx/model.ts';

/** Graphs inside nodes: the bodies of If, Loop, Scan and their like. */

/** Names of the values and nodes of a graph, bodies included. */
export function* namesIn(graph: Graph): Generator<string> {
  for (const v of [...graph.inputs, ...graph.outputs, ...graph.valueInfo, ...graph.initializers]) yield v.name;
  for (const node of graph.nodes) {
    yield node.name;
    yield* node.inputs;
    yield* node.outputs;
    for (const body of bodiesOf(node)) yield* namesIn(body);
  }
}

/** The graphs a node holds as attributes: then_branch, else_branch, body. */
export function bodiesOf(node: Node): Graph[] {
  const out: Graph[] = [];
  for (const a of node.attributes.values()) if (a.type === 'graph') out.push(a.value);
  return out;
}

/** A graph and every graph inside its nodes, however deep. */
export function* allGraphs(graph: Graph): Generator<Graph> {
  yield graph;
  for (const node of graph.nodes) for (const body of bodiesOf(node)) yield* allGraphs(body);
}

/** Every node of a graph, each followed by those of its bodies, however deep. */
export function* allNodes(nodes: readonly Node[]): Generator<Node> {
  for (const node of nodes) {
    yield node;
    for (const body of bodiesOf(node)) yield* allNodes(body.nodes);
  }
}

/** The node with its bodies replaced by what `change` makes of them; the same node where each stays as it is. */
export function mapBodies(node: Node, change: (body: Graph) => Graph): Node {
  let attributes: Map<string, Attribute> | undefined;
  for (const [name, a] of node.attributes) {
    if (a.type !== 'graph') continue;
    const value = change(a.value);
    if (value === a.value) continue;
    attributes ??= new Map(node.attributes);
    attributes.set(name, { type: 'graph', value });
  }
  return attributes === undefined ? node : withNode(node, { attributes });
}

const known = new WeakMap<Node, readonly string[]>();

/** Names of all the values a node depends on, once each: its inputs, and what its bodies read of the graphs around them. */
export function readsOf(node: Node): readonly string[] {
  const before = known.get(node);
  if (before !== undefined) return before;
  const reads = new Set(node.inputs);
  for (const body of bodiesOf(node)) for (const name of freeIn(body)) reads.add(name);
  reads.delete('');
  const all = [...reads];
  known.set(node, all);
  return all;
}

/** Names that a body reads and does not make itself. */
export function freeIn(graph: Graph): Set<string> {
  const made = madeIn(graph);
  const free = new Set<string>();
  for (const node of graph.nodes) for (const v of readsOf(node)) if (!made.has(v)) free.add(v);
  for (const o of graph.outputs) if (!made.has(o.name)) free.add(o.name);
  return free;
}

/** Names that a graph itself gives a value: inputs, initializers, outputs of nodes. */
export function madeIn(graph: Graph): Set<string> {
  const made = new Set<string>();
  for (const v of [...graph.inputs, ...graph.initializers]) made.add(v.name);
  for (const node of graph.nodes) for (const o of node.outputs) if (o !== '') made.add(o);
  return made;
}

/** Initializers of bodies, however deep, whose name nothing else in the graph or its bodies has. */
export function sharedInitializers(graph: Graph): Map<string, Initializer> {
  const counts = new Map<string, number>();
  const found: Initializer[] = [];
  const visit = (g: Graph, inner: boolean): void => {
    const names = [...g.inputs, ...g.initializers].map((v) => v.name);
    for (const name of [...names, ...g.nodes.flatMap((n) => n.outputs)]) counts.set(name, (counts.get(name) ?? 0) + 1);
    if (inner) for (const t of g.initializers) found.push(t);
    for (const node of g.nodes) for (const body of bodiesOf(node)) visit(body, true);
  };
  visit(graph, false);
  return new Map(found.filter((t) => counts.get(t.name) === 1).map((t) => [t.name, t]));
}
