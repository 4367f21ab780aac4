/** test/helpers.ts as a page has it: nothing is read but what the server of the suite gives. */
import '../../src/ops/index.ts';
import { supportsRelaxed } from '../../src/wasm/features.ts';
import { Wasm } from '../../src/wasm/wasm.ts';

export { failure, normals, random } from '../random.ts';

export async function fetched(path: string): Promise<Uint8Array> {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

export async function loadWasm(): Promise<Wasm> {
  return Wasm.create(await fetched('/build/kernels.wasm'));
}

export const RELAXED_FLAGS: readonly string[] = supportsRelaxed() ? [] : ['unknown'];

/** Paths as the server has them: tests that read them through Node do not run in pages. */
export const ROOT = '';
export const modelPath = (name: string): string => `/models/${name}`;
