import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  BUILDS,
  fastestBuild,
  kernelFile,
  supportsRelaxed,
  supportsSimd,
  supportsThreads,
} from '../../src/wasm/features.ts';
import { loadWasm, RELAXED_FLAGS, ROOT } from '../helpers.ts';

test('what the probes say is what the engine does with the builds', () => {
  assert.is(supportsSimd(), true);
  assert.is(WebAssembly.validate(readFileSync(join(ROOT, 'build', kernelFile('plain')))), true);
  assert.is(supportsRelaxed(), WebAssembly.validate(readFileSync(join(ROOT, 'build', kernelFile('relaxed')))));
  assert.is(fastestBuild(), supportsRelaxed() ? 'relaxed' : 'plain');
  assert.equal(BUILDS.map(kernelFile), ['kernels.wasm', 'kernels-relaxed.wasm']);
});

test('the probe of relaxed SIMD follows the flag of an engine that has it behind one', () => {
  const script = `import { supportsRelaxed } from './src/wasm/features.ts'; process.stdout.write(String(supportsRelaxed()));`;
  const args = [...RELAXED_FLAGS, '--import', 'tsx', '--input-type=module', '-e', script];
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT });
  assert.is(stdout.toString(), 'true', stderr.toString());
});

test('each build says which it is', async () => {
  assert.is((await loadWasm()).k.relaxed(), 0);
  const script = `import { loadKernels } from './src/node.ts'; const wasm = await loadKernels({ build: 'relaxed' }); process.stdout.write(String(wasm.k.relaxed())); process.exit(0);`;
  const args = [...RELAXED_FLAGS, '--import', 'tsx', '--input-type=module', '-e', script];
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT });
  assert.is(stdout.toString(), '1', stderr.toString());
});

test('no threads on a page that is not isolated, or without shared memory', () => {
  assert.is(supportsThreads(), true);
  const page = globalThis as { crossOriginIsolated?: boolean; SharedArrayBuffer?: unknown };
  const shared = page.SharedArrayBuffer;
  try {
    page.crossOriginIsolated = false;
    assert.is(supportsThreads(), false);
    page.crossOriginIsolated = true;
    assert.is(supportsThreads(), true);
    page.SharedArrayBuffer = undefined;
    assert.is(supportsThreads(), false);
  } finally {
    delete page.crossOriginIsolated;
    page.SharedArrayBuffer = shared;
  }
});

test.run();
