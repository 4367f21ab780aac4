/**
 * The multiple-choice knapsack: one option from each class, least total cost, total weight at most the capacity.
 *
 * Solved to proven optimality by dominance, the linear-programming bound of Dyer and Zemel (each class replaced by its lower
 * convex hull: Zemel, "An O(n) algorithm for the linear multiple choice knapsack problem", 1984), elimination of options by
 * reduced cost, and dynamic programming over Pareto states (weight, cost) pruned by that bound of the classes left. Costs are
 * only ever added, never subtracted from a large total, so tables whose damages span many orders of magnitude keep their
 * digits. Deterministic. Weights and costs may be any finite numbers; sums are rounded as doubles are, and optimality is up to
 * that rounding.
 */
export interface KnapsackClass {
  readonly weights: ArrayLike<number>;
  readonly costs: ArrayLike<number>;
}

export interface KnapsackResult {
  /** Option of each class. */
  readonly choice: Int32Array;
  readonly cost: number;
  readonly weight: number;
  /** No solution costs less than this; equal to `cost` where optimality is proved. */
  readonly lowerBound: number;
}

/** States kept at a stage before the search becomes a heuristic with a proven bound. */
export const MAX_STATES = 20_000;
/** States kept over all stages, which bounds the memory to about 60 MB. */
const MAX_RECORDS = 8_000_000;

interface Entry {
  readonly weight: number;
  readonly cost: number;
  readonly index: number;
}

/** Part of the convex hull of a class: from one hull option to the next heavier one. */
interface Segment {
  readonly cls: number;
  readonly weight: number;
  readonly cost: number;
  /** Cost saved per unit of weight. */
  readonly slope: number;
  readonly to: number;
}

/**
 * @param maxStates cap on Pareto states; past it the best solution found is returned with the bound that is proved
 * @returns undefined where no choice fits
 */
export function solveKnapsack(
  classes: readonly KnapsackClass[],
  capacity: number,
  maxStates = MAX_STATES,
): KnapsackResult | undefined {
  let reduced = classes.map(undominated);
  const least = reduced.reduce((n, c) => n + c[0]!.weight, 0);
  if (!(least <= capacity)) return undefined;
  const root = new Relaxation(reduced, 0);
  const bound = root.bound(capacity);
  let best = complete(reduced, root, 0, capacity);
  if (best.cost <= bound) return { ...best, lowerBound: best.cost };
  // A narrow search first: it finds a solution near the optimum, with which far more options are eliminated.
  let lower = bound;
  for (const cap of [Math.min(400, maxStates), maxStates]) {
    reduced = eliminate(reduced, root.slopeAt(capacity), bound, best);
    const found = search(reduced, capacity, best, cap);
    best = found.best;
    lower = Math.max(lower, Math.min(found.lowerBound, best.cost));
    if (lower >= best.cost) break;
  }
  return { ...best, lowerBound: Math.min(lower, best.cost) };
}

interface Found {
  readonly cost: number;
  readonly weight: number;
  /** Original option indices. */
  readonly choice: Int32Array;
}

/** Options of a class that no lighter or equal one undercuts, ascending in weight, descending in cost. */
function undominated(c: KnapsackClass): Entry[] {
  const all: Entry[] = [];
  for (let j = 0; j < c.weights.length; j++) all.push({ weight: c.weights[j]!, cost: c.costs[j]!, index: j });
  all.sort((a, b) => a.weight - b.weight || a.cost - b.cost || a.index - b.index);
  const out: Entry[] = [];
  for (const e of all) if (out.length === 0 || e.cost < out[out.length - 1]!.cost) out.push(e);
  return out;
}

/** Indices of the lower convex hull of undominated options. */
function hull(entries: readonly Entry[]): number[] {
  const out: number[] = [];
  for (let j = 0; j < entries.length; j++) {
    while (out.length >= 2) {
      const a = entries[out[out.length - 2]!]!;
      const b = entries[out[out.length - 1]!]!;
      const c = entries[j]!;
      if ((a.cost - b.cost) * (c.weight - b.weight) > (b.cost - c.cost) * (b.weight - a.weight)) break;
      out.pop();
    }
    out.push(j);
  }
  return out;
}

/** The linear relaxation of the classes from `from` on: least cost as a convex piecewise linear function of the capacity. */
class Relaxation {
  /** Best segments first. */
  readonly segments: readonly Segment[];
  /** Weight and cost with the segments from k on taken away, counted from all classes at their cheapest option. */
  private readonly weights: Float64Array;
  private readonly costs: Float64Array;

  constructor(classes: readonly (readonly Entry[])[], from: number, segments?: readonly Segment[]) {
    this.segments = segments ? segments.filter((s) => s.cls >= from) : allSegments(classes);
    const n = this.segments.length;
    this.weights = new Float64Array(n + 1);
    this.costs = new Float64Array(n + 1);
    let weight = 0;
    let cost = 0;
    for (let i = from; i < classes.length; i++) {
      weight += classes[i]![0]!.weight;
      cost += classes[i]![classes[i]!.length - 1]!.cost;
    }
    this.weights[0] = weight;
    for (let k = 0; k < n; k++) this.weights[k + 1] = this.weights[k]! + this.segments[k]!.weight;
    this.costs[n] = cost;
    for (let k = n - 1; k >= 0; k--) this.costs[k] = this.costs[k + 1]! + this.segments[k]!.cost;
  }

  /** Number of whole segments that fit. */
  private count(capacity: number): number {
    let lo = 0;
    let hi = this.segments.length;
    while (lo < hi) {
      const mid = (lo + hi + 1) >> 1;
      if (this.weights[mid]! <= capacity) lo = mid;
      else hi = mid - 1;
    }
    return lo;
  }

  /** Least cost of the relaxation; Infinity where even the lightest options do not fit. */
  bound(capacity: number, hint?: { k: number }): number {
    if (capacity < this.weights[0]!) return Number.POSITIVE_INFINITY;
    let k: number;
    if (hint) {
      // Capacities are asked in descending order: the pointer only moves down.
      k = Math.min(hint.k, this.segments.length);
      while (this.weights[k]! > capacity) k--;
      hint.k = k;
    } else k = this.count(capacity);
    const s = this.segments[k];
    if (!s) return this.costs[k]!;
    return this.costs[k + 1]! + s.cost * ((this.weights[k + 1]! - capacity) / s.weight);
  }

  /** Cost saved per unit of weight at that capacity: the multiplier of the capacity constraint. */
  slopeAt(capacity: number): number {
    return this.segments[this.count(capacity)]?.slope ?? 0;
  }
}

function allSegments(classes: readonly (readonly Entry[])[]): Segment[] {
  const out: Segment[] = [];
  classes.forEach((entries, cls) => {
    const h = hull(entries);
    // Slopes descend within a class; rounding must not let a later segment overtake an earlier one.
    let slope = Number.POSITIVE_INFINITY;
    for (let k = 1; k < h.length; k++) {
      const a = entries[h[k - 1]!]!;
      const b = entries[h[k]!]!;
      const weight = b.weight - a.weight;
      const cost = a.cost - b.cost;
      slope = Math.min(slope, cost / weight);
      out.push({ cls, weight, cost, slope, to: h[k]! });
    }
  });
  return out.sort((a, b) => b.slope - a.slope || a.cls - b.cls || a.to - b.to);
}

/** A solution of the classes from `from` on: segments in order while they fit, then any single step up that still fits. */
function complete(classes: readonly (readonly Entry[])[], lp: Relaxation, from: number, capacity: number): Found {
  const at = new Int32Array(classes.length);
  const blocked = new Uint8Array(classes.length);
  let left = capacity;
  for (let i = from; i < classes.length; i++) left -= classes[i]![0]!.weight;
  for (const s of lp.segments) {
    if (blocked[s.cls]) continue;
    if (s.weight <= left) {
      left -= s.weight;
      at[s.cls] = s.to;
    } else blocked[s.cls] = 1;
  }
  for (let i = from; i < classes.length; i++) {
    const entries = classes[i]!;
    for (let j = entries.length - 1; j > at[i]!; j--) {
      const need = entries[j]!.weight - entries[at[i]!]!.weight;
      if (need <= left) {
        left -= need;
        at[i] = j;
        break;
      }
    }
  }
  let cost = 0;
  let weight = 0;
  const choice = new Int32Array(classes.length);
  for (let i = from; i < classes.length; i++) {
    const e = classes[i]![at[i]!]!;
    cost += e.cost;
    weight += e.weight;
    choice[i] = e.index;
  }
  return { cost, weight, choice };
}

/** Options that no solution better than `best` can contain are dropped: their reduced cost alone exceeds the gap. */
function eliminate(classes: readonly (readonly Entry[])[], lambda: number, bound: number, best: Found): Entry[][] {
  return classes.map((entries, i) => {
    let least = Number.POSITIVE_INFINITY;
    for (const e of entries) least = Math.min(least, e.cost + lambda * e.weight);
    return entries.filter((e) => {
      const slack = 1e-12 * (Math.abs(e.cost) + Math.abs(lambda * e.weight) + Math.abs(best.cost));
      return e.index === best.choice[i] || bound + (e.cost + lambda * e.weight - least) < best.cost + slack;
    });
  });
}

/** Pareto states of one stage, ascending in weight and descending in cost. */
interface Stage {
  readonly weights: Float64Array;
  readonly costs: Float64Array;
  readonly parents: Int32Array;
  readonly options: Uint16Array;
}

function search(
  classes: readonly (readonly Entry[])[],
  capacity: number,
  start: Found,
  maxStates: number,
): { best: Found; lowerBound: number } {
  let best = start;
  // Settled classes first: states grow only where something is left to decide, the most undecided classes last.
  const lambda = new Relaxation(classes, 0).slopeAt(capacity);
  const order = classes
    .map((_, i) => i)
    .sort((a, b) => spread(classes[b]!, lambda) - spread(classes[a]!, lambda) || a - b);
  const ordered = order.map((i) => classes[i]!);
  const segments = allSegments(ordered);
  const cap = Math.max(16, Math.min(maxStates, Math.floor(MAX_RECORDS / ordered.length)));
  const stages: Stage[] = [];
  let current: Stage = {
    weights: new Float64Array(1),
    costs: new Float64Array(1),
    parents: new Int32Array(1),
    options: new Uint16Array(1),
  };
  let dropped = Number.POSITIVE_INFINITY;

  const restore = (stage: number, state: number, tail: Found | null): Found => {
    const choice = new Int32Array(classes.length);
    if (tail) for (let k = stage + 1; k < ordered.length; k++) choice[order[k]!] = tail.choice[k]!;
    let s = state;
    for (let k = stage; k >= 0; k--) {
      choice[order[k]!] = ordered[k]![stages[k]!.options[s]!]!.index;
      s = stages[k]!.parents[s]!;
    }
    return {
      choice,
      cost: stages[stage]!.costs[state]! + (tail?.cost ?? 0),
      weight: stages[stage]!.weights[state]! + (tail?.weight ?? 0),
    };
  };

  for (let k = 0; k < ordered.length; k++) {
    const lp = new Relaxation(ordered, k + 1, segments);
    const grown = extend(current, ordered[k]!, lp, capacity, best.cost);
    const trimmed = trim(grown, lp, capacity, cap);
    dropped = Math.min(dropped, trimmed.dropped);
    current = trimmed.stage;
    stages.push(current);
    const n = current.weights.length;
    if (n === 0) break;
    if (k === ordered.length - 1) {
      if (current.costs[n - 1]! < best.cost) best = restore(k, n - 1, null);
      break;
    }
    const promising = leastBound(current, lp, capacity);
    const tail = complete(ordered, lp, k + 1, capacity - current.weights[promising]!);
    if (current.costs[promising]! + tail.cost < best.cost) best = restore(k, promising, tail);
  }
  return { best, lowerBound: Math.min(dropped, best.cost) };
}

/** Least reduced cost of leaving a class's best option; Infinity where nothing is left to decide. */
function spread(entries: readonly Entry[], lambda: number): number {
  let first = Number.POSITIVE_INFINITY;
  let second = Number.POSITIVE_INFINITY;
  for (const e of entries) {
    const r = e.cost + lambda * e.weight;
    if (r < first) {
      second = first;
      first = r;
    } else if (r < second) second = r;
  }
  return second === Number.POSITIVE_INFINITY ? Number.MAX_VALUE : second - first;
}

/** Every state with every option of the next class, merged in order of weight; dominated and hopeless ones left out. */
function extend(from: Stage, entries: readonly Entry[], lp: Relaxation, capacity: number, ceiling: number): Stage {
  const n = from.weights.length;
  const room = n * entries.length;
  const weights = new Float64Array(room);
  const costs = new Float64Array(room);
  const parents = new Int32Array(room);
  const options = new Uint16Array(room);
  const heads = new Int32Array(entries.length);
  const hint = { k: lp.segments.length };
  let size = 0;
  let lastCost = Number.POSITIVE_INFINITY;
  for (;;) {
    let pick = -1;
    let w = 0;
    let c = 0;
    for (let j = 0; j < entries.length; j++) {
      const s = heads[j]!;
      if (s >= n) continue;
      const wj = from.weights[s]! + entries[j]!.weight;
      const cj = from.costs[s]! + entries[j]!.cost;
      if (pick < 0 || wj < w || (wj === w && cj < c)) {
        pick = j;
        w = wj;
        c = cj;
      }
    }
    if (pick < 0 || w > capacity) break;
    const parent = heads[pick]!;
    heads[pick] = parent + 1;
    if (!(c < lastCost)) continue;
    if (!(c + lp.bound(capacity - w, hint) < ceiling)) continue;
    lastCost = c;
    weights[size] = w;
    costs[size] = c;
    parents[size] = parent;
    options[size] = pick;
    size++;
  }
  return {
    weights: weights.slice(0, size),
    costs: costs.slice(0, size),
    parents: parents.slice(0, size),
    options: options.slice(0, size),
  };
}

/** At most `cap` states, those of least bound; `dropped` is the least bound of the others. */
function trim(stage: Stage, lp: Relaxation, capacity: number, cap: number): { stage: Stage; dropped: number } {
  const n = stage.weights.length;
  if (n <= cap) return { stage, dropped: Number.POSITIVE_INFINITY };
  const bounds = Float64Array.from(stage.weights, (w, s) => stage.costs[s]! + lp.bound(capacity - w));
  const sorted = bounds.slice().sort();
  const limit = sorted[cap]!;
  const keep: number[] = [];
  let ties = cap;
  for (let s = 0; s < n; s++) if (bounds[s]! < limit) ties--;
  for (let s = 0; s < n; s++) if (bounds[s]! < limit || (bounds[s] === limit && ties-- > 0)) keep.push(s);
  return {
    stage: {
      weights: Float64Array.from(keep, (s) => stage.weights[s]!),
      costs: Float64Array.from(keep, (s) => stage.costs[s]!),
      parents: Int32Array.from(keep, (s) => stage.parents[s]!),
      options: Uint16Array.from(keep, (s) => stage.options[s]!),
    },
    dropped: limit,
  };
}

function leastBound(stage: Stage, lp: Relaxation, capacity: number): number {
  let at = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let s = 0; s < stage.weights.length; s++) {
    const b = stage.costs[s]! + lp.bound(capacity - stage.weights[s]!);
    if (b < least) {
      least = b;
      at = s;
    }
  }
  return at;
}
