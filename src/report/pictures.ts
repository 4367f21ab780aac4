/** What a report draws, as plain data: it stands in the JSON as it stands in the pictures. */

/** Counts in equal intervals of [from, to]. */
export interface HistogramPicture {
  readonly from: number;
  readonly to: number;
  readonly counts: readonly number[];
}

/** What is drawn of one layer's weights. */
export interface LayerPicture {
  readonly name: string;
  readonly weight: string;
  /** Of the original weights; null where every weight is the same. */
  readonly histogram: HistogramPicture | null;
  /**
   * The values one row can take once it is quantized, ascending: of the rows that have the width of most rows, the one with the
   * median scale; empty for a layer in float, and past 256 levels.
   */
  readonly levels: readonly number[];
  /** Width that `levels` are of, and the share of the layer's rows that have it; null for a layer in float. */
  readonly levelBits: number | null;
  readonly levelShare: number | null;
  /** Share of the weights that lie beyond the ends of their own row's grid; null for a layer in float. */
  readonly clipped: number | null;
  /** Singular values of the row form, descending, at most 128 evenly spaced ones; null where all would take minutes. */
  readonly singular: readonly number[] | null;
  /** Damage of this layer alone by width. */
  readonly damages: readonly { readonly bits: number; readonly damage: number; readonly measured: boolean }[];
}

/** What is drawn of a value between operators: the input of layers, or what is rounded to integers. */
export interface ActivationPicture {
  readonly value: string;
  /** Layers that read it. */
  readonly layers: readonly string[];
  /** Elements other than 0; null where there are none, or all are the same. */
  readonly histogram: HistogramPicture | null;
  /** Share of the elements that are exactly 0, and the range of all. */
  readonly zeros: number;
  readonly min: number;
  readonly max: number;
  /** Integers it is rounded to by constant scale and zero point: value = (integer - zero) scale; null where it stays in float. */
  readonly grid: { readonly scale: number; readonly zero: number; readonly low: number; readonly high: number } | null;
  /** Share of the elements beyond the ends of that grid; null without one. */
  readonly clipped: number | null;
}

/** Activations of the original model on some of the calibration data. */
export interface ActivationPictures {
  readonly samples: number;
  /** Values of which there is nothing here, since others are of more sensitive layers. */
  readonly left: number;
  readonly values: readonly ActivationPicture[];
}

/** A plan of the cost table that was not run: widths a layer, chosen or all alike. */
export interface PredictedPoint {
  readonly averageBits: number;
  readonly predicted: number;
}

/** What a page draws besides the report of `quantize`. */
export interface QuantizePictures {
  readonly layers: readonly LayerPicture[];
  readonly frontier: {
    readonly guided: readonly PredictedPoint[];
    readonly uniform: readonly PredictedPoint[];
  };
  /** null without calibration data. */
  readonly activations: ActivationPictures | null;
}
