import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Plan } from '../../src/allocate/types.ts';
import { ranksOf, spearman } from '../../src/jobs/ranks.ts';

const near = (a: number | undefined, b: number) => assert.ok(a !== undefined && Math.abs(a - b) < 1e-12, `${a} ${b}`);

test('rank correlation: order alone counts, equal values share their rank', () => {
  near(spearman([1, 2, 3, 4], [10, 20, 1000, 1001]), 1);
  near(spearman([1, 2, 3, 4], [4, 3, 2, 1]), -1);
  // Ranks 0 1 2 3 and 1 0 3 2: 1 - 6 * 4 / (4 * 15).
  near(spearman([1, 2, 3, 4], [2, 1, 4, 3]), 0.6);
  // Ranks 0.5 0.5 2 3 against 0 1 2 3: 4.5 / sqrt(4.5 * 5).
  near(spearman([7, 7, 8, 9], [1, 2, 3, 4]), 4.5 / Math.sqrt(22.5));
  assert.is(spearman([1, 1, 1], [1, 2, 3]), undefined);
});

test('metrics are ranked on the plans they can judge, four at least', () => {
  const plan = (predicted: number) => ({ predicted }) as Plan;
  const tried = [1, 2, 3, 4, 5].map((p) => ({ plan: plan(p), damage: p * p }));
  const predictors = new Map<string, (plan: Plan) => number | undefined>([
    ['right', (p) => p.predicted],
    ['wrong', (p) => -p.predicted],
    ['some', (p) => (p.predicted > 1 ? p.predicted : undefined)],
    ['few', (p) => (p.predicted > 2 ? p.predicted : undefined)],
    ['blind', () => 1],
  ]);
  assert.equal(ranksOf(tried, predictors), [
    { metric: 'right', plans: 5, correlation: 1 },
    { metric: 'wrong', plans: 5, correlation: -1 },
    { metric: 'some', plans: 4, correlation: 1 },
  ]);
  assert.equal(
    ranksOf(
      tried.map((t) => ({ ...t, damage: null })),
      predictors,
    ),
    [],
  );
});

test.run();
