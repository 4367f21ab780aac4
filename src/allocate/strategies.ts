import { UsageError } from '../errors.ts';
import { exact, MAX_ENUMERATED } from './exact.ts';
import { gradient } from './gradient.ts';
import { greedy } from './greedy.ts';
import { improve } from './local.ts';
import type { Problem } from './problem.ts';
import { proportional } from './proportional.ts';
import type { Solution, Strategy } from './strategy.ts';

/** Those that come with Kappa: a new one is one file and one line here. */
export const STRATEGIES = { proportional, gradient, greedy, exact } satisfies Record<string, Strategy>;

/** Those registered besides. */
const REGISTRY = new Map<string, Strategy>();

/** How widths are chosen, by name: one that comes with Kappa, `best` of all, or one that was registered. */
export type StrategyName = keyof typeof STRATEGIES | 'best' | (string & {});

/**
 * Makes a strategy known by name; `best` tries it too.
 * @throws TypeError for something that is no strategy
 * @throws RangeError for a name that is taken
 */
export function registerStrategy(name: string, strategy: Strategy): void {
  if (typeof name !== 'string' || name === '')
    throw new TypeError(`strategy name: expected a non-empty string, got ${name}`);
  if (typeof strategy !== 'function')
    throw new TypeError(`strategy '${name}': expected a function, got ${typeof strategy}`);
  if (strategyNames().includes(name)) throw new RangeError(`strategy '${name}': already registered`);
  REGISTRY.set(name, strategy);
}

/** Names of the strategies there are, `best` the last. */
export function strategyNames(): StrategyName[] {
  return [...Object.keys(STRATEGIES), ...REGISTRY.keys(), 'best'];
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
  if (name === 'exact') return { ...exact(problem, budget, maxStates), strategy: name };
  return { ...run(name, problem, budget), strategy: name };
}

/** @throws UsageError for a name there is not, RangeError for what a registered strategy gives that is no plan within the budget */
function run(name: string, problem: Problem, budget: number): Solution {
  if (isBuiltIn(name)) return STRATEGIES[name](problem, budget);
  const registered = REGISTRY.get(name);
  if (!registered) throw new UsageError(`strategy '${name}': unknown, expected one of ${strategyNames().join(', ')}`);
  const { lowerBound = null, selection: given } = registered(problem, budget);
  const selection = Int32Array.from(given);
  const { items } = problem;
  if (selection.length !== items.length || items.some(({ options }, i) => options[selection[i]!] === undefined))
    throw new RangeError(`strategy '${name}': expected one option for each of ${items.length} items, got [${given}]`);
  const bytes = problem.bytes(selection);
  if (bytes > budget) throw new RangeError(`strategy '${name}': expected at most ${budget} bytes, got ${bytes}`);
  return { selection, lowerBound };
}

function isBuiltIn(name: string): name is keyof typeof STRATEGIES {
  return Object.hasOwn(STRATEGIES, name);
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
  for (const name of ['greedy', 'gradient', 'proportional', ...REGISTRY.keys()]) {
    const solution = run(name, problem, budget);
    if (custom) improve(problem, solution.selection, budget);
    found.push({ ...solution, strategy: name });
  }
  const values = found.map((s) => problem.value(s.selection));
  const least = Math.min(...values);
  return { ...found[values.indexOf(least)]!, lowerBound };
}
