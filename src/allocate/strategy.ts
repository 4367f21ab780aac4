import type { Problem, Selection } from './problem.ts';

/** What a strategy found for a budget in bytes that the smallest plan is known to meet. */
export interface Solution {
  readonly selection: Selection;
  /** Proven: no plan within the budget has an objective below this. null: nothing is proved. */
  readonly lowerBound: number | null;
}

/**
 * Chooses an option for every item, in at most `budget` bytes. Pure and deterministic: the same problem and budget give the same
 * selection.
 */
export type Strategy = (problem: Problem, budget: number) => Solution;

/**
 * How much better the objective gets by moving one item to another option, for heuristics: the cost saved; for `max` the
 * item's cost now where the move lowers it, so that the worst item comes first.
 */
export function gain(problem: Problem, item: number, from: number, to: number): number {
  const { options } = problem.items[item]!;
  const a = options[from]!.cost;
  const b = options[to]!.cost;
  return problem.objective.combine === 'max' ? (b < a ? a : 0) : a - b;
}

/** Spends what is left of the budget: again and again the move to a wider option with the most gain per byte that fits. */
export function fill(problem: Problem, selection: Selection, budget: number): void {
  let left = budget - problem.bytes(selection);
  for (;;) {
    let item = -1;
    let to = 0;
    let bestGain = 0;
    let bestBytes = 1;
    for (let i = 0; i < problem.items.length; i++) {
      const { options } = problem.items[i]!;
      const now = selection[i]!;
      for (let j = now + 1; j < options.length; j++) {
        const bytes = options[j]!.bytes - options[now]!.bytes;
        const g = gain(problem, i, now, j);
        if (bytes > left || g <= 0) continue;
        if (better(g, bytes, bestGain, bestBytes)) {
          item = i;
          to = j;
          bestGain = g;
          bestBytes = bytes;
        }
      }
    }
    if (item < 0) return;
    left -= bestBytes;
    selection[item] = to;
  }
}

/** Gain per byte of one move above that of another; a move that costs no bytes is above all that do. */
export function better(gainA: number, bytesA: number, gainB: number, bytesB: number): boolean {
  if (bytesA <= 0 || bytesB <= 0) {
    if (bytesA <= 0 && bytesB <= 0) return gainA > gainB;
    return bytesA <= 0;
  }
  return gainA / bytesA > gainB / bytesB;
}

/** Brings a selection within the budget: again and again the step to a smaller option with the least loss per byte freed. */
export function repair(problem: Problem, selection: Selection, budget: number): void {
  let over = problem.bytes(selection) - budget;
  while (over > 0) {
    let item = -1;
    let to = 0;
    let least = Number.POSITIVE_INFINITY;
    let freed = 0;
    for (let i = 0; i < problem.items.length; i++) {
      const { options } = problem.items[i]!;
      const now = options[selection[i]!]!;
      for (let j = 0; j < options.length; j++) {
        const bytes = now.bytes - options[j]!.bytes;
        if (bytes <= 0) continue;
        const loss = (options[j]!.cost - now.cost) / bytes;
        if (loss < least) {
          item = i;
          to = j;
          least = loss;
          freed = bytes;
        }
      }
    }
    if (item < 0) throw new RangeError(`budget of ${budget} bytes: the smallest plan needs ${problem.minBytes}`);
    over -= freed;
    selection[item] = to;
  }
}
