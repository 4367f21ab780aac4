/**
 * Kappa for edge workers (workerd, Cloudflare): all of the neutral door, and the kernels as a module that the platform compiled when
 * the worker was deployed. Nothing is compiled from bytes, and no text is evaluated.
 */
import kernels from './kernels.wasm';
import { createFrom, type EdgeOptions } from './wasm/load.ts';
import type { Wasm } from './wasm/wasm.ts';

export * from './index.ts';
export type { EdgeOptions as LoadOptions } from './wasm/load.ts';

/**
 * The kernels; the plain build unless another module is given. There is one thread. An isolate of Cloudflare's has 128 MB for everything:
 * `maxBytes` makes what would take more a MemoryError instead of a killed worker.
 * @throws UsageError where they are not the build that was asked for
 */
export function loadKernels({ from = kernels, ...options }: EdgeOptions = {}): Promise<Wasm> {
  return createFrom(from, options);
}
