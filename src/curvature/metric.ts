import type { CostTable } from '../allocate/types.ts';
import type { Calibration } from '../calibrate/calibrate.ts';
import type { Dataset } from '../data/dataset.ts';
import { UsageError } from '../errors.ts';
import type { Layer } from '../graph/layers.ts';
import type { Session } from '../graph/session.ts';
import type { Progress } from '../progress.ts';
import type { Wasm } from '../wasm/wasm.ts';
import type { Candidates } from './candidates.ts';
import type { OutputLoss } from './damage.ts';
import type { LayerSpectrum } from './spectra.ts';

/** What a metric may look at. */
export interface MetricContext {
  readonly wasm: Wasm;
  readonly session: Session;
  readonly layers: readonly Layer[];
  /** The quantized forms of every layer at every width, made by the quantizer's own grids. */
  readonly candidates: Candidates;
  readonly widths: readonly number[];
  readonly spectra: ReadonlyMap<string, LayerSpectrum>;
  /** Absent where the user brought no data. */
  readonly data?: MetricData | undefined;
  readonly progress: Progress;
  readonly seed: number;
  /** Where single layers' measurements are kept as they are made, so that they can be taken up again. */
  readonly checkpoint?: Checkpoint | undefined;
}

/** Measurements of single layers after some batches of the data. */
export interface Measured {
  /** Batches that are in `sums`. */
  readonly batches: number;
  /** One list of numbers for every layer and variant of it. */
  readonly sums: readonly (readonly (readonly number[])[])[];
}

/** Keeps unfinished measurements. */
export interface Checkpoint {
  /** What an earlier run of the same model, data and settings left behind. */
  readonly start: Measured | undefined;
  /** Called after every batch. */
  readonly save: (measured: Measured) => void | Promise<void>;
}

/** The data a metric may run the model on. */
export interface MetricData {
  readonly dataset: Dataset;
  readonly calibration: Calibration;
  readonly losses: readonly OutputLoss[];
  /** Samples used for measurements by forward passes. */
  readonly samples: number;
  readonly batch: number;
}

/** A sensitivity metric: predicts, for every layer and width, the damage to the whole network's output. */
export interface Metric {
  readonly name: string;
  /** True where it needs calibration data. */
  readonly needsData: boolean;
  measure(context: MetricContext): Promise<CostTable>;
}

const metrics = new Map<string, Metric>();

/** Makes a metric available under its name. @throws RangeError when the name is taken */
export function registerMetric(metric: Metric): void {
  if (metrics.has(metric.name)) throw new RangeError(`metric ${metric.name} is registered already`);
  metrics.set(metric.name, metric);
}

/** @throws UsageError for a name nobody registered */
export function metricNamed(name: string): Metric {
  const metric = metrics.get(name);
  if (!metric) throw new UsageError(`--metric ${name}: expected one of ${metricNames().join(', ')}`);
  return metric;
}

/** Names registered, in order of registration. */
export function metricNames(): string[] {
  return [...metrics.keys()];
}

/** The data of a metric that needs it. @throws UsageError where there is none */
export function dataFor(metric: string, context: MetricContext): MetricData {
  if (!context.data)
    throw new UsageError(
      `--metric ${metric} runs the model: it needs calibration data (--calib); without data use --metric spectral`,
    );
  return context.data;
}
