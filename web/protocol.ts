/** What page and worker say to each other. Plain values and transferred buffers only. */
import type { InspectReport, Measurement, QuantizePictures, QuantizeReport } from '../src/index.ts';

/** Settings that the measurement depends on. */
export interface Settings {
  readonly name: string;
  /** Most calibration samples used. */
  readonly samples: number | undefined;
  readonly seed: number | undefined;
}

/** Calibration data as it was brought: none at all, or inputs drawn to fit the model. */
export type Data =
  | { readonly kind: 'npz'; readonly name: string; readonly bytes: Uint8Array }
  | { readonly kind: 'drawn' }
  | { readonly kind: 'none' };

export interface Calls {
  /** Takes a model: what is in it. */
  open: { readonly take: { readonly name: string; readonly bytes: Uint8Array }; readonly give: InspectReport };
  /** Measures the model that was opened last. */
  measure: {
    readonly take: { readonly data: Data; readonly settings: Settings };
    readonly give: Omit<Measurement, 'kept'> & { readonly seconds: number };
  };
  /** Makes the file within a budget. */
  quantize: {
    readonly take: { readonly bits: number; readonly pins: ReadonlyMap<string, number> };
    readonly give: {
      readonly bytes: Uint8Array<ArrayBuffer>;
      readonly report: QuantizeReport;
      readonly pictures: QuantizePictures;
      readonly plan: string;
    };
  };
  /** Runs the original and the last file on one sample. */
  compare: { readonly take: { readonly sample: number }; readonly give: Comparison };
}

/** Outputs of one sample, the first values of the first output. */
export interface Comparison {
  readonly sample: number;
  readonly samples: number;
  readonly output: string;
  readonly original: Float32Array;
  readonly quantized: Float32Array;
  /** What the sample was, for another engine: names, shapes and values. */
  readonly feeds: readonly {
    readonly name: string;
    readonly dtype: string;
    readonly dims: readonly number[];
    readonly data: ArrayBufferView;
  }[];
}

export type CallName = keyof Calls;

export type ToWorker =
  | { [K in CallName]: { readonly id: number; readonly call: K; readonly take: Calls[K]['take'] } }[CallName]
  | { readonly cancel: true };

export type FromWorker =
  | { readonly ready: true }
  | { readonly id: number; readonly give: unknown }
  | { readonly id: number; readonly error: string; readonly cancelled: boolean }
  | { readonly stage: string; readonly done: number; readonly total: number };
