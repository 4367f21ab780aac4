import { type KernelCall, KernelError } from './calls.ts';
import type { Kernels } from './kernels.ts';
import {
  controlBytes,
  COUNT,
  DONE,
  HEADER,
  MAX_ARGUMENTS,
  type PoolWorker,
  REMAINING,
  REPORT,
  REPORTS_AT,
  SLOT,
  SLOTS,
  SLOTS_AT,
  type Spawn,
  SPINS,
  WORKER_SOURCE,
} from './worker.ts';

type Kernel = (...args: number[]) => unknown;

/** Workers that stand ready to run kernels beside the thread that made them. How they work together: worker.ts. */
export class Pool {
  readonly #words: Int32Array;
  readonly #slots: Float64Array;
  readonly #reports: readonly Int32Array[];
  readonly #kernels: readonly Kernel[];
  readonly #numbers: ReadonlyMap<string, number>;
  readonly #mayWait: boolean;
  #workers: readonly PoolWorker[];

  private constructor(
    control: SharedArrayBuffer,
    module: WebAssembly.Module,
    kernels: Kernels,
    workers: readonly (PoolWorker | undefined)[],
  ) {
    const names = WebAssembly.Module.exports(module).map(({ name }) => name);
    this.#words = new Int32Array(control, 0, HEADER);
    this.#slots = new Float64Array(control, SLOTS_AT, SLOTS * SLOT);
    this.#reports = workers.map((_, i) => new Int32Array(control, REPORTS_AT + 4 * REPORT * i, REPORT));
    this.#kernels = names.map((name) => kernels[name as keyof Kernels] as Kernel);
    this.#numbers = new Map(names.map((name, i) => [name, i]));
    this.#workers = workers.filter((worker) => worker !== undefined);
    this.#mayWait = mayWait(this.#words);
  }

  /** Starts workers, and leaves out those that do not come up. */
  static async start(
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    kernels: Kernels,
    count: number,
    spawn: Spawn,
  ): Promise<Pool> {
    const control = new SharedArrayBuffer(controlBytes(count));
    const started = await Promise.allSettled(
      Array.from({ length: count }, async (_, worker) => spawn(WORKER_SOURCE, { module, memory, control, worker })),
    );
    const workers = started.map((result) => (result.status === 'fulfilled' ? result.value : undefined));
    return new Pool(control, module, kernels, workers);
  }

  /** Threads at work: the workers and the caller's. */
  get threads(): number {
    return this.#workers.length + 1;
  }

  /** Runs all calls and returns when they are done. @throws KernelError of the first call that trapped, by its place in the list */
  run(calls: readonly KernelCall[]): void {
    for (let from = 0; from < calls.length; from += SLOTS)
      this.#batch(calls, from, Math.min(SLOTS, calls.length - from));
  }

  /** Ends the workers; calls are then all run by the caller. */
  close(): void {
    Atomics.store(this.#words, REMAINING, -1);
    Atomics.notify(this.#words, REMAINING);
    for (const worker of this.#workers) worker.terminate();
    this.#workers = [];
  }

  #batch(calls: readonly KernelCall[], from: number, count: number): void {
    const words = this.#words;
    for (let i = 0; i < count; i++) this.#write(calls[from + i]!, count - 1 - i);
    for (const report of this.#reports) report[0] = 0;
    Atomics.store(words, DONE, 0);
    Atomics.store(words, COUNT, count);
    Atomics.store(words, REMAINING, count);
    Atomics.notify(words, REMAINING, count - 1);
    let failed = 0;
    let cause: unknown;
    for (;;) {
      const left = Atomics.load(words, REMAINING);
      if (left <= 0) break;
      if (Atomics.compareExchange(words, REMAINING, left, left - 1) !== left) continue;
      try {
        this.#call(left - 1);
      } catch (error) {
        if (left > failed) {
          failed = left;
          cause = error;
        }
      }
      Atomics.add(words, DONE, 1);
    }
    this.#await(count);
    let reason = cause instanceof Error ? cause.message : String(cause);
    for (const report of this.#reports) {
      if (report[0]! <= failed) continue;
      failed = report[0]!;
      reason = String.fromCharCode(...report.subarray(2, 2 + report[1]!));
      cause = undefined;
    }
    if (failed > 0) throw new KernelError(calls[from + count - failed]![0], reason, { cause });
  }

  #write(call: KernelCall, slot: number): void {
    const at = slot * SLOT;
    const number = this.#numbers.get(call[0]);
    if (number === undefined) throw new TypeError(`each: expected the name of a kernel, found '${call[0]}'`);
    if (call.length - 1 > MAX_ARGUMENTS)
      throw new RangeError(`each: ${call[0]} takes more than ${MAX_ARGUMENTS} arguments`);
    this.#slots[at] = number;
    this.#slots[at + 1] = call.length - 1;
    for (let i = 1; i < call.length; i++) this.#slots[at + 1 + i] = call[i] as number;
  }

  #call(slot: number): void {
    const at = slot * SLOT;
    this.#kernels[this.#slots[at]!]!(...this.#slots.subarray(at + 2, at + 2 + this.#slots[at + 1]!));
  }

  #await(count: number): void {
    const words = this.#words;
    for (let spins = 0; ; spins++) {
      const done = Atomics.load(words, DONE);
      if (done === count) return;
      if (this.#mayWait && spins > SPINS) Atomics.wait(words, DONE, done);
    }
  }
}

/** Whether this thread may sleep: a browser's main thread may not. */
function mayWait(words: Int32Array): boolean {
  try {
    Atomics.wait(words, REMAINING, 1, 0);
    return true;
  } catch {
    return false;
  }
}
