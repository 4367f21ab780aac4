import { layerBytes, type RowLayer } from './row-table.ts';

/** A width index for every row of every layer. */
export interface Filling {
  readonly choice: readonly Uint8Array[];
  readonly bytes: number;
  readonly damage: number;
}

/** Tables of more rows lose next to nothing to whole rows: exchanges are not tried. */
const EXCHANGED_ROWS = 4096;
const EXCHANGES = 64;
/** Moves of either kind that an exchange is looked for among. */
const MOVES = 48;
const PASSES = 8;

/** One row of a layer, or all rows of a group of layers (row -1), to width `to`. */
interface Move {
  readonly layers: readonly number[];
  readonly row: number;
  readonly from: number;
  readonly to: number;
  /** Damage saved; negative for a move to fewer bytes. */
  readonly gain: number;
}

/**
 * Spends what is left of a budget: the moves to wider rows of the most gain a byte that fit, then exchanges of a wider row for
 * a narrower one. Bytes are exact throughout.
 * @param groups layers that share a width where not `mixed`
 * @param mixed layers whose rows may differ
 */
export function fillRows(
  layers: readonly RowLayer[],
  groups: readonly (readonly number[])[],
  mixed: readonly boolean[],
  start: Filling,
  budget: number,
): Filling {
  const state = new State(layers, groups, mixed, start);
  for (let pass = 0; pass < PASSES && spend(state, budget); pass++);
  const rows = layers.reduce((n, l, i) => n + (mixed[i] ? l.rows : 0), 0);
  for (let i = 0; rows <= EXCHANGED_ROWS && i < EXCHANGES; i++) {
    if (!exchange(state, budget)) break;
    spend(state, budget);
  }
  return { choice: state.choice, bytes: state.bytes, damage: state.damage() };
}

/** @returns whether anything fitted */
function spend(state: State, budget: number): boolean {
  const left = budget - state.bytes;
  const moves = byEfficiency(
    state,
    state.moves(1, (move) => state.delta(move) <= left),
    -1,
  );
  let any = false;
  for (const move of moves) {
    if (!state.current(move) || state.bytes + state.delta(move) > budget) continue;
    state.apply(move);
    any = true;
  }
  return any;
}

/** The best of the exchanges of one move up for one down. @returns whether there was one */
function exchange(state: State, budget: number): boolean {
  const up = byEfficiency(state, state.moves(1), -1);
  const down = byEfficiency(state, state.moves(-1), 1);
  const damage = state.damage();
  let best: { up: Move; down: Move; gain: number } | undefined;
  for (const u of up.slice(0, MOVES))
    for (const d of down.slice(0, MOVES)) {
      const gain = u.gain + d.gain;
      if (!(gain > 1e-12 * damage) || (best && gain <= best.gain) || overlap(u, d)) continue;
      state.apply(d);
      if (state.bytes + state.delta(u) <= budget) best = { up: u, down: d, gain };
      state.undo(d);
    }
  if (!best) return false;
  state.apply(best.down);
  state.apply(best.up);
  return true;
}

function overlap(a: Move, b: Move): boolean {
  return (a.row < 0 || b.row < 0 || a.row === b.row) && a.layers.some((l) => b.layers.includes(l));
}

/** Moves by their damage a byte, ascending for 1 and descending for -1. */
function byEfficiency(state: State, moves: readonly Move[], order: 1 | -1): Move[] {
  const keyed = moves.map((move) => ({ move, key: efficiency(state, move) }));
  // Equal keys, infinite ones among them, keep their order.
  return keyed.sort((a, b) => (a.key === b.key ? 0 : order * (a.key - b.key))).map(({ move }) => move);
}

/** Damage a byte; a move that frees bytes and saves damage is above all. */
function efficiency(state: State, move: Move): number {
  const bytes = state.delta(move);
  if (bytes <= 0) return move.gain >= 0 ? Number.POSITIVE_INFINITY : move.gain / bytes;
  return move.gain / bytes;
}

class State {
  readonly choice: Uint8Array[];
  bytes: number;
  private readonly counts: number[][];
  private readonly sizes: number[];

  constructor(
    private readonly layers: readonly RowLayer[],
    private readonly groups: readonly (readonly number[])[],
    private readonly mixed: readonly boolean[],
    start: Filling,
  ) {
    this.choice = start.choice.map((c) => c.slice());
    this.counts = layers.map(({ widths }, l) => {
      const counts = widths.map(() => 0);
      for (const j of this.choice[l]!) counts[j]!++;
      return counts;
    });
    this.sizes = layers.map((layer, l) => layerBytes(layer, this.counts[l]!));
    this.bytes = this.sizes.reduce((a, b) => a + b, 0);
  }

  damage(): number {
    let sum = 0;
    this.layers.forEach(({ widths, damage }, l) => {
      const choice = this.choice[l]!;
      for (let r = 0; r < choice.length; r++) sum += damage[r * widths.length + choice[r]!]!;
    });
    return sum;
  }

  /** All moves to wider (1) or narrower (-1) rows; those to wider ones only where they save damage. */
  moves(direction: 1 | -1, keep: (move: Move) => boolean = () => true): Move[] {
    const out: Move[] = [];
    const offer = (
      layers: readonly number[],
      row: number,
      from: number,
      widths: number,
      gainTo: (to: number) => number,
    ) => {
      for (let to = from + direction; to >= 0 && to < widths; to += direction) {
        const gain = gainTo(to);
        if (direction === 1 && !(gain > 0)) continue;
        const move = { layers, row, from, to, gain };
        if (!this.empties(move) && keep(move)) out.push(move);
      }
    };
    for (const group of this.groups) {
      const first = group[0]!;
      const { widths, damage, rows } = this.layers[first]!;
      const n = widths.length;
      if (!this.mixed[first]) {
        const from = this.choice[first]![0]!;
        offer(group, -1, from, n, (to) => group.reduce((sum, l) => sum + this.wholeGain(l, from, to), 0));
        continue;
      }
      const own = this.choice[first]!;
      for (let r = 0; r < rows; r++) {
        const at = r * n;
        const from = own[r]!;
        offer(group, r, from, n, (to) => damage[at + from]! - damage[at + to]!);
      }
    }
    return out;
  }

  current(move: Move): boolean {
    return this.choice[move.layers[0]!]![Math.max(0, move.row)] === move.from;
  }

  /** Whether a layer would be left without a row that is stored. */
  private empties({ layers, row, to }: Move): boolean {
    return layers.some((l) => {
      const { widths, rows } = this.layers[l]!;
      return widths[to] === 0 && (row < 0 || this.counts[l]![to]! + 1 >= rows);
    });
  }

  /** Bytes a move adds. */
  delta(move: Move): number {
    let sum = 0;
    for (const l of move.layers)
      sum += this.with(l, move, () => layerBytes(this.layers[l]!, this.counts[l]!)) - this.sizes[l]!;
    return sum;
  }

  apply(move: Move): void {
    for (const l of move.layers) {
      const { rows } = this.layers[l]!;
      const moved = move.row < 0 ? rows : 1;
      this.counts[l]![move.from]! -= moved;
      this.counts[l]![move.to]! += moved;
      if (move.row < 0) this.choice[l]!.fill(move.to);
      else this.choice[l]![move.row] = move.to;
      const size = layerBytes(this.layers[l]!, this.counts[l]!);
      this.bytes += size - this.sizes[l]!;
      this.sizes[l] = size;
    }
  }

  undo(move: Move): void {
    this.apply({ ...move, from: move.to, to: move.from });
  }

  private with<T>(l: number, { row, from, to }: Move, body: () => T): T {
    const counts = this.counts[l]!;
    const moved = row < 0 ? this.layers[l]!.rows : 1;
    counts[from]! -= moved;
    counts[to]! += moved;
    const result = body();
    counts[from]! += moved;
    counts[to]! -= moved;
    return result;
  }

  private wholeGain(l: number, from: number, to: number): number {
    const { rows, widths, damage } = this.layers[l]!;
    let sum = 0;
    for (let r = 0; r < rows; r++) sum += damage[r * widths.length + from]! - damage[r * widths.length + to]!;
    return sum;
  }
}
