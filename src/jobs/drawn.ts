import { type Synthetic, type SyntheticOptions, syntheticDataset } from '../calibrate/synthetic.ts';
import { datasetFromArrays } from '../data/index.ts';
import { InterruptedError, KappaError } from '../errors.ts';
import { distil } from '../gradient/distil.ts';
import { batchStatistics, loadOperators, Session } from '../graph/index.ts';
import type { Model } from '../onnx/model.ts';
import { sizeOf, type Tensor, tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';

/** Samples whose statistics are taken together. */
const BATCH = 32;
const LEAST_BATCH = 8;
/** Fewer BatchNormalization nodes are met well enough by what is drawn for the first of them. */
const FEWEST = 2;
/** Bytes of values that one pass may keep, and that all passes together may make (a few minutes' work). */
const TRACE_BYTES = 2 ** 29;
const WORK_BYTES = 2 ** 35;
const STEPS = 60;

/**
 * Inputs for people without data: drawn (`syntheticDataset`), then, where the model has BatchNormalization nodes, moved by gradient
 * descent until what they do in the network has the statistics these remember (`distil`). Where that cannot be done the note says
 * why, and they stay as drawn.
 * @throws as `syntheticDataset`
 */
export async function drawnDataset(wasm: Wasm, model: Model, options: SyntheticOptions = {}): Promise<Synthetic> {
  await loadOperators(model);
  const drawn = await syntheticDataset(wasm, model, options);
  const nodes = batchStatistics(model).length;
  if (nodes < FEWEST) return drawn;
  const also = (text: string): string => `${drawn.note}; ${text}`;
  const columns = [...(drawn.dataset.columns ?? [])];
  const floats = columns.filter(([, c]) => c.dtype === 'float');
  const refusal = (reason: string): Synthetic => ({
    ...drawn,
    note: also(`not fitted to the statistics of all ${nodes} BatchNormalization nodes: ${reason}`),
  });
  const [input] = floats;
  if (drawn.dataset.single || input === undefined || floats.length > 1 || !columns.every(([, c]) => c.all))
    return refusal('the model does not take several samples of one float input at once');
  const bytes = await bytesOfOne(wasm, model, drawn);
  const batch = Math.min(BATCH, drawn.dataset.count, Math.floor(TRACE_BYTES / bytes));
  const affordable = Math.floor(WORK_BYTES / (STEPS * bytes));
  const count = Math.min(drawn.dataset.count, affordable) - (Math.min(drawn.dataset.count, affordable) % batch || 0);
  if (batch < LEAST_BATCH || !(count >= LEAST_BATCH))
    return refusal(`${Math.max(0, Math.min(batch, affordable))} samples at once are too few`);
  const batches: Record<string, Tensor>[] = [];
  for await (const { feeds } of drawn.dataset.batches(batch, { limit: count })) batches.push({ ...feeds });
  const [name] = input;
  try {
    const found = await distil(wasm, model, name, batches, {
      steps: STEPS,
      progress: (done, total) => options.progress?.('fitting drawn inputs', done, total),
    });
    if (!found.ok) return refusal(found.obstacle);
    const arrays = new Map(
      columns.map(([key, c]) => [key, key === name ? joined(found.inputs) : first(c.all!, count)]),
    );
    const fewer = count < drawn.dataset.count ? `, ${count} of them,` : '';
    const gain = (found.before / found.after).toFixed(1);
    return {
      dataset: datasetFromArrays(arrays, drawn.dataset.name),
      note: also(
        `then moved${fewer} ${gain} times nearer to the statistics of all ${found.nodes} BatchNormalization nodes`,
      ),
    };
  } catch (error) {
    if (!(error instanceof KappaError) || error instanceof InterruptedError) throw error;
    return refusal(error.message);
  }
}

/** Bytes of all values of one sample, gradients beside them. */
async function bytesOfOne(wasm: Wasm, model: Model, { dataset }: Synthetic): Promise<number> {
  const session = new Session(model, wasm);
  try {
    let bytes = 0;
    for await (const { feeds } of dataset.batches(1, { limit: 1 }))
      session.run(feeds, {
        observe: (_, __, outputs) => {
          for (const t of outputs) bytes += 8 * sizeOf(t.dims);
        },
      });
    return Math.max(1, bytes);
  } finally {
    session.dispose();
  }
}

function first({ dtype, dims, data }: Tensor, count: number): Tensor {
  const each = data.length / dims[0]!;
  return tensor(dtype, [count, ...dims.slice(1)], data.subarray(0, count * each));
}

function joined(parts: readonly Tensor[]): Tensor {
  const dims = [parts.reduce((n, t) => n + t.dims[0]!, 0), ...parts[0]!.dims.slice(1)];
  const data = new Float32Array(sizeOf(dims));
  let at = 0;
  for (const t of parts) {
    data.set(t.data as Float32Array, at);
    at += t.data.length;
  }
  return tensor('float', dims, data);
}
