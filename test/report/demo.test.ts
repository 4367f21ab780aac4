import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type DemoModel, type DemoReport, type DemoRow, demoText, spread } from '../../src/report/demo.ts';

const row = (kind: DemoRow['kind'], nominalBits: number, accuracy: number, kl: number): DemoRow => ({
  configuration: kind === 'fp32' ? 'Baseline (FP32)' : `${kind} ${nominalBits}`,
  kind,
  nominalBits,
  averageBits: kind === 'guided' ? nominalBits - 0.02 : nominalBits,
  bytes: nominalBits * 30_000,
  granularity: kind === 'guided' ? 'channel' : null,
  bits: [nominalBits, nominalBits],
  accuracy,
  loss: 0.98 - accuracy,
  kl,
});

const model = (name: string, shift: number): DemoModel => ({
  name,
  layers: [
    { name: 'fc1', opType: 'Gemm', params: 200_704, sigmaMax: 4.5, lossCurvature: 0.02 },
    { name: 'fc2', opType: 'Gemm', params: 32_768, sigmaMax: 2.5, lossCurvature: null },
  ],
  rows: [
    row('fp32', 32, 0.98, 0),
    row('uniform', 8, 0.98, 0.00001),
    row('guided', 8, 0.98, 0.000005),
    row('uniform', 6, 0.978 + shift, 0.0004 + shift / 20),
    row('guided', 6, 0.979 + shift, 0.0001),
  ],
});

const report = (models: DemoModel[]): DemoReport => ({
  kappa: '0.1.0',
  calibration: 1024,
  samples: 10_000,
  models,
  seconds: 9,
});

test('mean and sample standard deviation', () => {
  assert.equal(spread([1, 2, 3]), { mean: 2, deviation: 1 });
  assert.equal(spread([5]), { mean: 5, deviation: 0 });
});

test("the document's columns, a row a configuration, layers with curvature and widths", () => {
  const lines = demoText(report([model('a.onnx', 0)])).split('\n');
  assert.is(lines[0], 'MNIST, 10,000 test images, one training seed');
  assert.match(lines[2]!, /^ +Configuration +Avg Bits +Accuracy +Loss from FP32 +KL x 10\^3 +Bytes +Document$/);
  assert.match(lines[3]!, /Baseline \(FP32\) +32\.00 +98\.00% +- +- +960,000 +94\.2%$/);
  assert.match(lines[6]!, /uniform 6 +6\.00 +97\.80% +0\.20% +0\.400 +180,000 +92\.1%$/);
  assert.match(lines[7]!, /guided 6 +5\.98 +97\.90% +0\.10% +0\.100 +180,000 +93\.3%$/);
  const text = lines.join('\n');
  assert.match(text, /fc1 +200,704 +4\.500 +0\.0200 +8 +6$/m);
  assert.match(text, /fc2 +32,768 +2\.500 +- +8 +6$/m);
});

test('several seeds: mean and deviation', () => {
  const text = demoText(report([model('a.onnx', 0), model('b.onnx', 0.002), model('c.onnx', -0.002)]));
  assert.match(text, /3 training seeds: mean and standard deviation/);
  assert.match(text, /uniform 6 +6\.00 +97\.80% ± 0\.20% +0\.20% ± 0\.20% +0\.400 ± 0\.100 /);
});

test('says how far the measurement is from the document, in measured figures', () => {
  const text = demoText(report([model('a.onnx', 0)])).replace(/\s+/g, ' ');
  assert.match(text, /cannot occur at equal bytes/);
  assert.match(text, /with scales counted: 0\.00% at 8 bits and \+0\.10% at 6/);
});

test.run();
