import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { QuantizeReport } from '../../src/report/types.ts';
import { tensor } from '../../src/tensor.ts';
import { normals, random } from '../helpers.ts';
import { externalModel } from '../onnx/external.ts';
import { makePlace, network, npz, type Outcome, type Place, samples } from './command.ts';

const test = suite<{ place: Place }>('e2e/budgets');

test.before.each((context) => {
  context.place = makePlace();
  const { place } = context;
  place.write('net.onnx', network());
  place.write('calib.npz', npz(samples(96)));
});
test.after.each(({ place }) => place.remove());

const bytesOf = (place: Place, name: string) => readFileSync(join(place.dir, name));

function ok(outcome: Outcome): Outcome {
  assert.is(outcome.code, 0, outcome.stderr);
  return outcome;
}

test('a second budget from what is kept beside the cache: the same file; damaged, it is made anew', async ({
  place,
}) => {
  const run = async (bits: string, ...more: string[]) =>
    ok(await place.kappa('quantize', 'net.onnx', '--calib', 'calib.npz', '--force', '--bits', bits, ...more));
  const cached = ['--cache', 'cost.json'];
  await run('5', '-o', 'five.onnx', ...cached);
  const kept = bytesOf(place, 'cost.json.data');
  const second = await run('4.5', '-o', 'cached.onnx', ...cached);
  assert.match(second.stderr, /cache 'cost\.json\.data': used/);
  await run('4.5', '-o', 'plain.onnx');
  const plain = bytesOf(place, 'plain.onnx');
  assert.ok(bytesOf(place, 'cached.onnx').equals(plain));
  assert.ok(bytesOf(place, 'cost.json.data').equals(kept), 'not written again');

  const changed = Buffer.from(kept);
  changed[kept.length >> 1]! ^= 16;
  for (const [bytes, note] of [
    [changed, /cost\.json\.data': damaged \(not the bytes that were written\); making it anew/],
    [kept.subarray(0, 60), /cost\.json\.data': damaged \(cut off\); making it anew/],
  ] as const) {
    writeFileSync(join(place.dir, 'cost.json.data'), bytes);
    const { stderr } = await run('4.5', '-o', 'cached.onnx', ...cached);
    assert.match(stderr, note);
    assert.ok(bytesOf(place, 'cached.onnx').equals(plain));
    assert.is(bytesOf(place, 'cost.json.data').subarray(0, 60).compare(kept.subarray(0, 60)), 0, 'made anew');
  }
});

test('--cache-size: nothing beside the cache, or no more than that; no effect without a cache', async ({ place }) => {
  const run = (...more: string[]) =>
    place.kappa('quantize', 'net.onnx', '--calib', 'calib.npz', '--force', '--bits', '5', '-o', 'a.onnx', ...more);
  ok(await run('--cache', 'none.json', '--cache-size', '0'));
  assert.ok(existsSync(join(place.dir, 'none.json')));
  assert.not.ok(existsSync(join(place.dir, 'none.json.data')));
  ok(await run('--cache', 'few.json', '--cache-size', '20kB'));
  assert.ok(bytesOf(place, 'few.json.data').length < 20_500);
  const idle = await run('--cache-size', '1MB');
  assert.is(idle.code, 2);
  assert.match(idle.stderr, /--cache-size: has no effect without --cache/);
  place.write('taken.json.data', 'dear diary');
  const taken = await run('--cache', 'taken.json');
  assert.is(taken.code, 2);
  assert.match(taken.stderr, /cache 'taken\.json\.data': is no cache of Kappa's/);
  assert.is(bytesOf(place, 'taken.json.data').toString(), 'dear diary');
});

test('other external data under the same model: nothing of the cache is used', async ({ place }) => {
  const size = 32;
  place.write('ext.onnx', externalModel(2, size, 'ext.data'));
  const weights = (seed: number) => new Uint8Array(normals(2 * size * size, random(seed), 0.2).buffer);
  place.write('ext.data', weights(4));
  place.write('x.npz', npz([['x', tensor('float', [16, size], normals(16 * size, random(5)))]]));
  const run = async (out: string, ...more: string[]) =>
    ok(await place.kappa('quantize', 'ext.onnx', '--calib', 'x.npz', '--bits', '6', '-o', out, ...more));
  await run('a.onnx', '--cache', 'c');
  assert.match((await run('b.onnx', '--cache', 'c')).stderr, /cache 'c': used/);
  place.write('ext.data', weights(9));
  const { stderr } = await run('c.onnx', '--cache', 'c');
  assert.match(stderr, /cache 'c': made from another model, data or settings; measuring anew/);
  assert.match(stderr, /cache 'c\.data': made from another model, data or settings; making it anew/);
  await run('d.onnx');
  assert.ok(bytesOf(place, 'c.onnx').equals(bytesOf(place, 'd.onnx')));
  assert.not.ok(bytesOf(place, 'c.onnx').equals(bytesOf(place, 'a.onnx')));
});

test('--data-free: inputs drawn in the place of data, said loudly; not beside data', async ({ place }) => {
  const job = ['quantize', 'net.onnx', '--bits', '5', '--data-free', '--samples', '48'];
  const { stdout } = ok(await place.kappa(...job, '-o', 'free.onnx'));
  assert.match(stdout, /DATA-FREE: no real data: 48 inputs drawn with seed 0/);
  assert.match(stdout, /damage on 10 DRAWN samples/);
  const again = ok(await place.kappa(...job, '-o', 'again.onnx', '--json'));
  const report = JSON.parse(again.stdout) as QuantizeReport;
  assert.match(report.dataFree!, /48 inputs drawn/);
  assert.ok(report.averageBits <= 5);
  assert.ok(bytesOf(place, 'free.onnx').equals(bytesOf(place, 'again.onnx')), 'drawn by seed');
  ok(await place.kappa(...job, '-o', 'other.onnx', '--seed', '7'));
  assert.not.ok(bytesOf(place, 'free.onnx').equals(bytesOf(place, 'other.onnx')));
  const both = await place.kappa(...job, '-o', 'both.onnx', '--calib', 'calib.npz');
  assert.is(both.code, 2);
  assert.match(both.stderr, /--data-free: has no effect with --calib/);
});

test('--equalize: other weights are quantized, under a key of their own', async ({ place }) => {
  const run = async (out: string, ...more: string[]) => {
    const job = ['quantize', 'net.onnx', '--calib', 'calib.npz', '--granularity', 'tensor', '--bits', '5'];
    return ok(await place.kappa(...job, '--cache', 'c', '--json', '-o', out, ...more));
  };
  const plain = JSON.parse((await run('plain.onnx')).stdout) as QuantizeReport;
  const outcome = await run('even.onnx', '--equalize');
  assert.match(outcome.stderr, /made from another model, data or settings/);
  const even = JSON.parse(outcome.stdout) as QuantizeReport;
  assert.is(even.layers.length, plain.layers.length);
  assert.ok(even.damage.together! < 1 && even.damage.together !== plain.damage.together);
  assert.not.equal(
    even.layers.map((l) => l.spectralCurvature),
    plain.layers.map((l) => l.spectralCurvature),
  );
});

test('--ranks: every metric against what was measured', async ({ place }) => {
  const job = ['quantize', 'net.onnx', '--calib', 'calib.npz', '--bits', '5', '-o', 'a.onnx'];
  const { stdout } = ok(await place.kappa(...job, '--ranks'));
  assert.match(stdout, /How metrics ranked the layers, against what was measured/);
  for (const metric of ['jac', 'fisher', 'gram', 'spectral']) assert.match(stdout, new RegExp(`^ *${metric} +6 `, 'm'));
});

test.run();
