import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Plan } from '../../src/allocate/types.ts';
import { datasetFromArrays } from '../../src/data/index.ts';
import { DataError, UsageError } from '../../src/errors.ts';
import { findLayers, Session } from '../../src/graph/index.ts';
import { type QuantizeOptions, quantize } from '../../src/jobs/quantize.ts';
import { makeInitializer, makeNode, makeValueInfo, readModel, writeModel } from '../../src/onnx/index.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { dataset, feeds, floats, modelBytes } from '../demonstration.ts';
import type { QuantizeReport } from '../../src/report/types.ts';
import { loadWasm } from '../helpers.ts';
import { model, planFor } from '../quantize/models.ts';
import { smallData, smallFeeds, smallModel } from './small.ts';
import { storedBytes } from '../quantize/stored.ts';

const test = suite('jobs/quantize');
const wasm = await loadWasm();
const bytes = modelBytes('mnist-mlp');
const SAMPLES = 128;
const calibration = dataset('mnist-calib', SAMPLES);
const run = (options: QuantizeOptions) => quantize(wasm, bytes, { name: 'mlp', calibration, batch: 64, ...options });
const { table, ...first } = await run({ bits: 4.1 });

const smallBytes = writeModel(smallModel());
const small = (options: QuantizeOptions) =>
  quantize(wasm, smallBytes, { name: 'small', calibration: smallData(48), batch: 16, ...options });
const { table: smallTable, ...smallFirst } = await small({ bits: 5 });
/** With the cost table at hand: everything but the measurements of single layers. */
const again = (options: QuantizeOptions) => run({ table, ...options });

async function throws(type: abstract new (...args: never[]) => Error, pattern: RegExp, work: Promise<unknown>) {
  let error: unknown;
  await work.catch((e: unknown) => {
    error = e;
  });
  assert.instance(error, type);
  assert.match((error as Error).message, pattern);
}

/** Mean KL of the model in a file to the original on the first samples, by f64 arithmetic. */
function damageOf(original: Uint8Array, file: Uint8Array, given: Record<string, Tensor>): number {
  const [a, b] = [original, file].map((f) => {
    const session = new Session(readModel(f), wasm);
    const out = session.run(given).logits!;
    session.dispose();
    return out;
  }) as [Tensor, Tensor];
  const cols = a.dims[1]!;
  let total = 0;
  for (let r = 0; r < a.data.length; r += cols) {
    const logs = (x: Tensor) => {
      const row = [...floats(x).subarray(r, r + cols)];
      const max = Math.max(...row);
      const sum = row.reduce((s, v) => s + Math.exp(v - max), 0);
      return row.map((v) => v - max - Math.log(sum));
    };
    const [p, q] = [logs(a), logs(b)];
    p.forEach((v, c) => {
      total += Math.exp(v) * (v - q[c]!);
    });
  }
  return total / a.dims[0]!;
}

/** The last samples of each input: those held back, on which plans are judged. */
function lastOf(given: Record<string, Tensor>, count: number): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(given).map(([name, t]) => {
      const rest = t.dims.slice(1);
      const data = floats(t).slice(-count * rest.reduce((a, b) => a * b, 1));
      return [name, tensor('float', [count, ...rest], data)];
    }),
  );
}

/** Least damage of the plan chosen, in sequence or before: fitted in sequence it is kept unless the samples tell that it does more. */
function ownLeast({ allocations, chosen }: QuantizeReport): number {
  return Math.min(...allocations.flatMap((a) => (chosen.startsWith(a.name) ? [a.damage!] : [])));
}

function leastOf({ allocations }: QuantizeReport): number {
  return Math.min(...allocations.map((a) => a.damage!));
}

test('never worse than uniform at the same bytes on the samples held back; the damage told is the file’s', async () => {
  for (const bits of [2.2, 4.1, 6]) {
    const { plan, report, bytes: file } = await again({ bits });
    const [chosen] = report.allocations;
    const uniform = report.allocations.find((a) => a.name === 'uniform')!;
    assert.ok(chosen!.damage! <= uniform.damage!, `${bits}: ${chosen!.damage} ${uniform.damage}`);
    assert.ok(ownLeast(report) <= leastOf(report));
    for (const a of report.allocations) assert.ok(a.averageBits <= bits);
    const spectral = report.allocations.find((a) => a.name === 'spectral')!;
    assert.is(spectral.predicted, null, 'a spectral table predicts no damage');
    assert.ok(spectral.damage! > 0);
    assert.is(report.chosen, chosen!.name);
    assert.ok(plan.averageBits <= bits);
    assert.is(report.averageBits, plan.averageBits);
    assert.equal(
      report.layers.map((l) => l.bits),
      plan.layers.map((l) => l.bits),
    );
    assert.equal(report.calibration, { samples: 102, measured: 102, judged: 26 }, `a fifth of ${SAMPLES} held back`);
    const measured = damageOf(bytes, file, lastOf(feeds('mnist-calib', SAMPLES), 26));
    assert.ok(Math.abs(measured - chosen!.damage!) < 1e-6 * measured + 1e-9, `${bits}: ${measured} ${chosen!.damage}`);
    const told = report.guarantees.filter((g) => /held-back fifth/.test(g.statement));
    assert.equal(
      told.map((g) => [g.label, g.samples, g.value]),
      [['measured', 26, chosen!.damage]],
    );
  }
});

test('the report’s bytes are the file’s', () => {
  const { report, bytes: file, plan } = first;
  assert.is(report.output.bytes, file.length);
  assert.is(report.output.ratio, bytes.length / file.length);
  assert.is(report.model.bytes, bytes.length);
  assert.is(report.output.opset, 17, 'dense keeps the opset');
  const { codes, scales, zeros } = storedBytes(readModel(file), readModel(bytes));
  assert.is(codes + scales + zeros, plan.bytes);
  assert.is(
    report.layers.reduce((sum, l) => sum + l.bytes, 0),
    plan.bytes,
  );
  assert.is((8 * plan.bytes) / report.model.quantizable, report.averageBits);
});

test('a budget in bytes is that of the written file', async () => {
  let last = Number.POSITIVE_INFINITY;
  for (const budgetBytes of [131_313, 72_000]) {
    const { plan, report, bytes: file } = await again({ budgetBytes });
    assert.ok(file.length <= budgetBytes, `${file.length} of ${budgetBytes}`);
    // Plans fill the budget; the one of least damage may be smaller than the largest of them.
    const fullest = Math.max(...report.allocations.map((a) => a.bytes)) + file.length - plan.bytes;
    assert.ok(fullest > 0.98 * budgetBytes, `${fullest} of ${budgetBytes}`);
    // The least, or what the few samples that judge plans cannot tell from it.
    assert.ok(ownLeast(report) <= 1.1 * leastOf(report), `${ownLeast(report)} against ${leastOf(report)}`);
    assert.is(report.output.bytes, file.length);
    assert.equal(report.budget, { averageBits: null, bytes: budgetBytes, maxDrop: null, maxError: null });
    assert.ok(report.allocations.some((a) => a.name === 'uniform'));
    assert.ok(report.allocations[0]!.damage! <= report.allocations.find((a) => a.name === 'uniform')!.damage!);
    assert.ok(file.length < last);
    last = file.length;
  }
  // The smallest file there is fits its own size to the byte, and not one byte less.
  const all2 = await small({ plan: { ...smallFirst.plan, layers: smallFirst.plan.layers.map(two) } });
  assert.is((await small({ budgetBytes: all2.bytes.length })).bytes.length, all2.bytes.length);
  await throws(
    UsageError,
    new RegExp(`budget \\d+ bytes: expected at least ${all2.bytes.length}, `),
    small({ budgetBytes: all2.bytes.length - 1 }),
  );
  // Names, nodes and tables take more or less room as widths change: the file fits all the same, whatever the budget.
  const smallest = (await small({ plan: { ...smallFirst.plan, layers: smallFirst.plan.layers.map(two) } })).bytes
    .length;
  for (let budgetBytes = smallest; budgetBytes < smallest + 1500; budgetBytes += 499) {
    const fitted = (await small({ budgetBytes, table: smallTable })).bytes.length;
    assert.ok(fitted <= budgetBytes, `${fitted} of ${budgetBytes}`);
  }
  const huge = await small({ budgetBytes: 10_000_000 });
  assert.ok(huge.plan.layers.every((l) => l.bits >= 7));
});

const two = ({ rowBits: _, asymmetricBits: __, ...l }: Plan['layers'][number]) => ({ ...l, bits: 2, symmetric: false });

test('pins, exclusions and ties are kept', async () => {
  const widths = ({ plan }: { plan: Plan }) => plan.layers.map((l) => l.bits);
  const pinned = await small({ bits: 5.5, pins: new Map([['2', 7]]) });
  assert.is(widths(pinned)[1], 7);
  assert.ok(pinned.report.allocations.every((a) => a.bits[1] === 7));
  assert.ok(pinned.plan.averageBits <= 5.5);
  const excluded = await small({ bits: 9, exclude: ['4'] });
  assert.is(widths(excluded)[2], 32);
  assert.equal(
    floats(
      readModel(excluded.bytes)
        .graph.initializers.find((t) => t.name === '4.weight')!
        .tensor(),
    ),
    floats(
      readModel(smallBytes)
        .graph.initializers.find((t) => t.name === '4.weight')!
        .tensor(),
    ),
  );
  assert.is(excluded.report.layers[2]!.reason, 'pinned to float');
  const tied = await small({ bits: 5.4, ties: [['0', '4']] });
  assert.is(widths(tied)[0], widths(tied)[2]);
  for (const a of tied.report.allocations) assert.is(a.bits[0], a.bits[2]);
  await throws(UsageError, /pin 'nine': no such layer/, small({ bits: 5, pins: new Map([['nine', 4]]) }));
  await throws(
    UsageError,
    /tied to one width but pinned/,
    small({
      bits: 4,
      pins: new Map([
        ['0', 4],
        ['2', 5],
      ]),
      ties: [['0', '2']],
    }),
  );
});

test('a plan is applied exactly, and measured as it was written', async () => {
  const layers = planFor(smallModel(), (i) => ({
    bits: [3, 5, 16][i]!,
    granularity: (['tensor', 32, 'channel'] as const)[i]!,
    symmetric: i !== 1,
  })).layers;
  const plan: Plan = { ...smallFirst.plan, layers };
  const { plan: used, report, bytes: file } = await small({ plan });
  assert.equal(used, plan);
  assert.is(report.chosen, 'given plan');
  assert.equal(
    report.layers.map((l) => [l.bits, l.granularity, l.symmetric]),
    [
      [3, 'tensor', true],
      [5, 32, false],
      [16, 'channel', true],
    ],
  );
  assert.equal(report.calibration, { samples: 38, measured: 38, judged: 10 }, 'a fifth of 48 held back');
  const measured = damageOf(smallBytes, file, lastOf(smallFeeds(48), report.calibration!.judged));
  assert.ok(Math.abs(report.allocations[0]!.damage! - measured) < 1e-6 * measured + 1e-9);
  const some = await small({ plan: { ...plan, layers: layers.slice(1, 2) } });
  assert.is(some.report.layers.length, 1);
  assert.ok(
    findLayers(readModel(some.bytes)).layers.some((l) => l.weight === '0.weight'),
    'the others stay float',
  );
  await throws(
    UsageError,
    /no quantizable weight 'x'/,
    small({ plan: { ...plan, layers: [{ ...layers[0]!, weight: 'x' }] } }),
  );
});

test('the same twice, with and without a table at hand', async () => {
  const fresh = await run({ bits: 4.1 });
  assert.equal(fresh.bytes, first.bytes);
  assert.equal(fresh.plan, first.plan);
  assert.equal(fresh.table, table);
  assert.equal({ ...fresh.report, seconds: 0 }, { ...first.report, seconds: 0 });
  const reused = await again({ bits: 4.1 });
  assert.equal(reused.bytes, first.bytes);
  assert.equal(reused.plan, first.plan);
  const json = JSON.parse(JSON.stringify(first.report)) as unknown;
  assert.equal(json, first.report, 'the report is plain JSON');
});

test('without data: the weights’ own plan, called a proxy', async () => {
  const { plan, report, table: own } = await quantize(wasm, bytes, { bits: 4.1 });
  assert.is(own.metric, 'spectral');
  assert.is(report.unit, 'proxy');
  assert.is(report.calibration, null);
  assert.ok(plan.averageBits <= 4.1);
  assert.ok(report.allocations.every((a) => a.damage === null));
  assert.equal(
    report.guarantees.map((g) => g.label),
    ['proved', 'proxy'],
  );
  assert.is(report.guarantees[0]!.value, 0, 'the allocation is optimal on its table');
  assert.ok(report.layers.every((l) => l.lossCurvature === null && !l.damageMeasured));
  await throws(UsageError, /--metric kl .*needs calibration data/, quantize(wasm, bytes, { bits: 4, metric: 'kl' }));
});

test('held-out data: the written file beside the original', async () => {
  const { report } = await again({ bits: 4.1, evaluation: dataset('mnist-eval', 300) });
  const found = report.evaluation!;
  assert.is(found.samples, 300);
  assert.ok(found.accuracy! > 0.9 && found.reference!.accuracy! > 0.9);
  assert.ok(found.reference!.kl! > 0 && found.reference!.kl! < 0.05);
  assert.ok(report.guarantees.some((g) => g.label === 'proved' && /Clopper-Pearson/.test(g.statement)));
  const wrong = datasetFromArrays(new Map([['image', tensor('float', [2, 5], new Float32Array(10))]]));
  await throws(DataError, /axis 1 must be 784, found 5/, again({ bits: 4.1, evaluation: wrong }));
});

test('formats: qdq has its own widths and opset', async () => {
  const { plan, report, bytes: file } = await small({ bits: 8, format: 'qdq' });
  assert.equal(report.widths, [2, 4, 8, 16]);
  assert.is(report.output.format, 'qdq');
  assert.is(report.output.opset, 21);
  assert.ok(plan.layers.every((l) => l.format === 'qdq'));
  assert.ok(readModel(file).graph.nodes.some((n) => n.opType === 'DequantizeLinear'));
  await throws(
    UsageError,
    /--format qdq: expected widths among 2, 4, 8, 16, found 3/,
    small({ bits: 4, format: 'qdq', widths: [3, 4] }),
  );
});

test('targets: the format of each layer and why; rows keep one width where codes are multiplied as they are', async () => {
  const gpu = await small({ bits: 8, target: 'webgpu', widths: [2, 4, 8] });
  assert.equal(gpu.report.widths, [2, 4, 8]);
  assert.is(gpu.report.output.target, 'webgpu');
  assert.match(gpu.report.rowsNote!, /target webgpu multiplies codes of one width a layer as they are/);
  for (const [i, { bits, format, formatReason }] of gpu.report.layers.entries()) {
    assert.is(format, bits === 2 ? 'dense' : 'nbits');
    assert.match(formatReason!, bits === 2 ? /decoded to floats once/ : /straight from the codes/);
    assert.is(gpu.plan.layers[i]!.format, format);
  }
  assert.is(gpu.bytes.length, gpu.report.output.bytes);
  const parts = gpu.report.output.parts;
  assert.is(parts.codes + parts.scales + parts.zeros + parts.order, gpu.plan.bytes);
  const forced = await small({ bits: 9, format: 'nbits', widths: [4, 8] });
  assert.ok(forced.report.layers.every((l) => l.format === 'nbits' && l.formatReason === 'asked for'));
  assert.is(forced.report.output.format, 'nbits');
  const any = await small({ bits: 6, rest: 'fp16' });
  assert.ok(any.report.output.halves!.tensors > 0);
  assert.ok(any.report.layers.every((l) => l.format === 'dense'));
  await throws(
    UsageError,
    /target phone: expected one of any, web, webgpu, node/,
    small({ bits: 4, target: 'phone' as 'any' }),
  );
});

test('budgets that make no sense', async () => {
  await throws(UsageError, /expected a budget/, small({}));
  await throws(UsageError, /expected one budget, found bits and bytes/, small({ bits: 4, budgetBytes: 1e5 }));
  await throws(UsageError, /below the smallest/, small({ bits: 1.5 }));
  await throws(UsageError, /above the largest/, small({ bits: 12 }));
  const tiny = model(
    {
      nodes: [makeNode('MatMul', ['x', 'w'], ['y'])],
      initializers: [makeInitializer('w', tensor('float', [4, 4], new Float32Array(16)))],
      inputs: [makeValueInfo('x', 'float', ['N', 4])],
      outputs: [makeValueInfo('y', 'float', undefined)],
    },
    17,
  );
  await throws(
    UsageError,
    /tiny: no weight that can be quantized \(1 left out\)/,
    quantize(wasm, writeModel(tiny), { name: 'tiny', bits: 4 }),
  );
});

test('cancelled at any point: the reason comes back and the memory is free', async () => {
  const before = wasm.arena.used;
  const stages: string[] = [];
  await small({
    bits: 6,
    widths: [3, 8],
    progress: (stage) => stages.at(-1) === stage || stages.push(stage),
    evaluation: smallData(40, 5),
  });
  assert.is(wasm.arena.used, before);
  assert.ok(stages.length >= 4, stages.join());
  for (const stage of new Set(stages))
    for (const after of [0, 2]) {
      const controller = new AbortController();
      const reason = new Error(`stopped at ${stage}`);
      let seen = 0;
      let error: unknown;
      await small({
        bits: 6,
        widths: [3, 8],
        evaluation: smallData(40, 5),
        signal: controller.signal,
        progress: (now) => {
          if (now === stage && seen++ === after) controller.abort(reason);
        },
      }).catch((e: unknown) => {
        error = e;
      });
      // The last call of a stage may be the job's last.
      if (seen > after && !(error === undefined && stage === 'evaluating')) assert.is(error, reason, stage);
      assert.is(wasm.arena.used, before, `${stage}, ${after}`);
    }
  const aborted = AbortSignal.abort(new Error('before it began'));
  await throws(Error, /before it began/, small({ bits: 5, signal: aborted }));
});

test.run();
