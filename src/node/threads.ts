import { Worker } from 'node:worker_threads';
import type { Spawn } from '../wasm/worker.ts';

/** Workers of Node. They never keep the process alive. */
export const nodeSpawn: Spawn = (source, data) =>
  new Promise((resolve, reject) => {
    // flags that load something into every thread are the caller's business, not the kernels'
    const worker = new Worker(`const threads = require('node:worker_threads');${source}`, {
      eval: true,
      workerData: data,
      execArgv: [],
    });
    worker.once('message', () => {
      worker.unref();
      resolve(worker);
    });
    worker.on('error', reject);
    worker.once('exit', (code) => reject(new Error(`the worker ended with exit code ${code}`)));
  });
