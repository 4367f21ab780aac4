import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { datasetFromArrays } from '../../src/data/index.ts';
import { analyzeModel } from '../../src/jobs/analyze.ts';
import { makeInitializer, makeNode, makeValueInfo, writeModel } from '../../src/onnx/index.ts';
import { tensor } from '../../src/tensor.ts';
import { svd } from '../../src/wasm/svd.ts';
import { dataset, floats, model as demonstration, modelBytes } from '../demonstration.ts';
import { loadWasm, normals, random } from '../helpers.ts';
import { model } from '../quantize/models.ts';
import { smallData, smallModel } from './small.ts';

const test = suite('jobs/analyze');
const wasm = await loadWasm();
const small = writeModel(smallModel());

test('the MLP on data: every figure there, and where it comes from', async () => {
  const before = wasm.arena.used;
  const report = await analyzeModel(wasm, modelBytes('mnist-mlp'), {
    name: 'mlp',
    calibration: dataset('mnist-calib', 64),
    targetAccuracy: 0.02,
    widths: [2, 4, 8],
  });
  assert.is(wasm.arena.used, before);
  assert.equal([report.metric, report.unit, report.targetAccuracy], ['kl', 'kl', 0.02]);
  assert.equal(report.calibration, { samples: 51, measured: 51, judged: 13 }, 'a fifth of 64 held back');
  const mlp = demonstration('mnist-mlp');
  for (const layer of report.layers) {
    const weight = floats(mlp.graph.initializers.find((t) => t.name === layer.weight)!.tensor());
    const [rows, cols] = mlp.graph.initializers.find((t) => t.name === layer.weight)!.dims as [number, number];
    const { sigma } = svd(wasm, Float64Array.from(weight), rows, cols);
    assert.ok(Math.abs(layer.spectralCurvature - sigma[0]!) < 1e-9 * sigma[0]!);
    assert.ok(Math.abs(layer.conditionNumber! / (sigma[0]! / sigma.at(-1)!) - 1) < 1e-6);
    assert.is(layer.spectralBound, 'exact');
    assert.ok(layer.requiredBits! < layer.recommendedBits! && layer.diameter! > 0);
    assert.equal(
      layer.damages.map((d) => [d.bits, d.measured]),
      [
        [2, true],
        [4, true],
        [8, false],
      ],
    );
    assert.ok(layer.amplification! >= 1 && layer.contribution! > 0);
  }
  const { recommended } = report;
  assert.ok(recommended!.predicted <= 0.02);
  assert.ok(report.measuredError! > 0 && report.measuredError! < 0.2);
  const sum = report.layers.reduce((s, l) => s + l.contribution!, 0);
  assert.ok(Math.abs(report.totalErrorBound! - sum) < 1e-9 * sum);
  assert.equal(
    report.guarantees.map((g) => g.label),
    ['proved', 'measured', 'proxy'],
  );
  assert.equal(
    report.operators.map((o) => [o.opType, o.nodes]),
    [
      ['Gemm', 3],
      ['Relu', 2],
    ],
  );
  assert.equal(report.operators[1]!.lipschitz, 1);
  assert.equal(JSON.parse(JSON.stringify(report)), report);
});

test('without data: spectra alone; nothing that needs data is told', async () => {
  const report = await analyzeModel(wasm, small, {});
  assert.equal([report.metric, report.unit, report.calibration], ['spectral', 'proxy', null]);
  assert.is(report.recommended, null, 'a proxy has no unit that a target could be in');
  assert.equal([report.totalErrorBound, report.measuredError], [null, null]);
  for (const l of report.layers) {
    assert.ok(l.spectralCurvature > 0 && l.damages.length === 7);
    assert.equal(
      [l.lossCurvature, l.diameter, l.requiredBits, l.recommendedBits, l.amplification, l.contribution],
      [null, null, null, null, null, null],
    );
  }
  assert.equal(
    report.guarantees.map((g) => g.label),
    ['proxy'],
  );
  const spectral = await analyzeModel(wasm, small, { calibration: smallData(20), metric: 'spectral' });
  assert.is(spectral.recommended, null);
});

test('a target out of reach has no recommendation, one that anything meets the smallest', async () => {
  const out = await analyzeModel(wasm, small, { calibration: smallData(20), targetAccuracy: 1e-9 });
  assert.equal([out.recommended, out.totalErrorBound, out.measuredError], [null, null, null]);
  const easy = await analyzeModel(wasm, small, { calibration: smallData(20), targetAccuracy: 1e3 });
  assert.equal(easy.recommended!.bits, [2, 2, 2]);
});

test('where no bound is known it says so instead of naming one', async () => {
  const w = tensor('float', [16, 32], normals(512, random(2)));
  const bytes = writeModel(
    model(
      {
        nodes: [makeNode('MatMul', ['x', 'w'], ['a']), makeNode('Floor', ['a'], ['y'])],
        initializers: [makeInitializer('w', w)],
        inputs: [makeValueInfo('x', 'float', ['N', 16])],
        outputs: [makeValueInfo('y', 'float', ['N', 32])],
      },
      17,
    ),
  );
  const { columns } = smallData(12);
  const image = floats(columns!.get('image')!.all).slice(0, 12 * 16);
  const calibration = datasetFromArrays(new Map([['x', tensor('float', [12, 16], image)]]));
  const report = await analyzeModel(wasm, bytes, { calibration, targetAccuracy: 1e3 });
  assert.is(report.totalErrorBound, null);
  assert.is(report.layers[0]!.contribution, null);
  const [first] = report.guarantees;
  assert.is(first!.label, 'proxy');
  assert.match(first!.statement, /no bound .*Floor/);
});

test('cancelled: the reason comes back', async () => {
  const controller = new AbortController();
  const before = wasm.arena.used;
  let error: unknown;
  await analyzeModel(wasm, small, {
    calibration: smallData(20),
    batch: 4,
    signal: controller.signal,
    progress: (stage) => stage === 'measuring layers' && controller.abort(new Error('enough')),
  }).catch((e: unknown) => {
    error = e;
  });
  assert.match((error as Error).message, /enough/);
  assert.is(wasm.arena.used, before);
});

test.run();
