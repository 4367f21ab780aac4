import type { Plan } from '../allocate/types.ts';
import { spearman } from '../curvature/ranking.ts';

/** Fewer plans say nothing of a rank. */
const FEWEST = 4;

/**
 * Spearman's rank correlation of each metric's prediction and the damage measured together, over the plans that the metric
 * can judge; metrics with fewer than four such plans, or that tell none apart, are left out.
 */
export function planRanks(
  tried: readonly { readonly plan: Plan; readonly damage: number | null }[],
  predictors: ReadonlyMap<string, (plan: Plan) => number | undefined>,
): { metric: string; plans: number; correlation: number }[] {
  return [...predictors].flatMap(([metric, predict]) => {
    const pairs = tried.flatMap(({ plan, damage }) => {
      const value = predict(plan);
      return value === undefined || damage === null ? [] : [{ value, damage }];
    });
    if (pairs.length < FEWEST) return [];
    const correlation = spearman(
      pairs.map((p) => p.value),
      pairs.map((p) => p.damage),
    );
    return correlation === null ? [] : [{ metric, plans: pairs.length, correlation }];
  });
}
