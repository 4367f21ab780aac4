import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { clopperPearson } from '../../src/verify/certificates.ts';
import { QuantizationValidator, type ValidationReport } from '../../src/verify/validator.ts';
import { throws } from '../throws.ts';
import { normals, random } from '../helpers.ts';

const value = (report: ValidationReport, name: string): number | null => {
  const found = report.figures.find((f) => f.name === name);
  assert.ok(found, name);
  return found!.value;
};
const near = (a: number | null, b: number): void =>
  assert.ok(a !== null && Math.abs(a - b) <= 1e-12 * Math.max(1, Math.abs(b)), `${a} against ${b}`);

const BATCH = {
  reference: [Math.log(3), 0, 0, Math.log(3), 0, 0],
  quantized: [0, 0, 0, Math.log(3), 0, Math.log(3)],
  cols: 2,
  labels: [0, 1, 0],
};

test('figures computed by hand', () => {
  const report = new QuantizationValidator().add(BATCH).report();
  assert.equal([report.samples, report.predictions, report.labelled], [3, 3, 3]);
  near(value(report, 'maxError'), Math.log(3));
  near(value(report, 'meanError'), Math.log(3) / 3);
  near(value(report, 'relativeSquaredError'), 1);
  const first = 0.75 * Math.log(0.75 / 0.5) + 0.25 * Math.log(0.25 / 0.5);
  const third = 0.5 * Math.log(0.5 / 0.25) + 0.5 * Math.log(0.5 / 0.75);
  near(value(report, 'kl'), (first + third) / 3);
  // Row 0 keeps its first class (of two equal), row 2 moves to the second.
  near(value(report, 'flips'), 1 / 3);
  near(value(report, 'referenceAccuracy'), 1);
  near(value(report, 'accuracy'), 2 / 3);
  near(value(report, 'accuracyDrop'), 1 / 3);
  near(value(report, 'crossEntropyRise'), (-Math.log(0.5) + Math.log(0.75) - Math.log(0.25) + Math.log(0.5)) / 3);
  near(value(report, 'maxKlBound'), Math.log(3) ** 2 / 8);
  near(value(report, 'certified'), 1 / 3);
  assert.is(value(report, 'flipsBound'), clopperPearson(1, 3).upper);
  assert.ok(report.met);
  const labels = new Map(report.figures.map((f) => [f.name, f.label]));
  assert.is(labels.get('kl'), 'measured');
  assert.is(labels.get('flipsBound'), 'proved');
  assert.ok(report.figures.every((f) => f.samples === 3 && f.statement.length > 10));
});

test('requirements: met at the limit, missed above it, missed where the data does not say', () => {
  const check = (requirements: object, batch: object = BATCH): boolean =>
    new QuantizationValidator(requirements).add(batch as never).report().met;
  assert.ok(check({ flips: 0.34, accuracyDrop: 0.34, kl: 0.2, maxError: 1.1 }));
  assert.not(check({ flips: 0.33 }));
  assert.not(check({ kl: 0.01 }));
  assert.ok(check({ flips: 0 }, { ...BATCH, quantized: BATCH.reference }));
  const { labels: _, ...unlabelled } = BATCH;
  assert.not(check({ accuracyDrop: 1 }, unlabelled));
  const report = new QuantizationValidator({ kl: 0.01, maxError: 2 }).add(BATCH).report();
  assert.equal(
    report.requirements.map((r) => [r.name, r.limit, r.met]),
    [
      ['maxError', 2, true],
      ['kl', 0.01, false],
    ],
  );
  assert.not(new QuantizationValidator({ kl: 1 }).report().met);
});

test('batches add up to the whole', () => {
  const next = random(4);
  const [rows, cols] = [60, 7];
  const reference = normals(rows * cols, next, 2);
  const noise = normals(rows * cols, next, 0.3);
  const quantized = reference.map((v, i) => v + noise[i]!);
  const labels = Array.from({ length: rows }, () => Math.floor(next() * (cols + 1)) - 1);
  const whole = new QuantizationValidator().add({ reference, quantized, cols, labels }).report();
  const parts = new QuantizationValidator();
  for (let r = 0; r < rows; r += 20)
    parts.add({
      reference: reference.slice(r * cols, (r + 20) * cols),
      quantized: quantized.slice(r * cols, (r + 20) * cols),
      cols,
      labels: labels.slice(r, r + 20),
    });
  const sum = parts.report();
  assert.ok(whole.labelled < rows);
  whole.figures.forEach((f, i) => {
    assert.is(sum.figures[i]!.name, f.name);
    near(sum.figures[i]!.value, f.value!);
  });
});

test('probabilities are taken as they are; a sequence is one sample', () => {
  const scores = new QuantizationValidator().add(BATCH).report();
  const soft = (x: readonly number[]): number[] =>
    x.map((v, i) => Math.exp(v) / (Math.exp(x[i - (i % 2)]!) + Math.exp(x[i - (i % 2) + 1]!)));
  const probabilities = new QuantizationValidator({}, { kind: 'probabilities' })
    .add({ ...BATCH, reference: soft(BATCH.reference), quantized: soft(BATCH.quantized) })
    .report();
  for (const name of ['kl', 'flips', 'accuracy', 'crossEntropyRise', 'maxKlBound'])
    near(value(probabilities, name), value(scores, name)!);
  const sequence = new QuantizationValidator().add({ ...BATCH, rowsPerSample: 3 }).report();
  assert.equal([sequence.samples, sequence.predictions], [1, 3]);
  near(value(sequence, 'kl'), value(scores, 'kl')!);
  assert.is(value(sequence, 'flipsBound'), 1);
  const zero = new QuantizationValidator({}, { kind: 'probabilities' })
    .add({ reference: [0.5, 0.5], quantized: [1, 0], cols: 2 })
    .report();
  assert.ok(value(zero, 'kl')! > 50 && Number.isFinite(value(zero, 'kl')!));
});

test('plain values have errors only', () => {
  const report = new QuantizationValidator({ relativeSquaredError: 0.1 }, { kind: 'values' })
    .add({ reference: [3, 4], quantized: [3, 3], cols: 1 })
    .report();
  near(value(report, 'relativeSquaredError'), 1 / 25);
  assert.is(value(report, 'kl'), null);
  assert.ok(report.met);
  assert.not(report.figures.some((f) => f.name === 'flipsBound'));
});

test('outputs that are not finite meet nothing', () => {
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    const report = new QuantizationValidator({ maxError: 1e300, kl: 100, flips: 1 })
      .add({ reference: [1, 2], quantized: [1, bad], cols: 2 })
      .report();
    assert.is(value(report, 'maxError'), Number.POSITIVE_INFINITY);
    assert.not(report.met, `${bad}`);
  }
});

test('wrong arguments are named', () => {
  const validator = new QuantizationValidator();
  throws(() => validator.add({ ...BATCH, cols: 4 }), RangeError, /multiple of 4/);
  throws(() => validator.add({ ...BATCH, quantized: [1] }), RangeError, /quantized: expected 6 values, got 1/);
  throws(() => validator.add({ ...BATCH, labels: [0] }), RangeError, /labels: expected 3, got 1/);
  throws(() => validator.add({ ...BATCH, labels: [0, 1, 2] }), RangeError, /label 2: expected a class below 2/);
  throws(() => validator.add({ ...BATCH, rowsPerSample: 2 }), RangeError, /rowsPerSample/);
  throws(() => new QuantizationValidator({ kl: -1 }), RangeError, /requirement kl/);
  throws(
    () => new QuantizationValidator({ speed: 1 } as never),
    RangeError,
    /requirement 'speed': expected one of maxError/,
  );
  throws(() => new QuantizationValidator({ kl: 'x' as never }), TypeError);
  throws(() => new QuantizationValidator({}, { confidence: 2 }), RangeError);
  throws(() => new QuantizationValidator({}, { kind: 'x' as never }), RangeError);
  assert.is(validator.report().samples, 0);
});

test('squared error over squared norm has an interval, by samples however they are cut into batches', () => {
  // Ratio 6 / 12; residuals of the samples 1 - 2, 2 - 2 and 3 - 2.
  const reference = [2, 0, 2, 0, 2, 0];
  const quantized = [1, 0, 2 + Math.sqrt(2), 0, 2 - Math.sqrt(3), 0];
  const options = { kind: 'values' } as const;
  const once = new QuantizationValidator({}, options).add({ reference, quantized, cols: 2 }).report();
  near(value(once, 'relativeSquaredError'), 0.5);
  near(value(once, 'squaredErrorInterval'), (1.96 * Math.sqrt((3 * 2) / 2)) / 12);
  const parts = new QuantizationValidator({}, options);
  for (const i of [0, 2, 4])
    parts.add({ reference: reference.slice(i, i + 2), quantized: quantized.slice(i, i + 2), cols: 2 });
  near(value(parts.report(), 'squaredErrorInterval'), value(once, 'squaredErrorInterval')!);
  const rows = new QuantizationValidator({}, options).add({ reference, quantized, cols: 1, rowsPerSample: 2 }).report();
  near(value(rows, 'squaredErrorInterval'), value(once, 'squaredErrorInterval')!);
  const single = new QuantizationValidator({}, options).add({ reference: [1], quantized: [2], cols: 1 }).report();
  assert.not(single.figures.some((f) => f.name === 'squaredErrorInterval'));
});

test.run();
