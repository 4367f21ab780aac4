import * as native from 'onnxruntime-node';
import * as web from 'onnxruntime-web';
import { Session } from '../../src/graph/index.ts';
import { readModel } from '../../src/onnx/index.ts';
import type { Tensor } from '../../src/tensor.ts';
import type { Wasm } from '../../src/wasm/wasm.ts';

export const RUNTIMES = ['node', 'web'] as const;
export type Runtime = (typeof RUNTIMES)[number];

web.env.wasm.numThreads = 1;

export interface RunOptions {
  /** Where node is to write the model as optimized at load. */
  readonly optimizedPath?: string;
}

/**
 * All outputs of a model in onnxruntime, with default options, except that node's conversion of DequantizeLinear + MatMul to
 * 8-bit arithmetic is off (its documented session entry session.qdq_matmulnbits_accuracy_level).
 */
export async function runIn(
  runtime: Runtime,
  bytes: Uint8Array,
  feeds: Readonly<Record<string, Tensor>>,
  options: RunOptions = {},
): Promise<Record<string, Float32Array>> {
  const ort = runtime === 'node' ? native : (web as unknown as typeof native);
  const session = await ort.InferenceSession.create(bytes, {
    executionProviders: [runtime === 'node' ? 'cpu' : 'wasm'],
    logSeverityLevel: 3,
    extra: { session: { qdq_matmulnbits_accuracy_level: '0' } },
    ...(options.optimizedPath === undefined ? {} : { optimizedModelFilePath: options.optimizedPath }),
  });
  try {
    const given = Object.fromEntries(
      Object.entries(feeds).map(([name, t]) => [
        name,
        new ort.Tensor(t.dtype === 'float' ? 'float32' : (t.dtype as 'int64'), t.data as Float32Array, [...t.dims]),
      ]),
    );
    const out = await session.run(given);
    return Object.fromEntries(
      session.outputNames.map((name) => [name, Float32Array.from(out[name]!.data as Float32Array)]),
    );
  } finally {
    await session.release();
  }
}

/** All outputs of a model in Kappa's own executor. */
export function runHere(
  wasm: Wasm,
  bytes: Uint8Array,
  feeds: Readonly<Record<string, Tensor>>,
): Record<string, Float32Array> {
  const session = new Session(readModel(bytes), wasm);
  try {
    const out = session.run(feeds);
    return Object.fromEntries(
      Object.entries(out).map(([name, t]) => [name, Float32Array.from(t.data as Float32Array)]),
    );
  } finally {
    session.dispose();
  }
}

/** Largest difference, relative to the largest magnitude of `expected`. */
export function relativeDifference(found: Float32Array, expected: Float32Array): number {
  if (found.length !== expected.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let size = 0;
  for (let i = 0; i < expected.length; i++) {
    difference = Math.max(difference, Math.abs(found[i]! - expected[i]!));
    size = Math.max(size, Math.abs(expected[i]!));
  }
  return difference === 0 ? 0 : difference / size;
}
