import { allGraphs, allNodes } from '../graph/bodies.ts';
import { constantOf, couldBeWeight } from '../graph/hoist.ts';
import { findLayers } from '../graph/layers.ts';
import { prepareModel } from '../graph/prepare.ts';
import { functionsOf } from '../graph/inline.ts';
import { unsupportedIn } from '../graph/steps.ts';
import { type ReadOptions, readModel } from '../onnx/index.ts';
import type { Model, Node, ValueInfo } from '../onnx/model.ts';
import type { InspectReport } from '../report/types.ts';
import { dtypeOf, sizeOf } from '../tensor.ts';

/**
 * Inputs, outputs, operators and whether each is supported, everything that cannot be run, weights. Operators are those of the
 * graph, its bodies and the model's functions. Runs nothing. @throws ModelError for what is no model
 */
export function inspectModel(bytes: Uint8Array, name = 'model', options: ReadOptions = {}): InspectReport {
  const model = readModel(bytes, name, options);
  const { graph } = model;
  const initializers = new Set(graph.initializers.map((t) => t.name));
  const problems = unsupportedIn(model);
  const missing = new Set(problems.flatMap((p) => (p.kind === 'operator' ? [p.operator] : [])));
  const refused = problems.some((p) => p.kind === 'version');
  const called = functionsOf(model);
  const nodes = [...allNodes([...graph.nodes, ...model.functions.flatMap((f) => f.nodes)])];
  const counts = new Map<string, { node: Node; count: number }>();
  for (const node of nodes) {
    if (called(node)) continue;
    const key = `${node.domain}:${node.opType}`;
    const seen = counts.get(key);
    if (seen) seen.count++;
    else counts.set(key, { node, count: 1 });
  }
  const { layers, left } = findLayers(prepareModel(model));
  return {
    name,
    bytes: bytes.length,
    irVersion: model.irVersion,
    producer: model.producer,
    opsets: [...model.opsets].map(([domain, version]) => ({ domain, version })),
    inputs: graph.inputs.filter((v) => !initializers.has(v.name)).map(describe),
    outputs: graph.outputs.map(describe),
    operators: [...counts.values()]
      .map(({ node, count }) => ({
        opType: node.opType,
        domain: node.domain,
        count,
        supported:
          node.domain === '' ? !refused && !missing.has(node.opType) : !missing.has(`${node.domain}.${node.opType}`),
      }))
      .sort((a, b) => (a.opType < b.opType ? -1 : a.opType > b.opType ? 1 : 0)),
    weights: layers.map((l) => ({ name: l.name, opType: l.opType, dims: l.dims, params: l.params })),
    left,
    problems,
    parameters: parametersOf(model, nodes),
  };
}

/** Elements of all initializers, those of bodies too, and of Constant nodes large enough to hold weights. */
function parametersOf({ graph }: Model, nodes: readonly Node[]): number {
  let n = 0;
  for (const g of allGraphs(graph)) for (const t of g.initializers) n += sizeOf(t.dims);
  for (const value of nodes.map(constantOf)) if (value && couldBeWeight(value)) n += value.data.length;
  return n;
}

function describe(value: ValueInfo): InspectReport['inputs'][number] {
  return {
    name: value.name,
    type: (value.elemType !== undefined && dtypeOf(value.elemType)) || `type ${value.elemType ?? 'unknown'}`,
    dims: value.dims ?? null,
  };
}
