import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { datasetFromArrays } from '../../src/data/index.ts';
import { InterruptedError } from '../../src/errors.ts';
import { demonstrate } from '../../src/jobs/demo.ts';
import { evaluateModels } from '../../src/jobs/evaluate.ts';
import { readModel } from '../../src/onnx/index.ts';
import { network, samples } from '../e2e/command.ts';
import { loadWasm } from '../helpers.ts';

const wasm = await loadWasm();
const input = {
  models: [
    { name: 'a.onnx', bytes: network() },
    { name: 'b.onnx', bytes: network(undefined, 7) },
  ],
  calibration: datasetFromArrays(samples(64), 'calib'),
  evaluation: datasetFromArrays(samples(80, undefined, undefined, 9), 'eval'),
};

test('every row is what its file does: bits, bytes, KL; guided within the bytes of uniform', async () => {
  const { report, files } = await demonstrate(wasm, input, { bits: [8, 4] });
  assert.equal(
    report.models.map((m) => m.name),
    ['a.onnx', 'b.onnx'],
  );
  assert.is(report.samples, 80);
  for (const [i, model] of report.models.entries()) {
    assert.equal(
      model.rows.map((r) => `${r.kind} ${r.nominalBits}`),
      ['fp32 32', 'uniform 8', 'guided 8', 'uniform 4', 'guided 4'],
    );
    for (const row of model.rows.slice(1)) {
      const file = files.get(`${model.name.slice(0, 1)}-${row.kind}-${row.nominalBits}b.onnx`)!;
      assert.is(row.bytes, file.length);
      const original = readModel(input.models[i]!.bytes, 'original');
      const found = await evaluateModels(wasm, readModel(file, 'file'), original, input.evaluation, { batch: 250 });
      assert.is(row.kl, found.reference!.kl);
      assert.is(row.accuracy, found.accuracy);
      assert.is(row.loss, found.reference!.accuracy! - found.accuracy!);
      if (row.kind === 'uniform') assert.equal(new Set(row.bits), new Set([row.nominalBits]));
    }
    for (const at of [1, 3]) assert.ok(model.rows[at + 1]!.averageBits <= model.rows[at]!.averageBits);
    for (const layer of model.layers) assert.ok(layer.sigmaMax > 0 && layer.lossCurvature! > 0);
  }
  assert.is(files.size, 8);
});

test('the same twice', async () => {
  const once = () => demonstrate(wasm, { ...input, models: input.models.slice(0, 1) }, { bits: [4] });
  const [first, second] = [await once(), await once()];
  assert.equal(first.report.models, second.report.models);
  assert.equal(first.files, second.files);
});

test('can be cancelled, and says how far it is', async () => {
  const controller = new AbortController();
  const seen: string[] = [];
  let thrown: unknown;
  await demonstrate(wasm, input, {
    bits: [4],
    signal: controller.signal,
    progress: (stage, done, total) => {
      seen.push(`${stage} ${done} of ${total}`);
      if (done === 1) controller.abort(new InterruptedError());
    },
  }).catch((error: unknown) => {
    thrown = error;
  });
  assert.instance(thrown, InterruptedError);
  assert.equal(seen, ['demonstrating 0 of 4', 'demonstrating 1 of 4']);
});

test.run();
