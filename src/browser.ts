/** Kappa for pages and their workers: all of the neutral door, and the kernels fetched from beside this module. */
import { UsageError } from './errors.ts';
import { type Build, kernelFile, supportsThreads } from './wasm/features.ts';
import { createFrom, type KernelOptions, requireBuild } from './wasm/load.ts';
import type { Wasm } from './wasm/wasm.ts';

export * from './index.ts';

/** How the kernels are loaded. */
export interface LoadOptions extends KernelOptions {
  /**
   * The kernels: an address (relative ones start from the page or worker), an answer of `fetch`, bytes or a compiled module; unless
   * told, the build's file beside this module, where bundlers put it. Threads need an address, an answer or bytes.
   */
  readonly from?: string | URL | Response | BufferSource | WebAssembly.Module | undefined;
}

/** Written out for each build: bundlers look for this form, and take the file along. */
const BESIDE: Readonly<Record<Build, () => URL>> = {
  plain: () => new URL('./kernels.wasm', import.meta.url),
  relaxed: () => new URL('./kernels-relaxed.wasm', import.meta.url),
};

/**
 * The kernels, compiled while they arrive. Call it in a worker: jobs compute on the thread they are called on.
 * @throws UnsupportedError where this engine lacks SIMD, or relaxed SIMD for that build
 * @throws UsageError where nothing is found at the address, or something else than WebAssembly, or another build than asked for
 */
export async function loadKernels({ from, build, ...options }: LoadOptions = {}): Promise<Wasm> {
  requireBuild(build ?? 'plain');
  const given = from ?? BESIDE[build ?? 'plain']();
  const place = typeof given === 'string' || given instanceof URL;
  if (!place && !(given instanceof Response)) return createFrom(given, { build, ...options });
  const response = place ? await fetched(given, kernelFile(build ?? 'plain')) : given;
  const type = response.headers.get('content-type') ?? '';
  const name = response.url || kernelFile(build ?? 'plain');
  if (!response.ok) throw new UsageError(`${name}: expected the kernels, found HTTP status ${response.status}`);
  if (type.startsWith('text/html'))
    throw new UsageError(`${name}: expected the kernels, found a page: give their address as 'from'`);
  // threads instantiate a changed copy of the bytes; and engines stream nothing that is sent as another type
  const whole = ((options.threads ?? 1) > 1 && supportsThreads()) || !type.startsWith('application/wasm');
  try {
    const source = whole ? await response.arrayBuffer() : await WebAssembly.compileStreaming(response);
    return await createFrom(source, { build, ...options });
  } catch (error) {
    if (!(error instanceof WebAssembly.CompileError)) throw error;
    throw new UsageError(`${name}: expected the kernels, found no WebAssembly (${error.message})`, { cause: error });
  }
}

async function fetched(address: string | URL, name: string): Promise<Response> {
  try {
    return await fetch(address, { credentials: 'same-origin' });
  } catch (error) {
    throw new UsageError(`${name}: nothing could be fetched from ${address}`, { cause: error });
  }
}
