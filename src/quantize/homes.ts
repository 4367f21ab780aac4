import { bodiesOf, freeIn, mapBodies } from '../graph/bodies.ts';
import type { Graph, Node } from '../onnx/model.ts';
import type { Part } from './builder.ts';

/** A part, and the body it goes to; undefined: the main graph. */
export interface Placed extends Part {
  readonly home: Graph | undefined;
}

/**
 * The innermost branch of an If in which all that reads a value of the main graph lies; undefined where there is none. What a branch
 * reads from outside is passed to it in every run: a constant that it holds itself is not.
 */
export function homeOf(graph: Graph, name: string): Graph | undefined {
  let home: Graph | undefined;
  for (let at = graph; ; at = home) {
    if (at.outputs.some((o) => o.name === name) || at.nodes.some((n) => n.inputs.includes(name))) return home;
    const readers = at.nodes.flatMap((n) =>
      bodiesOf(n).flatMap((body) => (freeIn(body).has(name) ? [{ n, body }] : [])),
    );
    const [only] = readers;
    if (readers.length !== 1 || only!.n.opType !== 'If' || only!.n.domain !== '') return home;
    home = only!.body;
  }
}

/** The nodes with those parts in front of the nodes of their bodies. */
export function withParts(nodes: readonly Node[], parts: readonly Placed[]): Node[] {
  const inner = new Map<Graph, Placed[]>();
  for (const part of parts) if (part.home) inner.set(part.home, [...(inner.get(part.home) ?? []), part]);
  const into = (node: Node): Node =>
    mapBodies(node, (body) => {
      const own = inner.get(body) ?? [];
      const changed = body.nodes.map(into);
      if (own.length === 0 && changed.every((n, i) => n === body.nodes[i])) return body;
      return {
        ...body,
        nodes: [...own.flatMap((p) => p.nodes), ...changed],
        initializers: [...body.initializers, ...own.flatMap((p) => p.initializers)],
        wire: undefined,
      };
    });
  return inner.size === 0 ? [...nodes] : nodes.map(into);
}
