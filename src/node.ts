/** Kappa for Node: all of the neutral door, and what touches the disk. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { readModel } from './onnx/index.ts';
import type { Model } from './onnx/model.ts';
import { externalFiles } from './node/external.ts';
import { codeOf, readInput } from './node/read.ts';
import { nodeSpawn } from './node/threads.ts';
import { kernelFile } from './wasm/features.ts';
import { createFrom, type KernelOptions, requireBuild } from './wasm/load.ts';
import type { Wasm } from './wasm/wasm.ts';

export * from './index.ts';
export { caseFolders, readCase } from './node/cases.ts';
export { datasetFiles, openDataset } from './node/dataset.ts';
export { externalFiles, externalPath } from './node/external.ts';
export {
  type InstalledRuntime,
  installedRuntimes,
  modelPath,
  type VerifyOptions,
  verifyByRunning,
} from './node/runtimes.ts';
export { nodeSpawn } from './node/threads.ts';

/** How the kernels are loaded. */
export interface LoadOptions extends KernelOptions {
  /** The kernels: a file, bytes or a compiled module; unless told, the build's file beside this module. Threads need a file or bytes. */
  readonly from?: string | URL | BufferSource | WebAssembly.Module | undefined;
}

/**
 * The kernels: what is given, or the build's file beside this module, or, run from a checkout's sources, the one built there.
 * @throws UnsupportedError where this engine does not run the relaxed build
 * @throws UsageError where the kernels given are another build than asked for
 * @throws Error where the file is not there
 */
export async function loadKernels({ build, from, ...rest }: LoadOptions = {}): Promise<Wasm> {
  requireBuild(build ?? 'plain');
  const options = { build, spawn: nodeSpawn, ...rest };
  if (typeof from === 'string' || from instanceof URL) return createFrom(await readFile(from), options);
  if (from !== undefined) return createFrom(from, options);
  const file = kernelFile(build ?? 'plain');
  for (const place of [`./${file}`, `../build/${file}`]) {
    try {
      return await createFrom(await readFile(new URL(place, import.meta.url)), options);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
  }
  throw new Error(`${file} is missing beside this module: run \`npm run build\``);
}

/** A model from a file, its external data read as it is asked for. @throws ModelError naming the file: missing, no model, damaged */
export async function readModelFile(path: string): Promise<Model> {
  return readModel(await readInput(path, 'model'), path, { external: externalFiles(path) });
}

/** The folder of the demonstration models in a checkout; installed packages come without them. */
export function demonstrationFolder(): string {
  return fileURLToPath(new URL('../models/', import.meta.url));
}
