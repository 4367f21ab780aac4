import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { quantizeText } from '../../src/report/quantize.ts';
import type { Style } from '../../src/report/style.ts';
import type { LayerReport, QuantizeReport } from '../../src/report/types.ts';

function layer(i: number, more: Partial<LayerReport> = {}): LayerReport {
  return {
    name: `layer${i}`,
    weight: `layer${i}.weight`,
    opType: 'Gemm',
    params: 1000 + i,
    bits: 4,
    rows: null,
    bytes: 500 + i,
    granularity: 'channel',
    format: 'dense',
    formatReason: 'decoded to floats once',
    symmetric: true,
    spectralCurvature: 3.25,
    conditionNumber: 10,
    lossCurvature: 0.5,
    damage: 0.001 * i,
    damageMeasured: true,
    maxError: 0.1,
    reason: '3 bits: +1.00e-3 KL, 125 bytes less',
    ...more,
  };
}

const REPORT: QuantizeReport = {
  kappa: '0.1.0',
  model: { name: 'net.onnx', bytes: 940_000, quantizable: 234_752, layers: 3 },
  output: {
    bytes: 125_000,
    ratio: 7.52,
    format: 'dense',
    target: 'any',
    halves: null,
    opset: 17,
    parts: { codes: 117_000, scales: 1_500, zeros: 500, order: 0, floats: 0, rest: 6_000 },
  },
  budget: { averageBits: 4.1, bytes: null, maxDrop: null, maxError: null },
  averageBits: 4.0834,
  widths: [2, 3, 4, 5, 6, 7, 8],
  metric: 'kl',
  unit: 'kl',
  strategy: 'exact',
  objective: 'sum',
  optimalityGap: 0,
  calibration: { samples: 1024, measured: 512, judged: 1024 },
  dataFree: null,
  layers: [layer(0), layer(1, { damageMeasured: false }), layer(2, { bits: 32, damage: null, lossCurvature: null })],
  left: [
    { weight: 'a.bias', reason: 'fewer than 256 elements' },
    { weight: 'b.bias', reason: 'fewer than 256 elements' },
  ],
  allocations: [
    {
      name: 'best',
      averageBits: 4.0834,
      bytes: 119_000,
      bits: [4, 4, 8],
      rows: false,
      damage: 0.0019,
      damageError: 0.0002,
      predicted: 0.0021,
    },
    {
      name: 'uniform',
      averageBits: 4.01,
      bytes: 118_000,
      bits: [4, 4, 4],
      rows: false,
      damage: 0.0024,
      damageError: null,
      predicted: 0.003,
    },
  ],
  chosen: 'best',
  rowsNote: null,
  tuning: null,
  damage: { predicted: 0.0021, together: 0.0019, heldOut: 0.00234 },
  ranks: [{ metric: 'kl', plans: 6, correlation: 0.943 }],
  metricRanks: [{ metric: 'spectral', refused: 'no spectrum' }],
  notes: ['nothing was held back'],
  evaluation: {
    samples: 10_000,
    predictions: 10_000,
    accuracy: 0.9846,
    crossEntropy: 0.0531,
    reference: {
      accuracy: 0.9847,
      crossEntropy: 0.0529,
      kl: 0.00234,
      klError: 0.0002,
      relativeSquaredError: 0.0004,
      squaredErrorInterval: null,
      maxError: 0.9,
      flips: 0.0011,
      guarantees: [],
    },
  },
  guarantees: [
    { label: 'proved', statement: 'no plan is better by more than this', value: 0, samples: null },
    { label: 'measured', statement: 'damage', value: 0.0019, samples: 1024 },
    { label: 'proxy', statement: 'an order only', value: null, samples: null },
  ],
  seconds: 1.5,
};

const lineWith = (text: string, part: string) => text.split('\n').find((line) => line.includes(part));

test('the headline: bytes before and after, average bits, damage against uniform at the same bytes', () => {
  const lines = quantizeText(REPORT).split('\n');
  assert.is(lines[0], 'net.onnx: 940 kB -> 125 kB, 7.52x smaller');
  assert.match(
    lines[1]!,
    /^4\.08 bits a weight on average, scales counted \(budget 4\.10\); 234,752 weights in 3 layers/,
  );
  assert.match(lines[2]!, /^widths 2-8; metric kl; strategy exact; objective sum$/);
  assert.is(
    lines[3],
    'damage on 1,024 calibration samples: 1.90 (KL x 10^3); uniform widths at the same bytes: 2.40, 1.26x as much',
  );
});

test('formats: a line for each and why, with the layers it is of; what is stored as fp16', () => {
  const text = quantizeText(REPORT);
  assert.match(text, /opset 17$/m);
  assert.match(text, /^format dense: decoded to floats once \(\d layers\)$/m);
  const halves = { tensors: 3, before: 4000, after: 2000, kept: [{ tensor: 'b', reason: 'holds 1e6' }] };
  const some = quantizeText({
    ...REPORT,
    output: { ...REPORT.output, target: 'node', halves },
    layers: [layer(0), layer(1, { format: 'nbits', formatReason: 'in codes' }), layer(2)],
  });
  assert.match(some, /target node, opset 17$/m);
  assert.match(some, /^format dense: decoded to floats once \(layer0, layer2\)$/m);
  assert.match(some, /^format nbits: in codes \(layer1\)$/m);
  assert.match(some, /^3 tensors that are not quantized are stored as fp16: 2\.00 kB less; 1 stay fp32$/m);
});

test('a row a layer: what was measured, what was derived, what stayed in float', () => {
  const text = quantizeText(REPORT);
  assert.match(lineWith(text, 'layer0')!, /layer0 +Gemm +1,000 +4 +500 +3\.25 +0\.500 +0 +3 bits: \+1\.00e-3 KL/);
  assert.match(lineWith(text, 'layer1')!, / ~1\.00 /);
  assert.match(lineWith(text, 'layer2')!, /layer2 +Gemm +1,002 +float +502 +3\.25 +- +- /);
});

test('allocations, evaluation, guarantees with their labels, what was left', () => {
  const text = quantizeText(REPORT);
  assert.match(lineWith(text, 'best (chosen)')!, /4\.083 +119,000 +1\.90 +2\.10 +4 4 8$/);
  assert.match(lineWith(text, 'accuracy')!, /98\.47% +98\.46% +-0\.01%$/);
  assert.match(lineWith(text, 'KL to the reference')!, /2\.340/);
  assert.match(text, /^ {2}\[proved\] {3}no plan is better by more than this: 0$/m);
  assert.match(text, /^ {2}\[measured\] damage: 0\.001900 \(1,024 samples\)$/m);
  assert.match(text, /^ {2}\[proxy\] {4}an order only$/m);
  assert.match(lineWith(text, 'fewer than 256')!, /2 +a\.bias, b\.bias$/);
});

test('predicted, together and held out beside each other; ranks; bytes by part', () => {
  const text = quantizeText(REPORT);
  assert.is(text.split('\n')[4], 'predicted as a sum: 2.10; on held-out data: 2.34');
  assert.match(lineWith(text, 'rank correlation')!, /metric +allocations +rank correlation/);
  assert.match(text, /^ *kl +6 +0\.94$/m);
  assert.match(lineWith(text, 'zero points')!, /zero points +500 +0\.40%$/);
  assert.match(lineWith(text, 'all else')!, /6,000 +4\.80%$/);
  assert.not.match(text, /order of rows|layers in float/);
});

test('rows of different widths: their range and mean, and why there are none', () => {
  const rows = [
    { bits: 2, rows: 30 },
    { bits: 5, rows: 10 },
  ];
  const own = layer(0, { bits: 5, rows, reason: 'rows at 2 bits x30, 5 bits x10' });
  const allocation = { ...REPORT.allocations[0]!, name: 'rows', rows: true, bits: [2.75, 4, 8] };
  const text = quantizeText({ ...REPORT, layers: [own], allocations: [allocation] });
  assert.match(lineWith(text, 'layer0')!, / 2-5: 2\.8 .*rows at 2 bits x30, 5 bits x10/);
  assert.match(lineWith(text, 'rows (chosen)')!, / 2\.8 4 8$/);
  const refused = quantizeText({ ...REPORT, rowsNote: 'no width for every row: format qdq has one width a weight' });
  assert.match(refused, /^no width for every row: format qdq has one width a weight$/m);
});

test('what was asked for is said', () => {
  const asked = (budget: Partial<QuantizeReport['budget']>) =>
    quantizeText({ ...REPORT, budget: { ...REPORT.budget, averageBits: null, ...budget } }).split('\n')[1]!;
  assert.match(asked({ bytes: 1_200_000 }), /\(budget 1\.20 MB\)/);
  assert.match(asked({ maxDrop: { measure: 'accuracy', value: 0.005 } }), /\(drop in accuracy of at most 0\.005\)/);
  assert.match(asked({ maxError: 0.1 }), /\(proved error of at most 0\.1(00)?\)/);
  assert.match(asked({}), /\(given plan\)/);
});

test('without data it says so, and compares nothing', () => {
  const allocations = [{ ...REPORT.allocations[0]!, damage: null }];
  const damage = { predicted: 0.0021, together: null, heldOut: null };
  const text = quantizeText({
    ...REPORT,
    damage,
    ranks: [],
    calibration: null,
    evaluation: null,
    unit: 'proxy',
    allocations,
    left: [],
  });
  assert.match(text, /no calibration data: the widths follow the weights alone, no damage was measured/);
  assert.not.match(text, /uniform widths|Held-out|Left in float|KL x/);
});

test('data-free: loud, first, and never called calibration data', () => {
  const text = quantizeText({ ...REPORT, dataFree: 'no real data: 64 inputs drawn with seed 0' });
  assert.match(text, /DATA-FREE: no real data: 64 inputs drawn with seed 0/);
  assert.match(text, /damage on 1,024 DRAWN samples/);
  assert.not.match(text, /damage on 1,024 calibration samples/);
  assert.not.match(quantizeText(REPORT), /DATA-FREE|DRAWN/);
});

test('uniform where it is the best', () => {
  const uniform = { ...REPORT.allocations[1]!, name: 'uniform' };
  assert.match(quantizeText({ ...REPORT, allocations: [uniform] }), /uniform widths are the best found at this budget/);
});

test('a long model: the layers that matter, all on request', () => {
  const layers = Array.from({ length: 200 }, (_, i) => layer(i));
  const short = quantizeText({ ...REPORT, layers });
  assert.not.match(short, /layer159 /);
  assert.match(short, /layer160 /);
  assert.match(short, /and 160 more: --verbose lists all/);
  const long = quantizeText({ ...REPORT, layers }, { all: true });
  assert.match(long, /layer0 /);
  assert.not.match(long, /more:/);
  const bits = layers.map((_, i) => (i < 150 ? 4 : 8));
  const allocations = [{ ...REPORT.allocations[0]!, bits }];
  assert.match(quantizeText({ ...REPORT, layers, allocations }), /4 x150, 8 x50$/m);
});

test('names out of files cannot command a terminal', () => {
  const evil = 'a\u001b[2J\nb';
  const text = quantizeText({
    ...REPORT,
    model: { ...REPORT.model, name: evil },
    layers: [layer(0, { name: evil, opType: evil })],
    left: [{ weight: evil, reason: evil }],
    guarantees: [{ label: 'proxy', statement: evil, value: null, samples: null }],
  });
  assert.not.ok(text.includes('\u001b'));
  assert.not.match(text, /^b/m);
});

test('emphasis goes through the style that is given', () => {
  const tag = (name: string) => (text: string) => `<${name}>${text}</${name}>`;
  const style: Style = { bold: tag('b'), dim: tag('d'), good: tag('g'), bad: tag('r') };
  const text = quantizeText(REPORT, { style });
  assert.match(text, /^<b>net\.onnx: /);
  assert.match(text, /<g>\[proved\]<\/g> {3}no plan/);
  assert.match(text, /<d>\[proxy\]<\/d> {4}an order/);
});

test('tuning: what it did on both parts, and that nothing was kept where nothing was', () => {
  assert.not.match(quantizeText(REPORT), /Tuning/);
  const found = {
    steps: 300,
    kept: 275,
    batch: 8,
    tuning: { samples: 200, before: 0.0051, after: 0.0032 },
    heldOut: { samples: 56, before: 0.0053, after: 0.0042 },
  };
  const text = quantizeText({ ...REPORT, tuning: found });
  assert.match(text, /275 of 300 steps of 8 samples kept/);
  assert.match(lineWith(text, 'trained on')!, /200 +5\.1\d* +3\.2/);
  assert.match(lineWith(text, 'held out, which decides')!, /56 +5\.3\d* +4\.2/);
  assert.match(quantizeText({ ...REPORT, tuning: { ...found, kept: 0 } }), /nothing kept/);
});

test.run();
