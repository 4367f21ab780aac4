/** A worker's side of the protocol. */
import { InterruptedError, KappaError, MemoryError } from '../src/errors.ts';
import type { Progress } from '../src/progress.ts';
import type { FromWorker, Kind, Table, ToWorker } from './protocol.ts';

/** What is used of a worker's global scope: the compiler has the page's names. */
interface Scope {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: FromWorker): void;
}

/** What a call has besides its argument. */
export interface Around {
  readonly progress: Progress;
  /** Aborted once the page cancels. */
  readonly signal: AbortSignal;
}

export type Handlers<C extends Table<C>> = {
  readonly [K in keyof C]: (take: C[K]['take'], around: Around) => Promise<C[K]['give']> | C[K]['give'];
};

/** Progress of one stage is said at most this often, in milliseconds. */
const EVERY = 100;

/** What engines say where a buffer or a table cannot be had. */
const SHORT =
  /allocation failed|out of memory|invalid (typed )?array (buffer )?length|memory\.grow|could not allocate/i;

function kindOf(error: unknown): Kind {
  if (error instanceof MemoryError) return 'memory';
  if (error instanceof InterruptedError) return 'cancelled';
  if (error instanceof KappaError) return error.code;
  if (error instanceof RangeError && SHORT.test(error.message)) return 'memory';
  return 'bug';
}

/** Answers calls until the page ends the worker. */
export function serve<C extends Table<C>>(handlers: Handlers<C>): void {
  const scope = self as unknown as Scope;
  const running = new Set<AbortController>();
  scope.onmessage = async ({ data }) => {
    if ('cancel' in data) {
      for (const abort of running) abort.abort(new InterruptedError('cancelled'));
      return;
    }
    const { id, call, take } = data;
    const abort = new AbortController();
    running.add(abort);
    let last = 0;
    let before = '';
    const progress: Progress = (stage, done, total) => {
      const now = performance.now();
      if (now - last < EVERY && stage === before) return;
      [last, before] = [now, stage];
      scope.postMessage({ id, stage, done, total });
    };
    try {
      const handler = handlers[call as keyof C] as (take: unknown, around: Around) => unknown;
      scope.postMessage({ id, give: await handler(take, { progress, signal: abort.signal }) });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      scope.postMessage({ id, error: message, kind: kindOf(error) });
    } finally {
      running.delete(abort);
    }
  };
  scope.postMessage({ ready: true });
}
