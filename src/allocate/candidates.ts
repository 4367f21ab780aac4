import { exact } from './exact.ts';
import { apply, neighbours } from './local.ts';
import { getObjective } from './objectives.ts';
import type { Option, Problem, Selection } from './problem.ts';
import { runStrategy, STRATEGIES } from './strategies.ts';

export interface Candidate {
  readonly selection: Selection;
  readonly strategy: string;
  readonly lowerBound: number | null;
}

/** Plans of another kind that predict more than this many times the best plan's damage come last. */
const FACTOR = 5;

/** Different selections within the budget, best first as `BitWidthOptimizer.candidates` says; fewer where there are no more. */
export function candidateSelections(
  problem: Problem,
  budget: number,
  count: number,
  maxStates: number | undefined,
): Candidate[] {
  const first = runStrategy('best', problem, budget, maxStates);
  const seen = new Set<string>([first.selection.join()]);
  const fresh = (list: Candidate[]): { candidate: Candidate; value: number }[] =>
    list
      .filter((c) => !seen.has(c.selection.join()) && seen.add(c.selection.join()))
      .map((candidate) => ({ candidate, value: problem.value(candidate.selection) }))
      .sort((a, b) => a.value - b.value);
  const others = fresh(kinds(problem, budget, maxStates));
  const limit = FACTOR * problem.value(first.selection);
  const out: Candidate[] = [first, ...others.filter((o) => o.value <= limit).map((o) => o.candidate)];
  if (out.length < count) {
    const near: Candidate[] = [];
    for (const move of neighbours(problem, first.selection, budget)) {
      if (near.length >= 5000) break;
      near.push({ selection: apply(first.selection, move), strategy: 'neighbour', lowerBound: null });
    }
    out.push(...fresh(near).map((o) => o.candidate));
    out.push(...others.filter((o) => o.value > limit).map((o) => o.candidate));
  }
  return out.slice(0, count);
}

function kinds(problem: Problem, budget: number, maxStates: number | undefined): Candidate[] {
  const out: Candidate[] = [];
  for (const name of ['greedy', 'gradient', 'proportional'] as const) {
    out.push({ selection: STRATEGIES[name](problem, budget).selection, strategy: name, lowerBound: null });
  }
  // Interactions are worst at the narrowest widths: the best plans without them, as long as one fits.
  const widths = [...new Set(problem.items.flatMap(({ options }) => options.map((o) => o.bits)))].sort((a, b) => a - b);
  for (const floor of widths.slice(1, 4)) {
    const narrowed = restrict(problem, (o, item) => o.bits >= floor || item.options.length === 1);
    if (!narrowed || narrowed.problem.minBytes > budget) break;
    const { selection } = runStrategy('best', narrowed.problem, budget, maxStates);
    out.push({ selection: narrowed.widen(selection), strategy: `floor-${floor}`, lowerBound: null });
  }
  if (problem.objective.combine === 'sum') {
    const worst = restrict(problem, () => true, true)!;
    out.push({
      selection: worst.widen(exact(worst.problem, budget, maxStates).selection),
      strategy: 'max',
      lowerBound: null,
    });
  }
  return out;
}

/** The same problem with fewer options, or judged by its worst item; `widen` brings a selection back. */
function restrict(
  problem: Problem,
  keep: (option: Option, item: Problem['items'][number]) => boolean,
  max = false,
): { problem: Problem; widen: (s: Selection) => Selection } | undefined {
  const kept = problem.items.map((item) => item.options.map((_, j) => j).filter((j) => keep(item.options[j]!, item)));
  if (kept.some((k) => k.length === 0)) return undefined;
  const items = problem.items.map((item, i) => ({ ...item, options: kept[i]!.map((j) => item.options[j]!) }));
  return {
    problem: problem.with(items, max ? { objective: getObjective('max'), objectiveName: 'max' } : {}),
    widen: (s) => Int32Array.from(s, (j, i) => kept[i]![j]!),
  };
}
