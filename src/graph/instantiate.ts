import { ModelError } from '../errors.ts';
import { makeNode, withNode } from '../onnx/index.ts';
import type { Attribute, Graph, ModelFunction, Node } from '../onnx/model.ts';
import { describe } from './order.ts';

/** New names of the values that are in scope; '' stays ''. */
type Names = ReadonlyMap<string, string>;

/**
 * The nodes that a call of a function stands for (ONNX IR specification, "Model Local Functions"): inputs and outputs are
 * the call's, an input it leaves out is absent; every other name has `prefix` in front. A reference to an attribute becomes
 * the call's value, else the default; where there is neither, the attribute is left out.
 * @throws ModelError for more inputs or outputs than the function has
 */
export function instantiate(f: ModelFunction, call: Node, prefix: string): Node[] {
  if (call.inputs.length > f.inputs.length || call.outputs.length > f.outputs.length)
    throw new ModelError(
      `${describe(call)}: expected ${f.inputs.length} inputs and ${f.outputs.length} outputs at most, found ${call.inputs.length} and ${call.outputs.length}`,
    );
  const names = new Map<string, string>([['', '']]);
  for (const [i, v] of f.inputs.entries()) names.set(v, call.inputs[i] ?? '');
  const passed: Node[] = [];
  f.outputs.forEach((v, i) => {
    const output = call.outputs[i];
    if (!output) return;
    const known = names.get(v);
    // An input, or an output before, under the name of this output.
    if (known !== undefined) passed.push(makeNode('Identity', [known], [output], {}, { name: `${prefix}${v}` }));
    else names.set(v, output);
  });
  const renamer = new Renamer(prefix, (name) => call.attributes.get(name) ?? f.defaults?.get(name));
  return [...f.nodes.map((n) => renamer.node(n, names)), ...passed];
}

class Renamer {
  constructor(
    readonly prefix: string,
    readonly attribute: (name: string) => Attribute | undefined,
  ) {}

  node(node: Node, names: Names): Node {
    const rename = (v: string) => names.get(v) ?? this.prefix + v;
    const attributes = new Map<string, Attribute>();
    for (const [name, a] of node.attributes) {
      const found = a.type === 'ref' ? this.attribute(a.value) : a;
      if (found === undefined) continue;
      // A copy: the message the call's attribute was read from holds the call's name for it.
      const value = found === a ? a : { ...found };
      attributes.set(name, value.type === 'graph' ? { type: 'graph', value: this.graph(value.value, names) } : value);
    }
    return withNode(node, {
      name: this.prefix + (node.name || node.outputs[0] || node.opType),
      inputs: node.inputs.map(rename),
      outputs: node.outputs.map(rename),
      attributes,
    });
  }

  graph(graph: Graph, outer: Names): Graph {
    const names = new Map(outer);
    const local = (v: string) => v !== '' && names.set(v, this.prefix + v);
    for (const v of [...graph.inputs, ...graph.initializers]) local(v.name);
    for (const node of graph.nodes) for (const o of node.outputs) local(o);
    const rename = (v: string) => names.get(v) ?? this.prefix + v;
    return {
      ...graph,
      nodes: graph.nodes.map((n) => this.node(n, names)),
      initializers: graph.initializers.map((t) => ({
        name: rename(t.name),
        dataType: t.dataType,
        dims: t.dims,
        external: t.external,
        tensor: () => t.tensor(),
      })),
      inputs: graph.inputs.map((v) => ({ ...v, name: rename(v.name), wire: undefined })),
      outputs: graph.outputs.map((v) => ({ ...v, name: rename(v.name), wire: undefined })),
      valueInfo: [],
      wire: undefined,
    };
  }
}
