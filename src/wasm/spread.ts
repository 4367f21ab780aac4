import type { Arena } from './arena.ts';
import { type KernelCall, type KernelName, LEAST_WORK, parts } from './calls.ts';
import { CUTS } from './cuts.ts';
import type { Kernels } from './kernels.ts';
import type { Pool } from './pool.ts';

/** Names of the kernels that are cut. */
export const SPREAD: readonly KernelName[] = Object.keys(CUTS) as KernelName[];

/**
 * The kernels, those of SPREAD running on all threads where there is work enough.
 * @param leastWork work that a part must at least have, in nanoseconds or so
 */
export function spread(
  kernels: Kernels,
  arena: Arena,
  pool: Pick<Pool, 'threads' | 'run'>,
  leastWork = LEAST_WORK,
): Kernels {
  const own: Record<string, unknown> = { ...kernels };
  for (const name of SPREAD) {
    const kernel = kernels[name] as (...args: number[]) => void;
    const cutOf = CUTS[name]!;
    own[name] = (...args: number[]): void => {
      const { count, unit, least = 1, until = args[count]!, work, moves, scratch } = cutOf(args, kernels);
      const rest = args[count]! - until;
      const ranges = parts(until, unit, Math.max(least, leastWork / work), pool.threads);
      if (ranges.length === 1) {
        kernel(...args);
        return;
      }
      const room = (body: (alloc: (bytes: number) => number) => void) => (scratch ? arena.scope(body) : body(() => 0));
      room((alloc) => {
        const calls = ranges.map(({ from, count: some }, i) => {
          const part = [...args];
          part[count] = i === ranges.length - 1 ? some + rest : some;
          for (const [argument, bytes] of moves) if (part[argument] !== 0) part[argument]! += bytes * from;
          if (scratch && i > 0) part[scratch[0]] = alloc(scratch[1]);
          return [name, ...part] as unknown as KernelCall;
        });
        pool.run(calls);
      });
    };
  }
  return own as unknown as Kernels;
}
