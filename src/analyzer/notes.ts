import type { Calibration } from '../calibrate/calibrate.ts';
import { multiplyingUses } from '../calibrate/inputs.ts';
import type { Layer } from '../graph/layers.ts';
import { factorsOf } from '../grid/rounding/factor.ts';
import type { Wasm } from '../wasm/wasm.ts';

/**
 * Where the calibration says too little of a layer's inputs for codes to be chosen by them, one line a layer: those layers, or
 * those groups of a convolution, have the nearest codes.
 */
export function roundingNotes(wasm: Wasm, layers: readonly Layer[], calibration: Calibration): string[] {
  return layers.flatMap((layer) => {
    if (multiplyingUses(layer).length === 0) return [];
    const gram = calibration.layers.get(layer.weight)?.gram;
    if (!gram) return [`${layer.name}: its inputs were never seen; nearest codes`];
    const bad = factorsOf(wasm, { gram, groups: layer.groups }, layer.cols).filter((f) => f === undefined).length;
    if (bad === 0) return [];
    const which = layer.groups === 1 ? 'its inputs' : `the inputs of ${bad} of its ${layer.groups} groups`;
    return [`${layer.name}: ${which} are always 0, or their E[x x'] is not positive definite; nearest codes`];
  });
}
