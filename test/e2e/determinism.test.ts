import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as door from '../../src/index.ts';
import { loadKernels } from '../../src/node.ts';
import { JOBS, sha256 } from '../browser/jobs.ts';
import { ROOT } from '../helpers.ts';

const read = async (path: string) => new Uint8Array(readFileSync(join(ROOT, path)));

// Pages are held to the same in test/browser/determinism.browser.ts.
for (const [name, job] of Object.entries(JOBS))
  test(`same model, data, settings and seed, same bytes, from 1 thread and from 2: ${name}`, async () => {
    const found: string[] = [];
    for (const threads of [1, 2]) {
      const wasm = await loadKernels({ threads });
      try {
        assert.is(wasm.threads, threads);
        found.push(await sha256(await job(door, wasm, read)));
      } finally {
        wasm.dispose();
      }
    }
    assert.is(found[0], found[1]);
  });

test('another seed draws other inputs, and writes another file', async () => {
  const wasm = await loadKernels();
  const model = await read('models/mnist-mlp.onnx');
  const hashes: string[] = [];
  for (const seed of [1, 2, 1]) {
    const options = { bits: 3.1, dataFree: true, samples: 8, seed, widths: [2, 4] };
    hashes.push(await sha256((await door.quantize(wasm, model, options)).bytes));
  }
  assert.is(hashes[0], hashes[2]);
  assert.is.not(hashes[0], hashes[1]);
});

test.run();
