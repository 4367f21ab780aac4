import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parsePlan } from '../../src/allocate/json.ts';
import { datasetFromArrays } from '../../src/data/index.ts';
import { UnsupportedError, UsageError } from '../../src/errors.ts';
import { Session } from '../../src/graph/index.ts';
import { activationsIn, checkActivations } from '../../src/jobs/activations.ts';
import { type QuantizeOptions, quantize } from '../../src/jobs/quantize.ts';
import { readModel, writeModel } from '../../src/onnx/index.ts';
import type { Model } from '../../src/onnx/model.ts';
import { quantizeText } from '../../src/report/quantize.ts';
import { failure, loadWasm } from '../helpers.ts';
import { inputFor, residual, sequence } from '../quantize/activations/nets.ts';
import { RUNTIMES, relativeDifference, runIn } from '../quantize/run.ts';
import { throws } from '../throws.ts';

const test = suite('jobs/activations');
const wasm = await loadWasm();

const data = (m: Model, samples = 40) => datasetFromArrays(new Map([['x', inputFor(m, samples)]]), 'data');

function job(m: Model, options: QuantizeOptions) {
  const budget = options.plan || options.budgetBytes !== undefined ? {} : { budgetBytes: 2 ** 20 };
  return quantize(wasm, writeModel(m), { name: 'net', widths: [4, 8], seed: 1, ...budget, ...options });
}

function run(bytes: Uint8Array, m: Model): Float32Array {
  const session = new Session(readModel(bytes), wasm);
  const { y } = session.run({ x: inputFor(m, 8, 3) });
  session.dispose();
  return y!.data as Float32Array;
}

const opsIn = (bytes: Uint8Array) => readModel(bytes).graph.nodes.map((n) => n.opType);

test('static: the report tells what was rounded, the plan reads back and gives the same file', async () => {
  const m = residual();
  const calibration = data(m);
  const found = await job(m, { calibration, activations: 8, evaluation: data(m, 8) });
  const { activations, damage, allocations, layers } = found.report;
  assert.equal([activations!.mode, activations!.operators, activations!.values.length], ['static', 5, 9]);
  assert.ok(activations!.together! >= 0 && activations!.together! < 1e-2);
  assert.is(damage.together, activations!.together);
  assert.match(allocations[0]!.name, /activations rounded$/);
  assert.is(layers.length, 5);
  assert.ok(found.plan.layers.every((l) => l.format === 'integer'));
  assert.ok(relativeDifference(run(found.bytes, m), run(writeModel(m), m)) < 0.05);
  assert.match(quantizeText(found.report), /5 operators multiply integers; 9 values rounded, ranges by mse/);

  const plan = parsePlan(JSON.parse(JSON.stringify(found.plan)));
  assert.equal(plan.activations, found.plan.activations);
  const again = await job(m, { plan, calibration });
  assert.equal(again.plan.activations, found.plan.activations);
  const float = await job(m, { plan, calibration, activations: 'none' });
  assert.not.ok(opsIn(float.bytes).includes('QuantizeLinear'));
});

test('a plan is applied without data, by its own scales', async () => {
  const m = residual();
  const { plan, bytes } = await job(m, { calibration: data(m), activations: 8, rounding: 'nearest' });
  const again = await job(m, { plan, rounding: 'nearest' });
  assert.equal(again.plan.activations, plan.activations);
  assert.ok(relativeDifference(run(again.bytes, m), run(bytes, m)) < 0.05);
  const values = plan.activations!.values.map((v) => (v.value === 'r1' ? { ...v, bits: 32 } : v));
  const fewer = await job(m, { plan: { ...plan, activations: { ...plan.activations!, values } } });
  assert.is(fewer.report.activations!.operators, 3);
  const wrong = { ...plan.activations!, values: [{ ...values[0]!, value: 'nowhere' }] };
  const error = await failure(job(m, { plan: { ...plan, activations: wrong } }));
  assert.instance(error, UsageError);
  assert.match(error.message, /'nowhere' is no value/);
});

test('dynamic without data: products of matrices alone', async () => {
  const m = residual();
  const found = await job(m, { activations: 8 });
  const { activations } = found.report;
  assert.equal([activations!.mode, activations!.operators], ['dynamic', 1]);
  assert.is(activations!.left.filter((l) => l.reason.startsWith('a convolution')).length, 4);
  const { y } = await runIn('node', found.bytes, { x: inputFor(m, 8, 3) });
  assert.ok(relativeDifference(y!, run(found.bytes, m)) < 1e-2);
  assert.is(found.plan.activations!.mode, 'dynamic');
});

test('auto keeps to what it may add, by widths of the table', async () => {
  const m = sequence();
  const calibration = data(m);
  const strict = await job(m, { calibration, activations: 'auto' });
  const { weights, together, limit, predicted } = strict.report.activations!;
  assert.ok(predicted! <= limit! && (together ?? weights!) - weights! <= limit!);
  const wide = await job(m, { calibration, activations: 'auto', activationBits: [8, 16], exclude: ['c'] });
  assert.ok(wide.report.activations!.left.some((l) => l.layer === 'c' && /left in float/.test(l.reason)));
});

test('every range method, and 16 bits, which do less damage', async () => {
  const m = sequence();
  const calibration = data(m);
  const eight = await job(m, { calibration, activations: 8, activationRange: 'minmax' });
  assert.is(eight.report.activations!.range, 'minmax');
  const sixteen = await job(m, { calibration, activations: 16 });
  assert.ok(sixteen.report.activations!.together! < eight.report.activations!.together!);
  assert.ok(sixteen.plan.activations!.values.every((v) => v.type === 'uint16'));
});

test('a budget of bytes holds for the file with activations', async () => {
  const m = residual();
  const calibration = data(m);
  const whole = await job(m, { calibration, activations: 8 });
  const budgetBytes = whole.bytes.length - 400;
  const found = await job(m, { calibration, activations: 8, budgetBytes });
  assert.ok(found.bytes.length <= budgetBytes);
  assert.is(found.report.activations!.mode, 'static');
});

test('the same file every time', async () => {
  const m = residual();
  const options = { calibration: data(m), activations: 8 } as const;
  assert.equal((await job(m, options)).bytes, (await job(m, options)).bytes);
});

test('what cannot be is refused', async () => {
  const m = residual();
  const auto = await failure(job(m, { activations: 'auto' }));
  assert.instance(auto, UsageError);
  assert.match(auto.message, /needs calibration data/);
  throws(() => checkActivations({ activations: 8, maxError: 1 }), UsageError, /weights alone/);
  throws(() => checkActivations({ activations: 8, target: 'webgpu' }), UsageError, /webgpu/);
  throws(() => checkActivations({ activations: 'none', activationRange: 'mse' }), UsageError, /no effect/);
  assert.is(activationsIn({ format: 'integer' }), 8);
  assert.is(activationsIn({ format: 'dense' }), undefined);
  // Clip's limits are attributes before opset 11: it cannot be raised.
  const old = residual(10);
  for (const activations of [16, 'dynamic'] as const) {
    const data16 = activations === 16 ? { calibration: data(old), activations } : { activations: 8 as const };
    const error = await failure(job(old, data16));
    assert.instance(error, UnsupportedError);
    assert.match(error.message, activations === 16 ? /opset 13.*Clip 'r1'/ : /opset 11.*Clip 'r1'/);
  }
});

test('a model that cannot be raised to opset 13 gets operators of integers themselves', async () => {
  const m = residual(10);
  const found = await job(m, { calibration: data(m), activations: 8 });
  const model = readModel(found.bytes);
  assert.is(model.opsets.get(''), 10);
  const ops = opsIn(found.bytes);
  assert.equal(
    [ops.filter((o) => o === 'QLinearConv').length, ops.includes('Conv'), ops.includes('Clip')],
    [4, false, false],
  );
  const own = run(found.bytes, m);
  assert.ok(relativeDifference(own, run(writeModel(m), m)) < 0.05);
  for (const runtime of RUNTIMES) {
    const { y } = await runIn(runtime, found.bytes, { x: inputFor(m, 8, 3) });
    assert.ok(relativeDifference(y!, own) < 0.01, runtime);
  }
});

test.run();
