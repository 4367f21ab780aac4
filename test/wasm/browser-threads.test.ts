import { resolveObjectURL } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker as NodeWorker } from 'node:worker_threads';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { KernelCall } from '../../src/wasm/calls.ts';
import { Wasm } from '../../src/wasm/wasm.ts';
import { ROOT } from '../helpers.ts';

const bytes = readFileSync(join(ROOT, 'build', 'kernels.wasm'));

/** A thread with the global names of a browser's classic worker, which runs the script it is given. */
const WORKER_GLOBALS = `
  const { parentPort, workerData } = require('node:worker_threads');
  globalThis.postMessage = (message) => parentPort.postMessage(message);
  globalThis.close = () => parentPort.close();
  globalThis.onmessage = null;
  parentPort.on('message', (data) => globalThis.onmessage({ data }));
  new Function('require', workerData)();
`;

/** The part of browsers' Worker that a pool uses, on threads of Node. */
class BrowserWorker {
  static running = 0;
  onmessage: ((event: { data: unknown }) => void) | undefined;
  onerror: ((event: { message: string }) => void) | undefined;
  readonly #thread: Promise<NodeWorker>;

  constructor(url: string) {
    this.#thread = resolveObjectURL(url)!
      .text()
      .then((script) => {
        const thread = new NodeWorker(WORKER_GLOBALS, { eval: true, workerData: script, execArgv: [] });
        thread.unref();
        BrowserWorker.running++;
        thread.on('message', (data) => this.onmessage?.({ data }));
        thread.on('error', ({ message }) => this.onerror?.({ message }));
        thread.on('exit', () => BrowserWorker.running--);
        return thread;
      });
  }

  postMessage(data: unknown): void {
    this.#thread.then((thread) => thread.postMessage(data));
  }

  terminate(): void {
    this.#thread.then((thread) => thread.terminate());
  }
}

const page = globalThis as { Worker?: unknown; crossOriginIsolated?: boolean };

test.before(() => {
  page.Worker = BrowserWorker;
});
test.after(() => {
  delete page.Worker;
});

/** Something is referenced while promises of unreferenced workers are waited for. */
async function awake<T>(work: Promise<T>): Promise<T> {
  const timer = setInterval(() => undefined, 1000);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}

test("the neutral door uses the browser's workers, and ends them", async () => {
  const wasm = await awake(Wasm.create(bytes, { threads: 3 }));
  assert.equal([wasm.threads, BrowserWorker.running], [3, 2]);
  const n = 500;
  const x = wasm.arena.alloc(4 * n);
  wasm.arena.f32(x, n).fill(2);
  wasm.each(Array.from({ length: n }, (_, i): KernelCall => ['neg', x + 4 * i, x + 4 * i, 1]));
  assert.ok(wasm.arena.f32(x, n).every((v) => v === -2));
  wasm.dispose();
  for (let i = 0; i < 200 && BrowserWorker.running > 0; i++) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.is(BrowserWorker.running, 0);
});

test('on a page that is not isolated there is one thread', async () => {
  page.crossOriginIsolated = false;
  try {
    const wasm = await Wasm.create(bytes, { threads: 3 });
    assert.equal([wasm.threads, BrowserWorker.running], [1, 0]);
  } finally {
    delete page.crossOriginIsolated;
  }
});

test('where a policy forbids such workers there is one thread', async () => {
  page.Worker = class {
    onerror: ((event: { message: string }) => void) | undefined;
    constructor() {
      setTimeout(() => this.onerror?.({ message: '' }), 1);
    }
    postMessage() {}
    terminate() {}
  };
  assert.is((await Wasm.create(bytes, { threads: 3 })).threads, 1);
  page.Worker = class {
    constructor() {
      throw new Error('SecurityError');
    }
  };
  assert.is((await Wasm.create(bytes, { threads: 3 })).threads, 1);
});

test.run();
