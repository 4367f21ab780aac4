import { ModelError } from '../errors.ts';
import type { Graph, Model, ModelFunction, Node } from '../onnx/model.ts';
import { mapBodies, namesIn } from './bodies.ts';
import { instantiate } from './instantiate.ts';
import { describe } from './order.ts';

/** A graph in which functions were replaced by their nodes, and what those nodes mean. */
export interface Inlined {
  readonly graph: Graph;
  /** The opsets that give a node, in the graph or in a body, its meaning: the model's, or those of the function it came from. */
  opsets(node: Node): ReadonlyMap<string, number>;
}

const MAX_DEPTH = 64;
const MAX_NODES = 250_000;

/** Sees every node before it is taken over, in the graph's order, and decides whether a call is replaced. */
export type Which = (node: Node, f: ModelFunction | undefined) => boolean;

/**
 * The model's graph with calls of model-local functions replaced by the function's own nodes, in bodies as well: inner values
 * get the call's name in front, attributes the call's values or their defaults. Nodes that no call was replaced in stay the
 * same objects.
 * @param which the calls to replace; all by default
 * @throws ModelError for a function that calls itself, or calls that grow without bound
 */
export function inlined(model: Model, which: Which = () => true): Inlined {
  const inliner = new Inliner(model, which);
  const graph = inliner.graph(model.graph, model.opsets, []);
  return { graph, opsets: (node) => inliner.opsets.get(node) ?? model.opsets };
}

/** The function that a node calls, by the model's table of functions. */
export function functionsOf(model: Model): (node: Node) => ModelFunction | undefined {
  const key = (domain: string, name: string, overload = '') => JSON.stringify([domain, name, overload]);
  const table = new Map(model.functions.map((f) => [key(f.domain, f.name, f.overload), f]));
  return (node) => table.get(key(node.domain, node.opType, node.overload));
}

class Inliner {
  readonly opsets = new Map<Node, ReadonlyMap<string, number>>();
  readonly #find: (node: Node) => ModelFunction | undefined;
  readonly #taken: string[];
  #made = 0;
  #calls = 0;

  constructor(
    readonly model: Model,
    readonly which: Which,
  ) {
    this.#find = functionsOf(model);
    this.#taken = model.functions.length > 0 ? [...namesIn(model.graph)].filter((name) => name.includes('#')) : [];
  }

  graph(graph: Graph, opsets: ReadonlyMap<string, number>, stack: readonly ModelFunction[]): Graph {
    const nodes = this.#nodes(graph.nodes, opsets, stack);
    const same = nodes.length === graph.nodes.length && nodes.every((n, i) => n === graph.nodes[i]);
    return same ? graph : { ...graph, nodes, wire: undefined };
  }

  #nodes(nodes: readonly Node[], opsets: ReadonlyMap<string, number>, stack: readonly ModelFunction[]): Node[] {
    const out: Node[] = [];
    for (const node of nodes) {
      const f = this.#find(node);
      if (this.which(node, f) && f !== undefined) {
        for (const inner of this.#call(node, f, stack)) out.push(inner);
        continue;
      }
      if (++this.#made > MAX_NODES && stack.length > 0)
        throw new ModelError(`${describe(node)}: functions expand to more than ${MAX_NODES} nodes`);
      const own = mapBodies(node, (body) => this.graph(body, opsets, stack));
      if (opsets !== this.model.opsets) this.opsets.set(own, opsets);
      out.push(own);
    }
    return out;
  }

  #call(node: Node, f: ModelFunction, stack: readonly ModelFunction[]): Node[] {
    if (stack.includes(f)) {
      const names = [...stack.slice(stack.indexOf(f)), f].map((g) => `"${g.name}"`);
      throw new ModelError(`${describe(node)}: functions call themselves: ${names.slice(0, 8).join(' -> ')}`);
    }
    if (stack.length >= MAX_DEPTH)
      throw new ModelError(`${describe(node)}: functions call each other more than ${MAX_DEPTH} deep`);
    if (this.#calls >= MAX_NODES)
      throw new ModelError(`${describe(node)}: functions expand to more than ${MAX_NODES} calls`);
    return this.#nodes(instantiate(f, node, this.#prefix(node.name || f.name)), f.opsets, [...stack, f]);
  }

  /** A prefix that no name of the model begins with. */
  #prefix(base: string): string {
    for (;;) {
      const prefix = `${base}#${++this.#calls}/`;
      if (!this.#taken.some((name) => name.startsWith(prefix))) return prefix;
    }
  }
}
