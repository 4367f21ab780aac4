/** Everything that computes: one model, what was measured of it, and the last file made. */
import {
  datasetFromArrays,
  drawnDataset,
  type Dataset,
  inspectModel,
  type Measurement,
  measureModel,
  quantize,
  readModel,
  readNpz,
  Session,
  type Tensor,
  Wasm,
} from '../src/index.ts';
import type { CallName, Calls, Comparison, FromWorker, ToWorker } from './protocol.ts';

/** What is used of a worker's global scope: the compiler has the page's names. */
interface Scope {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: FromWorker): void;
  readonly location: { readonly href: string };
}

const scope = self as unknown as Scope;

/** Most values of an output that are compared. */
const COMPARED = 256;
/** Progress is said at most this often, in milliseconds. */
const EVERY = 100;

class Cancelled extends Error {}

interface Opened {
  readonly name: string;
  readonly bytes: Uint8Array;
}

interface Measured {
  readonly found: Measurement;
  readonly calibration: Dataset | undefined;
  readonly dataFree: boolean;
  readonly samples: number | undefined;
  readonly seed: number | undefined;
}

let wasm: Promise<Wasm> | undefined;
let opened: Opened | undefined;
let measured: Measured | undefined;
let made: Uint8Array | undefined;
let abort = new AbortController();

const say = (message: FromWorker): void => scope.postMessage(message);

function kernels(): Promise<Wasm> {
  wasm ??= fetch(new URL('./kernels.wasm', scope.location.href)).then(async (response) => {
    if (!response.ok) throw new Error(`kernels.wasm: ${response.status}; reload the page`);
    return Wasm.create(new Uint8Array(await response.arrayBuffer()));
  });
  return wasm;
}

let last = 0;
function progress(stage: string, done: number, total: number): void {
  const now = performance.now();
  if (now - last < EVERY && done > 0) return;
  last = now;
  say({ stage, done, total });
}

function model(): Opened {
  if (!opened) throw new Error('open a model first');
  return opened;
}

const handlers: { readonly [K in CallName]: (take: Calls[K]['take']) => Promise<Calls[K]['give']> } = {
  async open({ name, bytes }) {
    const report = inspectModel(bytes, name);
    [opened, measured, made] = [{ name, bytes }, undefined, undefined];
    return report;
  },

  async measure({ data, settings }) {
    const { name, bytes } = model();
    const start = performance.now();
    const kept = readModel(bytes, name);
    const own = await kernels();
    const { samples, seed } = settings;
    const options = { name, samples, seed, progress, signal: abort.signal };
    measured = undefined;
    const calibration =
      data.kind === 'npz'
        ? datasetFromArrays(readNpz(data.bytes, data.name), data.name)
        : data.kind === 'drawn'
          ? (await drawnDataset(own, kept, { samples, seed, progress })).dataset
          : undefined;
    const found = await measureModel(own, bytes, { ...options, calibration });
    measured = { found, calibration, dataFree: data.kind === 'drawn', samples, seed };
    const { kept: _, ...give } = found;
    return { ...give, seconds: (performance.now() - start) / 1000 };
  },

  async quantize({ bits, pins }) {
    const { name, bytes } = model();
    if (!measured) throw new Error('measure the model first');
    const { found, calibration, dataFree, samples, seed } = measured;
    const result = await quantize(await kernels(), bytes, {
      name,
      bits,
      pins,
      ...(dataFree ? { dataFree } : { calibration }),
      samples,
      seed,
      table: found.table,
      kept: found.kept,
      pictures: true,
      progress,
      signal: abort.signal,
    });
    made = result.bytes;
    return {
      bytes: result.bytes.slice(),
      report: result.report,
      pictures: result.pictures!,
      plan: `${JSON.stringify(result.plan, null, 2)}\n`,
    };
  },

  async compare({ sample }) {
    const { name, bytes } = model();
    if (!made || !measured?.calibration) throw new Error('make a file first, from data');
    const { calibration } = measured;
    const at = Math.max(0, Math.min(calibration.count - 1, Math.floor(sample)));
    const feeds = await sampleOf(calibration, at);
    const own = await kernels();
    const [a, b] = [bytes, made].map((file) => outputs(own, file, name, feeds));
    const output = Object.keys(a!)[0]!;
    const values = (of: Record<string, Tensor>) =>
      Float32Array.from(of[output]!.data as Float32Array).slice(0, COMPARED);
    const give: Comparison = {
      sample: at,
      samples: calibration.count,
      output,
      original: values(a!),
      quantized: values(b!),
      feeds: Object.entries(feeds).map(([input, t]) => ({ name: input, dtype: t.dtype, dims: t.dims, data: t.data })),
    };
    return give;
  },
};

async function sampleOf(data: Dataset, at: number): Promise<Record<string, Tensor>> {
  let seen = 0;
  for await (const { feeds, count } of data.batches(1, {})) {
    if (seen + count > at) return feeds;
    seen += count;
  }
  throw new Error(`sample ${at}: the data has ${seen}`);
}

function outputs(own: Wasm, file: Uint8Array, name: string, feeds: Record<string, Tensor>): Record<string, Tensor> {
  const session = new Session(readModel(file, name), own);
  try {
    return session.run(feeds);
  } finally {
    session.dispose();
  }
}

scope.onmessage = async ({ data }: MessageEvent<ToWorker>) => {
  if ('cancel' in data) {
    abort.abort(new Cancelled('cancelled'));
    return;
  }
  const { id, call, take } = data;
  abort = new AbortController();
  try {
    const give = await (handlers[call] as (t: unknown) => Promise<unknown>)(take);
    say({ id, give });
  } catch (error) {
    const cancelled = error instanceof Cancelled;
    say({ id, error: error instanceof Error ? error.message : String(error), cancelled });
  }
};

say({ ready: true });
