/** Kappa for Node: all of the neutral door, and what touches the disk. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { UnsupportedError } from './errors.ts';
import { readModel } from './onnx/index.ts';
import type { Model } from './onnx/model.ts';
import { externalFiles } from './node/external.ts';
import { codeOf, readInput } from './node/read.ts';
import { nodeSpawn } from './node/threads.ts';
import { type Build, kernelFile, supportsRelaxed } from './wasm/features.ts';
import { Wasm, type WasmOptions } from './wasm/wasm.ts';

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

export interface LoadOptions extends WasmOptions {
  /** The build: `plain` (unless told), whose results are the same to the bit on every machine, or `relaxed`. */
  readonly build?: Build | undefined;
}

/**
 * The kernels: the build's file beside this module, or, run from a checkout's sources, the one built there.
 * @throws UnsupportedError where this engine does not run the relaxed build
 * @throws Error where the file is not there
 */
export async function loadKernels({ build = 'plain', ...options }: LoadOptions = {}): Promise<Wasm> {
  if (build === 'relaxed' && !supportsRelaxed())
    throw new UnsupportedError('build relaxed: this engine has no relaxed SIMD (Node 22 and later have it)');
  const file = kernelFile(build);
  for (const place of [`./${file}`, `../build/${file}`]) {
    try {
      return await Wasm.create(await readFile(new URL(place, import.meta.url)), { spawn: nodeSpawn, ...options });
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
