import { makeInitializer, withGraph, withNode } from '../onnx/index.ts';
import type { Graph, Initializer, Model, Node } from '../onnx/model.ts';
import { isFloating } from '../ops/shape.ts';
import { dtypeOf, sizeOf, type Tensor } from '../tensor.ts';
import { allGraphs, madeIn, mapBodies } from './bodies.ts';
import { freshNames, withInitializers } from './edit.ts';

/** Smaller weights are not worth their scales. */
export const SMALLEST_LAYER = 256;

/** Whether a tensor could be a weight to quantize: of a floating type, and not too small. */
export function couldBeWeight(t: Tensor | Pick<Initializer, 'dataType' | 'dims'>): boolean {
  const dtype = 'dtype' in t ? t.dtype : dtypeOf(t.dataType);
  return dtype !== undefined && isFloating(dtype) && sizeOf(t.dims) >= SMALLEST_LAYER;
}

/** The tensor of a Constant node, undefined for any other node and other forms of it. */
export function constantOf(node: Node): Tensor | undefined {
  const value = node.opType === 'Constant' && node.domain === '' ? node.attributes.get('value') : undefined;
  return value?.type === 'tensor' ? value.value : undefined;
}

/**
 * The model with weights as initializers of the main graph: tensors of its `Constant` nodes (all float ones; others of a
 * floating type from 256 elements on) under their own name, and those of 256 elements or more that bodies of If, Loop and Scan
 * hold, as initializers or in Constant nodes, under a name that is free in the whole model. What is itself an output of its
 * graph stays. A tensor that several Constant nodes hold because one function was called several times becomes one initializer.
 */
export function hoistConstants(model: Model): Model {
  const hoister = new Hoister(model);
  const graph = hoister.graph(model.graph, new Map(), true);
  return hoister.found.size === 0 ? model : withInitializers(withGraph(model, graph), [...hoister.found.values()]);
}

/** New names of values, where they have one. */
type Names = ReadonlyMap<string, string>;

class Hoister {
  readonly found = new Map<string, Initializer>();
  readonly #names = new Map<Tensor, string>();
  readonly #counts = new Map<string, number>();
  readonly #fresh: (base: string) => string;

  constructor(model: Model) {
    this.#fresh = freshNames(model);
    for (const graph of allGraphs(model.graph))
      for (const name of madeIn(graph)) this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  /** The graph without what was hoisted out of it; the same one where nothing changed. */
  graph(graph: Graph, outer: Names, main: boolean): Graph {
    const made = madeIn(graph);
    const names = new Map([...outer].filter(([name]) => !made.has(name)));
    const bound = new Set([...graph.outputs, ...(main ? [] : graph.inputs)].map((v) => v.name));
    const gone = new Set<string>();
    const move = (name: string, to: string) => {
      gone.add(name);
      if (to !== name) names.set(name, to);
    };
    if (!main)
      for (const t of graph.initializers)
        if (couldBeWeight(t) && !bound.has(t.name)) move(t.name, this.#initializer(t));
    for (const node of graph.nodes) {
      const value = constantOf(node);
      const name = node.outputs[0];
      if (value === undefined || !name || bound.has(name)) continue;
      if (couldBeWeight(value) || (main && value.dtype === 'float')) move(name, this.#constant(name, value));
    }
    let changed = gone.size > 0;
    const nodes = graph.nodes.flatMap((node) => {
      if (constantOf(node) !== undefined && gone.has(node.outputs[0]!)) return [];
      const own = this.#node(node, names);
      changed ||= own !== node;
      return [own];
    });
    if (!changed) return graph;
    if (main) return { ...graph, nodes, wire: undefined };
    const left = <T extends { readonly name: string }>(list: readonly T[]) => list.filter((v) => !gone.has(v.name));
    const { initializers, valueInfo } = graph;
    return { ...graph, nodes, initializers: left(initializers), valueInfo: left(valueInfo), wire: undefined };
  }

  #node(node: Node, names: Names): Node {
    const own = mapBodies(node, (body) => this.graph(body, names, false));
    if (!own.inputs.some((v) => names.has(v))) return own;
    return withNode(own, { inputs: own.inputs.map((v) => names.get(v) ?? v) });
  }

  #constant(name: string, value: Tensor): string {
    const known = this.#names.get(value);
    if (known !== undefined) return known;
    const own = this.#free(name);
    this.#names.set(value, own);
    this.found.set(own, makeInitializer(own, value));
    return own;
  }

  #initializer(t: Initializer): string {
    const { dataType, dims, external } = t;
    const name = this.#free(t.name);
    this.found.set(name, name === t.name ? t : { name, dataType, dims, external, tensor: () => t.tensor() });
    return name;
  }

  /** The name itself where no other value of the model has it. */
  #free(name: string): string {
    return this.#counts.get(name) === 1 ? name : this.#fresh(name);
  }
}
