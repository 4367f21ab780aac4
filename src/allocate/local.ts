import type { Problem, Selection } from './problem.ts';

/** A single move, or two moves of which one frees bytes for the other. */
export interface Move {
  readonly item: number;
  readonly to: number;
  readonly other?: { readonly item: number; readonly to: number };
}

/**
 * Lowers the objective in place by the first single move, or pair of one step up and one step down, that lowers it, again and
 * again, within the budget. Works for any objective; at most `evaluations` values are computed.
 */
export function improve(problem: Problem, selection: Selection, budget: number, evaluations = 20_000): void {
  let value = problem.value(selection);
  let left = evaluations;
  for (let improved = true; improved && left > 0; ) {
    improved = false;
    for (const move of neighbours(problem, selection, budget)) {
      if (left-- <= 0) break;
      const moved = apply(selection, move);
      const v = problem.value(moved);
      if (v < value) {
        selection.set(moved);
        value = v;
        improved = true;
        break;
      }
    }
  }
}

export function apply(selection: Selection, move: Move): Selection {
  const moved = selection.slice();
  moved[move.item] = move.to;
  if (move.other) moved[move.other.item] = move.other.to;
  return moved;
}

/** Single moves first, then pairs of neighbouring widths; only what fits the budget. */
export function* neighbours(problem: Problem, selection: Selection, budget: number): Generator<Move> {
  const { items } = problem;
  const left = budget - problem.bytes(selection);
  const bytes = (i: number, j: number): number => items[i]!.options[j]!.bytes - items[i]!.options[selection[i]!]!.bytes;
  for (let i = 0; i < items.length; i++) {
    for (let j = 0; j < items[i]!.options.length; j++)
      if (j !== selection[i] && bytes(i, j) <= left) yield { item: i, to: j };
  }
  for (let i = 0; i < items.length; i++) {
    for (const j of [selection[i]! + 1, selection[i]! + 2]) {
      if (j >= items[i]!.options.length) continue;
      for (let k = 0; k < items.length; k++) {
        const down = selection[k]! - 1;
        if (k === i || down < 0 || bytes(i, j) + bytes(k, down) > left) continue;
        yield { item: i, to: j, other: { item: k, to: down } };
      }
    }
  }
}
