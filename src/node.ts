/** Kappa for Node: all of the neutral door, and what touches the disk. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { readModel } from './onnx/index.ts';
import type { Model } from './onnx/model.ts';
import { externalFiles } from './node/external.ts';
import { codeOf, readInput } from './node/read.ts';
import { Wasm, type WasmOptions } from './wasm/wasm.ts';

export * from './index.ts';
export { caseFolders, readCase } from './node/cases.ts';
export { datasetFiles, openDataset } from './node/dataset.ts';
export { externalFiles } from './node/external.ts';

/**
 * The kernels: kernels.wasm beside this module, or, run from a checkout's sources, the one built there.
 * @throws Error where neither is there
 */
export async function loadKernels(options: WasmOptions = {}): Promise<Wasm> {
  for (const place of ['./kernels.wasm', '../build/kernels.wasm']) {
    try {
      return await Wasm.create(await readFile(new URL(place, import.meta.url)), options);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
  }
  throw new Error('kernels.wasm is missing beside this module: run `npm run build`');
}

/** A model from a file, its external data read as it is asked for. @throws ModelError naming the file: missing, no model, damaged */
export async function readModelFile(path: string): Promise<Model> {
  return readModel(await readInput(path, 'model'), path, { external: externalFiles(path) });
}

/** The folder of the demonstration models in a checkout; installed packages come without them. */
export function demonstrationFolder(): string {
  return fileURLToPath(new URL('../models/', import.meta.url));
}
