import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import '../src/ops/index.ts';
import { supportsRelaxed } from '../src/wasm/features.ts';
import { Wasm } from '../src/wasm/wasm.ts';

export { failure, normals, random } from './random.ts';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** The kernels as built by `npm run build:wasm`. */
export function loadWasm(): Promise<Wasm> {
  const file = join(ROOT, 'build', 'kernels.wasm');
  if (!existsSync(file)) throw new Error('build/kernels.wasm is missing: run `npm run build:wasm` first');
  return Wasm.create(readFileSync(file));
}

/** Flags under which this Node runs the relaxed build. */
export const RELAXED_FLAGS: readonly string[] = supportsRelaxed() ? [] : ['--experimental-wasm-relaxed-simd'];

/** Path of a file in models/. */
export function modelPath(name: string): string {
  return join(ROOT, 'models', name);
}
