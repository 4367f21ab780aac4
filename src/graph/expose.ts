import type { Model, ModelFunction, Node } from '../onnx/model.ts';
import { allGraphs, allNodes, bodiesOf } from './bodies.ts';
import { constantOf, couldBeWeight } from './hoist.ts';
import { functionsOf, inlined } from './inline.ts';
import { sameMeaning } from './opset.ts';
import { passesOn } from './view.ts';

/**
 * The model with every call of a model-local function replaced by the function's nodes where weights are involved: the function
 * holds some, or is given one. Only so do they come into reach of the graph. A function whose operators mean something else
 * under the model's own opsets stays a call, and so do functions without weights.
 * @throws ModelError for functions that call themselves
 */
export function exposeWeights(model: Model): Model {
  if (model.functions.length === 0) return model;
  const holds = holdsWeights(model);
  const weights = new Set<string>();
  for (const graph of allGraphs(model.graph))
    for (const t of graph.initializers) if (couldBeWeight(t)) weights.add(t.name);
  const opsets = new Map(model.opsets);
  // Nodes come in the graph's order: what passes a weight on is seen before whoever reads it.
  const { graph } = inlined(model, (node, f) => {
    const given = node.inputs.some((v) => weights.has(v));
    const value = constantOf(node);
    if ((value !== undefined && couldBeWeight(value)) || (given && passesOn(node)))
      for (const o of node.outputs) weights.add(o);
    for (const body of bodiesOf(node)) for (const t of body.initializers) if (couldBeWeight(t)) weights.add(t.name);
    if (f === undefined || !(given || holds(f)) || !means(f, opsets)) return false;
    for (const [domain, version] of f.opsets) if (!opsets.has(domain)) opsets.set(domain, version);
    return true;
  });
  if (graph === model.graph) return model;
  return { ...model, graph, opsets: opsets.size === model.opsets.size ? model.opsets : opsets, wire: undefined };
}

/** Whether a function's nodes mean the same under these opsets. */
function means(f: ModelFunction, opsets: ReadonlyMap<string, number>): boolean {
  for (const [domain, version] of f.opsets) {
    const there = opsets.get(domain);
    if (there === undefined || there === version) continue;
    if (domain !== '' || !sameMeaning(f.nodes, version, there)) return false;
  }
  return true;
}

/** Whether a function, or one it calls, holds a tensor that could be a weight. */
function holdsWeights(model: Model): (f: ModelFunction) => boolean {
  const find = functionsOf(model);
  const known = new Map<ModelFunction, boolean>();
  const held = (node: Node): boolean => {
    const value = constantOf(node);
    if (value !== undefined && couldBeWeight(value)) return true;
    if (bodiesOf(node).some((body) => body.initializers.some(couldBeWeight))) return true;
    const called = find(node);
    return called !== undefined && holds(called);
  };
  const holds = (f: ModelFunction): boolean => {
    const before = known.get(f);
    if (before !== undefined) return before;
    // For calls that come back here; what is found later stands.
    known.set(f, false);
    const found = [...allNodes(f.nodes)].some(held);
    known.set(f, found);
    return found;
  };
  return holds;
}
