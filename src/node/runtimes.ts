/** Verification of written files by running them in the stock runtimes that are installed, beside the original. */
import { freemem } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { syntheticDataset } from '../calibrate/synthetic.ts';
import { batchesFor } from '../data/check.ts';
import type { Dataset } from '../data/dataset.ts';
import { InterruptedError, KappaError } from '../errors.ts';
import { Session } from '../graph/session.ts';
import { externalLocations, readModel } from '../onnx/index.ts';
import type { Model } from '../onnx/model.ts';
import type { Progress } from '../progress.ts';
import { formatBytes } from '../report/text.ts';
import {
  boundOf,
  differenceOf,
  type OutputNature,
  objectionTo,
  naturesOf,
  type RuntimeMemory,
  type RuntimeName,
  type RuntimeResult,
  roundsActivations,
  timesOf,
  type Values,
  type VerificationReport,
} from '../verify/runtime.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { externalFiles, externalPath } from './external.ts';
import { readInput } from './read.ts';
import { type InstalledRuntime, type Limits, runTask, type TaskOutcome } from './runtimes/process.ts';
import type { ModelPath, Rounds, Task } from './runtimes/protocol.ts';

export { type InstalledRuntime, installedRuntimes } from './runtimes/process.ts';

/** What is run where, and on what samples. */
export interface VerifyOptions extends Limits {
  readonly runtimes: readonly InstalledRuntime[];
  /** The written file, its data beside it by location, and the model it was made of. */
  readonly written: ModelPath;
  readonly original: ModelPath;
  /** What samples are taken from, the first that is there; else they are drawn by `seed`. */
  readonly evaluation?: Dataset | undefined;
  readonly calibration?: Dataset | undefined;
  readonly seed?: number | undefined;
  /** Samples compared: 4 unless told. */
  readonly samples?: number | undefined;
  /** Runtimes that the file is written for; all unless told. */
  readonly required?: readonly RuntimeName[] | undefined;
  readonly progress?: Progress | undefined;
}

const SAMPLES = 4;
const ROUNDS = 7;
/** Most milliseconds for each timing. */
const BUDGET = 1500;
const WARM_UP = 150;
/** Memory is measured, in processes of their own, for originals of this many bytes or more: less is lost in what pages round. */
const MEMORY_FROM = 2 ** 20;
/** Files that together take more than this are not held beside each other to be timed: WebAssembly has 4 GiB, and decoding takes some. */
const TIMED_BYTES = 2 ** 30;
/** Larger files are not tried in WebAssembly. */
const WASM_BYTES = 1.5 * 2 ** 30;
/** Times the bytes of both files that a runtime may need: bytes as read, decoded weights, packed ones. */
const COPIES = 4;

/** A model's file and those that its external tensors are in. @throws ModelError for locations outside the model's folder */
export function modelPath(path: string, model: Model): ModelPath {
  return { path, data: externalLocations(model).map((location) => ({ location, path: externalPath(path, location) })) };
}

/**
 * Runs the written file in every runtime, each in processes of its own, and compares with Kappa's executor and the original.
 * @throws InterruptedError once the signal is aborted; whatever the runtimes do is told, not thrown
 */
export async function verifyByRunning(wasm: Wasm, options: VerifyOptions): Promise<VerificationReport> {
  const { runtimes, required, progress } = options;
  const own = await ownOutputs(wasm, options);
  const results: RuntimeResult[] = [];
  for (const [i, runtime] of runtimes.entries()) {
    progress?.('verifying by running', i, runtimes.length);
    const needed = required?.includes(runtime.runtime) ?? true;
    results.push(await verifyIn(wasm, runtime, needed, own, options));
  }
  progress?.('verifying by running', runtimes.length, runtimes.length);
  return { samples: own.samples.length, from: own.from, note: own.note, runtimes: results };
}

interface Own {
  readonly model: Model;
  readonly samples: readonly Values[];
  readonly from: VerificationReport['from'];
  readonly note: string | null;
  /** What Kappa's executor makes of the samples: none where it does not run the model. */
  readonly written: readonly Values[];
  readonly original: readonly Values[];
  /** Bytes of both files. */
  readonly bytes: { readonly written: number; readonly original: number };
}

async function ownOutputs(wasm: Wasm, options: VerifyOptions): Promise<Own> {
  const [written, model] = await read(options.written);
  const [original, source] = await read(options.original);
  const bytes = { written, original };
  const nothing = { model, samples: [], from: 'nothing', note: null, written: [], original: [], bytes } as const;
  try {
    const { samples, from } = await samplesFor(wasm, source, options);
    return {
      ...nothing,
      samples,
      from,
      written: runAll(wasm, model, samples),
      original: runAll(wasm, source, samples),
    };
  } catch (error) {
    if (!(error instanceof KappaError) || error instanceof InterruptedError) throw error;
    return { ...nothing, note: `Kappa does not run the model, so nothing was compared: ${error.message}` };
  }
}

async function read({ path, data }: ModelPath): Promise<[bytes: number, Model]> {
  const bytes = await readInput(path, 'model');
  const files = new Map(data.map((d) => [d.location, d.path]));
  let outside = 0;
  const external = (location: string, offset: number, length: number): Uint8Array => {
    outside += length;
    const at = files.get(location) ?? join(dirname(path), location);
    return externalFiles(at)(basename(at), offset, length);
  };
  const model = readModel(bytes, path, { external });
  return [bytes.length + outside, model];
}

async function samplesFor(
  wasm: Wasm,
  model: Model,
  { evaluation, calibration, seed, samples = SAMPLES }: VerifyOptions,
): Promise<{ samples: Values[]; from: VerificationReport['from'] }> {
  const dataset = evaluation ?? calibration ?? (await syntheticDataset(wasm, model, { samples, seed })).dataset;
  const from = evaluation ? 'held-out data' : calibration ? 'calibration data' : 'drawn inputs';
  const own = new Set(model.graph.initializers.map((t) => t.name));
  const inputs = model.graph.inputs.filter((i) => !own.has(i.name));
  const { batch, samples: count } = batchesFor(dataset, inputs, 1, samples);
  const found: Values[] = [];
  for await (const { feeds } of dataset.batches(batch, { limit: count })) found.push(feeds);
  return { samples: found, from };
}

function runAll(wasm: Wasm, model: Model, samples: readonly Values[]): Values[] {
  const session = new Session(model, wasm);
  try {
    return samples.map((feeds) => session.run(feeds));
  } finally {
    session.dispose();
  }
}

async function verifyIn(
  wasm: Wasm,
  { runtime, version, module }: InstalledRuntime,
  required: boolean,
  own: Own,
  options: VerifyOptions,
): Promise<RuntimeResult> {
  const [original, written] = [absolute(options.original), absolute(options.written)];
  const both = own.bytes.original + own.bytes.written;
  const small = both <= TIMED_BYTES;
  const task: Task = {
    runtime,
    module,
    files: { original, written },
    samples: own.samples,
    defaults: runtime === 'onnxruntime-node' && own.samples.length > 0 && dequantizes(own.model),
    timed: small ? own.samples.slice(0, 1) : [],
    rounds: ROUNDS,
    budget: BUDGET,
    warmUp: WARM_UP,
    compiled: false,
    memory: false,
  };
  const short = shortage(runtime, own.bytes, both);
  const outcome = short === undefined ? await runTask(task, options) : unstarted(short);
  const natures = naturesOf(own.model);
  const difference = compare(wasm, own.written, outcome.outputs.written, natures);
  const originalDifference = compare(wasm, own.original, outcome.outputs.original, natures);
  const loss = compare(wasm, own.original, own.written, natures);
  const bound = boundOf(own.model, originalDifference?.relative ?? null, loss?.relative ?? null);
  const [run] = outcome.runs;
  const objection = difference && objectionTo(difference, bound);
  const judged = { ...judge(outcome, objection), required };
  return {
    runtime,
    version,
    ...judged,
    difference: difference?.relative ?? null,
    bound,
    originalDifference: originalDifference?.relative ?? null,
    defaultDifference: compare(wasm, own.written, outcome.outputs.defaults, natures)?.relative ?? null,
    load: times(outcome.load),
    run: times(run),
    memory: judged.status === 'agrees' && small ? await memoryOf(task, own.bytes.original, options) : null,
  };
}

/** Why the files are not even tried. */
function shortage(runtime: RuntimeName, bytes: Own['bytes'], both: number): string | undefined {
  const most = Math.max(bytes.original, bytes.written);
  if (runtime === 'onnxruntime-web' && most > WASM_BYTES)
    return `${formatBytes(most)} are more than WebAssembly has room for`;
  const left = freemem();
  if (COPIES * both <= left) return undefined;
  return `files of ${formatBytes(both)} may take ${formatBytes(COPIES * both)} of memory, and ${formatBytes(left)} are free`;
}

const unstarted = (reason: string): TaskOutcome => ({
  outputs: {},
  load: undefined,
  runs: [],
  memory: undefined,
  failure: { stage: 'starting', reason },
});

const times = (rounds: Rounds | undefined) => (rounds ? timesOf(rounds.written, rounds.original) : null);

function compare(
  wasm: Wasm,
  ours: readonly Values[],
  theirs: readonly Values[] | undefined,
  natures: ReadonlyMap<string, OutputNature>,
) {
  return theirs && ours.length > 0 ? differenceOf(wasm, ours, theirs, natures) : undefined;
}

/** Status and reason: what was found wrong, or what went wrong, and whose fault that is. */
function judge(
  { outputs, failure }: TaskOutcome,
  objection: string | null | undefined,
): Pick<RuntimeResult, 'status' | 'reason'> {
  if (objection) return { status: 'differs', reason: objection };
  const doing = { starting: 'starting', original: 'running the original', written: 'running the written file' };
  if (outputs.written === undefined) {
    const { stage, reason } = failure ?? { stage: 'starting', reason: 'ended early' };
    const status = outputs.original === undefined ? 'skipped' : 'refused';
    return { status, reason: `${doing[stage as keyof typeof doing] ?? stage}: ${reason}` };
  }
  if (objection === undefined) return { status: 'skipped', reason: 'it loads, but there was nothing to compare with' };
  if (failure) return { status: 'agrees', reason: `${failure.stage}: ${failure.reason}` };
  return { status: 'agrees', reason: null };
}

/** Whether the runtime's default options may do the arithmetic of decoded weights otherwise. */
const dequantizes = (model: Model): boolean =>
  !roundsActivations(model) && model.graph.nodes.some((n) => n.opType === 'DequantizeLinear');

/** Of both files, each in a process that runs nothing else. */
async function memoryOf(task: Task, bytes: number, limits: Limits): Promise<RuntimeMemory | null> {
  if (bytes < MEMORY_FROM) return null;
  const { original, written } = task.files;
  const alone = { ...task, samples: task.samples.slice(0, 1), timed: [], defaults: false, memory: true };
  const both = await Promise.all([
    runTask({ ...alone, files: { written: written! } }, limits),
    runTask({ ...alone, files: { original: original! } }, limits),
  ]);
  const [w, o] = both.map(({ memory }) => memory);
  return w !== undefined && o !== undefined ? { written: w, original: o } : null;
}

const absolute = ({ path, data }: ModelPath): ModelPath => ({
  path: resolve(path),
  data: data.map((d) => ({ ...d, path: resolve(d.path) })),
});
