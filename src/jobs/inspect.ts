import { findLayers } from '../graph/layers.ts';
import { prepareModel } from '../graph/prepare.ts';
import { type ReadOptions, readModel } from '../onnx/index.ts';
import type { Graph, Node, ValueInfo } from '../onnx/model.ts';
import { findOperator } from '../ops/index.ts';
import type { InspectReport } from '../report/types.ts';
import { dtypeOf, sizeOf } from '../tensor.ts';

/** Inputs, outputs, operators and whether each is supported, weights. Runs nothing. @throws ModelError for what is no model */
export function inspectModel(bytes: Uint8Array, name = 'model', options: ReadOptions = {}): InspectReport {
  const model = readModel(bytes, name, options);
  const { graph } = model;
  const initializers = new Set(graph.initializers.map((t) => t.name));
  const counts = new Map<string, { node: Node; count: number }>();
  for (const node of allNodes(graph)) {
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
        supported: findOperator(node.domain, node.opType, model.opsets.get(node.domain) ?? 0) !== undefined,
      }))
      .sort((a, b) => (a.opType < b.opType ? -1 : a.opType > b.opType ? 1 : 0)),
    weights: layers.map((l) => ({ name: l.name, opType: l.opType, dims: l.dims, params: l.params })),
    left,
    parameters: graph.initializers.reduce((n, t) => n + sizeOf(t.dims), 0),
  };
}

function* allNodes(graph: Graph): Generator<Node> {
  for (const node of graph.nodes) {
    yield node;
    for (const attribute of node.attributes.values()) if (attribute.type === 'graph') yield* allNodes(attribute.value);
  }
}

function describe(value: ValueInfo): InspectReport['inputs'][number] {
  return {
    name: value.name,
    type: (value.elemType !== undefined && dtypeOf(value.elemType)) || `type ${value.elemType ?? 'unknown'}`,
    dims: value.dims ?? null,
  };
}
