import type { Calibration } from '../calibrate/calibrate.ts';
import { multiplyingUses } from '../calibrate/inputs.ts';
import type { Layer } from '../graph/layers.ts';
import { factorsOf } from '../grid/rounding/factor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { FEWEST_TO_HOLD_BACK } from './options.ts';

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

/** That plans were judged by the samples they were made from. */
export function fewSamplesNote(samples: number): string {
  const found = `${samples} calibration ${samples === 1 ? 'sample' : 'samples'}`;
  return `ONLY ${found}: none is held back, so widths and codes are judged by the same samples that they are fitted to; bring ${FEWEST_TO_HOLD_BACK} or more, better hundreds`;
}

/** That the last pass did not see all samples. */
export function shortenedNote(samples: number, all: number): string {
  return `the last pass, layer after layer on quantized inputs, ran on ${samples} of ${all} samples: the values of more take over 1 GiB`;
}
