// Damage of models that people use at the bytes of 8, 6 and 4 bits, scales counted, on inputs like those they are for: `npm run
// bench:real [part of a name]...`. Every setting is the default one. Prints a table and writes bench/results/real.json; where
// parts of names are given, the others' figures in the file stay as they are.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chooseLosses, DamageMeter } from '../src/curvature/damage.ts';
import {
  CurvatureQuantizationAnalyzer,
  type Dataset,
  datasetFromSamples,
  loadKernels,
  type QuantizeResult,
  quantize,
  readModel,
  Session,
  type Tensor,
} from '../src/node.ts';
import { formatNumber, formatTable } from '../src/report/text.ts';
import { type Feeds, type RealModel, realModels } from './real/models.ts';
import { type Results, withReal, type Row } from './real/readme.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const FILE = join(root, 'bench', 'results', 'real.json');
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

type Outputs = Readonly<Record<string, Tensor>>;

function outputsOf(bytes: Uint8Array, held: readonly Feeds[]): Outputs[] {
  const session = new Session(readModel(bytes), wasm);
  try {
    return held.map((feeds) => session.run(feeds) as Outputs);
  } finally {
    session.dispose();
  }
}

async function rowsOf(real: RealModel, add: (row: Row) => void): Promise<void> {
  const [calibrated, heldOut] = real.samples;
  const held = real.feeds(HELD_OUT, heldOut);
  const calibration = await samplesOf(real.feeds(0, calibrated));
  const model = readModel(real.bytes);
  const losses = chooseLosses(model, false, 'auto');
  const kinds = new Set(losses.map((l) => (l.loss === 'kl' ? 'KL' : 'squared error')));
  const original = outputsOf(real.bytes, held);
  const read = (outputs: readonly Outputs[]) => real.read && outputs.map((o) => real.read!(Object.values(o)[0]!));
  const texts = read(original);
  const written = held.map((_, i) => real.written?.(HELD_OUT + i));
  const share = (lines: readonly string[] | undefined, as: readonly unknown[] = []) =>
    lines ? lines.filter((line, i) => line === as[i]).length / lines.length : null;
  if (texts) says(`${real.name}: ${texts[0]} for ${written[0]}; ${share(texts, written)} right in float`);
  const damage = (outputs: readonly Outputs[]): number => {
    const meter = new DamageMeter(wasm, losses);
    for (const [i, o] of outputs.entries()) meter.add(original[i]!, o);
    return meter.read();
  };
  const analyzer = new CurvatureQuantizationAnalyzer(model, wasm);
  let known: QuantizeResult | undefined;
  for (const bits of BITS) {
    const bytes = analyzer.layers.reduce((sum, layer) => sum + analyzer.candidates.bytes(layer, bits), 0);
    const averageBits = (8 * bytes) / analyzer.quantizable;
    const before = { calibration, table: known?.table, gains: known?.gains, kept: known?.kept() };
    const made = await quantize(wasm, real.bytes, { name: real.name, bits: averageBits, ...before });
    known ??= made;
    const { rounding } = analyzer.rounding;
    const plan = analyzer.optimizer({ rounding }, made.table).uniform({ bytes });
    if (plan.layers.some((l) => l.bits !== bits)) throw new Error(`uniform at ${bits} bits has other widths`);
    const again = { calibration, table: known.table, gains: known.gains, kept: known.kept() };
    const uniform = await quantize(wasm, real.bytes, { name: real.name, plan, ...again });
    const outputs = outputsOf(made.bytes, held);
    const { allocations } = made.report;
    const row: Row = {
      model: real.name,
      what: real.what,
      calibrationSamples: calibrated,
      heldOutSamples: heldOut,
      bytes: real.bytes.length,
      bits,
      averageBits: made.plan.averageBits,
      plan: allocations[0]!.name,
      file: made.bytes.length,
      uniformFile: uniform.bytes.length,
      unit: [...kinds].join(' and '),
      heldOut: damage(outputs),
      uniformHeldOut: damage(outputsOf(uniform.bytes, held)),
      judged: allocations[0]!.damage,
      uniformJudged: allocations.find((a) => a.name.startsWith('uniform'))?.damage ?? null,
      readAlike: share(read(outputs), texts),
      readRight: share(read(outputs), written),
      seconds: made.report.seconds,
    };
    add(row);
    says(
      `${real.name} at ${bits} (${formatNumber(averageBits)}): ${row.heldOut} held out, uniform ${row.uniformHeldOut}`,
    );
    says(`  ${allocations.map((a) => `${a.name}: ${number(a.damage)}`).join(' | ')}; ${formatNumber(row.seconds)} s`);
  }
}

const number = (x: number | null) => (x === null ? '-' : x === 0 ? '0' : x.toExponential(1));

const began = Date.now();
const rows: Row[] = [];
const failures: Results['failures'][number][] = [];
const order: string[] = [];
for (const real of realModels(wasm)) {
  order.push(real.name);
  if (only.length > 0 && !only.some((part) => real.name.includes(part))) continue;
  if (Date.now() - began > 60_000 * MINUTES) {
    failures.push({ model: real.name, reason: `not begun within ${MINUTES} minutes` });
    continue;
  }
  try {
    await rowsOf(real, (row) => rows.push(row));
  } catch (error) {
    failures.push({ model: real.name, reason: (error as Error).message });
    says(`${real.name}: ${(error as Error).message}`);
  }
}

const right = (title: string) => ({ title, align: 'right' as const });
console.log('Damage held out at equal bytes of weights: of the plan chosen, and of that width for every layer');
console.log(
  formatTable(
    [
      'model',
      right('bits'),
      right('file / original'),
      'damage of',
      right('held out'),
      right('uniform'),
      right('judged'),
      right('uniform'),
      right('read alike'),
      right('right'),
      'plan',
    ],
    rows.map((r) => [
      r.model,
      String(r.bits),
      formatNumber(r.file / r.bytes, 2),
      r.unit,
      number(r.heldOut),
      number(r.uniformHeldOut),
      number(r.judged),
      number(r.uniformJudged),
      r.readAlike === null ? '-' : formatNumber(r.readAlike, 3),
      r.readRight === null ? '-' : formatNumber(r.readRight, 3),
      r.plan,
    ]),
  ),
);
for (const { model, reason } of failures) console.log(`${model}: ${reason}`);

// Read only now: another run may have ended meanwhile.
const before: Results = existsSync(FILE) ? JSON.parse(readFileSync(FILE, 'utf8')) : { rows: [], failures: [] };
const done = new Set([...rows, ...failures].map((r) => r.model));
const place = (name: string) => order.indexOf(name);
const merged = <T extends { readonly model: string }>(old: readonly T[], own: readonly T[]): T[] =>
  [...old.filter((r) => !done.has(r.model) && order.includes(r.model)), ...own].sort(
    (a, b) => place(a.model) - place(b.model),
  );
const results: Results = { rows: merged(before.rows, rows), failures: merged(before.failures, failures) };
mkdirSync(dirname(FILE), { recursive: true });
writeFileSync(FILE, `${JSON.stringify(results, null, 1)}\n`);
const readme = join(root, 'README.md');
writeFileSync(readme, withReal(readFileSync(readme, 'utf8'), results));
process.exit(failures.length > 0 ? 1 : 0);
