import { withGraph } from '../onnx/index.ts';
import type { Initializer, Model, Node, ValueInfo } from '../onnx/model.ts';
import { namesIn } from './bodies.ts';
import { usesOf } from './uses.ts';

/** Changes to a model's graph. Everything not named keeps the bytes it came in. */

/** A maker of names that nothing in the model has yet: `base`, else `base_1`, `base_2`... Each call takes its name. */
export function freshNames(model: Model): (base: string) => string {
  const taken = new Set(namesIn(model.graph));
  return (base) => {
    let name = base;
    for (let i = 1; taken.has(name); i++) name = `${base}_${i}`;
    taken.add(name);
    return name;
  };
}

/**
 * The model with initializers replaced (where the name is known) or added. Before IR version 4 an initializer has to be among
 * the inputs too: added ones are listed there.
 */
export function withInitializers(model: Model, initializers: readonly Initializer[]): Model {
  const { graph } = model;
  const fresh = new Map(initializers.map((i) => [i.name, i]));
  const all = graph.initializers.map((i) => fresh.get(i.name) ?? i);
  const known = new Set(graph.initializers.map((i) => i.name));
  const added = [...fresh.values()].filter((i) => !known.has(i.name));
  const listed = new Set(graph.inputs.map((i) => i.name));
  const inputs: ValueInfo[] =
    model.irVersion >= 4
      ? []
      : added.filter((i) => !listed.has(i.name)).map((i) => ({ name: i.name, elemType: i.dataType, dims: i.dims }));
  const changes = { initializers: [...all, ...added] };
  return withGraph(model, inputs.length > 0 ? { ...changes, inputs: [...graph.inputs, ...inputs] } : changes);
}

/** The model with each node replaced by what `change` makes of it: itself, another, several, or none. */
export function mapNodes(model: Model, change: (node: Node) => Node | readonly Node[]): Model {
  return withGraph(model, { nodes: model.graph.nodes.flatMap(change) });
}

/**
 * The model without those initializers of `candidates` that nothing reads any more, and without Identity nodes that only passed
 * such values on; value infos and inputs that described what is gone go as well.
 */
export function withoutUnused(model: Model, candidates: ReadonlySet<string>): Model {
  const { graph } = model;
  let nodes = graph.nodes;
  for (;;) {
    const { readers, outputs } = usesOf({ ...graph, nodes });
    const used = (v: string) => outputs.has(v) || readers.has(v);
    const left = nodes.filter((n) => n.opType !== 'Identity' || !n.outputs.every((o) => candidates.has(o) && !used(o)));
    if (left.length < nodes.length) {
      nodes = left;
      continue;
    }
    const gone = new Set(graph.initializers.map((i) => i.name).filter((n) => candidates.has(n) && !used(n)));
    const named = new Set(nodes.flatMap((n) => n.outputs));
    for (const v of [...graph.inputs, ...graph.initializers]) if (!gone.has(v.name)) named.add(v.name);
    const inputs = graph.inputs.filter((i) => !gone.has(i.name));
    return withGraph(model, {
      nodes,
      initializers: graph.initializers.filter((i) => !gone.has(i.name)),
      valueInfo: graph.valueInfo.filter((v) => named.has(v.name)),
      inputs,
    });
  }
}
