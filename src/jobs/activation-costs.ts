import type { Choice, CostActivations, CostGroup, CostProduct, Plan } from '../allocate/types.ts';
import type { CurvatureQuantizationAnalyzer } from '../analyzer.ts';
import { canRaise, type Layer } from '../graph/index.ts';
import { makeInitializer, makeNode, withGraph, withOpset, writeModel } from '../onnx/index.ts';
import type { Model, Node } from '../onnx/model.ts';
import { biasOf, isDepthwise, whyNotMultiplied } from '../quantize/activations/operators.ts';
import { type IntegerNode, type Placement, place, type Site } from '../quantize/activations/place.ts';
import { smallWeights } from '../quantize/activations/small.ts';
import {
  type ActivationType,
  INTEGER_OPSET,
  limitsOf,
  ROWS_OPSET,
  type SiteGrid,
  writeActivations,
} from '../quantize/activations/write.ts';
import { integer } from '../quantize/integer.ts';
import { PrecisionAwareQuantizer } from '../quantize/quantizer.ts';
import type { Target } from '../quantize/targets.ts';
import { sizeOf, tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { type GroupOptions, groupDamages } from './activation-damages.ts';

/** Rows a sample below which onnxruntime-web multiplies integers no faster than floats. */
const FEWEST_ROWS = 2;

export const DEPTHWISE =
  'a depthwise convolution: onnxruntime-web runs those of integers at less than half the speed of floats';

export interface ActivationCostOptions extends GroupOptions {
  readonly target: Target;
}

/** Why a layer's products stay in float whatever its width; undefined where they need not. */
export function whyNotLayer(model: Model, layer: Layer, target: Target): string | undefined {
  if (target !== 'node' && isDepthwise(layer)) return DEPTHWISE;
  return whyNotMultiplied(model, layer);
}

/** Everything that could be rounded in this analyzer's model, whatever the widths of its weights. */
function placementOf(
  wasm: Wasm,
  { model, layers, rounding }: CurvatureQuantizationAnalyzer,
  target: Target,
): Placement {
  const blocks = typeof rounding.granularity === 'number';
  const able = blocks ? [] : layers.filter((layer) => whyNotLayer(model, layer, target) === undefined);
  const small = target === 'node' ? smallWeights(wasm, model).map((s) => s.layer) : [];
  return place(model, [...able, ...small]);
}

/** Sites by group, in the order of the groups' first. */
function groupsOf({ sites }: Placement): Site[][] {
  const groups = new Map<number, Site[]>();
  for (const site of sites) groups.set(site.group, [...(groups.get(site.group) ?? []), site]);
  return [...groups.values()];
}

/**
 * The part of the cost table that is about activations: each group of values rounded alone in the original model, the graph run from
 * there on, over the samples that the weights' damages are measured on; what all that takes in a file; and the multiply-adds that
 * are of integers where groups are rounded. The same as `known` where that is about these groups, ranges and widths.
 */
export async function activationCosts(
  wasm: Wasm,
  analyzer: CurvatureQuantizationAnalyzer,
  options: ActivationCostOptions,
  known?: CostActivations,
): Promise<CostActivations> {
  const { range, type, bits, target } = options;
  const placement = placementOf(wasm, analyzer, target);
  const sites = groupsOf(placement);
  if (known && serves(known, sites, options)) return known;
  const damages = sites.length > 0 ? await groupDamages(wasm, analyzer, sites, options) : [];
  const sizes = sizesOf(wasm, analyzer, placement, sites, type);
  const groups = sites.map((own, g): CostGroup => {
    const choices = bits.map((b, j): Choice => {
      const bytes = sizes.groups[g]!;
      return { bits: b, damage: damages[g]![j]!, bytes, measured: true };
    });
    choices.sort((a, b) => a.bits - b.bits);
    const float: Choice = { bits: 32, damage: 0, bytes: 0, measured: true };
    return { name: own[0]!.value, values: own.map((s) => s.value), choices: [...choices, float] };
  });
  const { products, work } = productsOf(analyzer, placement, sites, sizes.products, target);
  return { range, type, work, groups, products };
}

/** Whether a part measured before is about the same. */
function serves(known: CostActivations, sites: readonly (readonly Site[])[], options: ActivationCostOptions): boolean {
  const { range, type, bits } = options;
  const values = (groups: readonly (readonly string[])[]) => JSON.stringify(groups);
  return (
    known.range === range &&
    known.type === type &&
    values(known.groups.map((g) => g.values)) === values(sites.map((own) => own.map((s) => s.value))) &&
    known.groups.every((g) => bits.every((b) => g.choices.some((c) => c.bits === b)))
  );
}

/** Nodes of integers by weight. */
function byWeight({ nodes }: Placement): Map<string, IntegerNode[]> {
  const found = new Map<string, IntegerNode[]>();
  for (const own of nodes) found.set(own.layer.weight, [...(found.get(own.layer.weight) ?? []), own]);
  return found;
}

function productsOf(
  analyzer: CurvatureQuantizationAnalyzer,
  placement: Placement,
  sites: readonly (readonly Site[])[],
  bytes: ReadonlyMap<string, number>,
  target: Target,
): { products: CostProduct[]; work: number } {
  const names = new Map(sites.flatMap((own) => own.map((s) => [s.value, own[0]!.value] as const)));
  const own = byWeight(placement);
  const products = [...own].map(([weight, nodes]): CostProduct => {
    const needs = nodes.flatMap(({ input, output }) => [input, ...(output === undefined ? [] : [output])]);
    return {
      weight,
      work: nodes.reduce((n, of) => n + (isSlow(analyzer, of, target) ? 0 : workOf(analyzer, of.layer, of.node)), 0),
      needs: [...new Set(needs.map((v) => names.get(v)!))],
      bytes: bytes.get(weight)!,
    };
  });
  const others = analyzer.layers.flatMap((l) => l.nodes.map((node) => [l, node] as const));
  const small = placement.nodes.filter((n) => !analyzer.layers.includes(n.layer));
  const work = [...others, ...small.map((n) => [n.layer, n.node] as const)];
  return { products, work: work.reduce((n, [layer, node]) => n + workOf(analyzer, layer, node), 0) };
}

/** Whether integers make a product no faster. */
function isSlow(analyzer: CurvatureQuantizationAnalyzer, { node, input }: IntegerNode, target: Target): boolean {
  const shape = analyzer.measuring!.data.calibration.shapes.get(input);
  if (target === 'node' || node.opType === 'Conv' || shape === undefined) return false;
  return sizeOf(shape.slice(0, -1)) < FEWEST_ROWS;
}

/** Multiply-adds of a layer's node, one sample: each weight once for every row, or every place of a filter. */
function workOf(analyzer: CurvatureQuantizationAnalyzer, { cols, params }: Layer, node: Node): number {
  const { shapes } = analyzer.measuring!.data.calibration;
  if (node.opType === 'Gather') return 0;
  if (node.opType === 'Conv') return sizeOf(shapes.get(node.outputs[0]!) ?? []) * cols;
  const input = shapes.get(node.inputs[0]!) ?? [];
  return sizeOf(input.slice(0, -1)) * params;
}

/** Bytes that groups take by themselves, and products beyond that; what several share counts for each. */
function sizesOf(
  wasm: Wasm,
  analyzer: CurvatureQuantizationAnalyzer,
  placement: Placement,
  sites: readonly (readonly Site[])[],
  type: ActivationType,
): { groups: number[]; products: Map<string, number> } {
  const bare = bareModel(analyzer.model, placement);
  const count = placement.sites.reduce((n, s) => Math.max(n, s.group + 1), 0);
  const [low, high] = limitsOf(type);
  const grids = Array.from(
    { length: count },
    (_, g): SiteGrid => ({ scale: 1 + g / 4096, zero: low, low, high, type }),
  );
  const rows = new Map(placement.nodes.map(({ layer }) => [layer.weight, layer.rows]));
  const size = (own: readonly Site[], nodes: readonly IntegerNode[]): number => {
    const scales = (weight: string) => new Float32Array(rows.get(weight)!).fill(1);
    return writeModel(writeActivations(bare, { sites: own, nodes }, grids, scales)).length;
  };
  const nothing = writeModel(bare).length;
  const decoding = decodingBytes(wasm, analyzer, placement);
  const products = [...byWeight(placement)].map(([weight, nodes]) => {
    const values = new Set(nodes.flatMap(({ input, output }) => [input, output ?? input]));
    const own = placement.sites.filter((s) => values.has(s.value));
    return [weight, Math.max(0, size(own, nodes) - size(own, []) + decoding)] as const;
  });
  return { groups: sites.map((own) => size(own, []) - nothing), products: new Map(products) };
}

/**
 * The model with nothing in its initializers, but for biases, and a DequantizeLinear in the place of each weight that is multiplied
 * as integers: what is added to it has its size, and no weight is copied to learn that.
 */
function bareModel(model: Model, { nodes }: Placement): Model {
  const biases = new Set(nodes.map(({ node }) => biasOf(node)));
  const weights = new Set(nodes.map((n) => n.layer.weight));
  const decoders = [...weights].map((w) => makeNode('DequantizeLinear', [`${w}_q`, `${w}_s`], [w]));
  const nothing = tensor('float', [], Float32Array.of(0));
  const kept = model.graph.initializers.filter((t) => !weights.has(t.name));
  const codes = [...weights].flatMap((w) => [`${w}_q`, `${w}_s`].map((name) => makeInitializer(name, nothing)));
  const bare = withGraph(model, {
    nodes: [...decoders, ...model.graph.nodes],
    initializers: [...codes, ...kept.map((t) => (biases.has(t.name) ? t : makeInitializer(t.name, nothing)))],
  });
  return canRaise(model, ROWS_OPSET) ? withOpset(bare, '', ROWS_OPSET) : bare;
}

/** What a weight takes more in a file when it is decoded to int8: the mean over those of a placement. */
function decodingBytes(wasm: Wasm, analyzer: CurvatureQuantizationAnalyzer, { nodes }: Placement): number {
  const { model, layers, rounding, widths } = analyzer;
  const weights = new Set(nodes.map((n) => n.layer.weight));
  const narrow = widths.filter((b) => b <= 8);
  const bits = narrow[Math.floor(narrow.length / 2)];
  const count = layers.filter((l) => weights.has(l.weight)).length;
  if (bits === undefined || count === 0) return 0;
  const opset = (model.opsets.get('') ?? 0) >= ROWS_OPSET || canRaise(model, ROWS_OPSET) ? ROWS_OPSET : INTEGER_OPSET;
  const { scaleType, clip } = rounding;
  const formats = { integer: { ...integer, opset: () => opset } };
  const quantizer = new PrecisionAwareQuantizer(wasm, { clip, scaleType, formats });
  const sizeAs = (format: string): number => quantizer.fileBytes(model, planOf(analyzer, weights, bits, format));
  return Math.round((sizeAs('integer') - sizeAs('dense')) / count);
}

/** A plan of one width for some layers, the others in float. */
function planOf(
  { layers, rounding }: CurvatureQuantizationAnalyzer,
  weights: ReadonlySet<string>,
  bits: number,
  format: string,
): Plan {
  const { granularity, asymmetricBits } = rounding;
  const shared = { granularity, symmetric: !asymmetricBits.includes(bits), rounding: 'nearest', format };
  return {
    version: 1,
    metric: '',
    strategy: '',
    objective: '',
    averageBits: 0,
    bytes: 0,
    predicted: 0,
    gap: null,
    layers: layers.map(({ name, weight }) => ({ name, weight, bits: weights.has(weight) ? bits : 32, ...shared })),
  };
}
