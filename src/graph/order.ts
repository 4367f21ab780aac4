import { ModelError } from '../errors.ts';
import type { Graph, Node } from '../onnx/model.ts';
import { readsOf } from './bodies.ts';

/** A node's name for people: its own, or its first output. */
export function labelOf(node: Node): string {
  return node.name || node.outputs.find((o) => o !== '') || node.opType;
}

/** `Conv "conv1"`, as errors name a node. */
export function describe(node: Node): string {
  const type = node.domain === '' ? node.opType : `${node.domain}.${node.opType}`;
  return `${type} node "${labelOf(node)}"`;
}

/**
 * The nodes that the graph's outputs need, each after the nodes it depends on, through its bodies too; the file's order where
 * that is one.
 * @param outer whether a value is one of the graphs around this one, for a body
 * @throws ModelError for a value that nothing makes or two nodes make, and for a cycle, naming the nodes
 */
export function orderedNodes(
  graph: Graph,
  nodes: readonly Node[] = graph.nodes,
  outer: (name: string) => boolean = () => false,
): Node[] {
  const producer = new Map<string, number>();
  const given = new Set<string>(['']);
  for (const v of graph.inputs) given.add(v.name);
  for (const i of graph.initializers) given.add(i.name);
  nodes.forEach((node, i) => {
    for (const o of node.outputs) {
      if (o === '') continue;
      if (given.has(o) || producer.has(o))
        throw new ModelError(`${describe(node)}: output "${o}" is made elsewhere in the graph already`);
      producer.set(o, i);
    }
  });
  const needed = neededNodes(graph, nodes, producer, (v) => given.has(v) || outer(v));
  const waiting = new Map<number, number>();
  const users = new Map<number, number[]>();
  const ready: number[] = [];
  for (const i of needed) {
    const from = new Set(
      readsOf(nodes[i]!)
        .map((v) => producer.get(v))
        .filter((p) => p !== undefined),
    );
    waiting.set(i, from.size);
    if (from.size === 0) ready.push(i);
    for (const p of from) {
      const list = users.get(p);
      if (list === undefined) users.set(p, [i]);
      else list.push(i);
    }
  }
  const inOrder = needed.every((i) => readsOf(nodes[i]!).every((v) => (producer.get(v) ?? -1) < i));
  if (inOrder) return needed.map((i) => nodes[i]!);
  const out: Node[] = [];
  for (let at = 0; at < ready.length; at++) {
    const i = ready[at]!;
    out.push(nodes[i]!);
    waiting.delete(i);
    for (const u of users.get(i) ?? []) {
      const left = waiting.get(u)! - 1;
      waiting.set(u, left);
      if (left === 0) ready.push(u);
    }
  }
  if (waiting.size > 0) throw new ModelError(`the graph has a cycle: ${cycle(nodes, producer, waiting)}`);
  return out;
}

/** The node that reads a value, or the way to the one inside its bodies that does. */
function trail(node: Node, value: string): string {
  if (node.inputs.includes(value)) return describe(node);
  for (const a of node.attributes.values()) {
    if (a.type !== 'graph') continue;
    const inner = a.value.nodes.find((n) => readsOf(n).includes(value));
    if (inner !== undefined) return `${describe(node)}: ${trail(inner, value)}`;
  }
  return describe(node);
}

/** Indices, ascending, of the nodes from which an output can be reached. */
function neededNodes(
  graph: Graph,
  nodes: readonly Node[],
  producer: ReadonlyMap<string, number>,
  given: (value: string) => boolean,
): number[] {
  const seen = new Set<number>();
  const stack: number[] = [];
  const want = (value: string, who: () => string) => {
    const i = producer.get(value);
    if (i === undefined) {
      if (!given(value))
        throw new ModelError(`${who()} "${value}", which is no input, initializer or output of any node`);
    } else if (!seen.has(i)) {
      seen.add(i);
      stack.push(i);
    }
  };
  for (const o of graph.outputs) want(o.name, () => 'the graph has the output');
  for (let i = stack.pop(); i !== undefined; i = stack.pop()) {
    const node = nodes[i]!;
    for (const v of readsOf(node)) want(v, () => `${trail(node, v)} reads`);
  }
  return [...seen].sort((a, b) => a - b);
}

/** Names the nodes of one cycle among those still waiting. */
function cycle(
  nodes: readonly Node[],
  producer: ReadonlyMap<string, number>,
  waiting: ReadonlyMap<number, number>,
): string {
  const path: number[] = [];
  const at = new Map<number, number>();
  let i = [...waiting.keys()][0]!;
  // Every waiting node waits for another one: walking backwards must come round.
  while (!at.has(i)) {
    at.set(i, path.length);
    path.push(i);
    i = readsOf(nodes[i]!)
      .map((v) => producer.get(v))
      .find((p) => p !== undefined && waiting.has(p))!;
  }
  const names = path.slice(at.get(i)).map((n) => `"${labelOf(nodes[n]!)}"`);
  const shown = names.slice(0, 8).reverse();
  return `${shown.join(' -> ')}${names.length > 8 ? ` and ${names.length - 8} more` : ''}`;
}
