import type { CostTable, Plan } from '../allocate/types.ts';
import type { CurvatureQuantizationAnalyzer } from '../analyzer.ts';
import { type ModelFiles, sizeOfFiles } from '../onnx/index.ts';
import { TargetError, UnsupportedError, UsageError } from '../errors.ts';
import type { EvaluationReport } from '../report/types.ts';
import { type Allocation, type Search, type SearchOptions, pinsOf } from './search.ts';

/** What a drop is measured in, and the most of it, >= 0. */
export interface MaxDrop {
  /**
   * accuracy: share of right answers lost, 0.005 for half a percent of all. kl: nats a prediction. loss: cross-entropy gained, in
   * nats. error: squared error / squared norm of the outputs.
   */
  readonly measure: 'accuracy' | 'kl' | 'loss' | 'error';
  readonly value: number;
}

/** What a largest drop can be a limit of. */
export const DROP_MEASURES: readonly MaxDrop['measure'][] = ['accuracy', 'kl', 'loss', 'error'];

/** Budgets tried with what the table says is best, and then with everything measured together. */
const QUICK_STEPS = 7;
const FULL_STEPS = 3;
/** Attempts to bring the bound of a whole plan below the error asked for. */
const BOUND_ROUNDS = 8;

/** How much worse than its reference a model did. @throws UsageError where the data or the outputs have no such measure */
export function dropOf({ accuracy, crossEntropy, reference }: EvaluationReport, measure: MaxDrop['measure']): number {
  const need = (value: number | null | undefined, instead: string): number => {
    if (value === null || value === undefined || Number.isNaN(value))
      throw new UsageError(`--max-drop ${measure}: ${instead}`);
    return value;
  };
  switch (measure) {
    case 'accuracy': {
      const without = 'needs labels and an output with a class axis; use kl or error';
      return need(reference?.accuracy, without) - need(accuracy, without);
    }
    case 'loss': {
      const without = 'needs labels and an output with a class axis; use kl or error';
      return need(crossEntropy, without) - need(reference?.crossEntropy, without);
    }
    case 'kl':
      return need(reference?.kl, 'the outputs are no distributions; use error');
    default:
      return need(reference?.relativeSquaredError, 'nothing to compare with');
  }
}

/** A plan's file, and how it was found where the search said so. */
interface Tried extends ModelFiles {
  readonly plan: Plan;
  readonly allocation?: Allocation;
}

/**
 * The smallest file found whose drop on the data that `evaluate` runs it on is at most `limit`: bisection over budgets with the
 * plans that the table says are best, then over the last stretch with all kinds of plans measured together.
 * @throws TargetError where even the widest widths lose more
 */
export async function smallestWithin(
  search: Search,
  limit: MaxDrop,
  evaluate: (file: ModelFiles) => Promise<EvaluationReport>,
): Promise<Allocation> {
  const { minBytes, maxBytes } = search.optimizer.limits;
  let best: Tried | undefined;
  let least = Number.POSITIVE_INFINITY;
  const keeps = async (found: Tried): Promise<boolean> => {
    const drop = dropOf(await evaluate(found), limit.measure);
    least = Math.min(least, drop);
    if (!(drop <= limit.value)) return false;
    if (!best || sizeOfFiles(found) < sizeOfFiles(best)) best = found;
    return true;
  };
  const quick = async (budget: number): Promise<boolean> => {
    for (const found of await search.quick(budget)) if (await keeps(found)) return true;
    return false;
  };
  const full = async (budget: number): Promise<boolean> => {
    const allocation = await search.within({ bytes: budget });
    return keeps({ ...allocation, allocation });
  };
  if (!(await quick(maxBytes)) && !(await full(maxBytes)))
    throw new TargetError(
      `--max-drop ${limit.measure}: expected at most ${limit.value}, found ${least} with the widest widths`,
    );
  let low = minBytes;
  let high = maxBytes;
  if (await quick(minBytes)) high = minBytes;
  for (let i = 0; i < QUICK_STEPS && high - low > 1; i++) {
    const middle = Math.floor((low + high) / 2);
    if (await quick(middle)) high = middle;
    else low = middle;
  }
  // Refined plans do better than quick ones: the last stretch, from a little below the budget that failed.
  low = Math.max(minBytes, Math.floor(low - 0.05 * (high - minBytes)));
  if (high > minBytes) await full(high);
  for (let i = 0; i < FULL_STEPS && high - low > 1; i++) {
    const middle = Math.floor((low + high) / 2);
    if (await full(middle)) high = middle;
    else low = middle;
  }
  return best!.allocation ?? (await search.given(best!.plan, 'smallest that keeps the drop'));
}

/**
 * The plan of fewest bytes found whose bound on the output error by Theorem 3.4 is at most `eps`: an exact knapsack over each
 * layer's contribution at each width, repeated until the bound of the plan as a whole holds.
 * @throws TargetError where the widest widths do not reach it, UnsupportedError where no bound is known
 */
export async function smallestBound(
  analyzer: CurvatureQuantizationAnalyzer,
  eps: number,
  options: SearchOptions,
): Promise<Plan> {
  const table = await contributions(analyzer, await analyzer.costTable());
  const optimizer = analyzer.optimizer(
    { pins: pinsOf(options), ties: options.ties, rounding: analyzer.rounding.rounding },
    table,
  );
  let target = eps;
  let total = Number.POSITIVE_INFINITY;
  for (let round = 0; round < BOUND_ROUNDS; round++) {
    const plan = { ...optimizer.minimumFor(target), strategy: 'bound' };
    ({ total } = await analyzer.estimateTotalError(plan));
    if (total <= eps) return plan;
    // The norms downstream are those of the quantized layers: they move a little with the widths.
    target *= Math.min(0.99, (0.999 * eps) / total);
  }
  throw new TargetError(`--max-error: expected a bound of at most ${eps}, found ${total}`);
}

/** A cost table of Theorem 3.4: what each layer adds to the bound, every layer at that width. */
async function contributions(analyzer: CurvatureQuantizationAnalyzer, costs: CostTable): Promise<CostTable> {
  const byWidth = new Map<number, Map<string, number>>();
  for (const bits of analyzer.widths) {
    const layers = costs.layers.map(({ name, weight }) => ({ ...PLAIN, name, weight, bits }));
    const estimate = await analyzer.estimateTotalError({ layers });
    if (!Number.isFinite(estimate.total))
      throw new UnsupportedError(
        `--max-error: no bound is known through ${estimate.conditional.join(', ') || 'this network'}; use --max-drop`,
      );
    byWidth.set(bits, new Map(estimate.layers.map((l) => [l.weight, l.contribution])));
  }
  return {
    ...costs,
    metric: 'theorem 3.4',
    unit: 'proxy',
    layers: costs.layers.map((layer) => ({
      ...layer,
      choices: layer.choices.map((c) => ({
        ...c,
        damage: byWidth.get(c.bits)?.get(layer.weight) ?? 0,
        measured: false,
      })),
    })),
  };
}

/** A layer of a plan but for its name and width, which are all that a bound looks at. */
const PLAIN = { granularity: 'channel', symmetric: true, rounding: 'nearest', format: 'dense' } as const;
