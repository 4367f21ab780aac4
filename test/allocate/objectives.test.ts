import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BitWidthOptimizer, objectiveNames, registerObjective } from '../../src/allocate/index.ts';
import { UsageError } from '../../src/errors.ts';
import { allPlans, randomTable, sum } from './tables.ts';
import { throws } from '../throws.ts';

const table = randomTable({ layers: 5, widths: [2, 3, 4, 8], seed: 77, kind: 'wild' });
const bytes = Math.floor([...allPlans(table)].reduce((s, p) => s + p.bytes, 0) / [...allPlans(table)].length);
const fits = [...allPlans(table)].filter((p) => p.bytes <= bytes);

test('a registered objective with its own cost is solved exactly', () => {
  registerObjective('weighted', { combine: 'sum', cost: (choice, layer) => choice.damage * layer.params });
  const plan = new BitWidthOptimizer(table, { objective: 'weighted' }).optimize({ bytes }, 'exact');
  const best = Math.min(...fits.map((p) => sum(p.damages.map((d, l) => d * table.layers[l]!.params))));
  assert.ok(Math.abs(plan.predicted - best) <= 1e-12 * best);
  assert.is(plan.objective, 'weighted');
  assert.ok(objectiveNames().includes('weighted'));
  throws(() => registerObjective('weighted', { combine: 'sum' }), RangeError);
});

test('a custom objective is enumerated where it can be, searched where it cannot', () => {
  // Two layers interact: no sum of single costs.
  const value = (choices: readonly { bits: number; damage: number }[]): number =>
    choices.reduce((s, c) => s + c.damage, 0) + (choices[0]!.bits < 4 && choices[1]!.bits < 4 ? 100 : 0);
  const objective = { combine: 'custom' as const, value };
  const plan = new BitWidthOptimizer(table, { objective }).optimize({ bytes }, 'exact');
  const best = Math.min(...fits.map((p) => sum(p.damages) + (p.bits[0]! < 4 && p.bits[1]! < 4 ? 100 : 0)));
  assert.ok(Math.abs(plan.predicted - best) <= 1e-12 * best);
  assert.is(plan.gap, 0);
  const large = new BitWidthOptimizer(randomTable({ layers: 20, widths: [2, 3, 4, 8], seed: 1, kind: 'model' }), {
    objective,
  });
  throws(() => large.optimize({ averageBits: 4.5 }, 'exact'), UsageError, /enumerate/);
  const searched = large.optimize({ averageBits: 4.5 });
  assert.is(searched.gap, null);
  assert.ok(searched.averageBits <= 4.5);
  for (const name of ['greedy', 'gradient', 'proportional'] as const)
    assert.ok(searched.predicted <= large.optimize({ averageBits: 4.5 }, name).predicted);
  const smallest = new BitWidthOptimizer(table, { objective }).minimumFor(best);
  assert.ok(smallest.predicted <= best && smallest.bytes <= bytes);
});

test("'spectral' judges spectral tables only", () => {
  throws(
    () => new BitWidthOptimizer(table, { objective: 'spectral' }),
    /expected a cost table of the metric 'spectral', got 'test'/,
  );
  const spectral = { ...table, metric: 'spectral' };
  assert.is(
    new BitWidthOptimizer(spectral, { objective: 'spectral' }).optimize({ bytes }).predicted,
    new BitWidthOptimizer(spectral).optimize({ bytes }).predicted,
  );
});

test('what is no objective is refused', () => {
  throws(
    () => new BitWidthOptimizer(table, { objective: 'nope' }),
    /objective 'nope': unknown, expected one of sum, max, spectral/,
  );
  throws(() => new BitWidthOptimizer(table, { objective: {} as never }), TypeError);
  throws(
    () => new BitWidthOptimizer(table, { objective: { combine: 'sum', cost: () => Number.NaN } }),
    /expected a finite number, got NaN/,
  );
  throws(() => registerObjective('', { combine: 'sum' }), TypeError);
});

test.run();
