/** The slider's side of a measurement: every budget is solved anew from the cost table, nothing is run. */
import { BitWidthOptimizer, type CostTable, parsePlan, type Plan } from '../src/allocate/index.ts';
import { DataError, UsageError } from '../src/errors.ts';
import type { Measured, Solved } from './protocol.ts';

export class Budget {
  readonly table: CostTable;
  #pins: ReadonlyMap<string, number>;
  #optimizer: BitWidthOptimizer;

  constructor(
    private readonly measured: Measured,
    pins: ReadonlyMap<string, number> = new Map(),
  ) {
    this.table = measured.table;
    this.#pins = pins;
    this.#optimizer = this.#make();
  }

  /** Average bits that plans can have, as far as pins allow. */
  get #limits(): { readonly least: number; readonly most: number } {
    const { minAverageBits, maxAverageBits } = this.#optimizer.limits;
    return { least: minAverageBits, most: Math.max(minAverageBits, Math.min(8.5, maxAverageBits)) };
  }

  /** Leaves layers at a width; 0 takes a pin back. @throws UsageError for a width that no plan has */
  pin(layer: string, bits: number): void {
    const pins = new Map(this.#pins);
    if (bits === 0) pins.delete(layer);
    else pins.set(layer, bits);
    const before = this.#pins;
    this.#pins = pins;
    try {
      this.#optimizer = this.#make();
    } catch (error) {
      this.#pins = before;
      throw error;
    }
  }

  /** The plan of a budget, brought into what plans can have. */
  solve(bits: number): Solved {
    const { least, most } = this.#limits;
    const plan = this.#optimizer.optimize({ averageBits: Math.min(most, Math.max(least, bits)) });
    return { plan, pins: this.#pins, least, most };
  }

  /** Predicted damage by average bits, chosen and uniform: of evenly spaced budgets, and chosen plans where uniform ones lie too. */
  frontier(points: number): { readonly guided: number[][]; readonly uniform: number[][] } {
    const { least, most } = this.#limits;
    const budgets = Array.from({ length: points }, (_, i) =>
      Math.min(most, least + ((most - least) * i) / (points - 1)),
    );
    const uniform: Plan[] = [];
    for (const averageBits of budgets)
      try {
        uniform.push(this.#optimizer.uniform({ averageBits }));
      } catch {
        // No width fits all layers at this size.
      }
    const all = [...new Set([...budgets, ...uniform.map((plan) => plan.averageBits)])];
    return {
      guided: steps(all.map((averageBits) => this.#optimizer.optimize({ averageBits }))),
      uniform: steps(uniform),
    };
  }

  /**
   * Takes the widths of a plan as pins.
   * @returns its average bits
   * @throws UsageError, DataError for text that is no plan of this model
   */
  load(text: string): number {
    const plan = parsePlan(json(text), 'plan');
    const known = new Set(this.table.layers.map((l) => l.name));
    const other = plan.layers.find((l) => !known.has(l.name));
    if (other) throw new UsageError(`the plan is of another model: it has a layer '${other.name}'`);
    const before = this.#pins;
    this.#pins = new Map(plan.layers.map((l) => [l.name, l.bits]));
    try {
      this.#optimizer = this.#make();
    } catch (error) {
      this.#pins = before;
      throw error;
    }
    return plan.averageBits;
  }

  #make(): BitWidthOptimizer {
    const { table, widths, granularity, asymmetricBits, rounding } = this.measured;
    return new BitWidthOptimizer(table, {
      widths,
      granularity,
      rounding,
      symmetric: (bits) => !asymmetricBits.includes(bits),
      pins: this.#pins,
    });
  }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new DataError('the plan: expected JSON', { cause });
  }
}

/** Average bits and predicted damage of plans by size, those left out that a smaller one does no worse than. */
function steps(plans: readonly Plan[]): number[][] {
  const found: number[][] = [];
  for (const { averageBits, predicted } of [...plans].sort((a, b) => a.averageBits - b.averageBits))
    if (predicted > 0 && predicted < (found.at(-1)?.[1] ?? Infinity)) found.push([averageBits, predicted]);
  return found;
}
