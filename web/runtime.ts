/** The written file under onnxruntime-web, in the page: the same sample, the same outputs. */
import type { Comparison } from './protocol.ts';

interface Runtime {
  readonly env: { readonly wasm: { numThreads: number; wasmPaths: string } };
  readonly Tensor: new (type: string, data: unknown, dims: readonly number[]) => { readonly data: unknown };
  readonly InferenceSession: {
    create(bytes: Uint8Array): Promise<{
      run(feeds: Record<string, unknown>): Promise<Record<string, { readonly data: ArrayLike<number> }>>;
      release(): Promise<void>;
    }>;
  };
}

export interface Checked {
  /** Largest difference, relative to the largest value of the output. */
  readonly difference: number;
  readonly milliseconds: number;
}

/** ONNX's name of a type to onnxruntime's. */
const TYPES: Readonly<Record<string, string>> = { float: 'float32', double: 'float64' };

/** @throws Error where the runtime is not beside the page, or does not run the file */
export async function checkInRuntime(file: Uint8Array, { feeds, output, quantized }: Comparison): Promise<Checked> {
  const folder = new URL('./ort/', document.baseURI);
  const ort = (await import(new URL('ort.wasm.min.mjs', folder).href)) as Runtime;
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = folder.href;
  const session = await ort.InferenceSession.create(file);
  try {
    const start = performance.now();
    const outputs = await session.run(
      Object.fromEntries(
        feeds.map(({ name, dtype, dims, data }) => [name, new ort.Tensor(TYPES[dtype] ?? dtype, data, dims)]),
      ),
    );
    const milliseconds = performance.now() - start;
    const found = outputs[output]!.data;
    let largest = 0;
    let apart = 0;
    for (let i = 0; i < quantized.length; i++) {
      largest = Math.max(largest, Math.abs(quantized[i]!));
      apart = Math.max(apart, Math.abs(found[i]! - quantized[i]!));
    }
    return { difference: largest > 0 ? apart / largest : apart, milliseconds };
  } finally {
    await session.release();
  }
}
