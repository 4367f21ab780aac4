import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makePlace, network, npz, type Place, samples } from './command.ts';

const test = suite<{ place: Place }>('--max-memory of the command');

/** 34 layers of 100 KiB. */
const WIDTH = 160;

test.before.each((context) => {
  context.place = makePlace();
  context.place.write('net.onnx', network([...Array(34).fill(WIDTH), 10]));
  context.place.write('in.npz', npz(samples(64, WIDTH, 10)));
});
test.after.each(({ place }) => place.remove());

test('weights that do not fit are streamed: the same file', async ({ place }) => {
  const run = async (name: string, ...flags: string[]) => {
    const { code, stderr } = await place.kappa('run', 'net.onnx', '--inputs', 'in.npz', '-o', name, ...flags);
    assert.is(code, 0, stderr);
    return readFileSync(join(place.dir, name));
  };
  const expected = await run('all.npz');
  assert.is(Buffer.compare(await run('tight.npz', '--max-memory', '3MiB'), expected), 0);
  assert.is(Buffer.compare(await run('threads.npz', '--max-memory', '3MiB', '--threads', '2'), expected), 0);
  assert.is(Buffer.compare(await run('large.npz', '--max-memory', '64GB'), expected), 0);
});

test('what no layer fits into is refused with what it would take', async ({ place }) => {
  place.write('many.npz', npz(samples(4000, WIDTH, 10)));
  const run = (size: string) =>
    place.kappa('run', 'net.onnx', '--inputs', 'many.npz', '-o', 'out.npz', '--max-memory', size);
  const short = await run('3MiB');
  assert.is(short.code, 4, short.stderr);
  assert.match(
    short.stderr,
    /Gemm.*"h0": wasm memory: cannot allocate \d+ bytes.*\d+ or more .*smaller batch.*--max-memory/,
  );
  assert.not.match(short.stderr, /\n\s+at /);
  for (const size of ['1MB', 'much', '-1']) {
    const refused = await run(size);
    assert.is(refused.code, 2, refused.stderr);
    assert.match(refused.stderr, /--max-memory/);
  }
});

test.run();
