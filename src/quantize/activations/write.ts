import type { Affine } from '../../calibrate/ranges.ts';
import { withoutUnused } from '../../graph/edit.ts';
import { orderedNodes } from '../../graph/order.ts';
import { usesOf } from '../../graph/uses.ts';
import { makeNode, withGraph, withNode, withOpset } from '../../onnx/index.ts';
import type { Initializer, Model, Node } from '../../onnx/model.ts';
import { type Tensor, tensor } from '../../tensor.ts';
import { Builder } from '../builder.ts';
import { biasCodes } from './bias.ts';
import { MICROSOFT } from './domain.ts';
import { insertSites, type Replacement } from './insert.ts';
import { biasOf, MOVERS } from './operators.ts';
import type { IntegerNode, Placement, Site } from './place.ts';
import { addProduct, type Codes, type Products } from './product.ts';

/** Integers that activations are stored as. */
export type ActivationType = 'uint8' | 'int8' | 'uint16' | 'int16';

const LIMITS: Readonly<Record<ActivationType, readonly [low: number, high: number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65535],
  int16: [-32768, 32767],
};

export function limitsOf(type: ActivationType): readonly [low: number, high: number] {
  return LIMITS[type];
}

/** Scale and zero point of a group of sites. */
export interface SiteGrid extends Affine {
  readonly type: ActivationType;
}

/** First opset of ai.onnx whose DequantizeLinear has a scale a row, and whose QuantizeLinear has 16 bits. */
export const ROWS_OPSET = 13;
const WIDE_OPSET = 21;
/** First opset that has the operators of integers themselves. */
export const INTEGER_OPSET = 10;

/**
 * The model with its sites rounded. Products of matrices are written as products of integers (`addProduct`); convolutions between
 * QuantizeLinear and DequantizeLinear, their biases as int32 of scale (scale of the input) x (scale of the weight's row), which
 * runtimes make convolutions of integers of, or, before opset 13, which has no DequantizeLinear with a scale a row, as QLinearConv. Sixteen bits, which no runtime multiplies as such, stand between QuantizeLinear and
 * DequantizeLinear everywhere; before opset 21 these are com.microsoft's.
 * @param model weights of the placement's nodes made by DequantizeLinear of a scale a row, or one
 * @param grids by group
 * @param scales the weight's, as they are stored
 * @param products operators that products of matrices are written with
 */
export function writeActivations(
  model: Model,
  { sites, nodes }: Placement,
  grids: readonly SiteGrid[],
  scales: (weight: string) => Float32Array,
  products: Products = 'standard',
): Model {
  const b = new Builder(model);
  const group = new Map(sites.map((s) => [s.value, s.group]));
  const initializers = new Map(model.graph.initializers.map((t) => [t.name, t]));
  const makers = new Map(model.graph.nodes.flatMap((n) => n.outputs.map((o) => [o, n] as const)));
  const multiplied = new Map(nodes.map((own) => [own.node, own]));
  const opset = model.opsets.get('') ?? 0;
  const convolved = new Map(opset < ROWS_OPSET ? nodes.flatMap((n) => (n.output ? [[n.output, n] as const] : [])) : []);
  const floats = floatReaders(model, sites, multiplied);
  const added: Initializer[] = [];
  /** What may be read by nothing any more. */
  const idle = new Set<string>();
  const codes = new Map<string, Codes>();
  let microsoft = false;

  const take = (): readonly Node[] => {
    const part = b.take();
    added.push(...part.initializers);
    return part.nodes;
  };
  const rounded = ({ value, group: g }: Site, from: string, to: string | undefined): Replacement => {
    const { type, scale, zero } = grids[g]!;
    const grid: [string, string] = [
      b.floats([scale]),
      b.shared(`${type} ${zero}`, () => b.initializer('', integer(type, zero))),
    ];
    const foreign = type.endsWith('16') && opset < WIDE_OPSET;
    microsoft ||= foreign;
    const made = convolved.has(value);
    const stored = made ? b.name('k.c') : b.node('QuantizeLinear', [from, ...grid]);
    const output = b.node('DequantizeLinear', [stored, ...grid], {}, to);
    idle.add(output);
    codes.set(value, { codes: stored, scale: grid[0], zero: grid[1] });
    const own = take();
    return { nodes: foreign ? own.map(ofMicrosoft) : own, output };
  };
  const changed = (node: Node, original: Node): readonly Node[] => {
    const own = multiplied.get(original);
    if (own === undefined) {
      // The operator that clips what a QLinearConv puts out clipped already.
      if (convolved.has(original.outputs[0] ?? '')) return [];
      if (!floats.has(original)) return [node];
      const [input] = node.inputs as [string];
      const apart = b.node('Sum', [input]);
      return [...take(), withNode(node, { inputs: node.inputs.map((v, i) => (i === 0 ? apart : v)) })];
    }
    const { weight } = own.layer;
    const grid = grids[group.get(own.input)!]!;
    const decode = makers.get(weight)!;
    if (node.opType !== 'Conv') {
      if (grid.type.endsWith('16')) return [node];
      addProduct(b, node, decode, codes.get(own.input)!, products);
      microsoft ||= products === 'microsoft';
      idle.add(weight);
      return take();
    }
    const bias = initializers.get(biasOf(node));
    const rows = scales(weight);
    const values = bias && biasCodes(bias.tensor().data as Float32Array, grid.scale, rows);
    const stored = values && b.initializer('', tensor('int32', [values.length], values));
    if (bias) idle.add(bias.name);
    if (convolved.has(own.output ?? '')) {
      const [x, y] = [codes.get(own.input)!, codes.get(own.output!)!];
      const operands = [x.codes, x.scale, x.zero, ...decode.inputs, y.scale, y.zero];
      b.node('QLinearConv', stored ? [...operands, stored] : operands, Object.fromEntries(node.attributes), y.codes);
      idle.add(weight);
      return take();
    }
    if (!stored) return [node];
    const scale = b.node('Mul', [decode.inputs[1]!, b.floats([grid.scale])]);
    const axis = rows.length === 1 ? {} : { axis: { type: 'int', value: 0 } as const };
    const value = b.node('DequantizeLinear', [stored, scale], axis);
    return [...take(), withNode(node, { inputs: node.inputs.map((v, i) => (i === 2 ? value : v)) })];
  };
  const { graph } = insertSites(model, sites, rounded, changed);
  const { readers, outputs } = usesOf(graph);
  const unread = (v: string): boolean => idle.has(v) && !readers.has(v) && !outputs.has(v);
  const written = withGraph(model, {
    nodes: graph.nodes.filter((n) => n.opType !== 'DequantizeLinear' || !unread(n.outputs[0]!)),
    initializers: [...graph.initializers, ...added, ...b.common().initializers],
  });
  return withoutUnused(microsoft ? withOpset(written, MICROSOFT, 1) : written, idle);
}

/**
 * Nodes that multiply what was rounded by weights in float. Behind a DequantizeLinear, even with nodes that move elements, or clip or average them, in between,
 * onnxruntime takes their weights for ones it is to round, with one scale a tensor; a Sum of one value keeps it from that.
 */
function floatReaders(
  { graph }: Model,
  sites: readonly Site[],
  multiplied: ReadonlyMap<Node, IntegerNode>,
): ReadonlySet<Node> {
  const everywhere = new Set(sites.flatMap((s) => (s.everywhere ? [s.value] : [])));
  for (const node of orderedNodes(graph)) {
    if (node.domain !== '' || !PASSED.has(node.opType)) continue;
    if (node.inputs.some((v) => everywhere.has(v))) for (const o of node.outputs) everywhere.add(o);
  }
  const products = graph.nodes.filter((n) => n.domain === '' && FLOAT_PRODUCTS.has(n.opType) && !multiplied.has(n));
  return new Set(products.filter((n) => everywhere.has(n.inputs[0]!)));
}

const FLOAT_PRODUCTS: ReadonlySet<string> = new Set(['Conv', 'ConvTranspose', 'Gemm']);
/** What runtimes may move a DequantizeLinear past. */
const PASSED: ReadonlySet<string> = new Set([
  ...MOVERS,
  ...[
    'AveragePool',
    'Clip',
    'Concat',
    'GlobalAveragePool',
    'LeakyRelu',
    'Pad',
    'ReduceMean',
    'Relu',
    'Resize',
    'Split',
  ],
  ...['Upsample', 'Where'],
]);

function ofMicrosoft({ opType, inputs, outputs }: Node): Node {
  return makeNode(opType, inputs, outputs, {}, { domain: MICROSOFT });
}

function integer(type: ActivationType, value: number): Tensor {
  const array = { uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, int16: Int16Array }[type];
  return { dtype: type, dims: [], data: array.of(value) };
}
