import { UnsupportedError, UsageError } from '../errors.ts';
import { type Build, supportsRelaxed, supportsSimd } from './features.ts';
import { Wasm, type WasmOptions } from './wasm.ts';

/** What every door's `loadKernels` takes. */
export interface KernelOptions extends WasmOptions {
  /** The build: `plain` (unless told), whose results are the same to the bit on every machine, or `relaxed`. */
  readonly build?: Build | undefined;
}

/** What `loadKernels` of the doors for edge workers takes. */
export interface EdgeOptions extends KernelOptions {
  /** The kernels as the platform compiled them; the plain build of this package unless told. */
  readonly from?: WebAssembly.Module | undefined;
}

/** @throws UnsupportedError where this engine does not run the build, and what does */
export function requireBuild(build: Build): void {
  if (!supportsSimd())
    throw new UnsupportedError('the kernels need WebAssembly SIMD, which engines have since 2021 (Safari: 2023)');
  if (build === 'relaxed' && !supportsRelaxed())
    throw new UnsupportedError('build relaxed: this engine has no relaxed SIMD (Chromium and Node 22 have it)');
}

/**
 * An engine from kernels that the caller brought.
 * @throws UsageError where they are not the build that was asked for
 */
export async function createFrom(
  source: BufferSource | WebAssembly.Module,
  { build, ...options }: KernelOptions,
): Promise<Wasm> {
  const wasm = await Wasm.create(source, options);
  if (build === undefined || build === wasm.build) return wasm;
  wasm.dispose();
  throw new UsageError(`build ${build}: the kernels given are the ${wasm.build} build`);
}
