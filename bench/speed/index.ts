// The benchmark behind `kappa bench` and `npm run bench`: `dist/bench.js` in the package. Loaded by the command; started with
// KAPPA_BENCH_CHILD it is one of the processes that measure.
import type { BenchReport } from '../../src/report/bench.ts';
import { child } from './child.ts';
import { type BenchOptions, bench as measure } from './run.ts';

export type { BenchOptions } from './run.ts';

export function bench(options?: BenchOptions): Promise<BenchReport> {
  return measure(import.meta.url, options);
}

if (process.env.KAPPA_BENCH_CHILD === '1') await child();
