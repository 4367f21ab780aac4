/**
 * A width for every row: minimise the sum of the rows' damages within a budget of bytes, by the Lagrangian of the budget. For a
 * multiplier every row chooses for itself; the dual value is a bound no plan can beat, so that what is lost is known.
 */
import { UsageError } from '../errors.ts';
import { RowCurve } from './row-curve.ts';
import { fillRows, type Filling } from './row-fill.ts';
import { checkRowTable, layerBytes, type RowLayer, type RowTable, uniformBytes } from './row-table.ts';

export interface RowAllocation {
  /** For every layer of the table the width of every row. */
  readonly widths: readonly (readonly number[])[];
  /** Sum of the layers' bytes, exactly as written. */
  readonly bytes: number;
  /** Sum of the rows' damages. */
  readonly damage: number;
  /** Proved: no choice of widths within the budget has a lower sum of damages. */
  readonly lowerBound: number;
}

/** Widths of which a slice has a price of its own are tried in sets of at most so many, beside all together. */
const SET_SIZE = 3;

/** Widths, by index, that a layer's rows may choose from each for itself. */
interface WidthSet {
  readonly widths: readonly number[];
  /** Whether some of them have zero points. */
  readonly zeros: boolean;
}

/** Layers that share one mode; more than one only where they are tied. */
type Group = readonly number[];

/** Bisections of the multiplier, and how near its ends are to each other when it is known: what bytes are left by then, rows take up. */
const STEPS = 60;
const NEAR = 1 + 1e-7;

/**
 * Widths of least total damage found within `budget` bytes. Deterministic.
 * @throws UsageError where even the smallest widths take more
 * @throws RangeError for a damaged table
 */
export function allocateRows(table: RowTable, budget: number): RowAllocation {
  checkRowTable(table);
  const problem = new RowProblem(table);
  if (!(budget >= problem.minBytes))
    throw new UsageError(`budget of ${budget} bytes: below the smallest plan of rows, ${problem.minBytes} bytes`);
  const free = problem.search(budget);
  let best = problem.filled(free.feasible, budget);
  // Where layers change their mode all at once, bytes jump: the rows then take up the slack under each of the two sets of modes.
  for (const { modes } of [free.feasible, free.over ?? free.feasible]) {
    const fixed = problem.search(budget, modes);
    if (!fixed.reached) continue;
    const other = problem.filled(fixed.feasible, budget);
    if (other.damage < best.damage) best = other;
  }
  const widths = table.layers.map((layer, l) => Array.from(best.choice[l]!, (j) => layer.widths[j]!));
  return { widths, bytes: best.bytes, damage: best.damage, lowerBound: Math.min(free.bound, best.damage) };
}

/** Choices for one multiplier. */
interface Point {
  readonly multiplier: number;
  readonly modes: readonly number[];
  /** Lagrangian: damage + multiplier * bytes, at most that of any plan. */
  readonly value: number;
  readonly bytes: number;
}

/** By the damages they are of, and by what else they depend on. */
const curves = new WeakMap<Float64Array, Map<string, RowCurve>>();

class RowProblem {
  readonly layers: readonly RowLayer[];
  readonly groups: readonly Group[];
  /** For every layer and width, the damage of all its rows. */
  private readonly whole: readonly Float64Array[];
  private readonly wholeBytes: readonly (readonly number[])[];
  /** A mode below 0 is set -1 - mode of its layer, one of 0 or more the width of all rows. */
  private readonly sets: readonly (readonly WidthSet[])[];
  /** By layer and set. */
  private readonly curves: RowCurve[][];
  /** False where slices have a price: the dual then says nothing. */
  private readonly bounded: boolean;

  constructor(table: RowTable) {
    this.layers = table.layers;
    this.groups = groupsOf(table);
    this.whole = this.layers.map(({ rows, widths, damage }) => {
      const sums = new Float64Array(widths.length);
      for (let r = 0; r < rows; r++) for (let j = 0; j < widths.length; j++) sums[j]! += damage[r * widths.length + j]!;
      return sums;
    });
    this.sets = this.layers.map(setsOf);
    this.curves = this.layers.map(() => []);
    this.bounded = this.layers.every((l) => !l.price.slice);
    this.wholeBytes = this.layers.map((layer) => layer.widths.map((_, j) => uniformBytes(layer, j)));
  }

  get minBytes(): number {
    return this.groups.reduce((n, g) => n + Math.min(...this.uniformModes(g).map((m) => this.groupBytes(g, m))), 0);
  }

  /**
   * The multiplier at which the choices just fit, by bisection.
   * @param fixed a mode for every group that has to be kept
   */
  search(
    budget: number,
    fixed?: readonly number[],
  ): { feasible: Point; over: Point | undefined; bound: number; reached: boolean } {
    let bound = 0;
    const at = (multiplier: number): Point => {
      const point = this.choose(multiplier, fixed);
      const dual = point.value - multiplier * budget;
      // A rounding error must not lift the bound above what is true.
      if (this.bounded && dual > bound) bound = dual - 1e-12 * (point.value + multiplier * budget);
      return point;
    };
    let low = 0;
    let over: Point | undefined = at(0);
    if (over.bytes <= budget) return { feasible: over, over: undefined, bound: over.value, reached: true };
    let high = this.damageScale();
    let feasible = at(high);
    for (let i = 0; feasible.bytes > budget && i < 200; i++) {
      low = high;
      over = feasible;
      high *= 16;
      feasible = at(high);
    }
    if (feasible.bytes > budget) {
      const smallest = this.smallest(fixed);
      return { feasible: smallest, over, bound, reached: smallest.bytes <= budget };
    }
    for (let i = 0; i < STEPS; i++) {
      // Multipliers span many orders of magnitude: the geometric mean, once there is a positive lower end.
      const middle = low > 0 ? Math.sqrt(low) * Math.sqrt(high) : high / 1024;
      if (!(middle > low && middle < high) || high < low * NEAR) break;
      const point = at(middle);
      if (point.bytes <= budget) {
        high = middle;
        feasible = point;
      } else {
        low = middle;
        over = point;
      }
    }
    return { feasible, over, bound, reached: true };
  }

  /** What is left of the budget spent on single rows and layers. */
  filled(point: Point, budget: number): Filling {
    const mixed = this.layers.map(() => false);
    this.groups.forEach((g, i) => {
      if (g.length === 1 && point.modes[i]! < 0) mixed[g[0]!] = true;
    });
    return fillRows(this.layers, this.groups, mixed, this.chosen(point), budget);
  }

  private choose(multiplier: number, fixed?: readonly number[]): Point {
    let value = 0;
    let bytes = 0;
    const modes = this.groups.map((group, i) => {
      let best = Number.POSITIVE_INFINITY;
      let mode = 0;
      for (const m of fixed ? [fixed[i]!] : this.modes(group)) {
        const cost = m >= 0 ? this.uniformCost(group, m, multiplier) : this.mixedCost(group[0]!, m, multiplier);
        if (cost < best) {
          best = cost;
          mode = m;
        }
      }
      value += best;
      if (mode >= 0) bytes += this.groupBytes(group, mode);
      else bytes += this.mixedBytes(group[0]!, mode, multiplier);
      return mode;
    });
    return { multiplier, modes, value, bytes };
  }

  /** The rows' widths at a point. */
  private chosen({ multiplier, modes, bytes }: Point): Filling {
    const choice = this.layers.map(({ rows }) => new Uint8Array(rows));
    this.groups.forEach((group, i) => {
      const mode = modes[i]!;
      if (mode >= 0) for (const l of group) choice[l]!.fill(mode);
      else if (this.oneByOne(group[0]!, mode, multiplier))
        this.mixedCost(group[0]!, mode, multiplier, choice[group[0]!]!);
      else this.curve(group[0]!, mode).choose(multiplier, choice[group[0]!]!);
    });
    const damage = this.layers.reduce((sum, layer, l) => sum + damageOf(layer, choice[l]!), 0);
    return { choice, bytes, damage };
  }

  /** Of a layer whose rows choose each for itself: the bytes at a multiplier. */
  private mixedBytes(l: number, mode: number, multiplier: number): number {
    const layer = this.layers[l]!;
    const counts = layer.widths.map(() => 0);
    if (this.oneByOne(l, mode, multiplier)) {
      const choice = new Uint8Array(layer.rows);
      this.mixedCost(l, mode, multiplier, choice);
      return layerBytes(layer, countsOf(layer, choice));
    }
    this.curve(l, mode).cost(multiplier, counts);
    return layerBytes(layer, counts);
  }

  private curve(l: number, mode: number): RowCurve {
    const own = this.curves[l]!;
    own[-1 - mode] ??= this.makeCurve(l, mode);
    return own[-1 - mode]!;
  }

  private makeCurve(l: number, mode: number): RowCurve {
    const { rows, widths, price, damage } = this.layers[l]!;
    const { widths: allowed } = this.sets[l]![-1 - mode]!;
    const known = curves.get(damage) ?? new Map<string, RowCurve>();
    curves.set(damage, known);
    const key = `${widths};${allowed};${price.codes}`;
    const before = known.get(key);
    if (before) return before;
    const bytes = widths.map((b) => (price.codes * b) / 8);
    const curve = new RowCurve(rows, widths.length, allowed, damage, bytes);
    known.set(key, curve);
    return curve;
  }

  /**
   * Whether rows that choose each for itself are looked at one by one: where there are many sets to choose from, each for few
   * multipliers, and where all would be left out, which no layer may be.
   */
  private oneByOne(l: number, mode: number, multiplier: number): boolean {
    const { rows, widths, price } = this.layers[l]!;
    if (price.slice) return true;
    if (widths[0] !== 0 || !this.sets[l]![-1 - mode]!.widths.includes(0)) return false;
    const counts = widths.map(() => 0);
    this.curve(l, mode).cost(multiplier, counts);
    return counts[0] === rows;
  }

  /** Each group at its mode's fewest bytes. */
  private smallest(fixed?: readonly number[]): Point {
    const modes = this.groups.map((g, i) => {
      if (fixed && fixed[i]! >= 0) return fixed[i]!;
      const modes = this.uniformModes(g);
      const bytes = modes.map((m) => this.groupBytes(g, m));
      return modes[bytes.indexOf(Math.min(...bytes))]!;
    });
    return this.choose(0, modes);
  }

  private modes(group: Group): number[] {
    const mixed = group.length === 1 ? this.sets[group[0]!]!.map((_, i) => -1 - i) : [];
    return [...this.uniformModes(group), ...mixed];
  }

  private uniformModes(group: Group): number[] {
    return this.layers[group[0]!]!.widths.flatMap((b, j) => (b > 0 ? [j] : []));
  }

  private groupBytes(group: Group, mode: number): number {
    return group.reduce((n, l) => n + this.wholeBytes[l]![mode]!, 0);
  }

  private uniformCost(group: Group, mode: number, multiplier: number): number {
    const damage = group.reduce((n, l) => n + this.whole[l]![mode]!, 0);
    return damage + multiplier * this.groupBytes(group, mode);
  }

  /**
   * Least damage + multiplier * bytes of a layer whose rows choose each for itself, codes without padding.
   * @param out where each row's choice is put
   */
  private mixedCost(l: number, mode: number, multiplier: number, out?: Uint8Array): number {
    const { rows, widths, price, damage } = this.layers[l]!;
    const { widths: allowed, zeros } = this.sets[l]![-1 - mode]!;
    if (!out && !this.oneByOne(l, mode, multiplier)) {
      const free = rows * (price.scales + (zeros ? price.zeros : 0)) + price.order;
      return this.curve(l, mode).cost(multiplier) + multiplier * (free + (allowed.length - 1) * (price.slice ?? 0));
    }
    const costs = widths.map((b) => (multiplier * price.codes * b) / 8);
    const fixed = rows * (price.scales + (zeros ? price.zeros : 0)) + price.order;
    let total = multiplier * (fixed + (allowed.length - 1) * (price.slice ?? 0));
    // The row that is the cheapest to keep, and what that would cost, should all others be left out.
    let kept = { row: 0, at: 0, more: Number.POSITIVE_INFINITY };
    let stored = false;
    for (let r = 0; r < rows; r++) {
      let best = Number.POSITIVE_INFINITY;
      let at = 0;
      let some = Number.POSITIVE_INFINITY;
      let someAt = 0;
      for (const j of allowed) {
        const cost = damage[r * widths.length + j]! + costs[j]!;
        if (cost < best) {
          best = cost;
          at = j;
        }
        if (widths[j]! > 0 && cost < some) {
          some = cost;
          someAt = j;
        }
      }
      total += best;
      if (out) out[r] = at;
      stored ||= widths[at]! > 0;
      if (some - best < kept.more) kept = { row: r, at: someAt, more: some - best };
    }
    if (stored) return total;
    if (out) out[kept.row] = kept.at;
    return total + kept.more;
  }

  /** Damage a byte, as a first multiplier. */
  private damageScale(): number {
    let damage = 0;
    for (const sums of this.whole) damage += sums[0]!;
    return damage > 0 ? damage / Math.max(1, this.minBytes) : 1;
  }
}

/** All widths, those without zero points, and, where slices have a price, all small sets. */
function setsOf({ widths, asymmetric, price }: RowLayer): WidthSet[] {
  if (widths.length < 2) return [];
  const all = widths.map((_, j) => j);
  const symmetric = all.filter((j) => !asymmetric.includes(widths[j]!));
  const sets: (readonly number[])[] = [all];
  if (symmetric.length > 1 && symmetric.length < all.length) sets.push(symmetric);
  if (price.slice)
    sets.push(...subsets(all).filter((s) => s.length > 1 && s.length < Math.min(all.length, SET_SIZE + 1)));
  return sets.map((set) => ({ widths: set, zeros: set.some((j) => asymmetric.includes(widths[j]!)) }));
}

function subsets(items: readonly number[]): number[][] {
  return items.reduce<number[][]>((sets, item) => sets.concat(sets.map((s) => [...s, item])), [[]]);
}

/** Layers joined by ties, every other by itself, in the order of the table. @throws UsageError for tied layers of other widths */
function groupsOf({ layers, ties = [] }: RowTable): Group[] {
  const root = layers.map((_, l) => l);
  const find = (l: number): number => {
    let r = l;
    while (root[r] !== r) r = root[r]!;
    return r;
  };
  for (const tie of ties) {
    const members = tie.map((name) => find(layers.findIndex((l) => l.name === name)));
    const first = Math.min(...members);
    for (const m of members) root[m] = first;
  }
  const groups = new Map<number, number[]>();
  layers.forEach((layer, l) => {
    const r = find(l);
    const group = groups.get(r) ?? [];
    group.push(l);
    groups.set(r, group);
    if (layer.widths.join() !== layers[r]!.widths.join())
      throw new UsageError(
        `layers '${layers[r]!.name}' and '${layer.name}': tied to one width but with different ones to choose from`,
      );
  });
  return [...groups.values()];
}

/** How many rows have each width. */
export function countsOf({ widths }: RowLayer, choice: Uint8Array): number[] {
  const counts = widths.map(() => 0);
  for (const j of choice) counts[j]!++;
  return counts;
}

/** Sum of the rows' damages, in the order of the rows. */
export function damageOf({ widths, damage }: RowLayer, choice: Uint8Array): number {
  let sum = 0;
  for (let r = 0; r < choice.length; r++) sum += damage[r * widths.length + choice[r]!]!;
  return sum;
}
