import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { datasetFromArrays } from '../../src/data/index.ts';
import { InterruptedError } from '../../src/errors.ts';
import { quantize } from '../../src/jobs/quantize.ts';
import { installedRuntimes, modelPath, type VerifyOptions, verifyByRunning } from '../../src/node/runtimes.ts';
import { readModel } from '../../src/onnx/index.ts';
import { tensor } from '../../src/tensor.ts';
import type { RuntimeName } from '../../src/verify/runtime.ts';
import { network, samples } from '../e2e/command.ts';
import { failure, loadWasm, normals, ROOT, random } from '../helpers.ts';
import { externalModel } from '../onnx/external.ts';
import { type Behaviour, installBroken } from './broken-runtime.ts';

const test = suite<{ dir: string }>('node/runtimes');
const wasm = await loadWasm();

const original = network();
const { bytes: written } = await quantize(wasm, original, { bits: 4.5 });
const plain = await quantize(wasm, original, { bits: 6, format: 'qdq' });

test.before.each((context) => {
  context.dir = mkdtempSync(join(tmpdir(), 'kappa-runtimes-'));
  writeFileSync(join(context.dir, 'net.onnx'), original);
  writeFileSync(join(context.dir, 'small.onnx'), written);
});
test.after.each(({ dir }) => rmSync(dir, { recursive: true, force: true }));

const at = (dir: string, name: string) => ({ path: join(dir, name), data: [] });

function options(dir: string, more: Partial<VerifyOptions> = {}): VerifyOptions {
  const runtimes = installedRuntimes([ROOT]);
  return { runtimes, written: at(dir, 'small.onnx'), original: at(dir, 'net.onnx'), ...more };
}

const broken = (dir: string, how: Behaviour, runtime: RuntimeName = 'onnxruntime-node') => {
  installBroken(dir, runtime, how);
  return installedRuntimes([dir]).filter((r) => r.runtime === runtime);
};

test('both runtimes agree on a written file, and their times are told', async ({ dir }) => {
  const calibration = datasetFromArrays(new Map([...samples(6)].filter(([name]) => name !== 'labels')));
  const report = await verifyByRunning(wasm, options(dir, { calibration }));
  assert.equal([report.samples, report.from, report.note], [4, 'calibration data', null]);
  assert.equal(
    report.runtimes.map((r) => [r.runtime, r.status, r.reason, r.required]),
    [
      ['onnxruntime-web', 'agrees', null, true],
      ['onnxruntime-node', 'agrees', null, true],
    ],
  );
  for (const r of report.runtimes) {
    assert.ok(r.difference! < 1e-5 && r.originalDifference! < 1e-5, `${r.difference} ${r.originalDifference}`);
    for (const times of [r.load!, r.run!]) assert.ok(times.written > 0 && times.original > 0 && times.speed > 0);
    assert.match(r.version, /^\d+\.\d+\.\d+/);
    assert.is(r.memory, null, 'too small a model to tell');
  }
  assert.equal(JSON.parse(JSON.stringify(report)), report, 'plain JSON');
});

test("node's default arithmetic of decoded weights is measured beside", async ({ dir }) => {
  writeFileSync(join(dir, 'small.onnx'), plain.bytes);
  const report = await verifyByRunning(wasm, options(dir, { seed: 3 }));
  assert.is(report.from, 'drawn inputs');
  const [web, node] = report.runtimes;
  assert.equal([web!.status, node!.status], ['agrees', 'agrees']);
  assert.is(web!.defaultDifference, null);
  assert.type(node!.defaultDifference, 'number');
});

test('memory is measured for larger models', async ({ dir }) => {
  const large = network([512, 1024, 256, 12]);
  writeFileSync(join(dir, 'net.onnx'), large);
  writeFileSync(join(dir, 'small.onnx'), (await quantize(wasm, large, { bits: 5 })).bytes);
  const [node] = (await verifyByRunning(wasm, options(dir, { runtimes: installedRuntimes([ROOT]).slice(1) }))).runtimes;
  assert.is(node!.status, 'agrees');
  assert.ok(node!.memory!.original > large.length / 2 && node!.memory!.written > 0, JSON.stringify(node!.memory));
});

test('external data of both files', async ({ dir }) => {
  const size = 32;
  const weights = normals(2 * size * size, random(4), 0.2);
  writeFileSync(join(dir, 'net.onnx'), externalModel(2, size, 'net.data'));
  writeFileSync(join(dir, 'net.data'), new Uint8Array(weights.buffer));
  const model = readModel(externalModel(2, size, 'net.data'), 'net');
  // the written file here is the same model under another name, its data under a temporary one
  writeFileSync(join(dir, 'small.onnx'), externalModel(2, size, 'small.data'));
  writeFileSync(join(dir, 'temporary'), new Uint8Array(weights.buffer));
  const report = await verifyByRunning(
    wasm,
    options(dir, {
      original: modelPath(join(dir, 'net.onnx'), model),
      written: { path: join(dir, 'small.onnx'), data: [{ location: 'small.data', path: join(dir, 'temporary') }] },
    }),
  );
  assert.equal(
    report.runtimes.map((r) => r.status),
    ['agrees', 'agrees'],
    JSON.stringify(report),
  );
});

test('a runtime that gives other results, refuses the file or dies of it', async ({ dir }) => {
  const wanted: [Behaviour, string, RegExp][] = [
    ['errs', 'differs', /output 'logits' differs by 1\.0e-3 of its largest magnitude, expected at most 1e-4/],
    ['refuses', 'refused', /running the written file: no kernel for it/],
    ['crashes', 'refused', /running the written file: its process ended with SIGKILL/],
    ['hangs', 'refused', /running the written file: took longer than \d+ s/],
    ['refuses all', 'skipped', /running the original: no kernel for it/],
  ];
  for (const [how, status, reason] of wanted) {
    const report = await verifyByRunning(
      wasm,
      options(dir, { runtimes: broken(dir, how), ...(how === 'hangs' ? { later: 3000 } : {}) }),
    );
    assert.is(report.runtimes[0]!.status, status, how);
    assert.match(report.runtimes[0]!.reason!, reason);
    assert.is(report.runtimes[0]!.version, '0.0.1');
  }
});

test('a first stage without end, and a package that is none', async ({ dir }) => {
  const runtimes = [{ runtime: 'onnxruntime-node' as const, version: '1', module: join(dir, 'net.onnx') }];
  const none = await verifyByRunning(wasm, options(dir, { runtimes }));
  assert.is(none.runtimes[0]!.status, 'skipped');
  assert.match(none.runtimes[0]!.reason!, /^starting: /);
  const slow = await verifyByRunning(wasm, options(dir, { runtimes: installedRuntimes([ROOT]), first: 1 }));
  for (const r of slow.runtimes) assert.match(`${r.status} ${r.reason}`, /^skipped starting: took longer than 0 s/);
});

test('an abort ends the processes', async ({ dir }) => {
  const abort = new AbortController();
  const runtimes = broken(dir, 'hangs');
  const work = verifyByRunning(wasm, options(dir, { runtimes, signal: abort.signal }));
  setTimeout(() => abort.abort(new InterruptedError()), 800);
  assert.instance(await failure(work), InterruptedError);
});

test('packages are found from folders, in order', ({ dir }) => {
  assert.equal(installedRuntimes([dir]), []);
  installBroken(dir, 'onnxruntime-web', 'errs');
  assert.equal(
    installedRuntimes([dir, ROOT]).map((r) => [r.runtime, r.version === '0.0.1']),
    [
      ['onnxruntime-web', true],
      ['onnxruntime-node', false],
    ],
  );
  assert.equal(
    installedRuntimes([dir]).map((r) => r.runtime),
    ['onnxruntime-web'],
  );
});

test('a model that Kappa does not run: loaded, and said so', async ({ dir }) => {
  const [name] = ['net.onnx'];
  const nothing = datasetFromArrays(new Map([['other', tensor('float', [2, 3], new Float32Array(6))]]));
  const report = await verifyByRunning(wasm, options(dir, { original: at(dir, name!), evaluation: nothing }));
  assert.is(report.from, 'nothing');
  assert.match(report.note!, /Kappa does not run the model, so nothing was compared: .*"x"/);
  for (const r of report.runtimes) assert.match(`${r.status} ${r.reason}`, /^skipped it loads, but/);
});

test.run();
