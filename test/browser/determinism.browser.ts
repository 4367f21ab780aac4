import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { fetched } from './helpers.ts';
import { JOBS, sha256 } from './jobs.ts';

// the door as it is shipped, not bundled into this test
const door = (await import('/dist/index.js' as string)) as typeof import('../../src/index.ts');
const kernels = await fetched('/dist/kernels.wasm');

for (const threads of [1, 2]) {
  const wasm = await door.Wasm.create(kernels, { threads });
  for (const [name, job] of Object.entries(JOBS))
    test(`${threads === 1 ? '1 thread' : `${threads} threads`} of a page and Node write the same file: ${name}`, async () => {
      assert.is(wasm.threads, threads);
      const expected = new TextDecoder().decode(await fetched(`/expected/${encodeURIComponent(name)}`));
      assert.match(expected, /^[0-9a-f]{64}$/);
      assert.is(await sha256(await job(door, wasm, (path) => fetched(`/${path}`))), expected);
    });
}

test.run();
