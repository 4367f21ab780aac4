/** What page and workers say to each other: plain values, files and blobs. */
import type {
  ErrorCode,
  ImageOptions,
  InspectReport,
  Measurement,
  Plan,
  QuantizePictures,
  QuantizeReport,
} from '../src/index.ts';

/** Settings that the measurement depends on. */
export interface Settings {
  /** Most calibration samples used. */
  readonly samples: number | undefined;
  readonly seed: number | undefined;
}

/** A file and where it lay below what was dropped. */
export interface Named {
  readonly path: string;
  readonly file: File;
}

/** Calibration data as it was brought: none at all, or inputs drawn to fit the model. */
export type Data =
  | { readonly kind: 'npz'; readonly file: File }
  | { readonly kind: 'images'; readonly files: readonly Named[]; readonly options: ImageOptions }
  | { readonly kind: 'drawn' }
  | { readonly kind: 'none' };

/** The worker that computes. It has one model, what was measured of it, and the last file made. */
export interface Calls {
  /** Takes a model: what is in it. What was there before stays where it cannot be read. */
  open: {
    readonly take: {
      readonly file: File /** Most bytes that files, arrays and kernels may take, each. */;
      readonly memory: number;
    };
    readonly give: InspectReport;
  };
  /** What images become as the input of the model that was opened last. */
  images: {
    readonly take: { readonly files: readonly Named[]; readonly options: ImageOptions };
    readonly give: { readonly count: number; readonly preprocessing: string; readonly notes: readonly string[] };
  };
  /** Measures the model that was opened last; goes on where the same work was cancelled. */
  measure: {
    readonly take: { readonly data: Data; readonly settings: Settings };
    readonly give: Omit<Measurement, 'kept'> & {
      readonly seconds: number;
      /** Whether what a cancelled measurement left behind was used. */
      readonly resumed: boolean;
    };
  };
  /** Makes the file within a budget. */
  quantize: {
    readonly take: { readonly bits: number; readonly pins: ReadonlyMap<string, number> };
    readonly give: {
      readonly file: Blob;
      readonly report: QuantizeReport;
      readonly pictures: QuantizePictures;
    };
  };
  /** Runs the original and the last file on one sample. */
  compare: { readonly take: { readonly sample: number }; readonly give: Comparison };
}

export type Measured = Calls['measure']['give'];

/** A budget's plan, and what the controls may be set to. */
export interface Solved {
  readonly plan: Plan;
  readonly pins: ReadonlyMap<string, number>;
  readonly least: number;
  readonly most: number;
}

/** The worker that solves budgets, and does nothing else, so that it answers at once. */
export interface SolveCalls {
  take: { readonly take: { readonly measured: Measured; readonly bits: number }; readonly give: Solved };
  solve: { readonly take: { readonly bits: number }; readonly give: Solved };
  /** Leaves a layer at a width; 0 takes the pin back. */
  pin: {
    readonly take: { readonly layer: string; readonly width: number; readonly bits: number };
    readonly give: Solved;
  };
  /** Takes the widths of a plan as pins. */
  load: { readonly take: { readonly text: string }; readonly give: Solved };
}

/** The worker that draws, and writes reports. */
export interface DrawCalls {
  /** What is drawn from now on. */
  take: {
    readonly take: { readonly measured: Measured; readonly pins: ReadonlyMap<string, number> };
    readonly give: undefined;
  };
  /** SVG of the frontier with one plan on it. */
  frontier: { readonly take: Pick<Plan, 'averageBits' | 'predicted'>; readonly give: string };
  /** SVG of the outputs of one sample. */
  outputs: { readonly take: Comparison; readonly give: string };
  /** A report as a page. */
  report: {
    readonly take: { readonly report: QuantizeReport; readonly pictures: QuantizePictures; readonly command: string };
    readonly give: Blob;
  };
}

/** The worker that has onnxruntime-web. */
export interface CheckCalls {
  check: {
    /** Without a comparison the file is opened, and nothing is run. */
    readonly take: { readonly file: Blob; readonly comparison: Comparison | undefined };
    readonly give: {
      /** Largest difference, relative to the largest value of the output. */
      readonly difference: number;
      readonly milliseconds: number;
    };
  };
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

/** A table of calls: what each takes and gives. */
export type Table<C> = { [K in keyof C]: { readonly take: unknown; readonly give: unknown } };

/** What went wrong, so that people can be told what to do: an error of Kappa's by its code, or one of these. */
export type Kind = ErrorCode | 'cancelled' | 'memory' | 'browser' | 'lost' | 'bug';

export type ToWorker =
  | { readonly id: number; readonly call: string; readonly take: unknown }
  | { readonly cancel: true };

export type FromWorker =
  | { readonly ready: true }
  | { readonly id: number; readonly give: unknown }
  | { readonly id: number; readonly error: string; readonly kind: Kind }
  | { readonly id: number; readonly stage: string; readonly done: number; readonly total: number };
