import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { UsageError } from '../../src/errors.ts';
import { drawnDataset } from '../../src/jobs/drawn.ts';
import { type QuantizeOptions, quantize } from '../../src/jobs/quantize.ts';
import { writeModel } from '../../src/onnx/index.ts';
import { load } from '../graph/models.ts';
import { loadWasm } from '../helpers.ts';
import { smallData, smallModel } from './small.ts';

const wasm = await loadWasm();
const bytes = writeModel(smallModel());
const run = (options: QuantizeOptions) => quantize(wasm, bytes, { name: 'small', batch: 16, ...options });

async function refused(options: QuantizeOptions, pattern: RegExp): Promise<void> {
  let error: unknown;
  await run(options).catch((e: unknown) => {
    error = e;
  });
  assert.instance(error, UsageError);
  assert.match((error as Error).message, pattern);
  assert.is(wasm.arena.used, 0, 'memory was not freed');
}

test('data-free: calibrated on drawn inputs, said so, every damage on them a proxy', async () => {
  const { report, plan } = await run({ bits: 4.5, dataFree: true, samples: 32, evaluation: smallData(24) });
  assert.match(report.dataFree!, /^no real data: 32 inputs drawn with seed 0, .*image \[1, 24\] normal numbers/);
  assert.equal(report.calibration, { samples: 25, measured: 25, judged: 7 }, 'a fifth of 32 held back');
  assert.ok(plan.averageBits <= 4.5);
  assert.ok(report.allocations[0]!.damage! > 0);
  const own = report.guarantees.filter((g) => /damage of|damage on/.test(g.statement) && g.samples !== 24);
  assert.equal(
    own.map((g) => [g.label, g.samples, g.value]),
    [
      ['proxy', 7, report.allocations[0]!.damage],
      ['proxy', 7, report.allocations.find((a) => a.name === 'uniform')!.damage],
    ],
    'of the plan and of uniform widths, on the inputs held back',
  );
  assert.ok(report.guarantees.some((g) => g.label === 'proxy' && /inputs drawn in its place/.test(g.statement)));
  assert.ok(report.evaluation!.reference!.kl! > 0);
  assert.is((await run({ bits: 4.5, calibration: smallData(24) })).report.dataFree, null);
  assert.is(wasm.arena.used, 0, 'memory was not freed');
});

test('data-free beside data, or deciding what may be lost, is refused', async () => {
  await refused({ bits: 4.5, dataFree: true, calibration: smallData(8) }, /both/);
  await refused({ maxDrop: { measure: 'kl', value: 0.1 }, dataFree: true }, /needs real data/);
});

test('pictures are fitted to every BatchNormalization of ResNet-18', async () => {
  const model = load('resnet18-fashion');
  const { dataset, note } = await drawnDataset(wasm, model, { samples: 8, seed: 2 });
  const gain = /then moved (\d+\.\d) times nearer to the statistics of all 20 BatchNormalization nodes/.exec(note);
  assert.ok(Number(gain?.[1]) > 10, note);
  assert.is(dataset.count, 8);
  const few = await drawnDataset(wasm, model, { samples: 3 });
  assert.match(
    few.note,
    /not fitted to the statistics of all 20 BatchNormalization nodes: 3 samples at once are too few/,
  );
  assert.is(wasm.arena.used, 0, 'memory was not freed');
});

test('equalized: other weights, the same function before quantization, near it after', async () => {
  const options = { bits: 6, calibration: smallData(32), evaluation: smallData(24, 5), granularity: 'tensor' } as const;
  const { report } = await run({ ...options, equalize: true });
  assert.ok(report.evaluation!.reference!.kl! < 0.05, `KL ${report.evaluation!.reference!.kl}`);
  const plain = await run(options);
  assert.not.equal(plain.report.layers[0]!.spectralCurvature, report.layers[0]!.spectralCurvature);
});

test.run();
