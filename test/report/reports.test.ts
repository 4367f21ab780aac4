import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { analyzeText } from '../../src/report/analyze.ts';
import { compareText } from '../../src/report/compare.ts';
import { evaluateText } from '../../src/report/evaluate.ts';
import { inspectText } from '../../src/report/inspect.ts';
import { wrap } from '../../src/report/parts.ts';
import { runText } from '../../src/report/run.ts';
import type { AnalyzeReport, CompareReport, EvaluationReport, InspectReport } from '../../src/report/types.ts';

const lineWith = (text: string, part: string) => text.split('\n').find((line) => line.includes(part)) ?? '';

const EVALUATION: EvaluationReport = {
  samples: 200,
  predictions: 25_600,
  accuracy: 0.51,
  crossEntropy: 1.46,
  reference: {
    accuracy: 0.52,
    crossEntropy: 1.45,
    kl: 0.0123,
    klError: 0.001,
    relativeSquaredError: 0.002,
    squaredErrorInterval: null,
    maxError: 1.5,
    flips: 0.04,
    guarantees: [{ label: 'proved', statement: 'at most', value: 0.05, samples: 200 }],
  },
};

test('evaluation against a reference: both, the change, the bounds', () => {
  const text = evaluateText(EVALUATION, 'small.onnx');
  assert.match(text, /^small\.onnx: 200 samples, 25,600 predictions\n/);
  assert.match(lineWith(text, 'accuracy'), /52\.00% +51\.00% +-1\.00%$/);
  assert.match(lineWith(text, 'cross-entropy'), /1\.450 +1\.460 +\+0\.0100$/);
  assert.match(lineWith(text, 'KL to the reference'), /12\.30$/);
  assert.match(lineWith(text, 'predictions changed'), /4\.00%$/);
  assert.match(lineWith(text, '[proved]'), /at most: 0\.05000 \(200 samples\)$/);
});

test('evaluation alone; figures that there are none of', () => {
  const text = evaluateText({ ...EVALUATION, reference: null, accuracy: null }, 'm.onnx');
  assert.match(lineWith(text, 'accuracy'), / -$/);
  assert.match(lineWith(text, 'cross-entropy'), /1\.460$/);
  const { reference } = EVALUATION;
  const numbers = evaluateText(
    {
      ...EVALUATION,
      accuracy: null,
      crossEntropy: null,
      reference: { ...reference!, accuracy: null, kl: null, flips: null },
    },
    'm.onnx',
  );
  assert.not.match(numbers, /accuracy|cross-entropy|KL|changed/);
  assert.match(lineWith(numbers, 'relative squared error'), /0\.00200$/);
});

const COMPARISON: CompareReport = {
  tensors: [
    { name: 'h', opType: 'Conv', dims: [16, 8], maxError: 0.5, relativeSquaredError: 0.01, sqnr: 20 },
    { name: 'y', opType: 'Add', dims: [16], maxError: 0, relativeSquaredError: 0, sqnr: null },
  ],
  outputs: [{ name: 'y', maxError: 0, relativeSquaredError: 0 }],
  onlyInA: 3,
  onlyInB: 1234,
  samples: 96,
};

test('comparison: a row a value; of many the worst', () => {
  const text = compareText(COMPARISON, 'a.onnx', 'b.onnx');
  assert.match(text, /^a\.onnx and b\.onnx: 2 values in both, 96 samples\n/);
  assert.match(lineWith(text, 'Conv'), /h +Conv +\[16, 8\] +0\.500 +0\.0100 +20\.0$/);
  assert.match(lineWith(text, 'Add'), /y +Add +\[16\] +0 +0 +equal$/);
  assert.match(text, /in the first model only: 3; in the second only: 1,234$/);
  const tensors = Array.from({ length: 100 }, (_, i) => ({
    ...COMPARISON.tensors[0]!,
    name: `v${i}.`,
    relativeSquaredError: i,
  }));
  const long = compareText({ ...COMPARISON, tensors }, 'a', 'b');
  assert.not.match(long, /v59\./);
  assert.match(long, /v60\./);
  assert.match(long, /and 60 more/);
});

const INSPECTION: InspectReport = {
  name: 'm.onnx',
  bytes: 1_234_567,
  irVersion: 8,
  producer: 'pytorch',
  opsets: [
    { domain: '', version: 17 },
    { domain: 'com.example', version: 1 },
  ],
  inputs: [{ name: 'x', type: 'float', dims: ['N', 3, null] }],
  outputs: [{ name: 'y', type: 'type 8', dims: null }],
  operators: [
    { opType: 'Conv', domain: '', count: 20, supported: true },
    { opType: 'Odd', domain: 'com.example', count: 1, supported: false },
  ],
  weights: [{ name: 'c', opType: 'Conv', dims: [8, 4, 3, 3], params: 288 }],
  left: [],
  problems: [
    { kind: 'operator', operator: 'com.example.Odd', name: 'o', reason: 'opset 1' },
    { kind: 'node', operator: 'Conv', name: 'c9', reason: 'attribute "pads"' },
  ],
  parameters: 300,
};

test('inspection: what is there and what cannot be run', () => {
  const text = inspectText(INSPECTION);
  assert.match(text, /^m\.onnx: 1\.23 MB, 300 parameters\nIR version 8; opset 17, com\.example 1; made by pytorch\n/);
  assert.match(text, /^not supported: com\.example\.Odd$/m);
  assert.match(lineWith(text, '  x '), /x +float +\[N, 3, \?\]$/);
  assert.match(lineWith(text, '  y '), /y +type 8 +unknown$/);
  assert.match(lineWith(text, 'com.example.Odd  '), /1 +no$/);
  assert.match(lineWith(text, '[8, 4, 3, 3]'), /c +Conv +\[8, 4, 3, 3\] +288$/);
  assert.match(lineWith(text, 'c9'), /^ *Conv +c9 +attribute "pads"$/);
  const partly = inspectText({ ...INSPECTION, operators: INSPECTION.operators.slice(0, 1) });
  assert.match(partly, /^every operator is supported, but not all that these nodes ask of them$/m);
  const fine = inspectText({ ...INSPECTION, operators: INSPECTION.operators.slice(0, 1), problems: [] });
  assert.match(fine, /^every operator is supported$/m);
});

const ANALYSIS: AnalyzeReport = {
  kappa: '0.1.0',
  model: { name: 'm.onnx', bytes: 1000, quantizable: 300, layers: 1 },
  targetAccuracy: 0.01,
  metric: 'kl',
  unit: 'kl',
  calibration: { samples: 64, measured: 64, judged: 64 },
  layers: [
    {
      name: 'fc',
      weight: 'fc.weight',
      opType: 'Conv',
      params: 300,
      spectralCurvature: 2.5,
      spectralBound: 'upper bound',
      conditionNumber: null,
      lossCurvature: 0.02,
      diameter: 13,
      requiredBits: 9,
      recommendedBits: 16,
      damages: [
        { bits: 4, damage: 0.002, measured: true },
        { bits: 8, damage: 0.00002, measured: false },
      ],
      amplification: 1.5,
      contribution: null,
    },
  ],
  left: [],
  operators: [{ opType: 'Relu', lipschitz: 1, curvature: 0, nodes: 2, note: 'piecewise linear' }],
  recommended: { averageBits: 4.25, bits: [4], predicted: 0.002 },
  totalErrorBound: 14,
  measuredError: 0.0019,
  guarantees: [],
  seconds: 1,
};

test('analysis: bounds are marked as bounds, derived damages as derived', () => {
  const text = analyzeText(ANALYSIS);
  assert.match(lineWith(text, '<=2.500'), /fc +Conv +300 +<=2\.500 +- +0\.0200 +13 +9 +16 +1\.50 +-$/);
  assert.match(text, /^ +layer +4 bits +8 bits\n +fc +2\.00 +~0\.0200$/m);
  assert.match(text, /meet the target by the table: 4, 4\.25 bits a weight on average, predicted 2\.00/);
  assert.match(text, /at most 14 \(Theorem 3\.4, worst case\)\ndamage at those widths, measured: 1\.90/);
  assert.match(lineWith(text, 'Relu'), /2 +1 +0 +piecewise linear$/);
});

test('analysis without data', () => {
  const layers = ANALYSIS.layers.map((l) => ({ ...l, diameter: null, requiredBits: null, recommendedBits: null }));
  const bare = {
    calibration: null,
    recommended: null,
    totalErrorBound: null,
    measuredError: null,
    unit: 'proxy',
  } as const;
  const text = analyzeText({ ...ANALYSIS, ...bare, layers });
  assert.match(text, /no calibration data: no ranges, no damage; metric kl/);
  assert.match(text, /no widths of those allowed meet the target/);
  assert.not.match(text, /Theorem 3\.4|~/);
});

test('outputs that were written', () => {
  const text = runText({ file: 'o.npz', outputs: [{ name: 'y', type: 'float', dims: [4, 10] }] });
  assert.is(text, 'o.npz\n  output  type   shape\n  y       float  [4, 10]');
});

test('long statements are broken between words, and lose none', () => {
  const text = 'a bound on the expected error of one more sample of the same kind '.repeat(5).trim();
  const lines = wrap(text, 4, 50).split('\n');
  assert.ok(lines.length > 5);
  for (const line of lines) assert.ok(line.length <= 50, line);
  for (const line of lines.slice(1)) assert.match(line, /^ {4}\S/);
  assert.is(lines.map((l) => l.trim()).join(' '), text);
});

test.run();
