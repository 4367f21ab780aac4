import type { Plan } from '../allocate/types.ts';

/** Fewer plans say nothing of a rank. */
const FEWEST = 4;

/**
 * Spearman's rank correlation of each metric's prediction and the damage measured together, over the plans that the metric
 * can judge; metrics with fewer than four such plans, or that tell none apart, are left out.
 */
export function ranksOf(
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
    return correlation === undefined ? [] : [{ metric, plans: pairs.length, correlation }];
  });
}

/** Rank correlation, equal values sharing their mean rank; undefined where either list is all the same. */
export function spearman(a: readonly number[], b: readonly number[]): number | undefined {
  const [x, y] = [centred(ranks(a)), centred(ranks(b))];
  const dot = (u: readonly number[], v: readonly number[]) => u.reduce((n, value, i) => n + value * v[i]!, 0);
  const norm = Math.sqrt(dot(x, x) * dot(y, y));
  return norm > 0 ? dot(x, y) / norm : undefined;
}

function ranks(values: readonly number[]): number[] {
  return values.map((v) => {
    let below = 0;
    let same = 0;
    for (const w of values) {
      if (w < v) below++;
      if (w === v) same++;
    }
    return below + (same - 1) / 2;
  });
}

function centred(values: readonly number[]): number[] {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return values.map((v) => v - mean);
}
