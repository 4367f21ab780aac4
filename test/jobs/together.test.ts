import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BitWidthOptimizer } from '../../src/allocate/optimizer.ts';
import type { CostActivations, Plan } from '../../src/allocate/types.ts';
import { datasetFromArrays, readNpz } from '../../src/data/index.ts';
import { type QuantizeOptions, type QuantizeResult, quantize } from '../../src/jobs/quantize.ts';
import { quantizePage } from '../../src/report/html/quantize.ts';
import { quantizeText } from '../../src/report/quantize.ts';
import { writeModel } from '../../src/onnx/index.ts';
import type { Tensor } from '../../src/tensor.ts';
import { loadWasm, modelPath } from '../helpers.ts';
import { inputFor, residual } from '../quantize/activations/nets.ts';

const test = suite('jobs/together');
const wasm = await loadWasm();

const read = (name: string) => new Uint8Array(readFileSync(modelPath(name)));

function data(name: string, count: number) {
  const head = (t: Tensor): Tensor => {
    const each = t.data.length / t.dims[0]!;
    return { dtype: t.dtype, dims: [count, ...t.dims.slice(1)], data: t.data.slice(0, count * each) };
  };
  return datasetFromArrays(new Map([...readNpz(read(name), name)].map(([key, t]) => [key, head(t)])), name);
}

interface Subject {
  readonly model: string;
  readonly set: string;
  readonly samples: number;
  readonly target: 'node' | 'web';
}

const MLP: Subject = { model: 'mnist-mlp.onnx', set: 'mnist', samples: 120, target: 'node' };
const RESNET: Subject = { model: 'resnet18-fashion.onnx', set: 'fashion', samples: 16, target: 'web' };

function job({ model, set, samples, target }: Subject, options: QuantizeOptions): Promise<QuantizeResult> {
  const calibration = data(`${set}-calib.npz`, samples);
  const quick = { unit: 'layer', widths: [3, 4, 8] } as const;
  return quantize(wasm, read(model), { name: model, target, calibration, ...quick, ...options });
}

/** What was found at 4.1 bits, and what of it serves other jobs. */
const FIRST = { [MLP.model]: await job(MLP, { bits: 4.1, activations: 'auto' }) } as Record<string, QuantizeResult>;
FIRST[RESNET.model] = await job(RESNET, { bits: 4.1, activations: 'auto' });
const again = ({ model }: Subject) => ({ table: FIRST[model]!.table, kept: FIRST[model]!.kept()! });

/** Share of the multiply-adds that are of integers where these values are in float. */
function workOf({ groups, products, work }: CostActivations, floats: ReadonlySet<string>): number {
  const float = new Set(groups.filter((g) => g.values.some((v) => floats.has(v))).map((g) => g.name));
  return products.reduce((n, p) => (p.needs.some((g) => float.has(g)) ? n : n + p.work), 0) / work;
}

/** Values left in float by the rule that knows no work: fewest bits of groups that speed anything up within what may be added. */
function twoSteps({ groups, products }: CostActivations, limit: number): Set<string> {
  const useful = new Set(products.flatMap((p) => (p.work > 0 ? p.needs : [])));
  const layers = groups
    .filter((g) => useful.has(g.name))
    .map((g) => ({
      ...g,
      weight: g.name,
      opType: '',
      params: g.values.length,
      choices: g.choices.map((c) => ({ ...c, bytes: c.bits * g.values.length })),
    }));
  const table = { version: 1, metric: 'kl', unit: 'kl', samples: 1, layers } as const;
  const rounded = new BitWidthOptimizer(table).minimumFor(limit).layers.filter((l) => l.bits < 32);
  const names = new Set(rounded.map((l) => l.name));
  return new Set(groups.flatMap((g) => (names.has(g.name) ? [] : g.values)));
}

for (const subject of [MLP, RESNET])
  test(`${subject.model}: weights and activations together are no worse than one after the other`, async () => {
    const together = FIRST[subject.model]!;
    const own = together.report.activations!;
    assert.is(own.mode, 'static');
    assert.ok(own.work! > 0 && own.limit! > 0);
    assert.ok(own.together! - own.weights! <= own.limit! * own.work!, 'no more damage than its work is worth');

    const { table } = together;
    // The weights alone first, then what is rounded beside them.
    const rounded = await job(subject, { bits: 4.1, activations: 8, ...again(subject) });
    const floats = twoSteps(table.activations!, own.limit!);
    const activations = rounded.plan.activations!;
    const values = activations.values.map((v) => (floats.has(v.value) ? { ...v, bits: 32 } : v));
    const plan: Plan = { ...rounded.plan, activations: { ...activations, values } };
    const after = await job(subject, { plan, ...again(subject) });
    assert.ok(together.plan.averageBits <= 4.1);
    const cost = (damage: number, work: number) => damage + own.limit! * (1 - work);
    const second = cost(after.report.damage.together!, workOf(table.activations!, floats));
    const first = cost(own.together!, own.work!);
    // Ranges of values that a plan gives are rounded to floats: the same to a thousandth.
    assert.ok(first <= second * 1.001, `together ${first}, one after the other ${second}`);
  });

for (const subject of [MLP, RESNET])
  test(`${subject.model}: 4-bit weights do not make 8-bit activations worse`, async () => {
    const all = { budgetBytes: 2 ** 22, activations: 8, ...again(subject) } as const;
    const eight = (await job(subject, all)).report;
    const pins = new Map(eight.layers.map((l) => [l.name, 4]));
    const four = (await job(subject, { ...all, pins })).report;
    assert.ok(eight.layers.every((l) => l.bits === 8) && four.layers.every((l) => l.bits === 4));
    const [w8a8, w4, w4a8] = [eight.damage.together!, four.activations!.weights!, four.damage.together!];
    assert.ok(w4a8 <= 1.5 * (w8a8 + w4), `${w4a8} against ${w8a8} + ${w4}`);
  });

const net = residual();
const netData = datasetFromArrays(new Map([['x', inputFor(net, 40)]]), 'data');

function small(options: QuantizeOptions): Promise<QuantizeResult> {
  const own = { name: 'net', calibration: netData, widths: [3, 4, 8], unit: 'layer', target: 'web' } as const;
  return quantize(wasm, writeModel(net), { ...own, ...options });
}

test('what was measured of activations serves a second budget, and nothing else', async () => {
  const stagesOf = async (options: QuantizeOptions) => {
    const stages = new Set<string>();
    const found = await small({ activations: 'auto', ...options, progress: (stage) => stages.add(stage) });
    return { found, measured: stages.has('measuring activations') };
  };
  const first = await stagesOf({ bits: 6 });
  assert.ok(first.measured);
  const { table } = first.found;
  const second = await stagesOf({ bits: 7, table });
  const anew = await stagesOf({ bits: 7 });
  assert.equal([second.measured, anew.measured], [false, true]);
  assert.equal(second.found.bytes, anew.found.bytes);
  assert.equal(second.found.table, table);
  const { activations, ...old } = table;
  assert.ok(activations!.groups.length > 0);
  assert.ok((await stagesOf({ bits: 6, table: old })).measured, 'a table without them');
  assert.ok((await stagesOf({ bits: 6, table, activationRange: 'minmax' })).measured, 'other ranges');
});

test('the report says of each group its width, its damage and why it is in float', async () => {
  const { report, pictures } = await small({ bits: 6, activations: 'auto', pictures: true });
  const { groups, values, work } = report.activations!;
  assert.ok(work! > 0);
  for (const { bits, reason, damage, values: own } of groups!) {
    assert.is(reason === null, bits !== 32);
    assert.ok(damage >= 0);
    if (bits !== 32) assert.ok(own.some((v) => values.some((rounded) => rounded.value === v && rounded.bits === bits)));
  }
  // The last product has one row a sample, which is no faster in integers there.
  const last = groups!.find((g) => g.values.includes('h'))!;
  assert.is(last.bits, 32);
  assert.match(last.reason!, /no faster/);
  assert.match(quantizeText(report), /integers make what multiplies it no faster/);
  const { sections } = quantizePage({ report, pictures: pictures!, command: '' });
  const { text } = sections.find((s) => s.title === 'Activations as integers')!;
  assert.match(text![0]!, /% of the multiply-adds are of integers\.$/);
  assert.ok(text!.some((t) => t.startsWith('Values in float: ') && t.includes(last.name) && /no faster\.$/.test(t)));
});

test('weights that are multiplied as integers have no width that such products lack; pinned ones keep theirs', async () => {
  const options = { bits: 8.6, widths: [4, 8, 16], activations: 8, target: 'node' } as const;
  const free = await small(options);
  assert.ok(free.plan.layers.every((l) => l.bits <= 8));
  const before = free.report.activations!.operators;
  const pins = new Map([[free.plan.layers[2]!.name, 16]]);
  const pinned = await small({ ...options, bits: 11, pins });
  assert.is(pinned.plan.layers[2]!.bits, 16);
  assert.is(pinned.report.activations!.operators, before - 1);
});

test('a budget of bytes is shared out with what rounding takes', async () => {
  const whole = await small({ budgetBytes: 2 ** 20, activations: 8 });
  const budgetBytes = whole.bytes.length - 900;
  for (const activations of [8, 'auto'] as const) {
    const found = await small({ budgetBytes, activations, unit: 'auto' });
    assert.is(found.report.activations!.mode, 'static');
    assert.ok(found.bytes.length <= budgetBytes, `${found.bytes.length} of ${budgetBytes}`);
  }
});

test.run();
