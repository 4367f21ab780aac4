/** Solves budgets, away from the page's own thread. */
import { UsageError } from '../src/errors.ts';
import { Budget } from './budget.ts';
import type { SolveCalls } from './protocol.ts';
import { serve } from './serve.ts';

let budget: Budget | undefined;

function known(): Budget {
  if (!budget) throw new UsageError('measure the model first');
  return budget;
}

serve<SolveCalls>({
  take({ measured, bits }) {
    budget = new Budget(measured);
    return budget.solve(bits);
  },
  solve: ({ bits }) => known().solve(bits),
  pin({ layer, width, bits }) {
    known().pin(layer, width);
    return known().solve(bits);
  },
  load({ text }) {
    const bits = known().load(text);
    return known().solve(bits);
  },
});
