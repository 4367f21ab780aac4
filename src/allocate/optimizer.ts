import { TargetError, UsageError } from '../errors.ts';
import { candidateSelections } from './candidates.ts';
import { fewestBytes } from './exact.ts';
import { apply, neighbours } from './local.ts';
import { Problem, type ProblemOptions, type Selection } from './problem.ts';
import { runStrategy, type StrategyName } from './strategies.ts';
import type { CostTable, Granularity, Plan } from './types.ts';
import { uniformEndsSelection, uniformSelection } from './uniform.ts';

/** Average bits a weight, or bytes; both count codes, scales and zero points. */
export type Budget = { readonly averageBits: number } | { readonly bytes: number };

/** What a `BitWidthOptimizer` may be told: what restricts its plans, and what is written into them. */
export interface OptimizerOptions extends ProblemOptions {
  /** Written into the plan; the table was made with it. 'channel' where absent. */
  readonly granularity?: Granularity | undefined;
  /** Written into the plan, one answer or one a width. true where absent. */
  readonly symmetric?: boolean | ((bits: number) => boolean) | undefined;
  /** Written into the plan. 'nearest' where absent. */
  readonly rounding?: string | undefined;
  /** Written into the plan, one answer or one for each weight and width. 'dense' where absent. */
  readonly format?: string | ((weight: string, bits: number) => string) | undefined;
  /** Cap on the states of the exact strategy; past it a plan comes with its proven gap. */
  readonly maxStates?: number | undefined;
}

/** Neighbours of a plan that are looked at. */
const MAX_NEIGHBOURS = 5000;

/**
 * Chooses a width for every layer of a cost table under a budget: the seed document's minimise sum of damages subject to
 * sum of bytes <= B, for any metric that made the table and any objective. Pure and deterministic.
 */
export class BitWidthOptimizer {
  /** The table with pins, ties and widths applied. */
  readonly problem: Problem;

  /**
   * @throws UsageError for an unknown objective or layer, a width no layer has, or contradicting pins and ties
   * @throws TypeError, RangeError for a damaged table or option
   */
  constructor(
    readonly table: CostTable,
    private readonly options: OptimizerOptions = {},
  ) {
    this.problem = new Problem(table, options);
  }

  /** Bytes of the smallest and the largest plan, and the average bits they are. */
  get limits(): { minBytes: number; maxBytes: number; minAverageBits: number; maxAverageBits: number } {
    const { minBytes, maxBytes, params } = this.problem;
    return { minBytes, maxBytes, minAverageBits: (8 * minBytes) / params, maxAverageBits: (8 * maxBytes) / params };
  }

  /**
   * The plan of one strategy, `best` of them where none is named.
   * @throws UsageError for a budget below the smallest plan or above the largest, naming both
   */
  optimize(budget: Budget, strategy: StrategyName = 'best'): Plan {
    const bytes = this.bytesOf(budget);
    const found = runStrategy(strategy, this.problem, bytes, this.options.maxStates);
    return this.plan(found.selection, found.strategy, found.lowerBound);
  }

  /** Uniform at the same bytes: the largest width that fits for all, then one more bit layer by layer in graph order. */
  uniform(budget: Budget): Plan {
    const bytes = this.bytesOf(budget);
    const selection = uniformSelection(this.problem, bytes);
    if (!selection) throw new UsageError(`uniform: no width fits all layers in ${bytes} bytes; ${this.rangeText()}`);
    return this.plan(selection, 'uniform', null);
  }

  /** Uniform with the first and the last layer at `bits`; undefined where that does not fit the budget. */
  uniformEnds(budget: Budget, bits = 8): Plan | undefined {
    const selection = uniformEndsSelection(this.problem, this.bytesOf(budget), bits);
    return selection && this.plan(selection, 'uniform-ends', null);
  }

  /**
   * The smallest plan with an objective of at most `target`, and of plans of that size the best. Proved for sums and maxima
   * (see `smallestBytes`); for a custom objective found by trying budgets.
   * @throws TargetError where no plan reaches the target, naming the least objective there is
   */
  minimumFor(target: number): Plan {
    const { bytes } = this.smallestBytes(target);
    const found = runStrategy('best', this.problem, bytes, this.options.maxStates);
    return this.plan(found.selection, found.strategy, found.lowerBound);
  }

  /** Fewest bytes of a plan with an objective of at most `target`, and the proven bound below which there is none. */
  smallestBytes(target: number): { bytes: number; lowerBound: number | null } {
    if (typeof target !== 'number') throw new TypeError(`target: expected a number, got ${typeof target}`);
    if (Number.isNaN(target)) throw new RangeError('target: expected a number, got NaN');
    const found =
      this.problem.objective.combine === 'custom'
        ? this.searchBytes(target)
        : fewestBytes(this.problem, target, this.options.maxStates);
    if (found) return found;
    const { maxBytes } = this.problem;
    const least = this.problem.value(runStrategy('best', this.problem, maxBytes, this.options.maxStates).selection);
    throw new TargetError(
      `target of ${target} for objective '${this.problem.objectiveName}': out of reach, the largest widths allowed predict ${least}`,
    );
  }

  /**
   * The best few different plans within the budget, for a check of the whole network: the sum of single-layer damages misses
   * interactions. The first is `optimize`'s; then come plans of another kind (other objectives and strategies, the narrowest
   * widths forbidden) that predict at most 5 times its damage, then its neighbours by one or two moves, each in order of the
   * objective.
   */
  candidates(budget: Budget, count: number): Plan[] {
    if (!Number.isInteger(count) || count < 1)
      throw new RangeError(`candidates: expected a count of at least 1, got ${count}`);
    const bytes = this.bytesOf(budget);
    return candidateSelections(this.problem, bytes, count, this.options.maxStates).map((c) =>
      this.plan(c.selection, c.strategy, c.lowerBound),
    );
  }

  /**
   * Plans one or two moves from `plan` within the budget, the best on the table first. For a check of the whole network where
   * the table is not to be trusted to the last.
   * @throws UsageError for a plan whose widths are not on the table
   */
  neighbours(plan: Plan, budget: Budget, count: number): Plan[] {
    const bytes = this.bytesOf(budget);
    const selection = this.selectionOf(new Map(plan.layers.map((l) => [l.name, l.bits])));
    const near: { moved: Selection; value: number }[] = [];
    for (const move of neighbours(this.problem, selection, bytes)) {
      if (near.length >= MAX_NEIGHBOURS) break;
      const moved = apply(selection, move);
      near.push({ moved, value: this.problem.value(moved) });
    }
    near.sort((a, b) => a.value - b.value);
    return near.slice(0, count).map(({ moved }) => this.plan(moved, plan.strategy, null));
  }

  /** Plans at `count` budgets evenly spaced from the smallest plan to the largest, those that a smaller one beats left out. */
  frontier(count = 16): Plan[] {
    if (!Number.isInteger(count) || count < 2 || count > 10_000)
      throw new RangeError(`frontier: expected 2 to 10000 points, got ${count}`);
    const { minBytes, maxBytes } = this.problem;
    const out: Plan[] = [];
    for (let k = 0; k < count; k++) {
      const plan = this.optimize({ bytes: minBytes + Math.floor(((maxBytes - minBytes) * k) / (count - 1)) });
      const last = out[out.length - 1];
      if (!last || (plan.bytes > last.bytes && plan.predicted < last.predicted)) out.push(plan);
    }
    return out;
  }

  /** A plan with these widths, by layer name: for a table of widths written by hand. */
  planOf(widths: ReadonlyMap<string, number>, strategy = 'manual'): Plan {
    return this.plan(this.selectionOf(widths), strategy, null);
  }

  private selectionOf(widths: ReadonlyMap<string, number>): Selection {
    return Int32Array.from(this.problem.items, ({ members, options }) => {
      const names = members.map((l) => this.table.layers[l]!.name);
      const bits = widths.get(names[0]!);
      const at = options.findIndex((o) => o.bits === bits);
      if (at < 0 || names.some((n) => widths.get(n) !== bits))
        throw new UsageError(
          `layer '${names[0]}': expected one of ${options.map((o) => o.bits).join(', ')} bits, got ${bits}`,
        );
      return at;
    });
  }

  /**
   * The largest whole number of bytes that meets the budget.
   * @throws UsageError for one below the smallest plan or above the largest, TypeError, RangeError for none
   */
  bytesOf(budget: Budget): number {
    const { minBytes, maxBytes, params } = this.problem;
    const asBits = budget !== null && typeof budget === 'object' && 'averageBits' in budget;
    const amount: unknown = asBits ? budget.averageBits : (budget as { bytes?: unknown } | null)?.bytes;
    if (typeof amount !== 'number')
      throw new TypeError(`budget: expected { averageBits } or { bytes } as a number, got ${typeof amount}`);
    if (!Number.isFinite(amount) || amount <= 0)
      throw new RangeError(`budget: expected a positive finite number, got ${amount}`);
    let bytes = Math.floor(asBits ? (amount * params) / 8 : amount);
    // An average that was computed from whole bytes must give these bytes back.
    if (asBits && (8 * (bytes + 1)) / params <= amount) bytes++;
    if (bytes < minBytes || bytes > maxBytes) {
      const said = asBits ? `${amount} average bits` : `${amount} bytes`;
      throw new UsageError(
        `budget of ${said}: ${bytes < minBytes ? 'below the smallest' : 'above the largest'} plan; ${this.rangeText()}`,
      );
    }
    return bytes;
  }

  private rangeText(): string {
    const { minBytes, maxBytes, minAverageBits, maxAverageBits } = this.limits;
    const up = Math.ceil(minAverageBits * 1000) / 1000;
    const down = Math.max(up, Math.floor(maxAverageBits * 1000) / 1000);
    return `allowed: ${minBytes} to ${maxBytes} bytes (${up} to ${down} average bits, scales counted)`;
  }

  private searchBytes(target: number): { bytes: number; lowerBound: null } | undefined {
    const { minBytes, maxBytes } = this.problem;
    const reaches = (bytes: number): boolean =>
      this.problem.value(runStrategy('best', this.problem, bytes, this.options.maxStates).selection) <= target;
    if (!reaches(maxBytes)) return undefined;
    let lo = minBytes - 1;
    let hi = maxBytes;
    while (hi - lo > 1) {
      const mid = Math.floor((lo + hi) / 2);
      if (reaches(mid)) hi = mid;
      else lo = mid;
    }
    return { bytes: hi, lowerBound: null };
  }

  private plan(selection: Selection, strategy: string, lowerBound: number | null): Plan {
    const { problem, options, table } = this;
    const bytes = problem.bytes(selection);
    const predicted = problem.value(selection);
    const symmetric = options.symmetric ?? true;
    const choices = problem.choices(selection);
    const { format = 'dense' } = options;
    return {
      version: 1,
      metric: table.metric,
      strategy,
      objective: problem.objectiveName,
      averageBits: (8 * bytes) / problem.params,
      bytes,
      predicted,
      gap: lowerBound === null ? null : Math.max(0, predicted - lowerBound),
      layers: table.layers.map((layer, l) => ({
        name: layer.name,
        weight: layer.weight,
        bits: choices[l]!.bits,
        granularity: options.granularity ?? 'channel',
        symmetric: typeof symmetric === 'function' ? symmetric(choices[l]!.bits) : symmetric,
        rounding: options.rounding ?? 'nearest',
        format: typeof format === 'function' ? format(layer.weight, choices[l]!.bits) : format,
      })),
    };
  }
}
