import type { Plan } from '../allocate/types.ts';
import type { CurvatureQuantizationAnalyzer } from '../analyzer.ts';
import { widthsIn } from '../curvature/joint.ts';
import type { AllocationResult } from '../report/types.ts';

/** A plan that was tried. */
export interface Tried {
  readonly name: string;
  readonly plan: Plan;
  readonly damage: number | null;
  /** Half the width of the damage's 95 % interval; null where there is none. */
  readonly interval: number | null;
  /** Samples it was measured on, where these were not all. */
  readonly samples?: number;
}

/** Plans that do so many times the least damage on the first samples are not run on the rest; moves from a plan, that much of its. */
const WORSE = 1.5;
const WORSE_MOVE = 1.1;
/** What every plan is held against: measured on all samples whatever it does on the first. */
export const BASELINE = 'uniform';

/** Measures plans: all on the first part of the samples, the rest of it those that may be the best, and uniform widths. */
export async function judged(
  analyzer: CurvatureQuantizationAnalyzer,
  plans: readonly { readonly name: string; readonly plan: Plan }[],
): Promise<Tried[]> {
  if (!analyzer.calibrated) return plans.map(({ name, plan }) => ({ name, plan, damage: null, interval: null }));
  const firsts: { damage: number; samples: number }[] = [];
  for (const { plan } of plans) firsts.push(await analyzer.measureFirst(plan));
  const least = firsts.reduce((n, f) => Math.min(n, f.damage), Number.POSITIVE_INFINITY);
  const tried: Tried[] = [];
  for (const [i, { name, plan }] of plans.entries()) {
    const first = firsts[i]!;
    const few = first.samples < analyzer.calibrated.judged;
    const much = few && name !== BASELINE && first.damage > WORSE * least;
    const found = much ? first : { damage: await analyzer.measure(plan) };
    tried.push({ name, plan, ...found, interval: intervalOf(analyzer, plan) });
  }
  return tried;
}

/** Half the width of the 95 % interval of a measured plan's damage. */
export function intervalOf({ measuring }: CurvatureQuantizationAnalyzer, plan: Plan): number | null {
  return measuring?.joint.intervalOf(widthsIn(plan)) ?? null;
}

/**
 * Whether so many samples tell that a damage is less than another. Damages of samples spread about as far as their mean, so that the
 * mean of n is known to a share of 1 / sqrt(n) of it: a plan chosen among many for less than that is chosen for its luck.
 */
export function tellsApart(damage: number, baseline: number, samples: number): boolean {
  return damage <= baseline * (1 - 1 / Math.sqrt(samples));
}

/** Standard errors that a mean difference exceeds before it is believed, and the fewest differences that have one worth the name. */
const SURE = 2;
const FEWEST = 8;

/**
 * Whether the samples tell that a plan's weights do more damage than when its layers are rounded each by itself. A plan that was
 * chosen for its damage on these samples is lucky on them, other weights are not; and few samples make most of a divergence.
 * @param after divergence of every prediction with those weights
 */
export async function tellsWorse(
  analyzer: CurvatureQuantizationAnalyzer,
  plan: Plan,
  after: readonly number[],
): Promise<boolean> {
  const before = await analyzer.measuring!.joint.divergences(widthsIn(plan));
  if (!before || before.length < FEWEST) return true;
  const n = before.length;
  const mean = after.reduce((sum, kl, i) => sum + (kl - before[i]!), 0) / n;
  const square = after.reduce((sum, kl, i) => sum + (kl - before[i]! - mean) * (kl - before[i]! - mean), 0);
  return mean * Math.sqrt(n * (n - 1)) > SURE * Math.sqrt(square);
}

/** A plan's damage where it is less than that of `best`; undefined otherwise. */
export async function lessThan(
  analyzer: CurvatureQuantizationAnalyzer,
  plan: Plan,
  best: Plan,
  damage: number,
): Promise<number | undefined> {
  const own = await analyzer.measureFirst(plan);
  if (own.damage > WORSE_MOVE * (await analyzer.measureFirst(best)).damage) return undefined;
  const found = await analyzer.measure(plan);
  return found < damage ? found : undefined;
}

/** What a report says of a plan. */
export function result({ name, plan, damage, interval, samples }: Tried): AllocationResult {
  return {
    name,
    averageBits: plan.averageBits,
    bytes: plan.bytes,
    bits: plan.layers.map(({ bits, rowBits }) =>
      rowBits ? rowBits.reduce((a, b) => a + b, 0) / rowBits.length : bits,
    ),
    rows: plan.layers.some((l) => l.rowBits !== undefined),
    damage,
    damageError: interval,
    ...(samples === undefined ? {} : { samples }),
    // The spectral table's damages are no damages in the unit of the others.
    predicted: name === 'spectral' ? null : plan.predicted,
  };
}
