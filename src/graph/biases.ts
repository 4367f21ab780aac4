import type { Initializer, Model, Node } from '../onnx/model.ts';
import { DATA_TYPES } from '../tensor.ts';
import type { Layer } from './layers.ts';
import { constantNames, usesOf } from './uses.ts';

/**
 * The float initializers that add a number of their own to every output channel of a layer, and do nothing else: the third input of
 * Gemm and Conv, the vector that an Add alone puts on a MatMul. By weight name; the layer's row r is element r.
 */
export function biasesOf(model: Model, layers: readonly Layer[]): Map<string, Initializer> {
  const { readers, outputs } = usesOf(model.graph);
  const own = new Set(model.graph.nodes);
  const constants = constantNames(model);
  const initializers = new Map(model.graph.initializers.map((t) => [t.name, t]));

  /** The vector of `rows` elements along the last axis that this input of a node is, read by nothing else. */
  const vector = (node: Node, index: number, rows: number): Initializer | undefined => {
    const name = node.inputs[index];
    const found = name ? initializers.get(name) : undefined;
    if (!found || found.dataType !== DATA_TYPES.float || !constants.has(found.name) || outputs.has(found.name))
      return undefined;
    const alone = readers.get(found.name)?.length === 1 && node.inputs.filter((v) => v === name).length === 1;
    const fits = found.dims.at(-1) === rows && found.dims.every((d, i) => d === 1 || i === found.dims.length - 1);
    return alone && fits ? found : undefined;
  };

  const biasOf = ({ uses, rows, lead }: Layer): Initializer | undefined => {
    const [use] = uses;
    if (uses.length !== 1 || !use || !use.plain || use.index !== 1 || lead !== 0 || !own.has(use.node))
      return undefined;
    const { node } = use;
    if (node.domain !== '') return undefined;
    switch (node.opType) {
      case 'Conv':
        return vector(node, 2, rows);
      case 'Gemm': {
        const factor = (name: string) => Number(node.attributes.get(name)?.value ?? 1);
        return factor('alpha') === 1 && factor('beta') === 1 ? vector(node, 2, rows) : undefined;
      }
      case 'MatMul': {
        const [y] = node.outputs;
        const next = readers.get(y ?? '') ?? [];
        const [add] = next;
        if (!y || outputs.has(y) || next.length !== 1 || add?.opType !== 'Add' || add.domain !== '') return undefined;
        return own.has(add) ? vector(add, add.inputs[0] === y ? 1 : 0, rows) : undefined;
      }
      default:
        return undefined;
    }
  };

  return new Map(
    layers.flatMap((layer) => {
      const bias = biasOf(layer);
      return bias ? [[layer.weight, bias] as const] : [];
    }),
  );
}
