import { ModelError, UnsupportedError } from '../errors.ts';
import type { Model, ModelFunction, Node } from '../onnx/model.ts';
import { describe } from './order.ts';

/** A node and the opsets that give its operator a meaning: the model's, or those of the function it came from. */
export interface Placed {
  readonly node: Node;
  readonly opsets: ReadonlyMap<string, number>;
}

const MAX_DEPTH = 16;
const MAX_NODES = 1_000_000;

/**
 * The graph's nodes with every call of a model-local function replaced by the function's own nodes, their inner values renamed.
 * @throws UnsupportedError for a function with attributes; ModelError for one that calls itself or grows without bound
 */
export function inlined(model: Model): Placed[] {
  const functions = new Map(model.functions.map((f) => [`${f.domain}:${f.name}`, f]));
  const out: Placed[] = [];
  let calls = 0;
  const visit = (nodes: readonly Node[], opsets: ReadonlyMap<string, number>, depth: number): void => {
    for (const node of nodes) {
      const f = functions.get(`${node.domain}:${node.opType}`);
      if (f === undefined) {
        if (out.length >= MAX_NODES)
          throw new ModelError(`${describe(node)}: functions expand to more than ${MAX_NODES} nodes`);
        out.push({ node, opsets });
        continue;
      }
      if (depth >= MAX_DEPTH || ++calls > MAX_NODES)
        throw new ModelError(`${describe(node)}: functions call each other more than ${MAX_DEPTH} deep`);
      visit(body(f, node, calls), f.opsets, depth + 1);
    }
  };
  visit(model.graph.nodes, model.opsets, 0);
  return out;
}

function body(f: ModelFunction, call: Node, id: number): Node[] {
  if (f.attributes.length > 0)
    throw new UnsupportedError(
      `${describe(call)}: functions with attributes (${f.attributes.join(', ')}) are not supported`,
    );
  if (call.inputs.length > f.inputs.length || call.outputs.length > f.outputs.length)
    throw new ModelError(
      `${describe(call)}: expected ${f.inputs.length} inputs and ${f.outputs.length} outputs at most, found ${call.inputs.length} and ${call.outputs.length}`,
    );
  const prefix = `${call.name || f.name}#${id}/`;
  const names = new Map<string, string>([['', '']]);
  for (const [i, v] of f.inputs.entries()) names.set(v, call.inputs[i] ?? '');
  f.outputs.forEach((v, i) => {
    if (call.outputs[i]) names.set(v, call.outputs[i]);
  });
  const rename = (v: string) => names.get(v) ?? prefix + v;
  return f.nodes.map((n) => ({
    opType: n.opType,
    domain: n.domain,
    name: prefix + (n.name || n.outputs[0] || n.opType),
    inputs: n.inputs.map(rename),
    outputs: n.outputs.map(rename),
    attributes: n.attributes,
  }));
}
