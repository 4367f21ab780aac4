import type { Plan, PlanLayer } from '../allocate/types.ts';
import { LayerInputs, multiplyingUses } from '../calibrate/inputs.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Layer, LayerUse } from '../graph/layers.ts';
import { type Coded, decode, encode, type GridSpec } from '../grid/index.ts';
import { retarget } from '../grid/rounding/target.ts';
import { weightOfRows } from '../grid/weight.ts';
import type { Model, Node } from '../onnx/model.ts';
import { breath, type Progress } from '../progress.ts';
import type { Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { Stages, type Values } from './stages.ts';

/**
 * How far weights move towards what suits the quantized inputs. All the way follows the calibration data too closely: on held-out
 * data it does no better, and worse where there are few samples.
 */
const SHARE = 0.75;
/** Roundings that are worth more work here, where every layer is rounded once. */
const THOROUGH: Readonly<Record<string, string>> = { 'gptq+cd': 'gptq+cd+pairs' };
/** Inputs whose mean square change, on the first batch, is below this share of theirs keep the Gram matrix they had. */
const LITTLE = 1e-3;
/** Bytes of values kept unless told. */
const KEPT = 2 ** 30;

export interface SequentialOptions {
  readonly model: Model;
  /** In the graph's order. */
  readonly layers: readonly Layer[];
  /** Widths, granularity, symmetry and rounding; layers at 32 bits, and those it does not name, stay in float. */
  readonly plan: Pick<Plan, 'layers'>;
  readonly spec: Pick<GridSpec, 'clip' | 'scaleType'>;
  /** A layer's weight in row form. */
  readonly float: (layer: Layer) => Float32Array;
  /** The initializer that what rows left out give on average goes to (`Candidates.bias`). */
  readonly bias?:
    | ((
        layer: Layer,
        width: number | readonly number[],
      ) => { readonly name: string; readonly tensor: Tensor } | undefined)
    | undefined;
  /** Gram matrices of the original inputs, for layers that cannot be measured anew. */
  readonly gram: (layer: Layer) => Float32Array | undefined;
  readonly dataset: Dataset;
  readonly batch: number;
  readonly samples: number;
  /** Bytes of values kept between two layers, of all batches; what is beyond is not run on. Default 1 GiB. */
  readonly kept?: number | undefined;
  readonly progress?: Progress | undefined;
}

export interface Sequential {
  readonly coded: ReadonlyMap<string, Coded>;
  /** Samples every layer was measured on: fewer than asked for where their values are too many to keep. */
  readonly samples: number;
}

/** One batch on its way through the model: as it was, and with all layers so far quantized. The same object until these differ. */
interface Pair {
  original: Values;
  quantized: Values;
  readonly count: number;
}

/**
 * Quantizes layer after layer in the graph's order, each to give what the original gives on the original inputs, but on the inputs that
 * the layers before it give now that they are quantized (Y. Li et al., "GPTAQ", arXiv 2504.02692): its weights are moved towards the
 * least-squares ones for those inputs and rounded under these inputs' Gram matrix. Layers that read the same values are done together.
 * Tables, and layers whose inputs cannot be measured, are rounded as they are.
 */
export async function sequentialPass(wasm: Wasm, options: SequentialOptions): Promise<Sequential> {
  const { model, dataset, batch, progress } = options;
  const planned = new Map(options.plan.layers.map((l) => [l.weight, l]));
  const layers = options.layers.filter((l) => (planned.get(l.weight)?.bits ?? 32) !== 32);
  const groups = groupsOf(model, layers);
  const stages = new Stages(
    wasm,
    model,
    groups.map((g) => g.reads),
  );
  const pairs: Pair[] = [];
  const most = options.kept ?? KEPT;
  let kept = 0;
  for await (const { feeds, count } of dataset.batches(batch, { limit: options.samples })) {
    const values = new Map(Object.entries(feeds));
    pairs.push({ original: values, quantized: values, count });
    kept += bytesOf(values);
    if (kept > most) break;
  }
  const coded = new Map<string, Coded>();
  const weights = new Map<string, Tensor>();
  for (const [i, group] of groups.entries()) {
    progress?.('quantizing in sequence', i, groups.length);
    const inputs = group.reads.length > 0 ? await measure(wasm, stages, i, group, pairs, weights, options) : new Map();
    for (const layer of group.layers) {
      progress?.('quantizing in sequence', i, groups.length);
      const made = quantized(wasm, layer, planned.get(layer.weight)!, inputs.get(layer.weight), options);
      coded.set(layer.weight, made);
      weights.set(layer.weight, weightOfRows(wasm, layer, decode(wasm, made)));
      const { bits, rowBits } = planned.get(layer.weight)!;
      const bias = options.bias?.(layer, rowBits ?? bits);
      if (bias) weights.set(bias.name, bias.tensor);
      await breath();
    }
  }
  progress?.('quantizing in sequence', groups.length, groups.length);
  return { coded, samples: pairs.reduce((n, p) => n + p.count, 0) };
}

interface Measured {
  readonly gram: Float32Array | undefined;
  readonly pull: Float32Array | undefined;
}

function quantized(
  wasm: Wasm,
  layer: Layer,
  planned: PlanLayer,
  found: Measured | undefined,
  options: SequentialOptions,
): Coded {
  const { rows, cols, groups } = layer;
  const { bits, rowBits, granularity, symmetric, asymmetricBits, rounding } = planned;
  const { clip, scaleType } = options.spec;
  const w = options.float(layer);
  const gram = found?.gram ?? options.gram(layer);
  const under = gram && { gram, groups };
  const target = under && found?.pull ? retarget(wasm, w, rows, cols, under, found.pull, SHARE) : w;
  const specOf = (width: number): GridSpec => ({
    bits: width,
    granularity,
    symmetric: asymmetricBits ? !asymmetricBits.includes(width) : symmetric,
    clip,
    scaleType,
  });
  const width = rowBits ?? bits;
  return encode(wasm, target, rows, cols, width, specOf, THOROUGH[rounding] ?? rounding, under);
}

/** Layers that read the same values: none of them depends on another. */
interface Group {
  readonly layers: Layer[];
  /** Values that their nodes read; empty for layers that cannot be measured. */
  readonly reads: readonly string[];
}

function groupsOf(model: Model, layers: readonly Layer[]): Group[] {
  const own = new Set(model.graph.nodes);
  const constants = new Set(model.graph.initializers.map((t) => t.name));
  const groups = new Map<string, Group>();
  for (const layer of layers) {
    const uses = multiplyingUses(layer);
    const reads = uses.every((u) => own.has(u.node)) ? uses.flatMap((u) => readBy(u, constants)) : [];
    const key = reads.length > 0 ? JSON.stringify([...new Set(reads)].sort()) : `weight ${layer.weight}`;
    const group = groups.get(key);
    if (group) group.layers.push(layer);
    else groups.set(key, { layers: [layer], reads: [...new Set(reads)] });
  }
  return [...groups.values()];
}

/** Values that a node is given, all but its weight and other initializers. */
function readBy({ node, index }: LayerUse, constants: ReadonlySet<string>): string[] {
  return node.inputs.filter((v, i) => i !== index && v !== '' && !constants.has(v));
}

/** Runs stage `index` on all batches; products of the inputs of the group's layers, by weight. */
async function measure(
  wasm: Wasm,
  stages: Stages,
  index: number,
  group: Group,
  pairs: Pair[],
  weights: ReadonlyMap<string, Tensor>,
  { float, gram, kept: most = KEPT, progress }: SequentialOptions,
): Promise<Map<string, Measured>> {
  const samples = pairs.reduce((n, p) => n + p.count, 0);
  const sums = alike(group.layers).map((layers) => ({
    layers,
    layer: layers[0]!,
    inputs: new LayerInputs(wasm, layers[0]!, stacked(layers.map(float)), samples),
  }));
  const stage = stages.open(index, pairs[0]!.original);
  // Inputs that are what they were have the Gram matrix they had.
  const known = group.layers.every((layer) => gram(layer) !== undefined) && !stage.reads(weights);
  const unchanged = known && pairs.every((p) => p.original === p.quantized);
  let kept = 0;
  try {
    for (const [i, pair] of pairs.entries()) {
      const same = pair.original === pair.quantized && !stage.reads(weights);
      const before = stage.run(pair.original, new Map());
      const after = same ? before : stage.run(pair.quantized, weights);
      for (const { layer, inputs } of unchanged ? [] : sums)
        for (const use of multiplyingUses(layer)) {
          const given = use.node.inputs.map((name) => after.cut.get(name));
          inputs.visit(use, given, before.cut.get(use.node.inputs[use.input]!));
        }
      if (i === 0)
        for (const { layers, inputs } of unchanged ? [] : sums)
          if (layers.every(gram) && inputs.change < LITTLE) inputs.withoutProducts();
      pair.original = before.next;
      pair.quantized = after.next;
      kept += bytesOf(before.next) + (same ? 0 : bytesOf(after.next));
      if (kept > most && i + 1 < pairs.length) pairs.length = i + 1;
      progress?.('quantizing in sequence', index, stages.count);
      await breath();
    }
    return new Map(
      sums.flatMap(({ layers, inputs }) => {
        const { gram, pull } = inputs.read();
        let at = 0;
        return layers.map(({ weight, rows, cols }): [string, Measured] => {
          const from = at;
          at += rows * cols;
          return [weight, { gram, pull: pull?.subarray(from, at) }];
        });
      }),
    );
  } finally {
    stage.dispose();
    for (const { inputs } of sums) inputs.dispose();
  }
}

/** Layers of one kind together. */
function alike(layers: readonly Layer[]): Layer[][] {
  const kinds = new Map<string, Layer[]>();
  for (const layer of layers) kinds.set(kindOf(layer), [...(kinds.get(kindOf(layer)) ?? []), layer]);
  return [...kinds.values()];
}

/** Matrices of as many columns, one below the other. */
function stacked(parts: readonly Float32Array[]): Float32Array {
  if (parts.length === 1) return parts[0]!;
  const out = new Float32Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Layers of one group that have the same kind multiply the same: Q, K and V, say. */
function kindOf(layer: Layer): string {
  const plain = (n: Node) => n.opType === 'MatMul' && n.domain === '';
  if (!layer.uses.every((u) => plain(u.node) && u.index === 1 && layer.lead === 0)) return `weight ${layer.weight}`;
  return JSON.stringify([layer.cols, layer.uses.map((u) => u.node.inputs[0])]);
}

function bytesOf(values: Values): number {
  let bytes = 0;
  for (const t of values.values()) bytes += t.data.byteLength;
  return bytes;
}
