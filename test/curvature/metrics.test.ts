import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type CostTable, registerMetric, registerObjective, UsageError } from '../../src/index.ts';
import { CurvatureQuantizationAnalyzer } from '../../src/analyzer.ts';
import { Candidates } from '../../src/curvature/candidates.ts';
import { type Metric, type MetricContext, metricNamed, metricNames } from '../../src/curvature/metric.ts';
import { localError } from '../../src/curvature/metrics.ts';
import { PrecisionAwareQuantizer } from '../../src/quantize/index.ts';
import { svd } from '../../src/wasm/svd.ts';
import { tensor } from '../../src/tensor.ts';
import { dataset, feeds, floats, model as demonstration } from '../demonstration.ts';
import { loadWasm, random } from '../helpers.ts';
import { planFor } from '../quantize/models.ts';

const test = suite('curvature/metrics');
const wasm = await loadWasm();
const mlp = demonstration('mnist-mlp');
const SAMPLES = 512;
// The last fifth judges plans: tables are measured on the others.
const data = dataset('mnist-calib', (SAMPLES * 5) / 4);

/** What the metrics below were given, and the analyzers they were given it by. */
const contexts = new Map<string, MetricContext>();
const spy = (of: string): Metric => ({
  name: `spied ${of}`,
  needsData: metricNamed(of).needsData,
  measure(context) {
    contexts.set(of, context);
    return metricNamed(of).measure(context);
  },
});
for (const name of ['kl', 'gram', 'spectral']) registerMetric(spy(name));

async function analyse(metric: string, options: { seed?: number; widths?: number[] } = {}) {
  const analyzer = new CurvatureQuantizationAnalyzer(mlp, wasm, {
    metric: `spied ${metric}`,
    batch: 64,
    ...options,
  });
  if (metric !== 'spectral') await analyzer.calibrate(data);
  await analyzer.computeCurvature();
  return { analyzer, table: await analyzer.costTable() };
}

const kl = await analyse('kl');
const gram = await analyse('gram');
const contextOfGram = contexts.get('gram')!;

/** Mean KL(softmax(p) || softmax(q)) in f64. */
function divergence(p: Float32Array, q: Float32Array, cols: number): number {
  const logs = (x: Float32Array) => {
    const max = Math.max(...x);
    const sum = x.reduce((s, v) => s + Math.exp(v - max), 0);
    return Array.from(x, (v) => v - max - Math.log(sum));
  };
  let total = 0;
  for (let r = 0; r < p.length; r += cols) {
    const a = logs(p.subarray(r, r + cols));
    const b = logs(q.subarray(r, r + cols));
    a.forEach((v, c) => {
      total += Math.exp(v) * (v - b[c]!);
    });
  }
  return total / (p.length / cols);
}

const choice = (table: CostTable, layer: number, bits: number) =>
  table.layers[layer]!.choices.find((c) => c.bits === bits)!;

test('kl: measured entries are a full run with that layer alone replaced, all others as they were', () => {
  const { session, layers, candidates } = contexts.get('kl')!;
  const images = feeds('mnist-calib', SAMPLES);
  const reference = floats(session.run(images).logits);
  for (const [i, layer] of layers.entries())
    for (const bits of [2, 4]) {
      const { damage, measured } = choice(kl.table, i, bits);
      assert.is(measured, true);
      const weights = new Map([[layer.weight, candidates.tensor(layer, bits)]]);
      const expected = divergence(reference, floats(session.run(images, { weights }).logits), 10);
      assert.ok(Math.abs(damage - expected) < 1e-5 * expected + 1e-9, `${layer.name} ${bits}: ${damage} ${expected}`);
    }
});

/**
 * Measured widths stand for the others: what an error does to the output depends on its direction, so that the figures for these
 * are right to a factor, not to digits.
 */
const FACTOR = 3;

test(`kl: other entries follow the Gram error, within a factor of ${FACTOR} of what is measured`, () => {
  const { session, layers, candidates } = contexts.get('kl')!;
  const images = feeds('mnist-calib', SAMPLES);
  const reference = floats(session.run(images).logits);
  for (const [i, layer] of layers.entries())
    for (const bits of [3, 5, 6, 7, 8]) {
      const { damage, measured } = choice(kl.table, i, bits);
      assert.is(measured, false);
      const weights = new Map([[layer.weight, candidates.tensor(layer, bits)]]);
      const expected = divergence(reference, floats(session.run(images, { weights }).logits), 10);
      const factor = Math.max(damage / expected, expected / damage);
      assert.ok(factor < FACTOR, `${layer.name} at ${bits} bits: ${damage}, measured ${expected}`);
    }
});

test('tables: bytes as the quantizer writes them, widths ascending, the float layer last', () => {
  for (const { table } of [kl, gram]) {
    assert.is(table.version, 1);
    assert.is(table.unit, 'kl');
    assert.is(table.samples, SAMPLES);
    for (const bits of [2, 3, 4, 5, 6, 7, 8]) {
      const plan = planFor(mlp, () => ({ bits, symmetric: bits > 8 }));
      const written = new PrecisionAwareQuantizer(wasm, { clip: 'max', scaleType: 'float16' }).quantizeModel(mlp, plan);
      written.layers.forEach((l, i) => {
        assert.is(choice(table, i, bits).bytes, l.bytes);
        assert.is(table.layers[i]!.weight, l.weight);
        assert.is(table.layers[i]!.params, l.params);
      });
    }
    for (const layer of table.layers) {
      assert.equal(
        layer.choices.map((c) => c.bits),
        [2, 3, 4, 5, 6, 7, 8, 32],
      );
      assert.equal(layer.choices.at(-1), { bits: 32, damage: 0, bytes: 4 * layer.params, measured: true });
      layer.choices.slice(1).forEach((c, i) => assert.ok(c.damage < layer.choices[i]!.damage, layer.name));
    }
  }
});

test('spectral: sigma_max 2^-b exactly, without data', async () => {
  const { analyzer, table } = await analyse('spectral');
  assert.is(table.unit, 'proxy');
  assert.is(table.samples, 0);
  for (const [i, layer] of analyzer.layers.entries()) {
    const weight = floats(mlp.graph.initializers.find((t) => t.name === layer.weight)!.tensor());
    const [rows, cols] = layer.dims as [number, number];
    const sigma = svd(wasm, Float64Array.from(weight), rows, cols).sigma[0]!;
    for (const { bits, damage, measured } of table.layers[i]!.choices.slice(0, -1)) {
      assert.is(measured, false);
      assert.ok(Math.abs(damage * 2 ** bits - sigma) < 1e-9 * sigma);
      assert.is(damage, table.layers[i]!.choices[0]!.damage * 2 ** (2 - bits), 'an exact power of two apart');
    }
  }
  analyzer.dispose();
});

test('gram: local error times one gain a layer; its order of 30 random allocations is the measured one', async () => {
  const context = contextOfGram;
  for (const [i, layer] of context.layers.entries()) {
    const gains = [2, 4, 6, 8].map(
      (bits) =>
        choice(gram.table, i, bits).damage /
        localError(context, context.data!, layer, context.candidates.values(layer, bits)),
    );
    for (const gain of gains) assert.ok(gain > 0 && Math.abs(gain / gains[0]! - 1) < 1e-9);
  }
  const next = random(11);
  const predicted: Record<string, number[]> = { gram: [], kl: [] };
  const measured: number[] = [];
  for (let n = 0; n < 30; n++) {
    const bits = gram.analyzer.layers.map(() => 2 + Math.floor(7 * next()));
    const layers = gram.analyzer.layers.map((l, i) => ({ ...l, bits: bits[i]! }));
    measured.push(await gram.analyzer.measure({ layers: layers as never }));
    for (const [name, { table }] of [
      ['gram', gram],
      ['kl', kl],
    ] as const)
      predicted[name]!.push(bits.reduce((sum, b, i) => sum + choice(table, i, b).damage, 0));
  }
  for (const [name, values] of Object.entries(predicted)) {
    const rho = spearman(values, measured);
    assert.ok(rho >= 0.9, `${name}: Spearman ${rho}`);
  }
});

function spearman(a: readonly number[], b: readonly number[]): number {
  const ranks = (x: readonly number[]) => x.map((v) => x.reduce((r, w) => r + (w < v ? 1 : w === v ? 0.5 : 0), 0.5));
  const [ra, rb] = [ranks(a), ranks(b)];
  const mean = a.length / 2;
  const dot = (x: number[], y: number[]) => x.reduce((s, v, i) => s + (v - mean) * (y[i]! - mean), 0);
  return dot(ra, rb) / Math.sqrt(dot(ra, ra) * dot(rb, rb));
}

test('the seed decides the noise and nothing else does', async () => {
  const damages = ({ table }: { table: CostTable }) => table.layers.map((l) => l.choices[0]!.damage);
  const widths = [4, 8];
  const [first, again] = [await analyse('gram', { widths }), await analyse('gram', { widths })];
  assert.equal(again.table, first.table);
  const other = await analyse('gram', { seed: 5, widths });
  assert.not.equal(damages(other), damages(first));
  damages(other).forEach((d, i) => assert.ok(Math.abs(d / damages(first)[i]! - 1) < 1.5));
  first.analyzer.dispose();
  again.analyzer.dispose();
  other.analyzer.dispose();
});

test('a metric of one’s own and an objective of one’s own, each by one registration', async () => {
  // The squared norm of the weight error: a metric of a dozen lines.
  registerMetric({
    name: 'test squared weight error',
    needsData: false,
    async measure({ layers, widths, candidates }) {
      return {
        version: 1,
        metric: 'test squared weight error',
        unit: 'proxy',
        samples: 0,
        layers: layers.map((layer) => ({
          name: layer.name,
          weight: layer.weight,
          opType: layer.opType,
          params: layer.params,
          choices: widths.map((bits) => {
            const [w, q] = [candidates.float(layer), candidates.values(layer, bits)];
            const damage = w.reduce((sum, v, i) => sum + (v - q[i]!) ** 2, 0);
            return { bits, damage, bytes: candidates.bytes(layer, bits), measured: false };
          }),
        })),
      };
    },
  });
  // The largest damage of a weight in any layer.
  registerObjective('test worst weight', { combine: 'max', cost: (c, layer) => c.damage / layer.params });
  const analyzer = new CurvatureQuantizationAnalyzer(mlp, wasm, {
    metric: 'test squared weight error',
    rounding: { clip: 'max' },
    widths: [2, 4, 8],
  });
  await analyzer.computeCurvature();
  const table = await analyzer.costTable();
  const plans = ['sum', 'test worst weight'].map((objective) =>
    analyzer.optimizer({ objective }).optimize({ averageBits: 4.4 }),
  );
  for (const plan of plans) {
    assert.is(plan.metric, 'test squared weight error');
    assert.ok(plan.averageBits <= 4.4);
    assert.is(plan.gap, 0);
  }
  const worst = (plan: (typeof plans)[number]) =>
    Math.max(...plan.layers.map((l, i) => choice(table, i, l.bits).damage / table.layers[i]!.params));
  const sum = (plan: (typeof plans)[number]) => plan.layers.reduce((s, l, i) => s + choice(table, i, l.bits).damage, 0);
  assert.is(worst(plans[1]!), plans[1]!.predicted);
  assert.is(sum(plans[0]!), plans[0]!.predicted);
  assert.ok(worst(plans[1]!) <= worst(plans[0]!) && sum(plans[0]!) <= sum(plans[1]!));
  // By hand: all 27 plans.
  let best = Number.POSITIVE_INFINITY;
  for (const a of [2, 4, 8])
    for (const b of [2, 4, 8])
      for (const c of [2, 4, 8]) {
        const picked = [a, b, c].map((bits, i) => choice(table, i, bits));
        if ((8 * picked.reduce((s, p) => s + p.bytes, 0)) / analyzer.quantizable > 4.4) continue;
        best = Math.min(best, Math.max(...picked.map((p, i) => p.damage / table.layers[i]!.params)));
      }
  assert.is(plans[1]!.predicted, best);
  analyzer.dispose();
});

test('names: unknown, taken, in need of data', async () => {
  const usage = (pattern: RegExp) => (e: unknown) => e instanceof UsageError && pattern.test(e.message);
  assert.throws(() => metricNamed('kfac'), usage(/--metric kfac: expected one of spectral, gram, kl/));
  assert.equal(metricNames().slice(0, 3), ['spectral', 'gram', 'kl']);
  assert.throws(
    () => registerMetric(metricNamed('kl')),
    (e: unknown) => e instanceof RangeError,
  );
  for (const metric of ['kl', 'gram']) {
    const analyzer = new CurvatureQuantizationAnalyzer(mlp, wasm, { metric });
    let thrown: unknown;
    await analyzer.computeCurvature().catch((e: unknown) => {
      thrown = e;
    });
    analyzer.dispose();
    assert.ok(usage(/needs calibration data \(--calib\); without data use --metric spectral/)(thrown));
  }
});

test('a table is weighed by how often its rows are looked up', async () => {
  const { layers } = contexts.get('kl')!;
  const layer = { ...layers[2]!, opType: 'Gather', weight: 'table' };
  const { rows, cols } = layer;
  const float = new Float32Array(rows * cols);
  const candidates = new Candidates(
    wasm,
    () => tensor('float', [rows, cols], float),
    contexts.get('kl')!.candidates.settings,
    () => 0,
  );
  const moved = float.map((_, i) => Math.floor(i / cols) + 1);
  const rowWeights = new Float64Array(rows);
  [rowWeights[1], rowWeights[4]] = [0.75, 0.25];
  const calibration = { ...contexts.get('kl')!.data!.calibration, layers: new Map([['table', { rowWeights }]]) };
  const context = { ...contexts.get('kl')!, candidates };
  const found = localError(context, { ...context.data!, calibration }, layer, moved);
  assert.is(found, cols * (0.75 * 4 + 0.25 * 25));
});

test.run();
