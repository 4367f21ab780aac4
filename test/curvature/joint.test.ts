import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CurvatureQuantizationAnalyzer } from '../../src/analyzer.ts';
import { chooseLosses, DamageMeter } from '../../src/curvature/damage.ts';
import { JointMeasurement, weightsOf } from '../../src/curvature/joint.ts';
import { type MetricContext, registerMetric } from '../../src/curvature/metric.ts';
import { Session } from '../../src/graph/index.ts';
import { readModel, writeModel } from '../../src/onnx/index.ts';
import { PrecisionAwareQuantizer } from '../../src/quantize/index.ts';
import { dataset, feeds, model as demonstration } from '../demonstration.ts';
import { loadWasm } from '../helpers.ts';
import { planFor } from '../quantize/models.ts';

const test = suite('curvature/joint');
const wasm = await loadWasm();
const mlp = demonstration('mnist-mlp');
const SAMPLES = 50;
const data = dataset('mnist-calib', 60);

let context: MetricContext | undefined;
registerMetric({
  name: 'context alone',
  needsData: true,
  async measure(given) {
    context = given;
    const layers = given.layers.map((l) => ({ ...l, choices: [{ bits: 4, damage: 0, bytes: 1, measured: false }] }));
    return { version: 1, metric: 'context alone', unit: 'proxy', samples: 0, layers };
  },
});
const analyzer = new CurvatureQuantizationAnalyzer(mlp, wasm, {
  metric: 'context alone',
  rounding: { clip: 'mse', rounding: 'nearest' },
});
await analyzer.calibrate(data);
await analyzer.costTable();

let runs = 0;
const counting: MetricContext = {
  ...context!,
  progress: (_, done) => {
    if (done > 0) runs++;
  },
};
const joint = new JointMeasurement(counting, { ...context!.data!, batch: 16 }, { start: 0, samples: SAMPLES });
const widths = (...bits: number[]) => new Map(analyzer.layers.map((l, i) => [l.weight, bits[i]!]));

/** The same damage from the file that the quantizer writes, run by itself. */
function written(bits: readonly number[]): number {
  const plan = planFor(mlp, (i) => ({ bits: bits[i]!, symmetric: bits[i]! > 8 }));
  const quantizer = new PrecisionAwareQuantizer(wasm, { clip: 'mse', scaleType: 'float16' });
  const small = new Session(readModel(writeModel(quantizer.quantizeModel(mlp, plan).model)), wasm);
  const images = feeds('mnist-calib', SAMPLES);
  const meter = new DamageMeter(wasm, chooseLosses(mlp, true, 'auto'));
  meter.add(analyzer.session.run(images), small.run(images));
  small.dispose();
  return meter.read();
}

test('damage is that of the written file on those samples', async () => {
  for (const bits of [
    [2, 3, 4],
    [8, 6, 5],
    [4, 32, 7],
  ]) {
    const found = await joint.damage(widths(...bits));
    const expected = written(bits);
    assert.ok(Math.abs(found - expected) <= 1e-6 * expected + 1e-10, `${bits}: ${found} ${expected}`);
  }
});

test('every allocation is measured once', async () => {
  const found = await joint.damage(widths(3, 3, 3));
  const before = runs;
  assert.is(await joint.damage(widths(3, 3, 3)), found);
  assert.is(runs, before);
  await joint.damage(widths(3, 3, 4));
  assert.is(runs, before + Math.ceil(SAMPLES / 16));
});

test('divergences of all predictions: their mean is the damage', async () => {
  const found = (await joint.divergences(widths(2, 3, 2)))!;
  assert.is(found.length, SAMPLES);
  const mean = found.reduce((a, b) => a + b, 0) / SAMPLES;
  const damage = await joint.damage(widths(2, 3, 2));
  assert.ok(Math.abs(mean - damage) < 1e-12 + 1e-9 * damage, `${mean}, ${damage}`);
  // Of one looked at with the first samples alone before, the same.
  await joint.damageOnFirst(widths(4, 3, 2));
  await joint.damage(widths(4, 3, 2));
  const both = (await joint.divergences(widths(4, 3, 2)))!;
  const weights = weightsOf(context!, widths(4, 3, 2));
  assert.equal(both, (await joint.measureRows(weights)).rows);
});

test('a damage has an interval over samples: 1.96 standard errors of the mean of their means', async () => {
  assert.is(joint.interval([1, 3], 2), 1.96);
  assert.is(joint.interval([0, 2, 2, 4], 2), 1.96, 'two predictions a sample');
  assert.is(joint.interval([5, 5, 5], 3), 0);
  assert.is(joint.interval([5], 1), null);
  assert.is(joint.interval([1, 2, 3], 2), null);
  const own = widths(5, 2, 3);
  assert.is(joint.intervalOf(own), null, 'not measured yet');
  await joint.damage(own);
  const rows = (await joint.divergences(own))!;
  assert.is(joint.intervalOf(own), joint.interval(rows));
  assert.ok(joint.intervalOf(own)! > 0);
  const first = widths(5, 2, 4);
  await joint.damageOnFirst(first);
  assert.ok(joint.intervalOf(first)! > 0);
});

test('layers left out or at 32 bits stay in float', async () => {
  assert.is(await joint.damage(new Map()), 0);
  assert.is(await joint.damage(widths(32, 32, 32)), 0);
  assert.equal([...weightsOf(context!, widths(32, 4, 32)).keys()], ['2.weight']);
  const one = await joint.damage(new Map([['2.weight', 2]]));
  assert.is(await joint.damage(widths(32, 2, 32)), one);
  assert.ok(one > 0);
});

test('weights of any kind', async () => {
  const { candidates, layers } = context!;
  const weights = new Map([[layers[0]!.weight, candidates.tensor(layers[0]!, 3)]]);
  assert.is(await joint.measure(weights), await joint.damage(new Map([[layers[0]!.weight, 3]])));
  assert.is(await joint.measure(new Map()), 0);
});

test.run();
