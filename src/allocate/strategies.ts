import { UsageError } from '../errors.ts';
import { exact, MAX_ENUMERATED } from './exact.ts';
import { gradient } from './gradient.ts';
import { greedy } from './greedy.ts';
import { improve } from './local.ts';
import type { Problem } from './problem.ts';
import { proportional } from './proportional.ts';
import type { Solution, Strategy } from './strategy.ts';

/** A new strategy is one file and one line here. */
export const STRATEGIES = { proportional, gradient, greedy, exact } satisfies Record<string, Strategy>;

export type StrategyName = keyof typeof STRATEGIES | 'best';

export function strategyNames(): StrategyName[] {
  return [...(Object.keys(STRATEGIES) as (keyof typeof STRATEGIES)[]), 'best'];
}

/**
 * Runs one strategy; `best` runs all and keeps the plan of least objective, of equal ones the exact one's.
 * @throws UsageError naming the strategies there are
 */
export function runStrategy(
  name: StrategyName,
  problem: Problem,
  budget: number,
  maxStates?: number,
): Solution & { strategy: string } {
  if (name === 'best') return best(problem, budget, maxStates);
  if (!Object.hasOwn(STRATEGIES, name))
    throw new UsageError(`strategy '${name}': unknown, expected one of ${strategyNames().join(', ')}`);
  const solution = name === 'exact' ? exact(problem, budget, maxStates) : STRATEGIES[name](problem, budget);
  return { ...solution, strategy: name };
}

function best(problem: Problem, budget: number, maxStates: number | undefined): Solution & { strategy: string } {
  const custom = problem.objective.combine === 'custom';
  const found: (Solution & { strategy: string })[] = [];
  let lowerBound: number | null = null;
  if (!custom || problem.items.reduce((n, it) => n * it.options.length, 1) <= MAX_ENUMERATED) {
    const solution = exact(problem, budget, maxStates);
    lowerBound = solution.lowerBound;
    found.push({ ...solution, strategy: 'exact' });
    if (problem.value(solution.selection) === lowerBound) return found[0]!;
  }
  for (const name of ['greedy', 'gradient', 'proportional'] as const) {
    const solution = STRATEGIES[name](problem, budget);
    if (custom) improve(problem, solution.selection, budget);
    found.push({ ...solution, strategy: name });
  }
  const values = found.map((s) => problem.value(s.selection));
  const least = Math.min(...values);
  return { ...found[values.indexOf(least)]!, lowerBound };
}
