import type { Progress } from '../progress.ts';
import { DataError } from '../errors.ts';
import { Session } from '../graph/session.ts';
import type { Model } from '../onnx/model.ts';
import { arrayOf, type Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';

export interface RunModelOptions {
  /** Samples run at once: every input's first axis is cut, every output's joined again. All at once where absent. */
  readonly batch?: number | undefined;
  readonly progress?: Progress | undefined;
}

/** Arrays that accompany data for a model and are none of its inputs. */
const BESIDE = ['labels', 'targets'];

/**
 * Runs a model on arrays under its inputs' names; `labels` and `targets` that are no inputs are passed over.
 * @returns output name to tensor, in the order of the graph
 * @throws DataError where the arrays do not fit the model, UnsupportedError, ModelError for a model that cannot be run
 */
export async function runModel(
  wasm: Wasm,
  model: Model,
  arrays: ReadonlyMap<string, Tensor>,
  options: RunModelOptions = {},
): Promise<Map<string, Tensor>> {
  const session = new Session(model, wasm);
  try {
    const inputs = new Set(session.inputs.map((i) => i.name));
    const feeds = new Map([...arrays].filter(([name]) => inputs.has(name) || !BESIDE.includes(name)));
    const made =
      options.batch === undefined
        ? session.run(Object.fromEntries(feeds))
        : await inBatches(session, feeds, options.batch, options.progress);
    return new Map(session.outputs.map((o) => [o.name, made[o.name]!]));
  } finally {
    session.dispose();
  }
}

async function inBatches(
  session: Session,
  feeds: ReadonlyMap<string, Tensor>,
  batch: number,
  progress: Progress | undefined,
): Promise<Record<string, Tensor>> {
  if (!Number.isSafeInteger(batch) || batch < 1)
    throw new RangeError(`batch: expected a whole number >= 1, got ${batch}`);
  const counts = new Set([...feeds.values()].map((t) => t.dims[0]));
  const [count] = counts;
  if (counts.size !== 1 || count === undefined || count === 0)
    throw new DataError(
      'batches: expected inputs whose first axes count the same samples; without a batch size they are fed as they are',
    );
  const parts: Record<string, Tensor>[] = [];
  for (let start = 0; start < count; start += batch) {
    const n = Math.min(batch, count - start);
    const made = session.run(Object.fromEntries([...feeds].map(([name, t]) => [name, cut(t, start, n)])));
    for (const [name, t] of Object.entries(made))
      if (t.dims[0] !== n)
        throw new DataError(
          `batches: output '${name}' is [${t.dims}] for ${n} samples: its first axis does not count them; run all at once`,
        );
    parts.push(made);
    progress?.('running', start + n, count);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  return Object.fromEntries(
    Object.keys(parts[0]!).map((name) => [
      name,
      joined(
        parts.map((p) => p[name]!),
        name,
      ),
    ]),
  );
}

function cut(t: Tensor, start: number, n: number): Tensor {
  const each = t.data.length / t.dims[0]!;
  return { dtype: t.dtype, dims: [n, ...t.dims.slice(1)], data: t.data.subarray(start * each, (start + n) * each) };
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
