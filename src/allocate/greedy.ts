import type { Problem, Selection } from './problem.ts';
import { better, gain, type Strategy } from './strategy.ts';

/**
 * The seed document's third strategy: from the smallest plan, again and again the next wider option with the best gain per
 * byte that fits, for as long as one gains. It looks one width ahead, so it is optimal to within one step on a convex table
 * and stops early on one that is not: a width that does not help hides all wider ones.
 */
export const greedy: Strategy = (problem, budget) => {
  const selection = problem.smallest();
  let left = budget - problem.bytes(selection);
  for (;;) {
    const step =
      problem.objective.combine === 'custom'
        ? customStep(problem, selection, left)
        : separableStep(problem, selection, left);
    if (step < 0) return { selection, lowerBound: null };
    const { options } = problem.items[step]!;
    const now = selection[step]!;
    left -= options[now + 1]!.bytes - options[now]!.bytes;
    selection[step] = now + 1;
  }
};

function separableStep(problem: Problem, selection: Selection, left: number): number {
  return pick(problem, selection, left, (i, now) => gain(problem, i, now, now + 1));
}

function customStep(problem: Problem, selection: Selection, left: number): number {
  const value = problem.value(selection);
  return pick(problem, selection, left, (i, now) => {
    selection[i] = now + 1;
    const g = value - problem.value(selection);
    selection[i] = now;
    return g;
  });
}

function pick(
  problem: Problem,
  selection: Selection,
  left: number,
  gainOf: (item: number, now: number) => number,
): number {
  let item = -1;
  let bestGain = 0;
  let bestBytes = 1;
  for (let i = 0; i < problem.items.length; i++) {
    const { options } = problem.items[i]!;
    const now = selection[i]!;
    if (now + 1 >= options.length) continue;
    const bytes = options[now + 1]!.bytes - options[now]!.bytes;
    if (bytes > left) continue;
    const g = gainOf(i, now);
    if (g <= 0) continue;
    if (item < 0 || better(g, bytes, bestGain, bestBytes)) {
      item = i;
      bestGain = g;
      bestBytes = bytes;
    }
  }
  return item;
}
