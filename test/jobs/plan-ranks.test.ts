import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Plan } from '../../src/allocate/types.ts';
import { planRanks } from '../../src/jobs/plan-ranks.ts';

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
  assert.equal(planRanks(tried, predictors), [
    { metric: 'right', plans: 5, correlation: 1 },
    { metric: 'wrong', plans: 5, correlation: -1 },
    { metric: 'some', plans: 4, correlation: 1 },
  ]);
  assert.equal(
    planRanks(
      tried.map((t) => ({ ...t, damage: null })),
      predictors,
    ),
    [],
  );
});

test.run();
