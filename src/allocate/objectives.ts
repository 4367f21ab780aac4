import { UsageError } from '../errors.ts';
import type { Choice, CostLayer, CostTable } from './types.ts';

/**
 * What a plan is judged by on the table. Separable objectives combine one cost a layer, and every strategy, the exact one
 * included, works on them; a `custom` one sees the whole choice at once and is exact only where the plans can be enumerated.
 */
export type Objective = SeparableObjective | GeneralObjective;

/** An objective that combines one cost a layer. */
export interface SeparableObjective {
  readonly combine: 'sum' | 'max';
  /** Cost of one layer at one width, finite; its damage where absent. */
  readonly cost?: (choice: Choice, layer: CostLayer) => number;
  /** Throws UsageError where the table is not one this objective can judge. */
  readonly check?: (table: CostTable) => void;
}

/** An objective that sees the whole choice at once. */
export interface GeneralObjective {
  readonly combine: 'custom';
  /** Value of a plan: one choice a layer, in the order of the table. Smaller is better; finite. */
  readonly value: (choices: readonly Choice[], table: CostTable) => number;
  readonly check?: (table: CostTable) => void;
}

const REGISTRY = new Map<string, Objective>();

/**
 * Makes an objective known by name.
 * @throws TypeError for something that is no objective
 * @throws RangeError for a name that is taken
 */
export function registerObjective(name: string, objective: Objective): void {
  if (typeof name !== 'string' || name === '')
    throw new TypeError(`objective name: expected a non-empty string, got ${name}`);
  checkObjective(objective);
  if (REGISTRY.has(name)) throw new RangeError(`objective '${name}': already registered`);
  REGISTRY.set(name, objective);
}

/** Names registered, in order of registration. */
export function objectiveNames(): string[] {
  return [...REGISTRY.keys()];
}

/** @throws UsageError naming the objectives there are */
export function getObjective(name: string): Objective {
  const found = REGISTRY.get(name);
  if (!found) throw new UsageError(`objective '${name}': unknown, expected one of ${objectiveNames().join(', ')}`);
  return found;
}

export function checkObjective(objective: Objective): void {
  const combine = objective?.combine;
  if (combine === 'custom') {
    if (typeof objective.value !== 'function')
      throw new TypeError(`custom objective: expected a value function, got ${typeof objective.value}`);
  } else if (combine !== 'sum' && combine !== 'max') {
    throw new TypeError(`objective: expected combine 'sum', 'max' or 'custom', got ${combine}`);
  }
}

/** Sum of the layers' damages: what the seed document minimises, whatever the metric. */
registerObjective('sum', { combine: 'sum' });

/** The largest damage of any layer; among plans that share it, the smallest sum. */
registerObjective('max', { combine: 'max' });

/**
 * The seed document's objective, sum of kappa_l 2^-b_l. On the table of the `spectral` metric the damages are exactly these
 * terms, so it is their sum; on any other table it would be another quantity under this name, and is refused.
 */
registerObjective('spectral', {
  combine: 'sum',
  check(table) {
    if (table.metric !== 'spectral')
      throw new UsageError(
        `objective 'spectral': expected a cost table of the metric 'spectral', got '${table.metric}'; use objective 'sum'`,
      );
  },
});
