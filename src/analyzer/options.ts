import type { RoundingSettings } from '../curvature/candidates.ts';
import type { LossName } from '../curvature/damage.ts';
import type { Checkpoint } from '../curvature/metric.ts';
import { UsageError } from '../errors.ts';
import type { Progress } from '../progress.ts';
import type { WeightFormat } from '../quantize/format.ts';
import { FORMATS } from '../quantize/formats.ts';
import { type Target, TARGETS } from '../quantize/targets.ts';

/** What a `CurvatureQuantizationAnalyzer` may be told. */
export interface AnalyzerOptions {
  /** Damage or output error that counts as met, > 0. Default 0.01. */
  readonly targetAccuracy?: number | undefined;
  /** Smallest and largest width, 2..8 or 16. Default 2 and 8. */
  readonly minBits?: number | undefined;
  readonly maxBits?: number | undefined;
  /** Widths to choose from; overrides minBits and maxBits. */
  readonly widths?: readonly number[] | undefined;
  /** Sensitivity metric; default `kl` with data, `spectral` without. */
  readonly metric?: string | undefined;
  readonly loss?: LossName | undefined;
  readonly rounding?: Partial<RoundingSettings> | undefined;
  /** Format of every layer that it can hold; where absent the target's. */
  readonly format?: string | undefined;
  /** Who is to run what is written: it decides every layer's format. Default `any`. */
  readonly target?: Target | undefined;
  /** Samples run at once; chosen from the model's activations where absent. */
  readonly batch?: number | undefined;
  /** Most calibration samples used. */
  readonly samples?: number | undefined;
  readonly seed?: number | undefined;
  /** Whether ranges are evened out between layers first; off unless told: see `equalize`, which says when it helps. */
  readonly equalize?: boolean | undefined;
  readonly progress?: Progress | undefined;
  /** Keeps the cost table's measurements as they are made. */
  readonly checkpoint?: Checkpoint | undefined;
}

/** Predictions measured for the cost table unless told otherwise: 512 images, or 64 sequences of 128. */
export const TABLE_PREDICTIONS = 8192;
export const TABLE_SAMPLES = 512;
/** Bytes of activations that one batch with all values kept may take. */
export const TRACE_BYTES = 256 * 2 ** 20;
/** Share of the samples that judges plans and is not calibrated on, and the fewest samples to be shared so. */
export const HELD_BACK = 0.2;
export const FEWEST_TO_HOLD_BACK = 5;
export const LARGEST_BATCH = 64;

/** How weights are rounded unless told otherwise (recipe: one scale a channel, clipped for least error at the layer's output). */
export const DEFAULT_ROUNDING: RoundingSettings = {
  granularity: 'channel',
  clip: 'gram',
  scaleType: 'float16',
  asymmetricBits: [2, 3, 4, 5, 6, 7, 8],
  rounding: 'gptq+cd',
};

/** Widths to choose from, ascending. @throws RangeError for one there is not */
export function widthsOf(options: AnalyzerOptions): readonly number[] {
  const low = options.minBits ?? 2;
  const high = options.maxBits ?? 8;
  const all = [2, 3, 4, 5, 6, 7, 8, 16];
  const widths = options.widths ?? all.filter((b) => b >= low && b <= high);
  if (widths.length === 0 || widths.some((b) => !all.includes(b)))
    throw new RangeError(
      `widths: expected some of ${all.join(', ')}, got ${options.widths ? `[${widths}]` : `${low}..${high}`}`,
    );
  return [...new Set(widths)].sort((a, b) => a - b);
}

/** @throws RangeError for a target accuracy that is not positive */
export function targetOf({ targetAccuracy = 0.01 }: AnalyzerOptions): number {
  if (!(targetAccuracy > 0)) throw new RangeError(`targetAccuracy: expected a number above 0, got ${targetAccuracy}`);
  return targetAccuracy;
}

/** The format of what no other serves better. @throws UsageError for a format, or a target, there is not */
export function formatOf({ format: named = 'dense', target = 'any' }: AnalyzerOptions): WeightFormat {
  if (!TARGETS.includes(target)) throw new UsageError(`target ${target}: expected one of ${TARGETS.join(', ')}`);
  const format = Object.hasOwn(FORMATS, named) ? FORMATS[named] : undefined;
  if (!format) throw new UsageError(`format ${named}: expected one of ${Object.keys(FORMATS).join(', ')}`);
  return format;
}

/** The rounding asked for, with scales as the format can have them. */
export function roundingIn({ scaleTypes }: WeightFormat, options: AnalyzerOptions): RoundingSettings {
  const rounding = { ...DEFAULT_ROUNDING, ...options.rounding };
  const scaleType = scaleTypes.includes(rounding.scaleType) ? rounding.scaleType : scaleTypes[0]!;
  return { ...rounding, scaleType };
}
