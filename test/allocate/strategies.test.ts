import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  BitWidthOptimizer,
  type CostTable,
  registerStrategy,
  type Strategy,
  strategyNames,
} from '../../src/allocate/index.ts';
import { UsageError } from '../../src/errors.ts';
import { throws } from '../throws.ts';

/** Layers of 1000 weights: damages at 2, 4 and 8 bits. */
function table(...damages: readonly (readonly [number, number, number])[]): CostTable {
  const layers = damages.map((own, l) => ({
    name: `layer${l}`,
    weight: `w${l}`,
    opType: 'MatMul',
    params: 1000,
    choices: [2, 4, 8].map((bits, i) => ({ bits, damage: own[i]!, bytes: bits * 125, measured: true })),
  }));
  return { version: 1, metric: 'test', unit: 'kl', samples: 1, layers };
}

const costs = table([9, 4, 1], [5, 2, 0.5]);

/** The widest option for as many items as the budget allows, the last ones first. */
const backwards: Strategy = (problem, budget) => {
  const selection = problem.smallest();
  for (let i = problem.items.length - 1; i >= 0; i--)
    for (let o = 0; o < problem.items[i]!.options.length; o++) {
      const before = selection[i]!;
      selection[i] = o;
      if (problem.bytes(selection) > budget) selection[i] = before;
    }
  return { selection, lowerBound: null };
};

test('a registered strategy is run by its name, and tried by best', () => {
  registerStrategy('backwards', backwards);
  assert.equal(strategyNames().slice(-2), ['backwards', 'best']);
  const optimizer = new BitWidthOptimizer(costs);
  const budget = { averageBits: 6 };
  const plan = optimizer.optimize(budget, 'backwards');
  assert.is(plan.strategy, 'backwards');
  assert.equal(
    plan.layers.map((l) => l.bits),
    [4, 8],
  );
  assert.is(plan.gap, null);
  assert.ok(optimizer.optimize(budget, 'best').predicted <= plan.predicted);
});

test('best keeps what a registered strategy finds where nothing is proved', () => {
  let asked = 0;
  registerStrategy('counted', (problem, budget) => {
    asked++;
    return backwards(problem, budget);
  });
  const value = (choices: readonly { readonly damage: number }[]) => Math.max(...choices.map((c) => c.damage));
  const wide = table(...Array.from({ length: 24 }, () => [9, 4, 1] as const));
  new BitWidthOptimizer(wide, { objective: { combine: 'custom', value } }).optimize({ averageBits: 5 });
  assert.ok(asked > 0);
});

test('what is no strategy, no name, or no plan within the budget is refused', () => {
  throws(() => registerStrategy('', backwards), TypeError, /name/);
  throws(() => registerStrategy('none', 1 as never), TypeError, /function/);
  for (const name of ['exact', 'best', 'backwards'])
    throws(() => registerStrategy(name, backwards), RangeError, /already/);
  registerStrategy('over', (problem) => ({ selection: problem.smallest().fill(2), lowerBound: null }));
  registerStrategy('short', () => ({ selection: new Int32Array(1), lowerBound: null }));
  registerStrategy('outside', (problem) => ({ selection: problem.smallest().fill(99), lowerBound: null }));
  const optimizer = new BitWidthOptimizer(costs);
  throws(() => optimizer.optimize({ averageBits: 3 }, 'over'), RangeError, /at most 750 bytes, got 2000/);
  throws(() => optimizer.optimize({ averageBits: 3 }, 'short'), RangeError, /2 items/);
  throws(() => optimizer.optimize({ averageBits: 3 }, 'outside'), RangeError, /2 items/);
  throws(() => optimizer.optimize({ averageBits: 3 }, 'nobody'), UsageError, /unknown/);
});

test.run();
