/**
 * What the threads of a pool share beside the kernels' memory, and the script they run.
 *
 * The control buffer: i32 [HEADER] words, then SLOTS calls of SLOT doubles each (kernel's number, number of arguments, arguments),
 * then a report of REPORT i32 for every thread (1 + number of the call that trapped, or 0; length of the message; its UTF-16 units).
 *
 * A batch of n calls is written to slots 0..n-1, then REMAINING is set to n. Whoever takes REMAINING from r to r - 1 by
 * compare-and-exchange runs the call in slot r - 1 and adds one to DONE. The batch is over when DONE is n; nothing is written to
 * slots before, so the value of REMAINING alone says everything. A negative REMAINING ends the workers.
 */
export const REMAINING = 0;
export const DONE = 1;
/** Calls in the batch: who makes DONE reach it wakes the caller. */
export const COUNT = 2;

export const HEADER = 16;
export const SLOTS = 256;
export const SLOT = 32;
export const MAX_ARGUMENTS = SLOT - 2;
export const REPORT = 256;
export const SLOTS_AT = 4 * HEADER;
export const REPORTS_AT = SLOTS_AT + 8 * SLOTS * SLOT;

/** Bytes of the control buffer for that many workers. */
export function controlBytes(workers: number): number {
  return REPORTS_AT + 4 * REPORT * workers;
}

/** Looks at REMAINING (some tens of microseconds) before a worker goes to sleep, and at DONE before the caller does. */
export const SPINS = 60000;

/** What a worker is given. */
export interface WorkerData {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly control: SharedArrayBuffer;
  /** Number of the worker, from 0: where its report is. */
  readonly worker: number;
}

/**
 * The worker's script, for a classic browser worker (which is sent a WorkerData as its first message) and for Node's workers (which
 * find it in `workerData`): whoever starts it puts `const threads = ...;` before it, Node's module or undefined. It posts one message when it is ready, and then serves until REMAINING is negative.
 */
export const WORKER_SOURCE = `
const serve = ({ module, memory, control, worker }) => {
  const abort = (message, file, line, column) => {
    throw new Error('aborted at ' + line + ':' + column);
  };
  const { exports } = new WebAssembly.Instance(module, { env: { memory, abort } });
  const kernels = WebAssembly.Module.exports(module).map(({ name }) => exports[name]);
  const words = new Int32Array(control, 0, ${HEADER});
  const slots = new Float64Array(control, ${SLOTS_AT}, ${SLOTS * SLOT});
  const report = new Int32Array(control, ${REPORTS_AT} + ${4 * REPORT} * worker, ${REPORT});
  const run = (slot) => {
    const at = slot * ${SLOT};
    try {
      kernels[slots[at]](...slots.subarray(at + 2, at + 2 + slots[at + 1]));
    } catch (error) {
      if (report[0] > slot) return;
      const text = String(error && error.message).slice(0, ${REPORT - 2});
      report[0] = slot + 1;
      report[1] = text.length;
      for (let i = 0; i < text.length; i++) report[2 + i] = text.charCodeAt(i);
    }
  };
  if (threads) threads.parentPort.postMessage('ready');
  else postMessage('ready');
  for (let idle = 0; ; ) {
    const left = Atomics.load(words, ${REMAINING});
    if (left > 0) {
      idle = 0;
      if (Atomics.compareExchange(words, ${REMAINING}, left, left - 1) !== left) continue;
      run(left - 1);
      if (Atomics.add(words, ${DONE}, 1) + 1 === Atomics.load(words, ${COUNT})) Atomics.notify(words, ${DONE});
    } else if (left < 0) break;
    else if (++idle > ${SPINS}) {
      Atomics.wait(words, ${REMAINING}, 0);
      idle = 0;
    }
  }
  if (!threads) close();
};
if (threads) serve(threads.workerData);
else onmessage = ({ data }) => serve(data);
`;

/** A running worker. */
export interface PoolWorker {
  terminate(): unknown;
}

/**
 * Starts a worker that runs `source` (WORKER_SOURCE) with `data`. Resolves once it has posted its message; rejects when it failed before.
 * From then on it must not keep the process alive.
 */
export type Spawn = (source: string, data: WorkerData) => Promise<PoolWorker>;

/** Workers of browsers, or undefined where there are none. The page's Content-Security-Policy must allow `worker-src blob:`. */
export function browserSpawn(): Spawn | undefined {
  if (typeof Worker !== 'function' || typeof Blob !== 'function' || typeof URL.createObjectURL !== 'function')
    return undefined;
  return (source, data) => {
    const url = URL.createObjectURL(new Blob([`const threads = undefined;${source}`], { type: 'text/javascript' }));
    return new Promise<PoolWorker>((resolve, reject) => {
      const worker = new Worker(url);
      worker.onmessage = () => resolve(worker);
      worker.onerror = (event) => {
        worker.terminate();
        reject(new Error(event.message || 'the worker could not be started'));
      };
      worker.postMessage(data);
    }).finally(() => URL.revokeObjectURL(url));
  };
}
