import { HARDWARE_WIDTHS } from '../allocate/problem.ts';
import type { Granularity } from '../allocate/types.ts';
import { type AnalyzerOptions, CurvatureQuantizationAnalyzer, DEFAULT_ROUNDING } from '../analyzer.ts';
import type { LossName } from '../curvature/damage.ts';
import type { Checkpoint } from '../curvature/metric.ts';
import { UsageError } from '../errors.ts';
import { QUANTIZED_ALREADY } from '../graph/layers.ts';
import { loadOperators } from '../graph/load.ts';
import type { External } from '../onnx/index.ts';
import type { Model } from '../onnx/model.ts';
import { cancellable, type Progress } from '../progress.ts';
import { FORMATS } from '../quantize/formats.ts';
import type { Target } from '../quantize/targets.ts';
import type { Wasm } from '../wasm/wasm.ts';

/** What every job that measures a model may be told. */
export interface MeasuringOptions {
  /** What errors and the report call the model. */
  readonly name?: string | undefined;
  /** Widths to choose from: 2..8 and 16, or `hardware` for 4, 8 and 16. */
  readonly widths?: readonly number[] | 'hardware' | undefined;
  /** How sensitive a layer is: a name in `metricNames()`; `kl` with data, `spectral` without, unless told. */
  readonly metric?: string | undefined;
  /** What damage is; `auto` unless told. */
  readonly loss?: LossName | undefined;
  /** What shares a scale; `channel` unless told. */
  readonly granularity?: Granularity | undefined;
  /** How codes are chosen: a name in ROUNDINGS. */
  readonly rounding?: string | undefined;
  /** Format of every layer that it can hold, whatever the target. */
  readonly format?: string | undefined;
  /** Who is to run what the job writes, or would write: every layer has the format that this runs fast. `any` unless told. */
  readonly target?: Target | undefined;
  /** Most calibration samples used. */
  readonly samples?: number | undefined;
  /** Samples run at once. */
  readonly batch?: number | undefined;
  /** Seed of everything random; 0 unless told. */
  readonly seed?: number | undefined;
  /** Whether ranges are evened out between layers first (cross-layer equalization): off unless told. */
  readonly equalize?: boolean | undefined;
  /** Told how far every stage is; what it throws ends the job. */
  readonly progress?: Progress | undefined;
  /** Keeps the cost table's measurements as they are made, and takes up those an interrupted run left. */
  readonly checkpoint?: Checkpoint | undefined;
  /** Reads the model's external data; for Node `externalFiles(path)`. */
  readonly external?: External | undefined;
  /** Ends the job with its reason once aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** Widths chosen from unless told, where the format has them all. */
const DEFAULT_WIDTHS: readonly number[] = [2, 3, 4, 5, 6, 7, 8];

/**
 * An analyzer as the options ask for it, the operators of its model loaded.
 * @param special what this job wants otherwise
 * @throws UsageError for a format or width there is not
 */
export async function analyzerFor(
  model: Model,
  wasm: Wasm,
  options: MeasuringOptions & Pick<AnalyzerOptions, 'targetAccuracy'>,
  special: Partial<AnalyzerOptions> = {},
): Promise<CurvatureQuantizationAnalyzer> {
  await loadOperators(model);
  const format = special.format ?? options.format;
  return new CurvatureQuantizationAnalyzer(model, wasm, {
    ...options,
    widths: formatWidths(format, options.widths === 'hardware' ? HARDWARE_WIDTHS : options.widths),
    rounding: {
      granularity: options.granularity ?? DEFAULT_ROUNDING.granularity,
      rounding: options.rounding ?? DEFAULT_ROUNDING.rounding,
    },
    progress: cancellable(options),
    format,
    ...special,
  });
}

/** @throws UsageError for a model without a weight that can be quantized */
export function checkLayers(name: string, { layers, left }: CurvatureQuantizationAnalyzer): void {
  if (layers.length > 0) return;
  const coded = left.filter((l) => l.reason === QUANTIZED_ALREADY).length;
  const already = coded > 0 ? `, ${coded} of them quantized already` : '';
  throw new UsageError(`${name}: no weight that can be quantized (${left.length} left out${already})`);
}

/** Widths a format can hold. @throws UsageError where one asked for is not among them */
function formatWidths(named: string | undefined, widths: readonly number[] | undefined): readonly number[] | undefined {
  const format = named ?? 'dense';
  const can = FORMATS[format]?.widths;
  const wrong = can && widths?.find((b) => !can.includes(b));
  if (wrong !== undefined)
    throw new UsageError(`--format ${format}: expected widths among ${can!.join(', ')}, found ${wrong}`);
  return widths ?? (can && DEFAULT_WIDTHS.every((b) => can.includes(b)) ? DEFAULT_WIDTHS : can);
}
