import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { nodeSpawn } from '../../src/node/threads.ts';
import { type KernelCall, KernelError } from '../../src/wasm/calls.ts';
import { Wasm, type WasmOptions } from '../../src/wasm/wasm.ts';
import { withSharedMemory } from '../../src/wasm/shared.ts';
import { HEADER, type PoolWorker, type Spawn } from '../../src/wasm/worker.ts';
import { failure, normals, random, ROOT } from '../helpers.ts';
import { throws } from '../throws.ts';

const bytes = readFileSync(join(ROOT, 'build', 'kernels.wasm'));

/** An engine, and how many of its workers have ended. */
async function engine(
  threads: number,
  options: WasmOptions = {},
): Promise<{ wasm: Wasm; ended: () => number; workers: PoolWorker[] }> {
  const workers: PoolWorker[] = [];
  let ended = 0;
  const spawn: Spawn = async (source, data) => {
    const worker = (await nodeSpawn(source, data)) as PoolWorker & { once(event: 'exit', listener: () => void): void };
    worker.once('exit', () => ended++);
    workers.push(worker);
    return worker;
  };
  return { wasm: await Wasm.create(bytes, { threads, spawn, ...options }), ended: () => ended, workers };
}

/** What the promises of workers need to be heard. */
const soon = () => new Promise((resolve) => setTimeout(resolve, 50));

/** n floats at a new address, and the calls that negate each in a call of its own. */
function singles(wasm: Wasm, n: number): { at: number; calls: KernelCall[] } {
  const at = wasm.arena.alloc(4 * n);
  for (let i = 0; i < n; i++) wasm.arena.f32(at, n)[i] = i + 1;
  return { at, calls: Array.from({ length: n }, (_, i) => ['neg', at + 4 * i, at + 4 * i, 1]) };
}

test('none, one, as many calls as threads, and far more: each runs once', async () => {
  const { wasm } = await engine(3);
  assert.is(wasm.threads, 3);
  wasm.each([]);
  for (const n of [1, 2, 3, 4, 255, 256, 257, 1000]) {
    const { at, calls } = singles(wasm, n);
    wasm.each(calls);
    assert.ok(
      wasm.arena.f32(at, n).every((v, i) => v === -i - 1),
      `${n} calls`,
    );
    wasm.arena.free(at);
  }
  wasm.dispose();
});

test('with one thread the calls run in turn', async () => {
  const { wasm, workers } = await engine(1);
  assert.equal([wasm.threads, workers.length], [1, 0]);
  const { at, calls } = singles(wasm, 5);
  wasm.each([...calls, ...calls, ['add_scalar', at, 0.5, at, 5]]);
  assert.equal([...wasm.arena.f32(at, 5)], [1.5, 2.5, 3.5, 4.5, 5.5]);
});

test('workers take part', async () => {
  // a word of the control buffer's header that nothing else uses
  const count = 15;
  let words = new Int32Array(new SharedArrayBuffer(4));
  const spawn: Spawn = (source, data) => {
    words = new Int32Array(data.control, 0, HEADER);
    const counting = source.replace('run(left - 1);', `run(left - 1); words[${count}]++;`);
    assert.is.not(counting, source);
    return nodeSpawn(counting, data);
  };
  const wasm = await Wasm.create(bytes, { threads: 2, spawn });
  const n = 1 << 16;
  const x = wasm.arena.alloc(16 * n);
  const calls = Array.from({ length: 4 }, (_, i): KernelCall => ['tanh', x + 4 * n * i, x + 4 * n * i, n]);
  let batches = 0;
  for (; words[count] === 0 && batches < 1e5; batches++) wasm.each(calls);
  assert.ok(words[count]! > 0);
  assert.ok(words[count]! <= 4 * batches);
  wasm.dispose();
});

test('a trap names the first call that failed, and the engine goes on', async () => {
  for (const threads of [1, 2, 4]) {
    const { wasm } = await engine(threads);
    const beyond = 2 ** 32 - 16;
    const { at, calls } = singles(wasm, 40);
    for (const where of [0, 17, 39]) {
      const bad = [...calls];
      bad[where] = ['exp', beyond, beyond, 64];
      bad.push(['sqrt', beyond, beyond, 64]);
      throws(() => wasm.each(bad), KernelError, /^kernel exp: memory access out of bounds$/);
    }
    wasm.arena.f32(at, 40).fill(3);
    wasm.each(calls);
    assert.ok(wasm.arena.f32(at, 40).every((v) => v === -3));
    assert.is(wasm.threads, threads);
    wasm.dispose();
  }
});

test('what is no kernel is refused before anything runs', async () => {
  const { wasm } = await engine(2);
  const { at, calls } = singles(wasm, 2);
  throws(() => wasm.each([...calls, ['nothing', 1] as unknown as KernelCall]), TypeError, /kernel, found 'nothing'/);
  assert.equal([...wasm.arena.f32(at, 2)], [1, 2]);
  wasm.dispose();
});

test('the memory grows while there are threads, and they see all of it', async () => {
  const { wasm } = await engine(3);
  const { at: first, calls: before } = singles(wasm, 64);
  wasm.each(before);
  const view = wasm.arena.f32(first, 64);
  for (let mib = 16; mib <= 256; mib *= 2) {
    const block = wasm.arena.alloc(mib * 2 ** 20);
    const end = block + mib * 2 ** 20 - 4096;
    // copies of whole stretches check bounds by the size the thread knows
    const data = normals(1024, random(mib));
    wasm.arena.put(end, data);
    const to = end - 8192;
    wasm.each(
      Array.from(
        { length: 16 },
        (_, i): KernelCall => ['permute4', end + 256 * i, 1, 1, 8, 8, 0, 0, 1, 8, to + 256 * i],
      ),
    );
    for (let i = 0; i < 16; i++)
      for (let r = 0; r < 8; r++)
        for (let c = 0; c < 8; c++) assert.is(wasm.arena.f32(to, 1024)[64 * i + 8 * r + c], data[64 * i + 8 * c + r]);
    wasm.arena.free(block);
  }
  view[0] = 7;
  assert.is(wasm.arena.f32(first, 1)[0], 7);
  wasm.dispose();
});

test('maxBytes bounds a shared memory too', async () => {
  const { wasm } = await engine(2, { maxBytes: 2 ** 21 });
  throws(() => wasm.arena.alloc(2 ** 21), /cannot allocate/);
  const { at, calls } = singles(wasm, 8);
  wasm.each(calls);
  assert.is(wasm.arena.f32(at, 8)[7], -8);
  wasm.dispose();
  for (const maxBytes of [0, -1, Number.NaN, 2 ** 33])
    assert.instance(await failure(Wasm.create(bytes, { threads: 2, spawn: nodeSpawn, maxBytes })), RangeError);
});

test('dispose ends the workers; the engine goes on with one thread', async () => {
  const { wasm, ended, workers } = await engine(4);
  assert.equal([workers.length, ended()], [3, 0]);
  wasm.dispose();
  wasm.dispose();
  for (let i = 0; i < 100 && ended() < 3; i++) await soon();
  assert.is(ended(), 3);
  assert.is(wasm.threads, 1);
  const { at, calls } = singles(wasm, 9);
  wasm.each(calls);
  const n = 1 << 20;
  const large = wasm.arena.alloc(4 * n);
  wasm.arena.f32(large, n).fill(2);
  wasm.k.neg(large, large, n);
  assert.is(wasm.arena.f32(large, n)[n - 1], -2);
  assert.is(wasm.arena.f32(at, 9)[8], -9);
});

test('workers that cannot be started are done without', async () => {
  let asked = 0;
  const none = await Wasm.create(bytes, {
    threads: 4,
    spawn: () => {
      asked++;
      throw new Error('refused');
    },
  });
  assert.equal([asked, none.threads], [3, 1]);
  const { at, calls } = singles(none, 3);
  none.each(calls);
  assert.is(none.arena.f32(at, 3)[2], -3);
  const some = await Wasm.create(bytes, {
    threads: 3,
    spawn: (source, data) => (data.worker === 0 ? Promise.reject(new Error('refused')) : nodeSpawn(source, data)),
  });
  assert.is(some.threads, 2);
  const found = singles(some, 300);
  some.each(found.calls);
  assert.ok(some.arena.f32(found.at, 300).every((v, i) => v === -i - 1));
  some.dispose();
  const broken = await Wasm.create(bytes, { threads: 2, spawn: (_, data) => nodeSpawn('throw new Error("x")', data) });
  assert.is(broken.threads, 1);
  const silent = await Wasm.create(bytes, { threads: 2, spawn: (_, data) => nodeSpawn('0', data) });
  assert.is(silent.threads, 1);
});

test('a compiled module has threads when its memory is shared, one thread when not', async () => {
  const shared = new WebAssembly.Module(withSharedMemory(bytes, 65536));
  const wasm = await Wasm.create(shared, { threads: 2, spawn: nodeSpawn });
  assert.is(wasm.threads, 2);
  wasm.dispose();
  assert.is((await Wasm.create(new WebAssembly.Module(bytes), { threads: 2, spawn: nodeSpawn })).threads, 1);
});

test('the number of threads is a whole number within bounds', async () => {
  for (const threads of [0, -1, 1.5, 65, Number.NaN, '2' as never])
    assert.match((await failure(Wasm.create(bytes, { threads }))).message, /^threads: expected a whole number/);
});

test('where there can be no workers there is one thread', async () => {
  // the neutral door knows browsers' workers only, and there are none here
  const wasm = await Wasm.create(bytes, { threads: 4 });
  assert.equal([wasm.threads, wasm.build], [1, 'plain']);
});

test('a process ends by itself with its workers asleep, at work, or never disposed of', () => {
  const script = `
    import { loadKernels } from './src/node.ts';
    const wasm = await loadKernels({ threads: 3 });
    if (wasm.threads !== 3) throw new Error('threads');
    const x = wasm.arena.alloc(1 << 20);
    wasm.each(Array.from({ length: 9 }, (_, i) => ['neg', x + 4096 * i, x + 4096 * i, 1024]));
    if (process.argv[1] === 'sleep') await new Promise((resolve) => setTimeout(resolve, 300));
    process.stdout.write('done');`;
  for (const how of ['sleep', 'go']) {
    const args = ['--import', 'tsx', '--input-type=module', '-e', script, how];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { cwd: ROOT, timeout: 60000 });
    assert.equal([status, stdout.toString()], [0, 'done'], stderr.toString());
  }
});

test.run();
