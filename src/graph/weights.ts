import type { Node } from '../onnx/model.ts';
import { dimsOf, type Piece, splitPiece, type View } from './view.ts';

/** Which inputs of which operators are weights, and what their rows are. */

/** Rows and columns of a weight as one node uses it. */
export interface Use {
  /** What the node does with the weight, by the plainest operator that does the same. */
  readonly opType: string;
  readonly rows: readonly Piece[];
  /** In the order in which the node counts the elements of one input. */
  readonly cols: readonly Piece[];
  /** Groups of a convolution, 1 elsewhere. */
  readonly groups: number;
  /** Index of the input that is multiplied by the weight; -1 for a table. */
  readonly input: number;
}

/** How a node uses a weight, or why it rules it out. */
type Reading = (node: Node, view: View) => Use | string;

const int = (node: Node, name: string, otherwise: number) => Number(node.attributes.get(name)?.value ?? otherwise);

/** The axes named as rows, all others as columns. */
function byAxes(opType: string, view: View, axes: readonly number[], input: number, groups = 1): Use {
  const rows = view.filter((_, i) => axes.includes(i)).flat();
  const cols = view.filter((_, i) => !axes.includes(i)).flat();
  return { opType, rows, cols, groups, input };
}

/** Right factor [..., K, N], or left factor [..., M, K], of a product. */
function factor(node: Node, view: View, right: boolean, transposed: boolean): Use | string {
  const rank = view.length;
  if (rank < 2) return `rank ${rank} weight of ${node.opType}`;
  const row = right === transposed ? rank - 2 : rank - 1;
  const leading = Array.from({ length: rank - 2 }, (_, i) => i);
  return byAxes('MatMul', view, [...leading, row], right ? 0 : 1);
}

const matMul =
  (right: boolean): Reading =>
  (node, view) =>
    factor(node, view, right, int(node, right ? 'transB' : 'transA', 0) !== 0);

const gemm =
  (right: boolean): Reading =>
  (node, view) => {
    if (view.length !== 2) return `rank ${view.length} weight of ${node.opType}`;
    const used = factor(node, view, right, int(node, right ? 'transB' : 'transA', 0) !== 0);
    return typeof used === 'string' ? used : { ...used, opType: 'Gemm' };
  };

const conv: Reading = (node, view) =>
  view.length >= 3
    ? byAxes('Conv', view, [0], 0, int(node, 'group', 1))
    : `rank ${view.length} weight of ${node.opType}`;

/** [C, M / groups, kernel...]: the rows are the M output channels, group by group. */
const convTranspose: Reading = (node, view) => {
  if (view.length < 3) return `rank ${view.length} weight of ${node.opType}`;
  const groups = int(node, 'group', 1);
  const [channels, outputs, ...kernel] = view as [View[number], View[number], ...View];
  if (groups === 1) return byAxes('ConvTranspose', view, [1], 0);
  const [piece] = channels;
  const parts = channels.length === 1 && piece ? splitPiece(piece, groups) : undefined;
  if (parts === undefined) return `weight of ConvTranspose with ${groups} groups over ${dimsOf(view)[0]} channels`;
  return {
    opType: 'ConvTranspose',
    rows: [parts[0], ...outputs],
    cols: [parts[1], ...kernel.flat()],
    groups,
    input: 0,
  };
};

const table: Reading = (node, view) => {
  const rank = view.length;
  if (rank < 2) return `rank ${rank} table of ${node.opType}`;
  const axis = int(node, 'axis', 0);
  return byAxes('Gather', view, [axis < 0 ? axis + rank : axis], -1);
};

/** W or R of a recurrent operator: [directions, gates * hidden, inputs]. */
const recurrent: Reading = (node, view) =>
  view.length === 3 ? byAxes(node.opType, view, [0, 1], 0) : `rank ${view.length} weight of ${node.opType}`;

/** A term of an Einsum of two: letters it shares with the other term and not with the result are summed over. */
const term =
  (index: number): Reading =>
  (node, view) => {
    const equation = String(node.attributes.get('equation')?.value ?? '').replaceAll(' ', '');
    const [left = '', result] = equation.split('->');
    const terms = left.split(',');
    const own = terms[index] ?? '';
    const other = terms[1 - index] ?? '';
    const plain = (s: string) => /^[A-Za-z]*$/.test(s) && new Set(s).size === s.length;
    if (terms.length !== 2 || result === undefined || ![own, other, result].every(plain) || own.length !== view.length)
      return `weight of Einsum "${equation}": only two terms of letters and a result are understood`;
    const rows = [...own].flatMap((c, i) => (result.includes(c) ? [i] : []));
    if (rows.length === 0 || rows.length === own.length) return `weight of Einsum "${equation}", not as a matrix`;
    return byAxes('Einsum', view, rows, 1 - index);
  };

const READINGS: Readonly<Record<string, Readonly<Record<number, Reading>>>> = {
  Gemm: { 0: gemm(false), 1: gemm(true) },
  MatMul: { 0: matMul(false), 1: matMul(true) },
  Conv: { 1: conv },
  ConvTranspose: { 1: convTranspose },
  DeformConv: { 1: (node, view) => withType(conv(node, view), 'DeformConv') },
  Gather: { 0: table },
  Einsum: { 0: term(0), 1: term(1) },
  RNN: { 1: recurrent, 2: recurrent },
  GRU: { 1: recurrent, 2: recurrent },
  LSTM: { 1: recurrent, 2: recurrent },
  'com.microsoft.FusedConv': { 1: conv },
  'com.microsoft.FusedGemm': { 0: gemm(false), 1: gemm(true) },
  'com.microsoft.FusedMatMul': { 0: matMul(false), 1: matMul(true) },
  'com.microsoft.TransposeMatMul': { 0: matMul(false), 1: matMul(true) },
  'com.microsoft.FusedMatMulActivation': { 0: matMul(false), 1: matMul(true) },
  'com.microsoft.GemmFastGelu': { 1: matMul(true) },
  'com.microsoft.Attention': { 1: matMul(true) },
  'com.microsoft.EmbedLayerNormalization': { 2: table, 3: table, 4: table },
};

function withType(use: Use | string, opType: string): Use | string {
  return typeof use === 'string' ? use : { ...use, opType };
}

/** Inputs that are weights in codes already. */
const QUANTIZED: Readonly<Record<string, readonly number[]>> = {
  DequantizeLinear: [0],
  ConvInteger: [1],
  MatMulInteger: [0, 1],
  QLinearConv: [3],
  QLinearMatMul: [0, 3],
  'com.microsoft.DequantizeLinear': [0],
  'com.microsoft.MatMulNBits': [1],
  'com.microsoft.MatMulBnb4': [1],
  'com.microsoft.GatherBlockQuantized': [0],
  'com.microsoft.DynamicQuantizeMatMul': [1],
  'com.microsoft.MatMulIntegerToFloat': [0, 1],
  'com.microsoft.DynamicQuantizeLSTM': [1, 2],
  'com.microsoft.QAttention': [1],
  'com.microsoft.QGemm': [0, 3],
  'com.microsoft.QLinearConv': [3],
  'com.microsoft.QEmbedLayerNormalization': [2, 3, 4],
  'com.microsoft.QMoE': [2, 5, 8],
};

function keyOf(node: Node): string {
  return node.domain === '' ? node.opType : `${node.domain}.${node.opType}`;
}

/** Whether input `index` of a node holds codes of a quantized weight. */
export function isQuantized(node: Node, index: number): boolean {
  return Object.hasOwn(QUANTIZED, keyOf(node)) && QUANTIZED[keyOf(node)]!.includes(index);
}

/** Whether a node computes with quantized weights: its float inputs are their scales. */
export function isOfQuantized(node: Node): boolean {
  return Object.hasOwn(QUANTIZED, keyOf(node));
}

/** How a node uses its input `index` as a weight, why it rules it out, or undefined where that input is no weight. */
export function useOf(node: Node, index: number, view: View): Use | string | undefined {
  const key = keyOf(node);
  const reading = Object.hasOwn(READINGS, key) ? READINGS[key]![index] : undefined;
  return reading?.(node, view);
}
