import type { Calibration } from '../calibrate/calibrate.ts';
import type { Judged } from '../curvature/joint.ts';
import type { LayerSpectrum } from '../curvature/spectra.ts';
import type { Slice } from '../grid/coded.ts';

/** A layer whole at one width, rounded by itself. */
export interface WholeCodes {
  readonly weight: string;
  readonly bits: number;
  readonly slice: Slice;
}

/** What a spectrum says, without the weights to say more of it. */
export interface KnownSpectrum extends Pick<LayerSpectrum, 'sigmaMax' | 'exact' | 'by'> {
  /** As `LayerSpectrum.condition`; undefined where it was not asked for. */
  readonly condition: number | undefined;
}

/**
 * What was learnt of a model on its calibration data that no budget changes: with it another budget needs no calibration and codes
 * no layer anew. Of the same model, data and settings alone. Everything but the calibration may lack layers or widths.
 */
export interface Facts {
  /** Samples calibrated on. */
  readonly samples: number;
  /** Undefined where it was too large to keep. */
  readonly calibration: Calibration | undefined;
  readonly codes: readonly WholeCodes[];
  /** weight -> width -> dw H dw' of each row. */
  readonly rowErrors: ReadonlyMap<string, ReadonlyMap<number, Float64Array>>;
  readonly spectra: ReadonlyMap<string, KnownSpectrum>;
  /** Layers that the calibration says too little of (`roundingNotes`); undefined where it was not looked at. */
  readonly notes: readonly string[] | undefined;
  /** Damage of whole plans by their widths (`JointMeasurement`). */
  readonly damages: ReadonlyMap<string, Judged>;
}
