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
