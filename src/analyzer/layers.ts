import type { Choice } from '../allocate/types.ts';
import type { LayerSpectrum } from '../curvature/spectra.ts';
import type { findLayers, Layer } from '../graph/layers.ts';
import { asFloats } from '../grid/weight.ts';
import type { Model } from '../onnx/model.ts';
import { bitsOf } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';

/** What is known of one layer. */
export interface LayerCurvature {
  readonly layer: Layer;
  readonly spectrum: LayerSpectrum;
  /** Damage / squared norm of the weight error at the narrowest measured width; null without data. */
  readonly lossCurvature: number | null;
}

/** The layer left in float: a choice of its own, taken only where a layer is pinned to 32 bits. */
export function inFloat(layer: Layer): Choice {
  return { bits: 32, damage: 0, bytes: floatBytes(layer), measured: true };
}

/** Bytes of a weight as it came. */
export function floatBytes({ params, dtype }: Layer): number {
  return (params * bitsOf(dtype)) / 8;
}

/** A weight that holds NaN or infinity has no grid: it stays as it is. */
export function withoutNonFinite(
  wasm: Wasm,
  model: Model,
  { layers, left }: ReturnType<typeof findLayers>,
): ReturnType<typeof findLayers> {
  const initializers = new Map(model.graph.initializers.map((t) => [t.name, t]));
  const bad = layers.flatMap(({ weight }) => {
    const value = asFloats(wasm, initializers.get(weight)!.tensor()).find((v) => !Number.isFinite(v));
    return value === undefined ? [] : [{ weight, reason: `holds ${value}: only finite weights are quantized` }];
  });
  return { layers: layers.filter((l) => !bad.some((b) => b.weight === l.weight)), left: [...left, ...bad] };
}

/** |alpha| of a Gemm, 1 elsewhere. */
export function scaleOf(layer: Layer): number {
  const alpha = layer.opType === 'Gemm' ? layer.nodes[0]!.attributes.get('alpha') : undefined;
  return alpha?.type === 'float' ? Math.abs(alpha.value) : 1;
}
