import { breath, type Progress } from '../progress.ts';
import { batchesFor, checkDataset } from '../data/check.ts';
import type { Dataset } from '../data/dataset.ts';
import { DataError, UsageError } from '../errors.ts';
import { loadOperators } from '../graph/load.ts';
import { Session } from '../graph/session.ts';
import type { Model } from '../onnx/model.ts';
import { arrayOf, type Tensor } from '../tensor.ts';
import { fittingBatch } from './fitting.ts';
import type { Wasm } from '../wasm/wasm.ts';

/** What `runModel` may be told. */
export interface RunModelOptions {
  /**
   * Samples run at once: every input's first axis is cut, every output's joined again. Arrays are run all at once where absent, samples of a
   * dataset by 16, or as many as the model takes.
   */
  readonly batch?: number | undefined;
  /**
   * State carried from one batch to the next: input name to the name of the output that feeds it. The first batch takes the array
   * given under the input's name; of the output the last value is returned. Batches are of one sample where `batch` is absent, and
   * arrays without axes are fed to each as they are.
   */
  readonly state?: ReadonlyMap<string, string> | undefined;
  readonly progress?: Progress | undefined;
}

/** Arrays that accompany data for a model and are none of its inputs. */
const BESIDE = ['labels', 'targets'];

/**
 * Runs a model on arrays under its inputs' names; `labels` and `targets` that are no inputs are passed over. Or on the samples of a
 * dataset, in their order, without state.
 * @returns output name to tensor, in the order of the graph
 * @throws DataError where the arrays do not fit the model, UnsupportedError, ModelError for a model that cannot be run
 */
export async function runModel(
  wasm: Wasm,
  model: Model,
  data: ReadonlyMap<string, Tensor> | Dataset,
  options: RunModelOptions = {},
): Promise<Map<string, Tensor>> {
  await loadOperators(model);
  const session = new Session(model, wasm);
  try {
    const made =
      'batches' in data ? await onSamples(wasm, session, data, options) : await onArrays(session, data, options);
    return new Map(session.outputs.map((o) => [o.name, made[o.name]!]));
  } finally {
    session.dispose();
  }
}

async function onArrays(
  session: Session,
  arrays: ReadonlyMap<string, Tensor>,
  options: RunModelOptions,
): Promise<Record<string, Tensor>> {
  const inputs = new Set(session.inputs.map((i) => i.name));
  const feeds = new Map([...arrays].filter(([name]) => inputs.has(name) || !BESIDE.includes(name)));
  if (options.batch !== undefined || options.state?.size) return inBatches(session, feeds, options);
  return session.run(Object.fromEntries(feeds));
}

async function onSamples(
  wasm: Wasm,
  session: Session,
  data: Dataset,
  { batch, state, progress }: RunModelOptions,
): Promise<Record<string, Tensor>> {
  if (state?.size) throw new UsageError('state: expected arrays, found a dataset');
  checkDataset(data, session.inputs);
  const wanted = batch ?? (await fittingBatch(wasm, [session], data, 16));
  const { batch: size, samples } = batchesFor(data, session.inputs, wanted);
  if (samples !== data.count)
    throw new DataError(
      `${data.name ?? 'data'}: ${data.count} samples, but the model takes ${size} at once: expected a multiple`,
    );
  const parts: Record<string, Tensor>[] = [];
  let done = 0;
  for await (const { feeds, count } of data.batches(size)) {
    const made = session.run(feeds);
    for (const [name, t] of Object.entries(made)) checkCount(name, t, count);
    parts.push(made);
    done += count;
    progress?.('running', done, samples);
    await breath();
  }
  return allOf(parts);
}

function checkCount(name: string, t: Tensor, n: number): void {
  if (t.dims[0] !== n)
    throw new DataError(
      `batches: output '${name}' is [${t.dims}] for ${n} samples: its first axis does not count them; run all at once`,
    );
}

async function inBatches(
  session: Session,
  feeds: ReadonlyMap<string, Tensor>,
  { batch = 1, state = new Map(), progress }: RunModelOptions,
): Promise<Record<string, Tensor>> {
  checkState(session, feeds, state);
  if (!Number.isSafeInteger(batch) || batch < 1)
    throw new RangeError(`batch: expected a whole number >= 1, got ${batch}`);
  const carried = new Map([...state].map(([input]) => [input, feeds.get(input)!]));
  const whole = [...feeds].filter(([name, t]) => state.size > 0 && t.dims.length === 0 && !carried.has(name));
  const fixed = new Set(whole.map(([name]) => name));
  const cuttable = [...feeds].filter(([name]) => !carried.has(name) && !fixed.has(name));
  const counts = new Set(cuttable.map(([, t]) => t.dims[0]));
  const [count] = counts;
  if (counts.size !== 1 || count === undefined || count === 0)
    throw new DataError(
      'batches: expected inputs whose first axes count the same samples; without a batch size they are fed as they are',
    );
  const outputs = new Set(state.values());
  const parts: Record<string, Tensor>[] = [];
  for (let start = 0; start < count; start += batch) {
    const n = Math.min(batch, count - start);
    const cuts = cuttable.map(([name, t]) => [name, cut(t, start, n)] as const);
    const made = session.run(Object.fromEntries([...cuts, ...whole, ...carried]));
    for (const [input, output] of state) carried.set(input, made[output]!);
    for (const [name, t] of Object.entries(made)) if (!outputs.has(name)) checkCount(name, t, n);
    parts.push(made);
    progress?.('running', start + n, count);
    await breath();
  }
  return allOf(parts, outputs);
}

/** @throws DataError for a state whose input or output the model has not, or that starts from nothing */
function checkState(session: Session, feeds: ReadonlyMap<string, Tensor>, state: ReadonlyMap<string, string>): void {
  for (const [input, output] of state) {
    if (!session.inputs.some((i) => i.name === input)) throw new DataError(`state: the model has no input '${input}'`);
    if (!session.outputs.some((o) => o.name === output))
      throw new DataError(`state: the model has no output '${output}' to feed input '${input}' from`);
    if (!feeds.has(input)) throw new DataError(`state: expected an array '${input}' to start from, found none`);
  }
}

function cut(t: Tensor, start: number, n: number): Tensor {
  const each = t.data.length / t.dims[0]!;
  return { dtype: t.dtype, dims: [n, ...t.dims.slice(1)], data: t.data.subarray(start * each, (start + n) * each) };
}

/** The batches' outputs as one. @param carried outputs of which the last batch's is what was asked for */
function allOf(parts: readonly Record<string, Tensor>[], carried: ReadonlySet<string> = new Set()) {
  const of = (name: string) => parts.map((p) => p[name]!);
  return Object.fromEntries(
    Object.keys(parts[0]!).map((name) => [name, carried.has(name) ? of(name).at(-1)! : joined(of(name), name)]),
  );
}

function joined(parts: readonly Tensor[], name: string): Tensor {
  const { dtype, dims } = parts[0]!;
  const rest = dims.slice(1);
  const odd = parts.find((t) => t.dims.slice(1).join() !== rest.join());
  if (odd)
    throw new DataError(
      `batches: output '${name}' is [${dims}] for one batch and [${odd.dims}] for another; run all at once`,
    );
  const data = new (arrayOf(dtype))(parts.reduce((n, t) => n + t.data.length, 0));
  let at = 0;
  for (const t of parts) {
    // one type throughout, which the compiler cannot see
    (data as Float32Array).set(t.data as Float32Array, at);
    at += t.data.length;
  }
  return { dtype, dims: [parts.reduce((n, t) => n + t.dims[0]!, 0), ...rest], data };
}
