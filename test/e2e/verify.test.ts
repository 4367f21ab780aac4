import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { QuantizeReport } from '../../src/report/types.ts';
import { installBroken } from '../node/broken-runtime.ts';
import { makePlace, network, npz, type Place, samples } from './command.ts';

const test = suite<{ place: Place }>('e2e/verify');

test.before.each((context) => {
  context.place = makePlace();
  context.place.write('net.onnx', network());
  context.place.write('calib.npz', npz(samples(64)));
});
test.after.each(({ place }) => place.remove());

const JOB = ['quantize', 'net.onnx', '--calib', 'calib.npz', '--bits', '5', '-o', 'out.onnx'];

test('the written file is run in the stock runtimes, and the report says so', async ({ place }) => {
  const { code, stdout, stderr } = await place.kappa(...JOB, '--verify', '--json', '--quiet');
  assert.equal([code, stderr], [0, '']);
  const { verification } = JSON.parse(stdout) as QuantizeReport;
  assert.equal([verification!.samples, verification!.from], [4, 'calibration data']);
  assert.equal(
    verification!.runtimes.map((r) => [r.runtime, r.status]),
    [
      ['onnxruntime-web', 'agrees'],
      ['onnxruntime-node', 'agrees'],
    ],
  );
  for (const { run, load, difference } of verification!.runtimes) {
    assert.ok(difference! < 1e-4);
    assert.ok(run!.speed > 0 && load!.speed > 0);
  }
  const text = await place.kappa(...JOB, '--verify', '--force', '--eval', 'calib.npz');
  assert.is(text.code, 0, text.stderr);
  assert.match(text.stdout, /^In stock runtimes$/m);
  assert.match(text.stdout, /^ {2}onnxruntime-web \d\S+ +agrees +\d\.\de-\d/m);
  assert.match(text.stdout, /run on 4 samples of held-out data, against Kappa's executor/);
});

test('a file of other results is not left behind, what was measured is; --no-verify writes it', async ({ place }) => {
  installBroken(place.dir, 'onnxruntime-node', 'errs');
  const before = place.files();
  const bad = await place.kappa(...JOB, '--verify', '--cache', 'cost.json', '--save-plan', 'plan.json');
  assert.is(bad.code, 5, bad.stderr);
  assert.is(bad.stdout, '');
  assert.match(
    bad.stderr,
    /error: onnxruntime-node 0\.0\.1: output 'logits' differs by 1\.0e-3 of its largest magnitude, expected at most 1e-4; nothing was written/,
  );
  assert.equal(
    place.files().filter((name) => !before.includes(name)),
    ['cost.json', 'cost.json.data'],
  );
  const plain = await place.kappa(...JOB, '--no-verify', '--json');
  assert.is(plain.code, 0, plain.stderr);
  assert.not.ok('verification' in (JSON.parse(plain.stdout) as QuantizeReport));
  assert.ok(readFileSync(join(place.dir, 'out.onnx')).length > 0);
});

test('a runtime that does not run the original either is a note, not an error', async ({ place }) => {
  installBroken(place.dir, 'onnxruntime-node', 'refuses all');
  const { code, stderr, stdout } = await place.kappa(...JOB, '--verify');
  assert.is(code, 0, stderr);
  assert.match(stderr, /not verified in onnxruntime-node: running the original: no kernel for it/);
  assert.match(stdout, /onnxruntime-node 0\.0\.1 +skipped/);
  assert.ok(place.files().includes('out.onnx'));
});

test.run();
