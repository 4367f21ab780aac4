import { log2 } from '../math.ts';
import type { Problem, Selection } from './problem.ts';
import { fill, repair, type Strategy } from './strategy.ts';

/**
 * The seed document's first strategy, b_l proportional to log2 of the layer's sensitivity. The sensitivity is the damage at
 * the item's middle width over the least such damage of any item, and one is added to its logarithm so that every share is
 * positive: b_l = c (1 + log2 ratio). c is the largest factor whose widths, rounded to those there are, fit the budget; what
 * rounding leaves over is spent where it gains most.
 */
export const proportional: Strategy = (problem, budget) => {
  const shares = logShares(problem);
  const round = (c: number): Selection =>
    Int32Array.from(problem.items, ({ options }, i) => nearest(options, c * shares[i]!));
  let lo = 0;
  let hi = 64;
  for (let step = 0; step < 60; step++) {
    const mid = (lo + hi) / 2;
    if (problem.bytes(round(mid)) <= budget) lo = mid;
    else hi = mid;
  }
  const selection = round(lo);
  repair(problem, selection, budget);
  fill(problem, selection, budget);
  return { selection, lowerBound: null };
};

function logShares(problem: Problem): number[] {
  const costs = problem.items.map(({ options }) => options[(options.length - 1) >> 1]!.cost);
  const positive = costs.filter((c) => c > 0);
  const least = positive.length > 0 ? Math.min(...positive) : 1;
  return costs.map((c) => (c > 0 ? 1 + log2(c / least) : 1));
}

/** Option whose width is nearest; the narrower of two equally near. */
function nearest(options: readonly { readonly bits: number }[], bits: number): number {
  let best = 0;
  for (let j = 1; j < options.length; j++) {
    if (Math.abs(options[j]!.bits - bits) < Math.abs(options[best]!.bits - bits)) best = j;
  }
  return best;
}
