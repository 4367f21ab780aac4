import type { Kernels } from './kernels.ts';

/** Names of the kernels that take numbers and answer through memory. */
export type KernelName = {
  [N in keyof Kernels]: Parameters<Kernels[N]> extends readonly number[]
    ? ReturnType<Kernels[N]> extends void
      ? N
      : never
    : never;
}[keyof Kernels];

/** A kernel and its arguments. */
export type KernelCall = { [N in KernelName]: readonly [name: N, ...args: Parameters<Kernels[N]>] }[KernelName];

/** A kernel that trapped: a mistake of ours, or arguments it must not be given. The memory and the other kernels stay usable. */
export class KernelError extends Error {
  /** @param reason what the engine says of the trap */
  constructor(
    readonly kernel: string,
    reason: string,
    options?: ErrorOptions,
  ) {
    super(`kernel ${kernel}: ${reason}`, options);
    this.name = 'KernelError';
  }
}

/** Work, in nanoseconds or so, that is worth giving to another thread: to wake it costs about as much. */
export const LEAST_WORK = 30000;

/** How many of the threads that much work is worth: 1 to `threads`. */
export function threadsFor(work: number, threads: number): number {
  return Math.max(1, Math.min(threads, Math.floor(work / LEAST_WORK)));
}

/** A range of work: `count` things from the one numbered `from` on. */
export interface Part {
  readonly from: number;
  readonly count: number;
}

/**
 * Cuts [0, total) into at most `threads` parts of nearly the same size, each but the last a multiple of `unit`, none below `least`
 * (a single one aside); one part for 0.
 */
export function parts(total: number, unit: number, least: number, threads: number): readonly Part[] {
  const units = Math.floor(total / unit);
  const most = Math.min(threads, Math.floor(units / Math.max(1, Math.ceil(least / unit))));
  if (!(most > 1)) return [{ from: 0, count: total }];
  return Array.from({ length: most }, (_, i) => {
    const from = unit * Math.floor((units * i) / most);
    const to = i === most - 1 ? total : unit * Math.floor((units * (i + 1)) / most);
    return { from, count: to - from };
  });
}
