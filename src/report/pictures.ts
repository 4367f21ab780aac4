/** What a report draws, as plain data: it stands in the JSON as it stands in the pictures. */

export interface LayerPicture {
  readonly name: string;
  readonly weight: string;
  /** Counts of the original weights in equal intervals of [from, to]; null where every weight is the same. */
  readonly histogram: { readonly from: number; readonly to: number; readonly counts: readonly number[] } | null;
  /** The values one row can take once it is quantized, ascending: the row with the median scale; empty for a layer in float. */
  readonly levels: readonly number[];
  /** Singular values of the row form, descending, at most 128 evenly spaced ones; null where all would take minutes. */
  readonly singular: readonly number[] | null;
  /** Damage of this layer alone by width. */
  readonly damages: readonly { readonly bits: number; readonly damage: number; readonly measured: boolean }[];
}

/** A plan of the cost table that was not run: widths a layer, chosen or all alike. */
export interface PredictedPoint {
  readonly averageBits: number;
  readonly predicted: number;
}

export interface QuantizePictures {
  readonly layers: readonly LayerPicture[];
  readonly frontier: {
    readonly guided: readonly PredictedPoint[];
    readonly uniform: readonly PredictedPoint[];
  };
}
