import type { Choice, CostTable } from '../allocate/types.ts';
import type { Calibration } from '../calibrate/calibrate.ts';
import { Candidates, type Price, type RoundingSettings, specFor } from '../curvature/candidates.ts';
import { leastConvolutionNorm } from '../curvature/least-norm.ts';
import type { LayerSpectrum } from '../curvature/spectra.ts';
import { UsageError } from '../errors.ts';
import { biasesOf } from '../graph/biases.ts';
import type { findLayers, Layer } from '../graph/layers.ts';
import type { LayerGram } from '../grid/gram.ts';
import { asFloats } from '../grid/weight.ts';
import type { Initializer, Model } from '../onnx/model.ts';
import type { Encoding } from '../quantize/encoding.ts';
import type { WeightFormat } from '../quantize/format.ts';
import type { QuantizedModel } from '../quantize/quantizer.ts';
import { bitsOf, type Tensor } from '../tensor.ts';
import { PrecisionRequirement } from '../verify/requirement.ts';
import type { Wasm } from '../wasm/wasm.ts';

/** Elements looked at in one go. */
const PORTION = 2 ** 16;

/** What is known of one layer. */
export interface LayerCurvature {
  readonly layer: Layer;
  readonly spectrum: LayerSpectrum;
  /** Damage / squared norm of the weight error at the narrowest measured width; null without data. */
  readonly lossCurvature: number | null;
}

/** What a written model has in the place of initializers, and further replacements of them, by name. */
export function writtenWeights(
  { layers }: Pick<QuantizedModel, 'layers'>,
  initializers: ReadonlyMap<string, Tensor>,
): Map<string, Tensor> {
  const written = layers.filter((l) => l.bits !== 32);
  return new Map([...initializers, ...written.map((l) => [l.weight, l.values] as const)]);
}

/** The layer left in float: a choice of its own, taken only where a layer is pinned to 32 bits. */
export function inFloat(layer: Layer): Choice {
  return { bits: 32, damage: 0, bytes: floatBytes(layer), measured: true };
}

/** Bytes of a weight as it came. */
export function floatBytes({ params, dtype }: Layer): number {
  return (params * bitsOf(dtype)) / 8;
}

/** The layers in codes, as an analyzer with these settings would write them. */
export function candidatesOf(
  wasm: Wasm,
  { model, layers, rounding, encoding }: CandidateSource,
  calibration: Calibration | undefined,
): Candidates {
  const initializers = new Map(model.graph.initializers.map((t) => [t.name, t]));
  const weights = (layer: Layer) => initializers.get(layer.weight)!.tensor();
  const price: Price = (layer, spec) => encoding.bytes(layer, spec);
  return new Candidates(wasm, weights, rounding, price, calibration, biasesOf(model, layers));
}

/** The format of a layer at a width; of one left in float none counts. */
export function formatName(
  { layers, rounding, format, encoding }: Omit<CandidateSource, 'model'> & { readonly format: WeightFormat },
  weight: string,
  bits: number,
): string {
  const layer = layers.find((l) => l.weight === weight);
  return layer === undefined || bits === 32 ? format.name : encoding.choose(layer, specFor(rounding, bits)).format;
}

interface CandidateSource {
  readonly model: Model;
  readonly layers: readonly Layer[];
  readonly rounding: RoundingSettings;
  readonly encoding: Encoding;
}

/** The Gram matrices there are, by weight name. */
export function gramsOf(layers: readonly Layer[], calibration: Calibration | undefined): Map<string, LayerGram> {
  return new Map(
    layers.flatMap(({ weight, groups }) => {
      const gram = calibration?.layers.get(weight)?.gram;
      return gram ? [[weight, { gram, groups }] as const] : [];
    }),
  );
}

/** A weight that holds NaN or infinity has no grid: it stays as it is. */
export function withoutNonFinite(
  wasm: Wasm,
  model: Model,
  { layers, left }: ReturnType<typeof findLayers>,
): ReturnType<typeof findLayers> {
  const initializers = new Map(model.graph.initializers.map((t) => [t.name, t]));
  const bad = layers.flatMap(({ weight }) => {
    const value = nonFinite(wasm, initializers.get(weight)!);
    return value === undefined ? [] : [{ weight, reason: `holds ${value}: only finite weights are quantized` }];
  });
  return { layers: layers.filter((l) => !bad.some((b) => b.weight === l.weight)), left: [...left, ...bad] };
}

/** The first element that is not finite; read in portions where it can be, for no copy of every weight is wanted. */
function nonFinite(wasm: Wasm, weight: Initializer): number | undefined {
  const bad = (v: number) => !Number.isFinite(v);
  const bytes = weight.floatBytes?.();
  if (bytes === undefined) return asFloats(wasm, weight.tensor()).find(bad);
  const room = new Float32Array(PORTION);
  for (let at = 0; at < bytes.length; at += 4 * PORTION) {
    const some = bytes.subarray(at, at + 4 * PORTION);
    new Uint8Array(room.buffer).set(some);
    const found = room.subarray(0, some.length / 4).find(bad);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * Theorem 4.7 for a layer.
 * @param norm largest norm of an input, null where it was not seen
 * @param rows the weight in row form
 * @param shape of one sample of the input, where it is known
 */
export function requirementOf(
  wasm: Wasm,
  layer: Layer,
  { sigmaMax, exact }: LayerSpectrum,
  norm: number | null,
  target: number,
  rows: () => Float32Array,
  shape: readonly number[] | undefined,
): PrecisionRequirement {
  const alpha = scaleOf(layer);
  const least = exact ? sigmaMax : leastConvolutionNorm(wasm, layer, rows(), shape);
  return new PrecisionRequirement(layer.name, sigmaMax * alpha, norm, target, least * alpha);
}

/** |alpha| of a Gemm, 1 elsewhere. */
export function scaleOf(layer: Layer): number {
  const alpha = layer.opType === 'Gemm' ? layer.nodes[0]!.attributes.get('alpha') : undefined;
  return alpha?.type === 'float' ? Math.abs(alpha.value) : 1;
}

/** Bytes of a layer at a width. */
type Bytes = (layer: Layer, bits: number) => number;

/** A cost table of bytes alone. */
export function unmeasured(layers: readonly Layer[], widths: readonly number[], bytes: Bytes): CostTable {
  const rows = layers.map((layer) => {
    const { name, weight, opType, params } = layer;
    const choices = widths.map((bits) => ({ bits, damage: 0, bytes: bytes(layer, bits), measured: false }));
    return { name, weight, opType, params, choices: [...choices, inFloat(layer)] };
  });
  return { version: 1, metric: 'none', unit: 'proxy', samples: 0, layers: rows };
}

/** @throws UsageError where the table is about other layers, or counts other bytes */
export function checkTable(table: CostTable, layers: readonly Layer[], bytes: Bytes, format: string): void {
  const mine = layers.map((l) => `${l.weight}:${l.params}`).join();
  if (table.version !== 1 || table.layers.map((l) => `${l.weight}:${l.params}`).join() !== mine)
    throw new UsageError('cost table: expected one of this model, found one with other layers');
  for (const [i, layer] of layers.entries())
    for (const { bits, bytes: found } of table.layers[i]!.choices) {
      const own = bits === 32 ? floatBytes(layer) : bytes(layer, bits);
      if (found !== own)
        throw new UsageError(
          `cost table, layer '${layer.name}' at ${bits} bits: expected ${own} bytes as format ${format} writes it, found ${found}`,
        );
    }
}

/** Sum of (a - b)^2. */
export function squaredDistance(a: Float32Array, b: Float32Array): number {
  let square = 0;
  for (let i = 0; i < a.length; i++) square += (a[i]! - b[i]!) * (a[i]! - b[i]!);
  return square;
}
