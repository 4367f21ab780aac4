import { batchesFor } from '../data/check.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Session } from '../graph/session.ts';
import { sizeOf } from '../tensor.ts';
import { ADDRESSABLE } from '../wasm/arena.ts';
import {
  type AnalyzerOptions,
  FEWEST_TO_HOLD_BACK,
  HELD_BACK,
  LARGEST_BATCH,
  TABLE_PREDICTIONS,
  TABLE_SAMPLES,
  TRACE_BYTES,
} from './options.ts';

/** What samples of a dataset are for. */
export interface Share {
  /** How many are run at once. */
  readonly batch: number;
  /** How many the model is calibrated on, from the first on. */
  readonly limit: number;
  /** Of these, how many the cost table is measured on. */
  readonly samples: number;
  /** Those that whole plans are judged by: the ones after, or all where there are too few to share. */
  readonly judged: { readonly start: number; readonly samples: number };
}

/**
 * Shares out samples.
 * @param output whose predictions are counted
 * @param batches most batches that are used, where that is limited
 * @param memory bytes that the kernels' memory may grow to
 */
export async function shareSamples(
  session: Session,
  dataset: Dataset,
  output: string,
  options: Pick<AnalyzerOptions, 'batch' | 'samples'>,
  batches: number | undefined,
  memory: number,
): Promise<Share> {
  const { batch, predictions } = await measureOne(session, dataset, output, options.batch, memory);
  const fit = (wanted: number) => batchesFor(dataset, session.inputs, batch, wanted).samples;
  const all = fit(Math.min(options.samples ?? dataset.count, (batches ?? dataset.count) * batch));
  const limit = all - heldOf(all, fit);
  const samples = fit(Math.min(limit, TABLE_SAMPLES, Math.max(1, Math.ceil(TABLE_PREDICTIONS / predictions))));
  const judged = limit < all ? { start: limit, samples: all - limit } : { start: 0, samples: all };
  return { batch, limit, samples, judged };
}

/**
 * Runs one sample, or as few as the model takes, to learn how many predictions it holds and how large a batch may be.
 * @param output whose predictions are counted: elements over the last axis
 * @param asked the batch asked for, where one was
 * @param memory bytes that the kernels' memory may grow to
 */
export async function measureOne(
  session: Session,
  dataset: Dataset,
  output: string,
  asked: number | undefined,
  memory: number,
): Promise<{ batch: number; predictions: number }> {
  const { batch: least } = batchesFor(dataset, session.inputs, 1);
  for await (const one of dataset.batches(least, { limit: least })) {
    let bytes = 0;
    const observe = (_: unknown, __: unknown, outputs: readonly { dims: readonly number[] }[]) => {
      for (const t of outputs) bytes += 4 * sizeOf(t.dims);
    };
    const dims = session.run(one.feeds, { observe })[output]!.dims;
    // A trace keeps all values of a batch; weights want the other half of a memory that has a limit.
    const most = memory === ADDRESSABLE ? TRACE_BYTES : Math.min(TRACE_BYTES, memory / 2);
    const room = Math.max(1, Math.min(LARGEST_BATCH, Math.floor(most / Math.max(1, bytes))));
    const { batch } = batchesFor(dataset, session.inputs, asked ?? room);
    return { batch, predictions: Math.max(1, Math.floor(sizeOf(dims.slice(0, -1)) / least)) };
  }
  return { batch: 1, predictions: 1 };
}

/**
 * Of so many samples, how many are held back to judge plans by: none of a few.
 * @param fit so many samples as the model takes, of those wanted
 */
export function heldOf(all: number, fit: (wanted: number) => number): number {
  const held = all >= FEWEST_TO_HOLD_BACK ? fit(Math.ceil(all * HELD_BACK)) : 0;
  return held < all ? held : 0;
}
