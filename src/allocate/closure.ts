/** Something that may be chosen. */
export interface Step {
  /** What choosing it costs; below 0 what it gains. */
  readonly cost: number;
  /** Indices of steps that must be chosen where this one is. */
  readonly needs: readonly number[];
}

export interface Closure {
  /** 1 for steps that are chosen. */
  readonly chosen: Uint8Array;
  readonly cost: number;
}

/**
 * The steps of least total cost among all sets in which whatever is chosen has what it needs; of equal ones the smallest set. A
 * minimum cut (J.-C. Picard, "Maximal closure of a graph and applications to combinatorial problems", Management Science 22, 1976),
 * found by a maximum flow along shortest paths (E. A. Dinic, 1970). Exact up to the rounding of sums. Deterministic.
 * @param forced a step -> whether it is chosen; all others are free
 * @returns undefined where what is forced contradicts itself
 */
export function cheapestClosure(
  steps: readonly Step[],
  forced: ReadonlyMap<number, boolean> = new Map(),
): Closure | undefined {
  if (contradicts(steps, forced)) return undefined;
  const flow = new Flow(steps.length + 2);
  const [source, sink] = [steps.length, steps.length + 1];
  for (const [i, { cost, needs }] of steps.entries()) {
    const must = forced.get(i);
    if (must === true) flow.add(source, i, Number.POSITIVE_INFINITY);
    else if (must === false) flow.add(i, sink, Number.POSITIVE_INFINITY);
    // What is forced costs what it costs: it decides nothing.
    else if (cost < 0) flow.add(source, i, -cost);
    if (must === undefined && cost > 0) flow.add(i, sink, cost);
    for (const j of needs) flow.add(i, j, Number.POSITIVE_INFINITY);
  }
  flow.fill(source, sink);
  const reached = flow.levels(source);
  const chosen = Uint8Array.from(steps, (_, i) => (reached[i]! >= 0 ? 1 : 0));
  return { chosen, cost: steps.reduce((sum, s, i) => (chosen[i] ? sum + s.cost : sum), 0) };
}

/** Whether something forced in needs, at whatever remove, something forced out. */
function contradicts(steps: readonly Step[], forced: ReadonlyMap<number, boolean>): boolean {
  const stack = [...forced].flatMap(([i, chosen]) => (chosen ? [i] : []));
  const seen = new Set(stack);
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    if (forced.get(at) === false) return true;
    for (const next of steps[at]!.needs) {
      if (seen.has(next)) continue;
      seen.add(next);
      stack.push(next);
    }
  }
  return false;
}

/** A network of edges in pairs, edge i's reverse being i ^ 1. */
class Flow {
  readonly #from: number[][];
  readonly #to: number[] = [];
  readonly #room: number[] = [];

  constructor(nodes: number) {
    this.#from = Array.from({ length: nodes }, () => []);
  }

  add(a: number, b: number, capacity: number): void {
    this.#from[a]!.push(this.#to.length);
    this.#to.push(b);
    this.#room.push(capacity);
    this.#from[b]!.push(this.#to.length);
    this.#to.push(a);
    this.#room.push(0);
  }

  /** Steps from the source along edges with room; -1 where there is no way. */
  levels(source: number): Int32Array {
    const level = new Int32Array(this.#from.length).fill(-1);
    level[source] = 0;
    const queue = [source];
    for (let head = 0; head < queue.length; head++) {
      const at = queue[head]!;
      for (const e of this.#from[at]!) {
        const next = this.#to[e]!;
        if (level[next]! >= 0 || !(this.#room[e]! > 0)) continue;
        level[next] = level[at]! + 1;
        queue.push(next);
      }
    }
    return level;
  }

  /** Sends as much as there is room for. Every path fills one edge to the last bit, so that rounding keeps nothing open. */
  fill(source: number, sink: number): void {
    for (;;) {
      const level = this.levels(source);
      if (level[sink]! < 0) return;
      const next = new Int32Array(this.#from.length);
      while (this.#path(source, sink, level, next));
    }
  }

  #path(source: number, sink: number, level: Int32Array, next: Int32Array): boolean {
    const edges: number[] = [];
    let at = source;
    while (at !== sink) {
      const own = this.#from[at]!;
      while (next[at]! < own.length) {
        const e = own[next[at]!]!;
        if (this.#room[e]! > 0 && level[this.#to[e]!] === level[at]! + 1) break;
        next[at]!++;
      }
      if (next[at]! < own.length) {
        const e = own[next[at]!]!;
        edges.push(e);
        at = this.#to[e]!;
      } else {
        const back = edges.pop();
        if (back === undefined) return false;
        at = this.#to[back ^ 1]!;
        next[at]!++;
      }
    }
    const least = edges.reduce((n, e) => Math.min(n, this.#room[e]!), Number.POSITIVE_INFINITY);
    for (const e of edges) {
      this.#room[e]! -= least;
      this.#room[e ^ 1]! += least;
    }
    return true;
  }
}
