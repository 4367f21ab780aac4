/** Draws, and writes reports: the plots' library is loaded with the first of them. */
import { UsageError } from '../src/errors.ts';
import { Budget } from './budget.ts';
import type { DrawCalls, Measured } from './protocol.ts';
import { serve } from './serve.ts';

const POINTS = 25;

let drawn: { readonly unit: Measured['table']['unit']; readonly lines: ReturnType<Budget['frontier']> } | undefined;

serve<DrawCalls>({
  take({ measured, pins }) {
    drawn = { unit: measured.table.unit, lines: new Budget(measured, pins).frontier(POINTS) };
    return undefined;
  },
  async frontier(plan) {
    const { frontierSvg } = await import('./pictures.ts');
    if (!drawn) throw new UsageError('measure the model first');
    return frontierSvg(drawn.lines, plan, drawn.unit);
  },
  async outputs(comparison) {
    const { outputsSvg } = await import('./pictures.ts');
    return outputsSvg(comparison);
  },
  async report(input) {
    const { quantizeHtml } = await import('../src/report/html/quantize.ts');
    return new Blob([quantizeHtml(input)], { type: 'text/html' });
  },
});
