import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TargetError, UsageError } from '../../src/errors.ts';
import { evaluateModels } from '../../src/jobs/evaluate.ts';
import { type QuantizeOptions, quantize } from '../../src/jobs/quantize.ts';
import { dropOf } from '../../src/jobs/targets.ts';
import { readModel, writeModel } from '../../src/onnx/index.ts';
import { dataset, modelBytes } from '../demonstration.ts';
import { loadWasm } from '../helpers.ts';
import { smallData, smallModel } from './small.ts';

const test = suite('jobs/targets');
const wasm = await loadWasm();
const bytes = writeModel(smallModel());
const evaluation = smallData(200, 77);
const run = (options: QuantizeOptions) =>
  quantize(wasm, bytes, { name: 'small', calibration: smallData(128), batch: 64, evaluation, ...options });
const { table, gains } = await run({ bits: 4, unit: 'rows' });
const again = (options: QuantizeOptions) => run({ table, gains, ...options });

const mlpBytes = modelBytes('mnist-mlp');
const heldOut = dataset('mnist-eval', 200);
const mlp = (options: QuantizeOptions) =>
  quantize(wasm, mlpBytes, {
    name: 'mlp',
    calibration: dataset('mnist-calib', 128),
    batch: 64,
    evaluation: heldOut,
    ...options,
  });
const measured = await mlp({ bits: 4, unit: 'rows' });
const mlpAgain = (options: QuantizeOptions) => mlp({ table: measured.table, gains: measured.gains, ...options });

async function throws(type: abstract new (...args: never[]) => Error, pattern: RegExp, work: Promise<unknown>) {
  let error: unknown;
  await work.catch((e: unknown) => {
    error = e;
  });
  assert.instance(error, type);
  assert.match((error as Error).message, pattern);
}

test('the smallest file that keeps a drop: kept on the held-out data, and not by a smaller plan', async () => {
  const value = 5e-4;
  const { bytes: file, report, plan } = await mlpAgain({ maxDrop: { measure: 'kl', value } });
  const found = await evaluateModels(wasm, readModel(file), readModel(mlpBytes), heldOut);
  assert.ok(found.reference!.kl! <= value, `${found.reference!.kl} of ${value}`);
  assert.is(report.damage.heldOut, report.evaluation!.reference!.kl);
  assert.ok(file.length < 0.2 * mlpBytes.length);
  assert.equal(report.budget.maxDrop, { measure: 'kl', value });
  // Data that chose the size certifies nothing.
  assert.not.ok(report.guarantees.some((g) => g.label === 'proved' && g.samples !== null));
  const said = report.guarantees.find((g) =>
    /drop in kl on the held-out data, which decided the size/.test(g.statement),
  );
  assert.is(said?.label, 'measured');
  assert.ok(said!.value! <= value);
  const less = await mlpAgain({ bits: 0.85 * plan.averageBits });
  assert.ok(less.report.damage.heldOut! > value, `${less.report.damage.heldOut} of ${value}: far from the smallest`);
});

test('accuracy: at most the share asked for is lost', async () => {
  const { report, plan } = await mlpAgain({ maxDrop: { measure: 'accuracy', value: 0.005 } });
  const { accuracy, reference } = report.evaluation!;
  assert.ok(reference!.accuracy! - accuracy! <= 0.005);
  assert.ok(plan.averageBits < 3.5);
});

test('without held-out data the calibration data decides, and it is said aloud', async () => {
  const { bytes: file, report } = await again({ maxDrop: { measure: 'kl', value: 0.01 }, evaluation: undefined });
  const found = await evaluateModels(wasm, readModel(file), readModel(bytes), smallData(128));
  assert.ok(found.reference!.kl! <= 0.01, `${found.reference!.kl}`);
  assert.is(report.evaluation, null);
  assert.ok(report.guarantees.some((g) => /^NO HELD-OUT DATA/.test(g.statement)));
});

test('every measure; one the data lacks is refused', async () => {
  const report = {
    samples: 4,
    predictions: 4,
    accuracy: 0.75,
    crossEntropy: 1.5,
    reference: {
      accuracy: 1,
      crossEntropy: 1.25,
      kl: 0.125,
      klError: null,
      squaredErrorInterval: null,
      relativeSquaredError: 0.5,
      maxError: 1,
      flips: 0.25,
      guarantees: [],
    },
  };
  assert.is(dropOf(report, 'accuracy'), 0.25);
  assert.is(dropOf(report, 'loss'), 0.25);
  assert.is(dropOf(report, 'kl'), 0.125);
  assert.is(dropOf(report, 'error'), 0.5);
  const bare = { ...report, accuracy: null, crossEntropy: null, reference: { ...report.reference, kl: null } };
  for (const measure of ['accuracy', 'loss', 'kl'] as const) {
    let message = '';
    try {
      dropOf(bare, measure);
    } catch (error) {
      assert.instance(error, UsageError);
      message = (error as Error).message;
    }
    assert.match(message, new RegExp(`--max-drop ${measure}: .*use .*error`));
  }
});

test('targets out of reach and budgets twice', async () => {
  await throws(
    TargetError,
    /--max-drop kl: expected at most 0, found .* with the widest widths/,
    again({ maxDrop: { measure: 'kl', value: 0 }, widths: [2, 3], table: undefined, gains: undefined }),
  );
  await throws(
    UsageError,
    /expected one budget, found bits and a largest drop/,
    again({ bits: 4, maxDrop: { measure: 'kl', value: 1 } }),
  );
  await throws(UsageError, /expected a number >= 0/, again({ maxDrop: { measure: 'kl', value: -1 } }));
  await throws(
    UsageError,
    /needs data to measure it on/,
    quantize(wasm, bytes, { maxDrop: { measure: 'kl', value: 1 } }),
  );
});

test('the fewest bytes whose bound is kept: proved, and smaller the larger the error', async () => {
  let last = Number.POSITIVE_INFINITY;
  for (const maxError of [30, 100, 300]) {
    const { plan, report } = await again({ maxError, evaluation: undefined });
    const said = report.guarantees.find((g) => /Theorem 3\.4/.test(g.statement))!;
    assert.is(said.label, 'proved');
    assert.ok(said.value! <= maxError && said.value! > 0.2 * maxError, `${said.value} of ${maxError}`);
    assert.ok(plan.bytes < last);
    last = plan.bytes;
  }
  await throws(TargetError, /out of reach|expected a bound of at most/, again({ maxError: 1e-9 }));
  await throws(UsageError, /needs calibration data/, quantize(wasm, bytes, { maxError: 1 }));
});

test.run();
