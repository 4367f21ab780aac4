import { UsageError } from '../errors.ts';
import { type KnapsackResult, solveKnapsack } from './knapsack.ts';
import type { Problem, Selection } from './problem.ts';
import type { Solution } from './strategy.ts';

/** Plans that a custom objective is tried on at most. */
export const MAX_ENUMERATED = 200_000;

/**
 * The best plan on the table, proved: a multiple-choice knapsack for `sum`, a search over the largest cost allowed for `max`
 * (and among plans that share it the least sum), enumeration for a custom objective.
 * @param maxStates passed on to the knapsack: past it the plan comes with the bound that is proved
 * @throws UsageError for a custom objective on a table of more than MAX_ENUMERATED plans
 */
export function exact(problem: Problem, budget: number, maxStates?: number): Solution {
  switch (problem.objective.combine) {
    case 'sum':
      return exactSum(problem, budget, maxStates);
    case 'max':
      return exactMax(problem, budget, maxStates);
    default:
      return enumerate(problem, budget);
  }
}

/** Knapsack over the options with cost at most `ceiling`. */
function knapsack(
  problem: Problem,
  budget: number,
  ceiling: number,
  maxStates: number | undefined,
): { result: KnapsackResult; selection: Selection } | undefined {
  const kept = problem.items.map(({ options }) => options.map((_, j) => j).filter((j) => options[j]!.cost <= ceiling));
  if (kept.some((k) => k.length === 0)) return undefined;
  const classes = kept.map((k, i) => ({
    weights: k.map((j) => problem.items[i]!.options[j]!.bytes),
    costs: k.map((j) => problem.items[i]!.options[j]!.cost),
  }));
  const result = solveKnapsack(classes, budget, maxStates);
  if (!result) return undefined;
  return { result, selection: Int32Array.from(result.choice, (j, i) => kept[i]![j]!) };
}

function exactSum(problem: Problem, budget: number, maxStates: number | undefined): Solution {
  const found = knapsack(problem, budget, Number.POSITIVE_INFINITY, maxStates)!;
  const proved = found.result.lowerBound >= found.result.cost;
  return { selection: found.selection, lowerBound: proved ? problem.value(found.selection) : found.result.lowerBound };
}

function exactMax(problem: Problem, budget: number, maxStates: number | undefined): Solution {
  const ceilings = [...new Set(problem.items.flatMap(({ options }) => options.map((o) => o.cost)))].sort(
    (a, b) => a - b,
  );
  let lo = 0;
  let hi = ceilings.length - 1;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (leastBytes(problem, ceilings[mid]!) <= budget) hi = mid;
    else lo = mid + 1;
  }
  const { selection } = knapsack(problem, budget, ceilings[lo]!, maxStates)!;
  return { selection, lowerBound: problem.value(selection) };
}

/** Fewest bytes with every item's cost at most `ceiling`; Infinity where an item has no such option. */
export function leastBytes(problem: Problem, ceiling: number): number {
  let sum = 0;
  for (const { options } of problem.items) {
    let least = Number.POSITIVE_INFINITY;
    for (const o of options) if (o.cost <= ceiling && o.bytes < least) least = o.bytes;
    sum += least;
  }
  return sum;
}

function enumerate(problem: Problem, budget: number): Solution {
  let plans = 1;
  for (const { options } of problem.items) plans *= options.length;
  if (plans > MAX_ENUMERATED)
    throw new UsageError(
      `strategy 'exact' with a custom objective: expected at most ${MAX_ENUMERATED} plans to enumerate, the table has ${plans}; use strategy 'best', or an objective that is a sum or a maximum`,
    );
  const selection = new Int32Array(problem.items.length);
  let best: Selection | undefined;
  let bestValue = 0;
  let bestBytes = 0;
  for (let n = 0; n < plans; n++) {
    let rest = n;
    problem.items.forEach(({ options }, i) => {
      selection[i] = rest % options.length;
      rest = Math.floor(rest / options.length);
    });
    const bytes = problem.bytes(selection);
    if (bytes > budget) continue;
    const value = problem.value(selection);
    if (!best || value < bestValue || (value === bestValue && bytes < bestBytes)) {
      best = selection.slice();
      bestValue = value;
      bestBytes = bytes;
    }
  }
  return { selection: best!, lowerBound: bestValue };
}

/**
 * Fewest bytes with the objective at most `target`, for a separable objective.
 * @returns undefined where no plan reaches it; `lowerBound` is the proven least number of bytes
 */
export function fewestBytes(
  problem: Problem,
  target: number,
  maxStates?: number,
): { bytes: number; lowerBound: number } | undefined {
  if (problem.objective.combine === 'max') {
    const bytes = leastBytes(problem, target);
    return Number.isFinite(bytes) ? { bytes, lowerBound: bytes } : undefined;
  }
  // The same knapsack with the roles exchanged. Costs may be summed in another order there than in the plan's value: the first
  // capacity is a rounding error above the target, so that its bound is proved; the others give way until the plan is within.
  const classes = problem.items.map(({ options }) => ({
    weights: options.map((o) => o.cost),
    costs: options.map((o) => o.bytes),
  }));
  let lowerBound = 0;
  for (const slack of [1e-13, 0, -1e-13, -1e-12]) {
    const result = solveKnapsack(classes, target + Math.abs(target) * slack, maxStates);
    if (!result) return undefined;
    if (slack > 0) lowerBound = result.lowerBound;
    if (problem.value(result.choice) <= target)
      return { bytes: result.cost, lowerBound: Math.min(lowerBound, result.cost) };
  }
  return undefined;
}
