/** Called as work goes on, with a stage shown to people; throwing from it stops the work. */
export type Progress = (stage: string, done: number, total: number) => void;

/** Progress that throws the signal's reason once the job is cancelled: every long loop reports progress. */
export function cancellable(options: {
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
}): Progress {
  return (stage, done, total) => {
    if (options.signal?.aborted) throw options.signal.reason;
    options.progress?.(stage, done, total);
  };
}

/** Gives timers, signals and rendering a turn: for loops of long steps. */
export const breath = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

/** Milliseconds that work goes on for before these have a turn. */
const PATIENCE = 50;
let last = 0;

/** Gives them a turn where they had none for a while: for loops of steps that may be short or long, followed by a look at progress. */
export async function turn(): Promise<void> {
  if (Date.now() - last < PATIENCE) return;
  await breath();
  last = Date.now();
}
