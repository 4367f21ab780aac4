import { usesOf } from '../graph/index.ts';
import type { Layer } from '../graph/layers.ts';
import type { Initializer, Model, Node } from '../onnx/model.ts';

/** Largest vector that counts as a bias, or as the scale or shift of a normalisation. */
const LARGEST = 1 << 20;

/** Operator -> inputs that hold a number a channel; 'any' for elementwise operators, where a vector may stand on either side. */
const PLACES: Readonly<Record<string, readonly number[] | 'any'>> = {
  Gemm: [2],
  Conv: [2],
  ConvTranspose: [2],
  LayerNormalization: [1, 2],
  RMSNormalization: [1],
  SimplifiedLayerNormalization: [1],
  BatchNormalization: [1, 2],
  InstanceNormalization: [1, 2],
  GroupNormalization: [1, 2],
  Add: 'any',
  Sub: 'any',
  Mul: 'any',
};

/**
 * The float initializers that shift or scale channels and stay in float when the weights are quantized: biases of products and
 * convolutions, scales and shifts of normalisations, vectors added to or multiplied with values. All that read them do so
 * in such a place; their elements are finite; no caller can feed something else for them.
 */
export function tunableInitializers(model: Model, layers: readonly Layer[]): Initializer[] {
  const { readers, outputs } = usesOf(model.graph);
  const taken = new Set([...layers.map((l) => l.weight), ...outputs, ...model.graph.inputs.map((i) => i.name)]);
  return model.graph.initializers.filter((t) => {
    const nodes = readers.get(t.name) ?? [];
    if (t.dataType !== 1 || taken.has(t.name) || nodes.length === 0 || !isVector(t.dims)) return false;
    return nodes.every((node) => inPlace(node, t.name)) && (t.tensor().data as Float32Array).every(Number.isFinite);
  });
}

/** More than one element, along one axis. */
function isVector(dims: readonly number[]): boolean {
  const long = dims.filter((d) => d !== 1);
  return long.length === 1 && long[0]! > 1 && long[0]! <= LARGEST;
}

/** Whether a node reads the value in such places only; a node that reads it in a body does not. */
function inPlace(node: Node, name: string): boolean {
  const places = PLACES[node.opType];
  const at = node.inputs.flatMap((v, i) => (v === name ? [i] : []));
  return places !== undefined && at.length > 0 && (places === 'any' || at.every((i) => places.includes(i)));
}
