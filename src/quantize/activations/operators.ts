import type { Layer, LayerUse } from '../../graph/layers.ts';
import type { Model, Node } from '../../onnx/model.ts';
import { sizeOf } from '../../tensor.ts';

/** Operators whose outputs hold elements of their first input, and no others. */
export const MOVERS: ReadonlySet<string> = new Set([
  'DepthToSpace',
  'Expand',
  'Flatten',
  'Gather',
  'Identity',
  'MaxPool',
  'Reshape',
  'Slice',
  'SpaceToDepth',
  'Squeeze',
  'Tile',
  'Transpose',
  'Unsqueeze',
]);

/** Whether a node only moves elements of floats that are no constants. */
export function isMover(node: Node, constant: ReadonlySet<string>): boolean {
  if (node.domain !== '') return false;
  if (node.opType === 'Concat') return node.inputs.every((v) => !constant.has(v));
  return MOVERS.has(node.opType) && !constant.has(node.inputs[0] ?? '');
}

/** What a node that only moves elements, or an Add, takes them from. */
export function moved(node: Node): readonly string[] {
  return node.opType === 'Concat' || node.opType === 'Add' ? node.inputs : node.inputs.slice(0, 1);
}

/** Whether a node puts out averages of its input: never outside its range. */
export function averages({ opType, domain }: Node): boolean {
  return domain === '' && (opType === 'AveragePool' || opType === 'GlobalAveragePool');
}

/** Whether a node does what limits of a range of integers do: Relu, or Clip with constant limits around 0. */
export function isClipping({ opType, domain, inputs }: Node, constant: ReadonlySet<string>): boolean {
  if (domain !== '') return false;
  return opType === 'Relu' || (opType === 'Clip' && inputs.slice(1).every((v) => v === '' || constant.has(v)));
}

/** Whether a layer is a convolution of single channels: stock WebAssembly runtimes have no fast one of integers. */
export function isDepthwise({ opType, groups, rows, dims }: Layer): boolean {
  return opType === 'Conv' && groups > 1 && dims[1] === 1 && rows >= groups;
}

/** Why a layer's weight cannot be multiplied as integers where it is used; undefined where it can. */
export function whyNotMultiplied(model: Model, layer: Layer): string | undefined {
  if (layer.dtype !== 'float') return `weights of type ${layer.dtype}`;
  if (layer.lead > 0 || String(layer.shape) !== String(layer.dims)) return 'a weight seen in another shape';
  const main = new Set(model.graph.nodes);
  const initializers = new Map(model.graph.initializers.map((t) => [t.name, t]));
  for (const use of layer.uses) {
    const why = main.has(use.node) ? whyNotUsed(layer, use) : 'used in a body';
    if (why !== undefined) return why;
    const bias = biasOf(use.node);
    const held = initializers.get(bias);
    if (bias === '') continue;
    if (!held) return 'a bias that is no constant';
    if (sizeOf(held.dims) !== layer.rows) return `a bias of shape [${held.dims}]`;
  }
  return undefined;
}

function whyNotUsed({ weight }: Layer, { node, index, plain }: LayerUse): string | undefined {
  const { opType, domain, inputs, attributes } = node;
  if (domain !== '' || !['Conv', 'Gemm', 'MatMul'].includes(opType)) return `${opType} has no form for integers`;
  if (index !== 1 || inputs[1] !== weight || !plain) return 'a weight that is not the second operand';
  if (opType !== 'Gemm') return undefined;
  const number = (name: string, otherwise: number): unknown => attributes.get(name)?.value ?? otherwise;
  if (number('transA', 0) !== 0) return 'Gemm of a transposed input';
  return number('alpha', 1) === 1 && number('beta', 1) === 1 ? undefined : 'Gemm with factors';
}

/** Name of what a node adds to its product; '' where there is none. */
export function biasOf({ opType, inputs }: Node): string {
  return opType === 'MatMul' ? '' : (inputs[2] ?? '');
}
