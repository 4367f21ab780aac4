import { cheapestClosure, type Step } from './closure.ts';
import { solveKnapsack } from './knapsack.ts';
import type { Item, Problem, Selection } from './problem.ts';
import type { CostActivations } from './types.ts';

/** Widest weights that are multiplied as integers. */
export const WIDEST_INTEGER = 8;
/** Roundings of activations that are solved at most. */
const MAX_ROUNDINGS = 64;
/** States of one knapsack: many are solved. */
const MAX_STATES = 4000;
const DOUBLINGS = 200;
const HALVINGS = 40;

export interface TogetherOptions {
  /** Most bytes of weights, and of activations where these count. */
  readonly bytes: number;
  /** Whether activations' bytes count. */
  readonly counted: boolean;
  /** Damage that it is worth to have all multiply-adds in integers of 8 bits, in the table's unit; >= 0. */
  readonly price: number;
}

/** Widths of weights and of activations. */
export interface Together {
  readonly selection: Selection;
  /** Group name -> width; 32 is float. */
  readonly bits: ReadonlyMap<string, number>;
  /** Share of the multiply-adds that are of integers; those of 16 bits count half. */
  readonly work: number;
  /** Sum of damages of weights and of groups. */
  readonly damage: number;
  /** `damage` + price (1 - `work`). */
  readonly cost: number;
  /** Proven: nothing within the bytes costs less. Equal to `cost` where that is optimal. */
  readonly lowerBound: number;
}

/**
 * Widths of weights and activations at once: the least sum of damages, plus `price` times the share of the multiply-adds that stay in
 * float, within a number of bytes. A product is of integers where its weight has at most 8 bits and all groups it needs are rounded;
 * it is worth its share of the price then, half of that where one of them has 16 bits.
 *
 * For weights alone this is the multiple-choice knapsack. Which groups are rounded is, once bytes have a price as well (their
 * Lagrange multiplier), a minimum cut, which bounds what any of the roundings can come to. They are gone through by these bounds,
 * the least first (E. L. Lawler, "A procedure for computing the k best solutions", Management Science 18, 1972), each with its own
 * knapsack, until the bound of the next is no less than the best found. Deterministic.
 * @param problem of an objective that is a sum
 */
export function allocateTogether(problem: Problem, part: CostActivations, options: TogetherOptions): Together {
  return new Joint(problem, part, options).solve();
}

/** Part of what products are worth whose widest operand has that many bits. */
function worthOf(bits: number): number {
  return bits > 16 ? 0 : Math.min(1, WIDEST_INTEGER / bits);
}

interface Product {
  /** Index of its weight's item; that after the last of all weights that are no layers, which are narrow. */
  readonly item: number;
  /** Share of all multiply-adds. */
  readonly share: number;
  readonly bytes: number;
  readonly needs: readonly number[];
}

/** Roundings that agree with what is forced, by group step, and the best of them. */
interface Open {
  readonly bound: number;
  readonly forced: ReadonlyMap<number, boolean>;
  readonly chosen: Uint8Array;
}

/** Stands for all weights that are no layers. */
const NO_LAYER: Item = { members: [], params: 0, options: [{ bits: 8, bytes: 0, cost: 0, choices: [] }] };

function unknown(group: string): never {
  throw new RangeError(`cost table, activations: no group '${group}'`);
}

class Joint {
  private readonly items: readonly Item[];
  private readonly products: readonly Product[];
  /** Of each group: its choices from 32 bits downwards. */
  private readonly levels: CostActivations['groups'][number]['choices'][];
  /** Index of each group's first step: from its first level to the next and so on. */
  private readonly first: number[] = [];
  private readonly groupSteps: number;
  private readonly narrow: readonly (readonly number[])[];
  /** Whether bytes or wide weights tie activations to weights. */
  private readonly coupled: boolean;

  constructor(
    private readonly problem: Problem,
    private readonly part: CostActivations,
    private readonly options: TogetherOptions,
  ) {
    const { table } = problem;
    const index = new Map(part.groups.map((g, i) => [g.name, i]));
    this.items = [...problem.items, NO_LAYER];
    const { items } = this;
    this.narrow = items.map(({ options: all }) => all.flatMap((o, j) => (o.bits <= WIDEST_INTEGER ? [j] : [])));
    const total = part.work > 0 ? part.work : 1;
    this.products = part.products.flatMap(({ weight, work, needs, bytes }) => {
      const found = items.findIndex(({ members }) => members.some((l) => table.layers[l]!.weight === weight));
      const item = found < 0 ? items.length - 1 : found;
      if (this.narrow[item]!.length === 0) return [];
      const at = needs.map((n) => index.get(n) ?? unknown(n));
      return [{ item, share: work / total, bytes, needs: at }];
    });
    this.levels = part.groups.map(({ choices }) => [...choices].reverse());
    let steps = 0;
    for (const levels of this.levels) {
      this.first.push(steps);
      steps += levels.length - 1;
    }
    this.groupSteps = steps;
    const wide = this.products.some(({ item }) => this.narrow[item]!.length < items[item]!.options.length);
    this.coupled = wide || options.counted;
  }

  solve(): Together {
    const { bytes } = this.options;
    const multiplier = this.coupled ? this.multiplier() : 0;
    const base = this.base(multiplier);
    const steps = this.steps(multiplier);
    const root = cheapestClosure(steps)!;
    const queue: Open[] = [{ bound: base + root.cost, forced: new Map(), chosen: root.chosen }];
    let best: Together | undefined;
    let proved = Number.POSITIVE_INFINITY;
    for (let tried = 0; tried < MAX_ROUNDINGS; tried++) {
      const next = queue.shift();
      if (!next || (best && next.bound >= best.cost)) break;
      const found = this.within(this.labels(next.chosen), bytes);
      if (found && (!best || found.cost < best.cost)) best = found;
      if (found) proved = Math.min(proved, found.lowerBound);
      if (!this.coupled) return best!;
      for (const open of this.parts(next, steps, base)) queue.push(open);
      queue.sort((a, b) => a.bound - b.bound);
    }
    best ??= this.within(
      this.part.groups.map(() => 0),
      bytes,
    )!;
    const lowerBound = Math.min(best.cost, proved, queue[0]?.bound ?? Number.POSITIVE_INFINITY);
    return { ...best, lowerBound };
  }

  /** What is left of a set of roundings without its best one, in parts that do not overlap. */
  private *parts({ forced, chosen }: Open, steps: readonly Step[], base: number): Generator<Open> {
    const before = new Map(forced);
    for (let i = 0; i < this.groupSteps; i++) {
      if (forced.has(i)) continue;
      const now = chosen[i] === 1;
      const own = new Map(before).set(i, !now);
      const found = cheapestClosure(steps, own);
      if (found) yield { bound: base + found.cost, forced: own, chosen: found.chosen };
      before.set(i, now);
    }
  }

  /** The price of a byte at which the bound is best: 0 where bytes are no matter. */
  private multiplier(): number {
    const { bytes } = this.options;
    const over = (multiplier: number): boolean => {
      const { chosen } = cheapestClosure(this.steps(multiplier))!;
      return this.bytesAt(multiplier, chosen) > bytes;
    };
    if (!over(0)) return 0;
    const { items } = this;
    const scale = items.reduce((n, it) => n + it.options.reduce((m, o) => Math.max(m, o.cost), 0), this.options.price);
    let high = (scale > 0 ? scale : 1) / Math.max(1, this.problem.maxBytes) / 2 ** 40;
    let low = 0;
    for (let i = 0; i < DOUBLINGS && over(high); i++) {
      low = high;
      high *= 2;
    }
    for (let i = 0; i < HALVINGS; i++) {
      const middle = (low + high) / 2;
      if (over(middle)) low = middle;
      else high = middle;
    }
    return high;
  }

  /** Bytes of what is best at that price of a byte. */
  private bytesAt(multiplier: number, chosen: Uint8Array): number {
    const labels = this.labels(chosen);
    const integer = new Set<number>();
    for (const [i, p] of this.products.entries()) if (chosen[this.productStep(i)]) integer.add(p.item);
    const weights = this.items.reduce((n, { options }, i) => {
      const at = integer.has(i) ? this.narrow[i]! : options.map((_, j) => j);
      const best = at.reduce((a, b) =>
        options[b]!.cost + multiplier * options[b]!.bytes < options[a]!.cost + multiplier * options[a]!.bytes ? b : a,
      );
      return n + options[best]!.bytes;
    }, 0);
    return weights + this.activationBytes(labels);
  }

  /** What everything costs with all activations in float, each weight at its best for that price of a byte, less what the budget pays. */
  private base(multiplier: number): number {
    const { price, bytes } = this.options;
    const weights = this.items.reduce((n, _, i) => n + this.cheapest(i, multiplier, false), 0);
    const floats = this.levels.reduce((n, l) => n + l[0]!.damage + multiplier * this.counted(l[0]!.bytes), 0);
    return weights + floats + price - multiplier * bytes;
  }

  private cheapest(item: number, multiplier: number, integer: boolean): number {
    const { options } = this.items[item]!;
    const cost = (j: number) => options[j]!.cost + multiplier * options[j]!.bytes;
    return integer
      ? this.narrow[item]!.reduce((n, j) => Math.min(n, cost(j)), Number.POSITIVE_INFINITY)
      : options.reduce((n, _, j) => Math.min(n, cost(j)), Number.POSITIVE_INFINITY);
  }

  /** Steps of groups, from each level to the next; of items, to weights narrow enough; of products, two each. */
  private steps(multiplier: number): Step[] {
    const { price } = this.options;
    const steps: Step[] = [];
    for (const [g, levels] of this.levels.entries())
      for (let k = 1; k < levels.length; k++) {
        const [from, to] = [levels[k - 1]!, levels[k]!];
        const cost = to.damage - from.damage + multiplier * (this.counted(to.bytes) - this.counted(from.bytes));
        steps.push({ cost, needs: k > 1 ? [this.first[g]! + k - 2] : [] });
      }
    for (let i = 0; i < this.items.length; i++) {
      const none = this.narrow[i]!.length === 0;
      const cost = none ? 0 : this.cheapest(i, multiplier, true) - this.cheapest(i, multiplier, false);
      steps.push({ cost, needs: [] });
    }
    for (const [i, { item, share, bytes, needs }] of this.products.entries()) {
      const wide = this.stepsAt(needs, 16);
      const full = this.stepsAt(needs, WIDEST_INTEGER);
      const at = this.productStep(i);
      const both = wide !== undefined && full !== undefined && String(wide) !== String(full);
      const taken = multiplier * this.counted(bytes);
      const narrow = this.groupSteps + item;
      const worth = price * share;
      if (wide === undefined) {
        // Of groups that cannot all be rounded: never chosen.
        steps.push({ cost: 0, needs: [at + 1] }, { cost: 0, needs: [] });
        continue;
      }
      const least = both || full === undefined ? worthOf(16) : 1;
      steps.push({ cost: taken - worth * least, needs: [...wide, narrow] });
      steps.push(both ? { cost: -worth * (1 - least), needs: [...full, at] } : { cost: 0, needs: [at] });
    }
    return steps;
  }

  private productStep(product: number): number {
    return this.groupSteps + this.items.length + 2 * product;
  }

  /** The steps at which groups have at most that many bits; undefined where one of them never has. */
  private stepsAt(needs: readonly number[], bits: number): number[] | undefined {
    const at = needs.map((g) => {
      const level = this.levels[g]!.findIndex((c) => c.bits <= bits);
      return level <= 0 ? -1 : this.first[g]! + level - 1;
    });
    return at.includes(-1) ? undefined : at;
  }

  /** Level of each group. */
  private labels(chosen: Uint8Array): number[] {
    return this.levels.map((levels, g) => {
      let level = 0;
      while (level < levels.length - 1 && chosen[this.first[g]! + level]) level++;
      return level;
    });
  }

  private counted(bytes: number): number {
    return this.options.counted ? bytes : 0;
  }

  /** Part of its worth that each product has with these levels, where its weight is narrow. */
  private worths(labels: readonly number[]): number[] {
    return this.products.map(({ needs }) =>
      worthOf(needs.reduce((n, g) => Math.max(n, this.levels[g]![labels[g]!]!.bits), 0)),
    );
  }

  private activationBytes(labels: readonly number[]): number {
    const groups = this.levels.reduce((n, levels, g) => n + this.counted(levels[labels[g]!]!.bytes), 0);
    const worths = this.worths(labels);
    return groups + this.products.reduce((n, p, i) => n + (worths[i]! > 0 ? this.counted(p.bytes) : 0), 0);
  }

  /** The best weights beside activations of these levels; undefined where none fit. */
  private within(labels: readonly number[], bytes: number): Together | undefined {
    const { items } = this;
    const { price } = this.options;
    const worths = this.worths(labels);
    const worth = new Float64Array(items.length);
    const taken = new Float64Array(items.length);
    for (const [i, { item, share, bytes: own }] of this.products.entries()) {
      worth[item]! += share * worths[i]!;
      if (worths[i]! > 0) taken[item]! += this.counted(own);
    }
    const integer = (bits: number) => bits <= WIDEST_INTEGER;
    const groups = this.levels.map((levels, g) => levels[labels[g]!]!);
    const room = bytes - groups.reduce((n, c) => n + this.counted(c.bytes), 0);
    const classes = items.map(({ options }, i) => ({
      weights: options.map((o) => o.bytes + (integer(o.bits) ? taken[i]! : 0)),
      costs: options.map((o) => o.cost + price * (integer(o.bits) ? 0 : worth[i]!)),
    }));
    const found = solveKnapsack(classes, room, MAX_STATES);
    if (!found) return undefined;
    const work = items.reduce((n, { options }, i) => n + (integer(options[found.choice[i]!]!.bits) ? worth[i]! : 0), 0);
    const selection = found.choice.subarray(0, items.length - 1);
    const damages = groups.reduce((n, c) => n + c.damage, 0);
    const damage = this.problem.value(selection) + damages;
    const cost = damage + price * (1 - work);
    const whole = worth.reduce((a, b) => a + b, 0);
    const lowerBound =
      found.lowerBound >= found.cost ? cost : Math.min(cost, found.lowerBound + damages + price * (1 - whole));
    const bits = new Map(this.part.groups.map((g, i) => [g.name, groups[i]!.bits]));
    return { selection, bits, work, damage, cost, lowerBound };
  }
}
