/** The worker as the page calls it: one call at a time, progress, cancel; a worker that dies is replaced. */
import type { CallName, Calls, FromWorker, ToWorker } from './protocol.ts';

export type OnProgress = (stage: string, done: number, total: number) => void;

/** The work was cancelled by whoever asked for it. */
export class CancelledError extends Error {}

interface Waiting {
  readonly id: number;
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

export class Client {
  #worker: Worker;
  #next = 1;
  #waiting: Waiting | undefined;
  #progress: OnProgress | undefined;

  constructor(private readonly make: () => Worker) {
    this.#worker = this.#start();
  }

  get busy(): boolean {
    return this.#waiting !== undefined;
  }

  /** @throws Error with what went wrong; CancelledError */
  call<K extends CallName>(call: K, take: Calls[K]['take'], progress?: OnProgress): Promise<Calls[K]['give']> {
    if (this.#waiting) return Promise.reject(new Error('another piece of work is running: cancel it first'));
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      this.#waiting = { id, resolve: resolve as (value: never) => void, reject };
      this.#progress = progress;
      this.#worker.postMessage({ id, call, take } as ToWorker);
    });
  }

  /** Ends what runs at its next step. */
  cancel(): void {
    if (this.#waiting) this.#worker.postMessage({ cancel: true } satisfies ToWorker);
  }

  #start(): Worker {
    const worker = this.make();
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#take(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#died(event.message || 'the worker could not be loaded');
    };
    return worker;
  }

  #take(message: FromWorker): void {
    if ('stage' in message) this.#progress?.(message.stage, message.done, message.total);
    if (!('id' in message) || message.id !== this.#waiting?.id) return;
    const { resolve, reject } = this.#waiting;
    this.#waiting = undefined;
    if ('give' in message) resolve(message.give as never);
    else reject(message.cancelled ? new CancelledError(message.error) : new Error(message.error));
  }

  /** What ran is lost, and what the worker held with it. */
  #died(reason: string): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    this.#worker.terminate();
    this.#worker = this.#start();
    waiting?.reject(new Error(`the work ended unexpectedly (${reason}); open the model again, with less data`));
  }
}
