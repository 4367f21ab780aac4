// The files Kappa writes, run in the stock runtimes beside the originals: `npm run bench:files`. Prints a table and writes
// bench/results/files.json and the README's table. Arguments are parts of models' names, or of settings after a `@`, to run alone;
// the others' figures in the file stay as they are. `@nothing` only makes the table.
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runTask } from '../src/node/runtimes/process.ts';
import type { Rounds } from '../src/node/runtimes/protocol.ts';
import {
  CurvatureQuantizationAnalyzer,
  type Dataset,
  datasetFromArrays,
  evaluateModels,
  type InstalledRuntime,
  installedRuntimes,
  KappaError,
  loadKernels,
  type Model,
  prepareModel,
  type QuantizeOptions,
  type QuantizeResult,
  quantize,
  readModel,
  readNpz,
  Session,
  type Tensor,
  writeModel,
} from '../src/node.ts';
import {
  boundOf,
  differenceOf,
  median,
  objectionTo,
  naturesOf,
  runtimesFor,
  type Values,
} from '../src/verify/runtime.ts';
import { VERSION } from '../src/version.ts';
import { type FileRow, type FilesReport, filesText, type RuntimeRow, withFiles } from './files/report.ts';
import { type Feeds, realModels } from './real/models.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const RESULTS = join(root, 'bench', 'results', 'files.json');
const ROUNDS = 21;
/** Most milliseconds of a timing, where that leaves three rounds. */
const BUDGET = 4000;
/** Batches that running is timed at. */
const BATCHES = [1, 16];
const HELD_OUT = 10_000;
const says = (line: string) => process.stderr.write(`${line}\n`);

interface Setting {
  readonly name: string;
  readonly options: QuantizeOptions;
  /** Average bits wanted, or the nearest there are. */
  readonly bits: number;
  /** Whether only models with data of their own are written so. */
  readonly calibrated?: boolean;
}

const SETTINGS: readonly Setting[] = [
  { name: 'any, 4.1 bits', options: {}, bits: 4.1 },
  { name: 'web, 4.1 bits', options: { target: 'web' }, bits: 4.1 },
  { name: 'webgpu, 4.1 bits', options: { target: 'webgpu' }, bits: 4.1 },
  { name: 'node, 4.1 bits', options: { target: 'node' }, bits: 4.1 },
  { name: 'qdq, 4.1 bits', options: { format: 'qdq' }, bits: 4.1 },
  { name: 'nbits, 4.1 bits', options: { format: 'nbits', widths: [2, 4, 8] }, bits: 4.1 },
  { name: 'any, 4.1 bits, rest fp16', options: { rest: 'fp16' }, bits: 4.1 },
  { name: 'web, W8A8', options: { target: 'web', activations: 8, widths: [8] }, bits: 8.1, calibrated: true },
  { name: 'web, W4A8', options: { target: 'web', activations: 8, widths: [4] }, bits: 4.1, calibrated: true },
];

interface Subject {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Absent: the widths follow the weights alone, which takes seconds. */
  readonly calibration: Dataset | undefined;
  readonly samples: number;
  readonly evaluation: Dataset | undefined;
  /** What the original makes of the evaluation's samples, as far as it is known. */
  readonly outputs: Map<number, Tensor>;
  /** Single samples to compare on. */
  readonly feeds: readonly Values[];
  /** As many samples at once; undefined where the model does not take them. */
  batch(count: number): Values | undefined;
}

const wasm = await loadKernels();
const only = process.argv.slice(2);
const wanted = (model: string, setting: string): boolean => {
  const [models, settings] = [only.filter((a) => !a.startsWith('@')), only.filter((a) => a.startsWith('@'))];
  const fits = (parts: readonly string[], name: string) => parts.length === 0 || parts.some((p) => name.includes(p));
  return (
    fits(models, model) &&
    fits(
      settings.map((s) => s.slice(1)),
      setting,
    )
  );
};

function* demonstrations(): Generator<Subject> {
  for (const [name, data, samples] of [
    ['mnist-mlp.onnx', 'mnist', 256],
    ['resnet18-fashion.onnx', 'fashion', 48],
    ['transformer-text.onnx', 'text', 16],
  ] as const) {
    const arrays = (kind: string) => readNpz(new Uint8Array(readFileSync(join(root, 'models', `${data}-${kind}.npz`))));
    const held = arrays('eval');
    const part = (from: number, count: number): Values =>
      Object.fromEntries(
        [...held]
          .filter(([key]) => key !== 'labels')
          .map(([key, t]) => {
            const each = t.data.length / t.dims[0]!;
            const dims = [count, ...t.dims.slice(1)];
            return [key, { dtype: t.dtype, dims, data: t.data.slice(from * each, (from + count) * each) }];
          }),
      );
    yield {
      name,
      bytes: new Uint8Array(readFileSync(join(root, 'models', name))),
      calibration: datasetFromArrays(arrays('calib')),
      samples,
      evaluation: datasetFromArrays(held),
      outputs: new Map(),
      feeds: [part(0, 1), part(1, 1), part(2, 1)],
      batch: (count) => part(0, count),
    };
  }
}

function* everything(): Generator<Subject> {
  yield* demonstrations();
  for (const { name, bytes, feeds } of realModels(wasm)) {
    if (!SETTINGS.some((s) => wanted(name, s.name))) continue;
    yield {
      name,
      bytes,
      calibration: undefined,
      samples: 4,
      evaluation: undefined,
      outputs: new Map(),
      feeds: feeds(HELD_OUT, 3),
      batch: (count) => together(readModel(bytes), feeds(HELD_OUT, count)),
    };
  }
}

/** Samples joined along their first axis, where the model takes that. */
function together(model: Model, list: readonly Feeds[]): Values | undefined {
  if (list.length === 1) return list[0];
  const joined: Record<string, Tensor> = {};
  for (const [name, t] of Object.entries(list[0]!)) {
    const declared = model.graph.inputs.find((i) => i.name === name)?.dims?.[0];
    if (t.dims[0] !== 1 || typeof declared === 'number') return undefined;
    const each = t.data.length;
    const data = t.data.slice(0, 0).constructor as new (n: number) => Float32Array;
    const all = new data(each * list.length);
    for (const [i, feeds] of list.entries()) all.set(feeds[name]!.data as Float32Array, i * each);
    joined[name] = { dtype: t.dtype, dims: [list.length, ...t.dims.slice(1)], data: all };
  }
  const session = new Session(model, wasm);
  try {
    session.run(joined);
    return joined;
  } catch (error) {
    if (error instanceof KappaError) return undefined;
    throw error;
  } finally {
    session.dispose();
  }
}

/** What was learnt of a model that serves its other settings, by model and whether activations are rounded. */
const kept = new Map<string, Uint8Array | undefined>();

/** The job at those bits, or at the nearest there are. */
async function atBits(subject: Subject, setting: Setting): Promise<QuantizeResult> {
  const key = `${subject.name} ${setting.options.activations ?? ''}`;
  const result = await jobAtBits(subject, setting, kept.get(key));
  if (subject.calibration && !result.keptUsed) kept.set(key, result.kept());
  return result;
}

async function jobAtBits(subject: Subject, { options, bits }: Setting, known?: Uint8Array): Promise<QuantizeResult> {
  const { name, bytes, calibration, samples } = subject;
  const given = { name, ...options, calibration, samples, kept: known };
  try {
    return await quantize(wasm, bytes, { ...given, bits });
  } catch (error) {
    const range = /allowed: (\d+) to (\d+) bytes/.exec((error as Error).message);
    if (!range) throw error;
    const weights = new CurvatureQuantizationAnalyzer(readModel(bytes), wasm, {}).quantizable;
    const [least, most] = [Number(range[1]), Number(range[2])];
    const nearest = Math.min(Math.max((bits * weights) / 8, least), most);
    return quantize(wasm, bytes, { ...given, bits: (8 * nearest + 1e-6) / weights });
  }
}

/** Bytes beyond codes, scales, zero points and what was not quantized, as a share of these. */
function overheadOf(subject: Subject, { bytes, plan, report }: QuantizeResult): number {
  const prepared = prepareModel(readModel(subject.bytes));
  const quantized = new Set(plan.layers.filter((l) => l.bits !== 32).map((l) => l.weight));
  let rest = writeModel(prepared).length;
  for (const t of prepared.graph.initializers) if (quantized.has(t.name)) rest -= t.tensor().data.byteLength;
  const { codes, scales, zeros, order } = report.output.parts;
  return bytes.length / (codes + scales + zeros + order + rest) - 1;
}

const outputsOf = (model: Model, feeds: readonly Values[]): Values[] => {
  const session = new Session(model, wasm);
  try {
    return feeds.map((f) => session.run(f));
  } finally {
    session.dispose();
  }
};

async function inRuntime(
  { runtime, module }: InstalledRuntime,
  subject: Subject,
  written: Uint8Array,
  files: { readonly written: string; readonly original: string },
): Promise<RuntimeRow> {
  const batches = BATCHES.map((count) => ({ count, feeds: subject.batch(count) })).filter((b) => b.feeds !== undefined);
  const outcome = await runTask({
    runtime,
    module,
    files: { original: { path: files.original, data: [] }, written: { path: files.written, data: [] } },
    samples: subject.feeds,
    defaults: runtime === 'onnxruntime-node',
    timed: batches.map((b) => b.feeds!),
    rounds: ROUNDS,
    budget: BUDGET,
    warmUp: 100,
    compiled: true,
    memory: false,
  });
  const model = readModel(written);
  const against = (ours: readonly Values[], theirs: readonly Values[] | undefined) =>
    theirs ? differenceOf(wasm, ours, theirs, naturesOf(model)) : undefined;
  const own = outputsOf(model, subject.feeds);
  const difference = against(own, outcome.outputs.written);
  const before = outputsOf(readModel(subject.bytes), subject.feeds);
  const original = against(before, outcome.outputs.original);
  const loss = against(before, own);
  const bound = boundOf(model, original?.relative ?? null, loss?.relative ?? null);
  const objection = difference && objectionTo(difference, bound);
  // Of each round by itself: what else the machine does meanwhile concerns both files alike.
  const speed = (rounds: Rounds | undefined) =>
    rounds ? median(rounds.original.map((time, i) => time / rounds.written[i]!)) : null;
  const { failure } = outcome;
  return {
    runtime,
    required: true,
    wrong: objection ?? (failure ? `${failure.stage}: ${failure.reason}` : null),
    difference: difference?.relative ?? null,
    originalDifference: original?.relative ?? null,
    defaultDifference: against(own, outcome.outputs.defaults)?.relative ?? null,
    load: outcome.load ? 1 / speed(outcome.load)! : null,
    speed: Object.fromEntries(batches.map(({ count }, i) => [count, speed(outcome.runs[i])])),
  };
}

/** What was measured of a file, by its bytes. */
const known = new Map<string, RuntimeRow[]>();

async function fileRow(subject: Subject, setting: Setting, folder: string): Promise<FileRow> {
  const result = await atBits(subject, setting);
  const files = { written: join(folder, 'written.onnx'), original: join(folder, 'original.onnx') };
  writeFileSync(files.written, result.bytes);
  writeFileSync(files.original, subject.bytes);
  // Targets often agree on how a model is best written.
  const key = `${subject.name} ${createHash('sha256').update(result.bytes).digest('hex')}`;
  const measured = known.get(key) ?? [];
  if (measured.length === 0)
    for (const runtime of installedRuntimes()) measured.push(await inRuntime(runtime, subject, result.bytes, files));
  known.set(key, measured);
  const required = runtimesFor(result.report.output.target);
  const runtimes = measured.map((r) => ({ ...r, required: required.includes(r.runtime) }));
  const evaluated = subject.evaluation
    ? await evaluateModels(wasm, readModel(result.bytes), readModel(subject.bytes), subject.evaluation, {
        samples: 512,
        known: subject.outputs,
      })
    : undefined;
  return {
    model: subject.name,
    setting: setting.name,
    format: result.report.output.format,
    averageBits: result.report.averageBits,
    bytes: result.bytes.length,
    originalBytes: subject.bytes.length,
    overhead: overheadOf(subject, result),
    kl: evaluated?.reference?.kl ?? null,
    runtimes,
  };
}

/** All there is up to now: an interrupted run keeps what it has measured. */
function save(): FilesReport {
  const versions = Object.fromEntries(installedRuntimes().map((r) => [r.runtime, r.version]));
  const report: FilesReport = {
    versions: { kappa: VERSION, ...versions, node: process.versions.node },
    rounds: ROUNDS,
    files: [...files.values()],
    refused: [...refused.values()],
  };
  writeFileSync(RESULTS, `${JSON.stringify(report, null, 1)}\n`);
  return report;
}

const before: FilesReport | undefined =
  only.length > 0 && existsSync(RESULTS) ? JSON.parse(readFileSync(RESULTS, 'utf8')) : undefined;
const files = new Map((before?.files ?? []).map((row) => [`${row.model} ${row.setting}`, row]));
const refused = new Map((before?.refused ?? []).map((row) => [`${row.model} ${row.setting}`, row]));
const folder = mkdtempSync(join(tmpdir(), 'kappa-files-'));
try {
  for (const subject of everything())
    for (const setting of SETTINGS) {
      const key = `${subject.name} ${setting.name}`;
      if (!wanted(subject.name, setting.name) || (setting.calibrated && !subject.evaluation)) continue;
      files.delete(key);
      refused.delete(key);
      const began = Date.now();
      try {
        const row = await fileRow(subject, setting, folder);
        files.set(key, row);
        says(`${((Date.now() - began) / 1000).toFixed(0)} s`);
        says(filesText({ versions: {}, rounds: ROUNDS, files: [row], refused: [] }));
      } catch (error) {
        if (!(error instanceof KappaError)) throw error;
        refused.set(key, { model: subject.name, setting: setting.name, reason: error.message });
        says(`refused: ${key}: ${error.message}`);
      }
      save();
    }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const report = save();
console.log(filesText(report));
const readme = join(root, 'README.md');
writeFileSync(readme, withFiles(readFileSync(readme, 'utf8'), report));
says(`written to ${RESULTS} and the README`);
