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
/** Least gain of an exchange that is worth looking for, as a share of all damage. */
const LEAST_EXCHANGE = 1e-5;
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
  let any = false;
  for (const move of state.moves(1, { within: left })) {
    if (!state.current(move) || state.bytes + state.delta(move) > budget) continue;
    state.apply(move);
    any = true;
  }
  return any;
}

/** The best of the exchanges of one move up for one down. @returns whether there was one */
function exchange(state: State, budget: number): boolean {
  const up = state.moves(1, { most: MOVES });
  const down = state.moves(-1, { most: MOVES });
  const damage = state.damage();
  let best: { up: Move; down: Move; gain: number } | undefined;
  for (const u of up)
    for (const d of down) {
      const gain = u.gain + d.gain;
      if (!(gain > LEAST_EXCHANGE * damage) || (best && gain <= best.gain) || overlap(u, d)) continue;
      if (state.bytes + state.deltaOfBoth(d, u) <= budget) best = { up: u, down: d, gain };
    }
  if (!best) return false;
  state.apply(best.down);
  state.apply(best.up);
  return true;
}

function overlap(a: Move, b: Move): boolean {
  return (a.row < 0 || b.row < 0 || a.row === b.row) && a.layers.some((l) => b.layers.includes(l));
}

/** What a move costs: less for more damage saved a byte, or less damage done a byte freed; nothing can be said against one that saves both. */
function costOf(gain: number, bytes: number): number {
  if (bytes > 0) return gain > 0 ? -gain / bytes : Number.POSITIVE_INFINITY;
  return gain >= 0 ? Number.NEGATIVE_INFINITY : gain / bytes;
}

/** Moves that are offered, those of the least costs alone where only so many are wanted; of equal ones those offered first. */
class Shortlist {
  private readonly found: { readonly move: Move; readonly cost: number }[] = [];

  constructor(private readonly most = Number.POSITIVE_INFINITY) {}

  /** Whether a move of that cost would be among them. */
  wants(cost: number): boolean {
    return this.found.length < this.most || cost < this.found.at(-1)!.cost;
  }

  add(move: Move, cost: number): void {
    const { found, most } = this;
    found.push({ move, cost });
    if (most === Number.POSITIVE_INFINITY) return;
    let at = found.length - 1;
    for (; at > 0 && found[at - 1]!.cost > cost; at--) found[at] = found[at - 1]!;
    found[at] = { move, cost };
    if (found.length > most) found.pop();
  }

  /** Ascending by cost. */
  read(): Move[] {
    if (this.most === Number.POSITIVE_INFINITY) this.found.sort((a, b) => (a.cost === b.cost ? 0 : a.cost - b.cost));
    return this.found.map(({ move }) => move);
  }
}

class State {
  readonly choice: Uint8Array[];
  bytes: number;
  private readonly counts: number[][];
  private readonly sizes: number[];
  /** For every layer, bytes that a row adds from one width to another, [widths, widths]; NaN where they were not asked for yet. */
  private readonly deltas: Float64Array[];

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
    this.deltas = layers.map(({ widths }) => new Float64Array(widths.length ** 2).fill(Number.NaN));
  }

  damage(): number {
    let sum = 0;
    this.layers.forEach(({ widths, damage }, l) => {
      const choice = this.choice[l]!;
      for (let r = 0; r < choice.length; r++) sum += damage[r * widths.length + choice[r]!]!;
    });
    return sum;
  }

  /**
   * Moves to wider (1) or narrower (-1) rows, ascending by what they cost; those to wider ones only where they save damage.
   * @param which.within most bytes a move may add
   * @param which.most how many are wanted at most
   */
  moves(direction: 1 | -1, { within = Number.POSITIVE_INFINITY, most }: { within?: number; most?: number }): Move[] {
    const list = new Shortlist(most);
    const offer = (layers: readonly number[], row: number, from: number, to: number, gain: number) => {
      if ((direction === 1 && !(gain > 0)) || this.empties(layers, row, to)) return;
      const bytes = row < 0 ? this.delta({ layers, row, from, to, gain }) : this.rowDelta(layers[0]!, from, to);
      if (bytes > within) return;
      const cost = costOf(gain, bytes);
      if (list.wants(cost)) list.add({ layers, row, from, to, gain }, cost);
    };
    for (const group of this.groups) {
      const first = group[0]!;
      const { widths, damage, rows } = this.layers[first]!;
      const n = widths.length;
      const own = this.choice[first]!;
      if (this.mixed[first])
        for (let r = 0; r < rows; r++) {
          const at = r * n;
          const from = own[r]!;
          for (let to = from + direction; to >= 0 && to < n; to += direction)
            offer(group, r, from, to, damage[at + from]! - damage[at + to]!);
        }
      else
        for (let from = own[0]!, to = from + direction; to >= 0 && to < n; to += direction)
          offer(
            group,
            -1,
            from,
            to,
            group.reduce((sum, l) => sum + this.wholeGain(l, from, to), 0),
          );
    }
    return list.read();
  }

  current(move: Move): boolean {
    return this.choice[move.layers[0]!]![Math.max(0, move.row)] === move.from;
  }

  /** Whether a layer would be left without a row that is stored. */
  private empties(layers: readonly number[], row: number, to: number): boolean {
    return layers.some((l) => {
      const { widths, rows } = this.layers[l]!;
      return widths[to] === 0 && (row < 0 || this.counts[l]![to]! + 1 >= rows);
    });
  }

  /** Bytes a move adds. */
  delta({ layers, row, from, to }: Move): number {
    if (row >= 0) return this.rowDelta(layers[0]!, from, to);
    return layers.reduce((sum, l) => sum + this.sizeWith(l, this.layers[l]!.rows, from, to) - this.sizes[l]!, 0);
  }

  /** Bytes that two moves add, the first one first. */
  deltaOfBoth(first: Move, second: Move): number {
    if (!first.layers.some((l) => second.layers.includes(l))) return this.delta(first) + this.delta(second);
    const before = this.bytes;
    this.apply(first);
    const sum = this.bytes - before + this.delta(second);
    this.apply({ ...first, from: first.to, to: first.from });
    return sum;
  }

  apply({ layers, row, from, to }: Move): void {
    for (const l of layers) {
      const { rows } = this.layers[l]!;
      const moved = row < 0 ? rows : 1;
      this.counts[l]![from]! -= moved;
      this.counts[l]![to]! += moved;
      if (row < 0) this.choice[l]!.fill(to);
      else this.choice[l]![row] = to;
      const size = layerBytes(this.layers[l]!, this.counts[l]!);
      this.bytes += size - this.sizes[l]!;
      this.sizes[l] = size;
      this.deltas[l]!.fill(Number.NaN);
    }
  }

  /** Bytes that one row of a layer adds. */
  private rowDelta(l: number, from: number, to: number): number {
    const deltas = this.deltas[l]!;
    const at = from * this.layers[l]!.widths.length + to;
    if (Number.isNaN(deltas[at]!)) deltas[at] = this.sizeWith(l, 1, from, to) - this.sizes[l]!;
    return deltas[at]!;
  }

  /** Bytes of a layer, so many of its rows moved. */
  private sizeWith(l: number, moved: number, from: number, to: number): number {
    const counts = this.counts[l]!;
    counts[from]! -= moved;
    counts[to]! += moved;
    const bytes = layerBytes(this.layers[l]!, counts);
    counts[from]! += moved;
    counts[to]! -= moved;
    return bytes;
  }

  private wholeGain(l: number, from: number, to: number): number {
    const { rows, widths, damage } = this.layers[l]!;
    let sum = 0;
    for (let r = 0; r < rows; r++) sum += damage[r * widths.length + from]! - damage[r * widths.length + to]!;
    return sum;
  }
}
