import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { supportsRelaxed } from '../../src/wasm/features.ts';
import { makePlace, network, npz, type Place, samples } from './command.ts';

const test = suite<{ place: Place }>('threads and builds of the command');

test.before.each((context) => {
  context.place = makePlace();
  context.place.write('net.onnx', network([384, 640, 512, 12]));
  context.place.write('in.npz', npz(samples(64, 384)));
});
test.after.each(({ place }) => place.remove());

test('the same file from any number of threads, which --verbose tells', async ({ place }) => {
  const run = async (command: readonly string[], name: string, flags: readonly string[]) => {
    const { code, stderr } = await place.kappa(...command, '-o', name, '--verbose', ...flags);
    assert.is(code, 0, stderr);
    return { bytes: readFileSync(join(place.dir, name)), stderr };
  };
  const commands = [
    ['run', 'net.onnx', '--inputs', 'in.npz'],
    ['quantize', 'net.onnx', '--bits', '4', '--calib', 'in.npz'],
  ];
  for (const command of commands) {
    const one = await run(command, `${command[0]}-1`, ['--threads', '1']);
    assert.match(one.stderr, /kernels: plain, 1 thread\n/);
    const three = await run(command, `${command[0]}-3`, ['--threads', '3']);
    assert.match(three.stderr, /kernels: plain, 3 threads\n/);
    assert.is(Buffer.compare(three.bytes, one.bytes), 0, command[0]);
  }
});

test('--build: the faster one there is, or an error that says what is missing', async ({ place }) => {
  const run = (...flags: string[]) =>
    place.kappa('run', 'net.onnx', '--inputs', 'in.npz', '-o', 'out.npz', '--force', '--verbose', ...flags);
  const auto = await run('--build', 'auto');
  assert.is(auto.code, 0, auto.stderr);
  assert.match(auto.stderr, supportsRelaxed() ? /kernels: relaxed, / : /kernels: plain, /);
  const relaxed = await run('--build', 'relaxed');
  if (supportsRelaxed()) assert.is(relaxed.code, 0, relaxed.stderr);
  else {
    assert.is(relaxed.code, 4);
    assert.match(relaxed.stderr, /error: build relaxed: .*no relaxed SIMD/);
  }
});

test('values that make no sense are usage errors', async ({ place }) => {
  for (const flags of [
    ['--threads', '0'],
    ['--threads', '65'],
    ['--threads', 'two'],
    ['--build', 'fast'],
  ]) {
    const { code, stderr } = await place.kappa('run', 'net.onnx', '--inputs', 'in.npz', '-o', 'out.npz', ...flags);
    assert.is(code, 2, stderr);
    assert.match(stderr, new RegExp(`error: ${flags[0]}: `));
  }
});

test.run();
