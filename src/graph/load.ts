import type { Model } from '../onnx/model.ts';
import { loadRare } from '../ops/registry.ts';
import { allNodes } from './bodies.ts';

/**
 * Loads the operators that a model needs and that are not there yet; operators that Kappa does not have are left for `Session` to
 * name. Jobs do it themselves; `new Session` wants it done before, except in Node, where every operator is there.
 */
export function loadOperators({ graph, functions }: Model): Promise<void> {
  const nodes = [graph, ...functions].flatMap((g) => [...allNodes(g.nodes)]);
  const isFunction = new Set(functions.map((f) => JSON.stringify([f.domain, f.name])));
  return loadRare(nodes.filter(({ domain, opType }) => !isFunction.has(JSON.stringify([domain, opType]))));
}
