// Damage of models that people use at 8, 6 and 4 bits, on inputs like those they are for: `npm run build:wasm`, then
// `node --import tsx bench/real.ts [part of a name]...`. Every setting is the default one. Prints a table and, for all models,
// writes bench/results/real.json.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type Dataset,
  datasetFromSamples,
  loadKernels,
  type Model,
  type Plan,
  quantize,
  type QuantizeReport,
  type QuantizeResult,
  readModel,
  Session,
} from '../src/node.ts';
import { formatNumber, formatTable } from '../src/report/text.ts';
import type { Tensor } from '../src/tensor.ts';
import { type Feeds, type RealModel, realModels } from './real/models.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const BITS = [8, 6, 4];
/** Held-out samples are numbered from here on: no calibration sample is one of them. */
const HELD_OUT = 10_000;

/** Models begun after so many minutes are left out, and named. */
const MINUTES = 25;

const wasm = await loadKernels();
const only = process.argv.slice(2);
const says = (line: string) => process.stderr.write(`${line}\n`);

function samplesOf(list: readonly Feeds[]): Promise<Dataset> {
  const parts = list.map((feeds, i) => ({ name: `sample ${i}`, read: () => new Map(Object.entries(feeds)) }));
  return datasetFromSamples(parts, 'samples');
}

interface Row {
  readonly model: string;
  readonly what: string;
  readonly bytes: number;
  readonly bits: number;
  readonly averageBits: number;
  readonly file: number;
  /** Of the first output on held-out samples: KL in nats a prediction, or squared error over squared norm. */
  readonly unit: string;
  readonly heldOut: number | null;
  readonly flips: number | null;
  /** The same of that width for every layer, rounded the same way: a little larger, its scales are not in the budget. */
  readonly uniformHeldOut: number | null;
  readonly uniformFile: number;
  /** On the calibration samples, all layers quantized: the plan's, and that of uniform widths at the same bytes. */
  readonly calibration: number | null;
  readonly uniform: number | null;
  /** Lines read as the original model reads them, and as they were written, of the held-out ones. */
  readonly readAlike: number | null;
  readonly readRight: number | null;
  readonly seconds: number;
}

/** What a model reads in the held-out samples. */
function readings(real: RealModel, model: Model, held: readonly Feeds[]): string[] {
  const session = new Session(model, wasm);
  try {
    return held.map((feeds) => real.read!(Object.values(session.run(feeds) as Record<string, Tensor>)[0]!));
  } finally {
    session.dispose();
  }
}

/** That width for every layer a plan quantizes. */
function uniformPlan(plan: Plan, bits: number): Plan {
  const layers = plan.layers.map(({ rowBits, asymmetricBits, ...l }) => (l.bits === 32 ? l : { ...l, bits }));
  return { ...plan, strategy: 'uniform', layers };
}

const damageOf = (report: QuantizeReport): number | null => report.damage.heldOut;

function rowOf(
  real: RealModel,
  bits: number,
  report: QuantizeReport,
  uniform: QuantizeReport,
  read: Pick<Row, 'readAlike' | 'readRight'>,
): Row {
  const reference = report.evaluation?.reference;
  const kl = reference?.kl ?? null;
  return {
    model: real.name,
    what: real.what,
    bytes: real.bytes.length,
    bits,
    averageBits: report.averageBits,
    file: report.output.bytes,
    unit: kl === null ? 'squared error / squared norm' : 'KL',
    heldOut: damageOf(report),
    uniformHeldOut: damageOf(uniform),
    uniformFile: uniform.output.bytes,
    flips: reference?.flips ?? null,
    calibration: report.allocations[0]!.damage,
    uniform: report.allocations.find((a) => a.name === 'uniform')?.damage ?? null,
    ...read,
    seconds: report.seconds,
  };
}

const began = Date.now();
const rows: Row[] = [];
const failures: { model: string; reason: string }[] = [];
for (const real of realModels(wasm)) {
  if (only.length > 0 && !only.some((part) => real.name.includes(part))) continue;
  if (Date.now() - began > 60_000 * MINUTES) {
    failures.push({ model: real.name, reason: `not begun within ${MINUTES} minutes` });
    continue;
  }
  const [calibrated, heldOut] = real.samples;
  const held = real.feeds(HELD_OUT, heldOut);
  const calibration = await samplesOf(real.feeds(0, calibrated));
  const evaluation = await samplesOf(held);
  const original = real.read && readings(real, readModel(real.bytes), held);
  const share = (texts: readonly string[], as: (i: number) => string) =>
    texts.filter((text, i) => text === as(i)).length / texts.length;
  if (original)
    says(
      `${real.name}: ${original[0]} for ${real.written!(HELD_OUT)}; ${share(original, (i) => real.written!(HELD_OUT + i))} right in float`,
    );
  let known: QuantizeResult | undefined;
  for (const bits of BITS) {
    try {
      const made: QuantizeResult = await quantize(wasm, real.bytes, {
        name: real.name,
        bits,
        calibration,
        evaluation,
        table: known?.table,
        gains: known?.gains,
      });
      known ??= made;
      const uniform = await quantize(wasm, real.bytes, {
        name: real.name,
        plan: uniformPlan(made.plan, bits),
        calibration,
        evaluation,
        table: made.table,
        gains: made.gains,
      });
      const texts = real.read && readings(real, readModel(made.bytes), held);
      const row = rowOf(real, bits, made.report, uniform.report, {
        readAlike: texts ? share(texts, (i) => original![i]!) : null,
        readRight: texts ? share(texts, (i) => real.written!(HELD_OUT + i)) : null,
      });
      rows.push(row);
      says(`${real.name} at ${bits}: ${row.heldOut} held out, ${formatNumber(row.seconds)} s`);
    } catch (error) {
      failures.push({ model: real.name, reason: (error as Error).message });
      says(`${real.name} at ${bits}: ${(error as Error).message}`);
      break;
    }
  }
}

const number = (x: number | null) => (x === null ? '-' : x === 0 ? '0' : x.toExponential(2));
console.log(
  formatTable(
    [
      'model',
      'bits',
      'file / original',
      'damage of',
      'held out',
      'uniform',
      'flips',
      'on calibration data',
      'uniform there',
      'read alike',
      'right',
    ],
    rows.map((r) => [
      r.model,
      String(r.bits),
      formatNumber(r.file / r.bytes, 2),
      r.unit,
      number(r.heldOut),
      `${number(r.uniformHeldOut)} (${formatNumber(r.uniformFile / r.bytes, 2)})`,
      r.flips === null ? '-' : formatNumber(r.flips, 3),
      number(r.calibration),
      number(r.uniform),
      r.readAlike === null ? '-' : formatNumber(r.readAlike, 3),
      r.readRight === null ? '-' : formatNumber(r.readRight, 3),
    ]),
  ),
);
for (const { model, reason } of failures) console.log(`${model}: ${reason}`);

if (only.length === 0) {
  mkdirSync(join(root, 'bench', 'results'), { recursive: true });
  writeFileSync(join(root, 'bench', 'results', 'real.json'), `${JSON.stringify({ rows, failures }, null, 1)}\n`);
}
process.exit(failures.length > 0 ? 1 : 0);
