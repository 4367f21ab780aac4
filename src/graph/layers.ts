import type { Initializer, Model, Node } from '../onnx/model.ts';
import { DATA_TYPES, dtypeOf, sizeOf } from '../tensor.ts';
import { constantNames, type Uses, usesOf } from './uses.ts';

/** A weight that can be quantized, and where it is used. */
export interface Layer {
  /** Unique name for people. */
  readonly name: string;
  /** Name of the initializer. */
  readonly weight: string;
  /** Operator of the first node that uses it as a weight. */
  readonly opType: string;
  /** Nodes that use it as a weight, in the graph's order. */
  readonly nodes: readonly Node[];
  /** The first node's activation input; '' for a Gather table. */
  readonly input: string;
  /** Shape of the weight as stored. */
  readonly dims: readonly number[];
  /** Axis of output channels; `rows` is its size and `cols` the number of weights of each channel. */
  readonly rowAxis: number;
  readonly rows: number;
  readonly cols: number;
  /** Groups of a convolution, 1 elsewhere. */
  readonly groups: number;
  readonly params: number;
}

/** A float tensor that stays as it is, and why. */
export interface LeftWeight {
  readonly weight: string;
  readonly reason: string;
}

/** Smaller weights are not worth their scales. */
export const SMALLEST_LAYER = 256;

/** Input that is the weight, for every operator that has one. */
const WEIGHT_INPUT: Readonly<Record<string, number>> = { Gemm: 1, MatMul: 1, Conv: 1, ConvTranspose: 1, Gather: 0 };

/** Axis of a weight's output channels under one node, or the reason why that node rules the weight out. */
function rowAxisOf(node: Node, dims: readonly number[]): number | string {
  const rank = dims.length;
  const is = (name: string, otherwise: number) => Number(node.attributes.get(name)?.value ?? otherwise);
  switch (node.opType) {
    case 'Gemm':
      return rank === 2 ? (is('transB', 0) === 0 ? 1 : 0) : `rank ${rank} weight of Gemm`;
    case 'MatMul':
      return rank === 2 ? 1 : `rank ${rank} weight of MatMul: only rank 2 is quantized`;
    case 'Conv':
      return rank >= 3 ? 0 : `rank ${rank} weight of Conv`;
    case 'ConvTranspose':
      return rank >= 3 ? 1 : `rank ${rank} weight of ConvTranspose`;
    default:
      if (rank !== 2) return `rank ${rank} table of Gather: only rank 2 is quantized`;
      return is('axis', 0) === 0 ? 0 : `Gather along axis ${is('axis', 0)}: only axis 0 is quantized`;
  }
}

function weightUses(name: string, uses: Uses): Node[] {
  return (uses.readers.get(name) ?? []).filter((n) => {
    const i = n.domain === '' ? WEIGHT_INPUT[n.opType] : undefined;
    return i !== undefined && n.inputs[i] === name;
  });
}

/**
 * The quantizable weights in the order of the nodes that use them: constant float weights of Gemm, MatMul (rank 2), Conv,
 * ConvTranspose and Gather tables (rank 2, axis 0) with 256 elements or more; and every other float tensor of that size, or in a
 * weight's place, with the reason why it is left. A weight that several nodes share is one layer.
 */
export function findLayers(model: Model): { layers: Layer[]; left: LeftWeight[] } {
  const uses = usesOf(model.graph);
  const constants = constantNames(model);
  const order = new Map(model.graph.nodes.map((n, i) => [n, i]));
  const found: { at: number; i: Initializer; nodes: Node[]; rowAxis: number }[] = [];
  const left: LeftWeight[] = [];
  for (const i of model.graph.initializers) {
    const nodes = weightUses(i.name, uses);
    const size = sizeOf(i.dims);
    if (nodes.length === 0 && size < SMALLEST_LAYER) continue;
    const dtype = dtypeOf(i.dataType);
    const reason = reasonToLeave(i, nodes, uses, constants);
    if (reason !== undefined) {
      if (dtype === 'float' || dtype === 'float16' || dtype === 'double' || nodes.length > 0 || quantizedUse(i, uses))
        left.push({ weight: i.name, reason });
      continue;
    }
    found.push({ at: order.get(nodes[0]!)!, i, nodes, rowAxis: rowAxisOf(nodes[0]!, i.dims) as number });
  }
  for (const node of model.graph.nodes) {
    const value = node.opType === 'Constant' && node.domain === '' ? node.attributes.get('value') : undefined;
    if (value?.type !== 'tensor' || value.value.dtype !== 'float' || value.value.data.length < SMALLEST_LAYER) continue;
    left.push({ weight: node.outputs[0]!, reason: 'held by a Constant node: only initializers are quantized' });
  }
  found.sort((a, b) => a.at - b.at);
  const taken = new Map<string, number>();
  const layers = found.map(({ i, nodes, rowAxis }) => {
    const first = nodes[0]!;
    const rows = i.dims[rowAxis]!;
    const params = sizeOf(i.dims);
    return {
      name: unique(nameOf(i.name, first), taken),
      weight: i.name,
      opType: first.opType,
      nodes,
      input: first.opType === 'Gather' ? '' : first.inputs[0]!,
      dims: i.dims,
      rowAxis,
      rows,
      cols: params / rows,
      groups: first.opType.startsWith('Conv') ? Number(first.attributes.get('group')?.value ?? 1) : 1,
      params,
    };
  });
  return { layers, left };
}

function quantizedUse(i: Initializer, uses: Uses): boolean {
  return (uses.readers.get(i.name) ?? []).some((n) => n.opType === 'DequantizeLinear' && n.inputs[0] === i.name);
}

function reasonToLeave(
  i: Initializer,
  nodes: readonly Node[],
  uses: Uses,
  constants: ReadonlySet<string>,
): string | undefined {
  const readers = uses.readers.get(i.name) ?? [];
  if (quantizedUse(i, uses)) return 'quantized already';
  if (readers.length === 0) return uses.outputs.has(i.name) ? 'an output of the graph' : 'used by no node';
  if (nodes.length === 0) return `used by ${[...new Set(readers.map((n) => n.opType))].join(', ')}, not as a weight`;
  if (i.dataType !== DATA_TYPES.float)
    return `type ${dtypeOf(i.dataType) ?? i.dataType}: only float weights are quantized`;
  if (sizeOf(i.dims) < SMALLEST_LAYER) return `${sizeOf(i.dims)} elements: fewer than ${SMALLEST_LAYER}`;
  if (!constants.has(i.name)) return 'an input of the graph that callers may replace';
  const axes = nodes.map((n) => rowAxisOf(n, i.dims));
  const obstacle = axes.find((a) => typeof a === 'string');
  if (obstacle !== undefined) return obstacle as string;
  if (readers.some((n) => n.attributes.size > 0 && [...n.attributes.values()].some((a) => a.type === 'graph')))
    return 'used inside a subgraph';
  return undefined;
}

/** The initializer's name unless an exporter made it up; then the node's. */
function nameOf(weight: string, node: Node): string {
  const made = weight.startsWith('onnx::') || /^\d+$/.test(weight);
  if (!made || node.name === '') return weight.replace(/\.weight$/, '');
  return node.name.replace(/^\//, '').replace(/\/(MatMul|Gemm|Conv|ConvTranspose|Gather)$/, '') || weight;
}

function unique(name: string, taken: Map<string, number>): string {
  const n = (taken.get(name) ?? 0) + 1;
  taken.set(name, n);
  return n === 1 ? name : unique(`${name}#${n}`, taken);
}
