import { batchesFor } from '../data/check.ts';
import type { Dataset } from '../data/dataset.ts';
import { MemoryError } from '../errors.ts';
import type { Session } from '../graph/session.ts';
import { ADDRESSABLE } from '../wasm/arena.ts';
import type { Wasm } from '../wasm/wasm.ts';

/**
 * How many samples may be run at once: as many as wanted, or, where the kernels' memory was given a limit, half as many again and
 * again until the first batch fits into it.
 * @throws MemoryError where not even one does
 */
export async function fittingBatch(
  wasm: Wasm,
  sessions: readonly Session[],
  dataset: Dataset,
  wanted: number,
): Promise<number> {
  const { inputs } = sessions[0]!;
  if (wasm.arena.limit === ADDRESSABLE) return wanted;
  for (let size = wanted; ; size = Math.ceil(size / 2)) {
    const { batch } = batchesFor(dataset, inputs, size);
    try {
      for await (const { feeds } of dataset.batches(batch, { limit: batch }))
        for (const session of sessions) session.run(feeds);
      return size;
    } catch (error) {
      if (!(error instanceof MemoryError) || size === 1 || batch !== size) throw error;
    }
  }
}
