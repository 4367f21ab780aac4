import type { Problem, Selection } from './problem.ts';

/**
 * Uniform at the same bytes: the largest width that fits for all, then one more bit layer by layer in the order of the graph
 * while it fits. A layer that lacks the width has its next narrower one, or its narrowest; pinned layers keep their pin.
 * @returns undefined where not even the narrowest width fits for all
 */
export function uniformSelection(problem: Problem, budget: number): Selection | undefined {
  return fillFrom(
    problem,
    budget,
    problem.items.map(() => false),
    0,
  );
}

/**
 * The honest baseline: the first and the last item at `bits` (their widest width up to it), uniform between.
 * @returns undefined where that does not fit
 */
export function uniformEndsSelection(problem: Problem, budget: number, bits: number): Selection | undefined {
  const last = problem.items.length - 1;
  return fillFrom(
    problem,
    budget,
    problem.items.map((_, i) => i === 0 || i === last),
    bits,
  );
}

function fillFrom(problem: Problem, budget: number, held: readonly boolean[], heldBits: number): Selection | undefined {
  const { items } = problem;
  const widths = [...new Set(items.flatMap(({ options }) => options.map((o) => o.bits)))].sort((a, b) => b - a);
  const at = (width: number): Selection =>
    Int32Array.from(items, (_, i) => widest(problem, i, held[i] ? heldBits : width));
  const selection = widths.map(at).find((s) => problem.bytes(s) <= budget);
  if (!selection) return undefined;
  let left = budget - problem.bytes(selection);
  for (let i = 0; i < items.length; i++) {
    const { options } = items[i]!;
    const now = selection[i]!;
    if (held[i] || now + 1 >= options.length) continue;
    const bytes = options[now + 1]!.bytes - options[now]!.bytes;
    if (bytes > left) break;
    left -= bytes;
    selection[i] = now + 1;
  }
  return selection;
}

/** Index of the widest option of at most that many bits, the narrowest option where there is none. */
function widest(problem: Problem, item: number, bits: number): number {
  const { options } = problem.items[item]!;
  let best = 0;
  for (let j = 0; j < options.length; j++) if (options[j]!.bits <= bits) best = j;
  return best;
}
