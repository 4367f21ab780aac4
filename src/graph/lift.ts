import { withGraph } from '../onnx/index.ts';
import type { Graph, Initializer, Model, Node } from '../onnx/model.ts';
import { DATA_TYPES } from '../tensor.ts';
import { allGraphs, bodiesOf, madeIn, mapBodies } from './bodies.ts';

/** Operators that weights are decoded with. */
const DECODING = new Set([
  ...['Cast', 'BitShift', 'BitwiseOr', 'Mod', 'Add', 'Sub', 'Mul', 'Neg', 'Relu', 'DequantizeLinear'],
  ...['Gather', 'Split', 'Slice', 'Concat', 'Reshape', 'Transpose', 'TopK', 'Identity'],
]);

/** Types that codes and scales are stored in. */
const STORED: ReadonlySet<number> = new Set(
  (['uint8', 'int8', 'int16', 'uint16', 'int4', 'uint4', 'int2', 'uint2', 'float16'] as const).map(
    (dtype) => DATA_TYPES[dtype],
  ),
);

/**
 * The model with what branches of If decode of codes that they hold themselves in the main graph, where it is decoded once. Names that
 * several graphs give stay where they are.
 */
export function liftedDecoders(model: Model): Model {
  const { graph } = model;
  if (!graph.nodes.some((node) => bodiesOf(node).length > 0)) return model;
  const lifter = new Lifter(graph);
  const nodes = graph.nodes.map((node) => lifter.node(node));
  if (lifter.nodes.length === 0) return model;
  return withGraph(model, {
    nodes: [...lifter.nodes, ...nodes],
    initializers: [...graph.initializers, ...lifter.initializers],
  });
}

class Lifter {
  readonly nodes: Node[] = [];
  readonly initializers: Initializer[] = [];
  readonly #counts = new Map<string, number>();
  readonly #constant: Set<string>;
  /** What is made of codes. */
  readonly #decoded = new Set<string>();
  /** Initializers of branches, and those of them that were moved: a branch within reads them too. */
  readonly #held = new Map<string, Initializer>();
  readonly #moved = new Set<string>();

  constructor(graph: Graph) {
    for (const g of allGraphs(graph))
      for (const name of madeIn(g)) this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    const given = new Set(graph.inputs.map((v) => v.name));
    this.#constant = new Set(graph.initializers.map((t) => t.name).filter((name) => !given.has(name)));
    for (const node of graph.nodes) if (this.#follows(node)) for (const o of node.outputs) this.#constant.add(o);
  }

  node(node: Node): Node {
    return node.opType === 'If' && node.domain === '' ? mapBodies(node, (body) => this.#branch(body)) : node;
  }

  #branch(body: Graph): Graph {
    for (const t of body.initializers.filter(({ name }) => this.#counts.get(name) === 1)) {
      this.#held.set(t.name, t);
      this.#constant.add(t.name);
      if (STORED.has(t.dataType)) this.#decoded.add(t.name);
    }
    const bound = new Set(body.outputs.map((o) => o.name));
    const left = body.nodes.filter((node) => {
      const free = node.outputs.every((o) => o !== '' && !bound.has(o) && this.#counts.get(o) === 1);
      if (!free || !this.#follows(node) || !node.inputs.some((v) => this.#decoded.has(v))) return true;
      this.nodes.push(node);
      for (const o of node.outputs) {
        this.#constant.add(o);
        this.#decoded.add(o);
      }
      for (const v of node.inputs) {
        const t = this.#held.get(v);
        if (t === undefined || this.#moved.has(v)) continue;
        this.#moved.add(v);
        this.initializers.push(t);
      }
      return false;
    });
    const nodes = left.map((node) => this.node(node));
    const initializers = body.initializers.filter((t) => !this.#moved.has(t.name));
    const same = initializers.length === body.initializers.length && nodes.length === body.nodes.length;
    if (same && nodes.every((n, i) => n === body.nodes[i])) return body;
    return { ...body, nodes, initializers, wire: undefined };
  }

  /** Whether a node makes of constants what it always makes of them. */
  #follows({ opType, domain, inputs }: Node): boolean {
    return domain === '' && DECODING.has(opType) && inputs.length > 0 && inputs.every((v) => this.#constant.has(v));
  }
}
