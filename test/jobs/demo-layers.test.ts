import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { datasetFromArrays } from '../../src/data/index.ts';
import { componentOf, demonstrateLayers } from '../../src/jobs/demo-layers.ts';
import { evaluateModels } from '../../src/jobs/evaluate.ts';
import { readModel } from '../../src/onnx/index.ts';
import { componentsOf } from '../../src/report/demo-components.ts';
import { network, samples } from '../e2e/command.ts';
import { loadWasm } from '../helpers.ts';

const wasm = await loadWasm();
const input = {
  demo: 'resnet',
  model: { name: 'net.onnx', bytes: network() },
  calibration: datasetFromArrays(samples(64), 'calib'),
  evaluation: datasetFromArrays(samples(80, undefined, undefined, 9), 'eval'),
} as const;

test('every file is what it does on held-out data, within its budget; bits given are those of the plans', async () => {
  const { report, files } = await demonstrateLayers(wasm, input, { budgets: [6, 4] });
  assert.equal(
    report.files.map((f) => f.configuration),
    ['original (fp32)', 'uniform at 6', 'guided at 6', 'uniform at 4', 'guided at 4'],
  );
  assert.is(report.samples, 80);
  for (const f of report.files.slice(1)) {
    const [kind, , budget] = f.configuration.split(' ');
    const file = files.get(`net-${kind}-${budget}b.onnx`)!;
    assert.is(f.bytes, file.length);
    assert.ok(f.averageBits <= Number(budget));
    const original = readModel(input.model.bytes, 'original');
    const found = await evaluateModels(wasm, readModel(file, 'file'), original, input.evaluation, {});
    assert.is(f.kl, found.reference!.kl);
    assert.is(f.accuracy, found.accuracy);
  }
  for (const layer of report.layers) {
    assert.ok(layer.spectralCurvature > 0 && layer.lossCurvature! > 0 && layer.requiredBits! >= 0);
    assert.is(layer.given.length, 2);
    assert.ok(layer.given.every((b) => b >= 0 && b <= 8));
  }
});

test('parts of the networks by the names of their layers', () => {
  const part = (demo: 'resnet' | 'transformer', name: string) => componentOf(demo, name);
  assert.is(part('resnet', 'layer3.0.conv1'), 'layer3');
  assert.is(part('resnet', 'fc'), 'classifier');
  assert.is(part('resnet', 'conv1'), 'first convolution');
  assert.is(part('transformer', 'layers.2/attention/k'), 'Q/K projection');
  assert.is(part('transformer', 'layers.2/attention/v'), 'V projection');
  assert.is(part('transformer', 'layers.2/attention/out'), 'Out projection');
  assert.is(part('transformer', 'layers.2/down'), 'FFN up/down');
  assert.is(part('transformer', 'head'), 'head');
  assert.is(part('transformer', 'token'), 'embeddings');
});

test('a part has the means of its layers, and bits by weight', () => {
  const layer = (component: string, params: number, given: number, lossCurvature: number | null) => ({
    name: 'l',
    opType: 'Gemm',
    params,
    component,
    spectralCurvature: given,
    lossCurvature,
    damage: null,
    requiredBits: null,
    recommendedBits: null,
    given: [given],
  });
  const [a, b] = componentsOf({
    budgets: [4],
    layers: [layer('a', 100, 2, 1), layer('b', 10, 8, null), layer('a', 300, 6, 3)],
  });
  assert.equal(a, {
    name: 'a',
    layers: 2,
    params: 400,
    spectralCurvature: 4,
    lossCurvature: 2,
    recommendedBits: null,
    given: [5],
  });
  assert.is(b!.lossCurvature, null);
});

test.run();
