/** A worker as the page calls it: started by the first call, progress, cancel; one that is lost is replaced by the next call. */
import type { FromWorker, Kind, Table, ToWorker } from './protocol.ts';

export type OnProgress = (stage: string, done: number, total: number) => void;

/** Something that people can be told what to do about. */
export class Failure extends Error {
  constructor(
    readonly kind: Kind,
    message: string,
  ) {
    super(message);
  }
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Failure): void;
  readonly progress: OnProgress | undefined;
}

/** Milliseconds after which work that does not end by itself is cut off. */
const PATIENCE = 3000;

export class Client<C extends Table<C>> {
  readonly #file: string;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #ready = false;
  #next = 1;
  #cut: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param file the worker's script, beside the page
   * @param lost called when a worker is gone with all it held
   */
  constructor(
    file: string,
    private readonly lost: () => void = () => undefined,
  ) {
    this.#file = file;
  }

  /** @throws Failure */
  call<K extends keyof C & string>(call: K, take: C[K]['take'], progress?: OnProgress): Promise<C[K]['give']> {
    return new Promise((resolve, reject) => {
      this.#worker ??= this.#start();
      const id = this.#next++;
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject, progress });
      this.#worker.postMessage({ id, call, take } satisfies ToWorker);
    });
  }

  /** Ends what runs at its next step, or a few seconds later in any case. */
  cancel(): void {
    if (this.#waiting.size === 0 || this.#cut !== undefined) return;
    this.#worker?.postMessage({ cancel: true } satisfies ToWorker);
    this.#cut = setTimeout(() => this.#lose(new Failure('cancelled', 'cancelled')), PATIENCE);
  }

  /** Ends the worker; the next call starts another. */
  end(): void {
    this.#lose(new Failure('cancelled', 'cancelled'));
  }

  /** @throws Failure in a browser without workers that are modules */
  #start(): Worker {
    let modules = false;
    const options: WorkerOptions = {
      get type() {
        // A browser that knows of modules asks.
        modules = true;
        return 'module' as const;
      },
    };
    const worker = new Worker(new URL(this.#file, document.baseURI), options);
    if (!modules) {
      worker.terminate();
      throw new Failure('browser', 'this browser has no module workers, in which all the work is done');
    }
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#take(data);
    worker.onerror = (event) => {
      event.preventDefault();
      const said = event.message ? ` (${event.message})` : '';
      this.#lose(
        this.#ready
          ? new Failure(/memory/i.test(said) ? 'memory' : 'lost', `the work ended unexpectedly${said}`)
          : new Failure('browser', `${this.#file} could not be started${said}`),
      );
    };
    return worker;
  }

  #take(message: FromWorker): void {
    if ('ready' in message) {
      this.#ready = true;
      return;
    }
    const waiting = this.#waiting.get(message.id);
    if (!waiting) return;
    if ('stage' in message) {
      waiting.progress?.(message.stage, message.done, message.total);
      return;
    }
    this.#waiting.delete(message.id);
    this.#calm();
    if ('give' in message) waiting.resolve(message.give);
    else waiting.reject(new Failure(message.kind, message.error));
  }

  #calm(): void {
    clearTimeout(this.#cut);
    this.#cut = undefined;
  }

  #lose(reason: Failure): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#ready = false;
    this.#calm();
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    this.lost();
    for (const { reject } of waiting) reject(reason);
  }
}
