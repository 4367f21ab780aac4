/** The written file under onnxruntime-web: the same sample, the same outputs. A worker that is ended after each check. */
import type { CheckCalls } from './protocol.ts';
import { serve } from './serve.ts';

interface Runtime {
  readonly env: { readonly wasm: { numThreads: number; wasmPaths: string } };
  readonly Tensor: new (type: string, data: unknown, dims: readonly number[]) => { readonly data: unknown };
  readonly InferenceSession: {
    create(bytes: Uint8Array): Promise<{
      run(feeds: Record<string, unknown>): Promise<Record<string, { readonly data: ArrayLike<number> }>>;
    }>;
  };
}

/** ONNX's name of a type to onnxruntime's. */
const TYPES: Readonly<Record<string, string>> = { float: 'float32', double: 'float64' };

serve<CheckCalls>({
  async check({ file, comparison }, { progress }) {
    progress('loading onnxruntime-web', 0, 3);
    const folder = new URL('./ort/', self.location.href);
    const ort = (await import(new URL('ort.wasm.min.mjs', folder).href)) as Runtime;
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmPaths = folder.href;
    progress('checking under onnxruntime-web', 1, 3);
    const session = await ort.InferenceSession.create(new Uint8Array(await file.arrayBuffer()));
    if (!comparison) return { difference: 0, milliseconds: 0 };
    const { feeds, output, quantized } = comparison;
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
  },
});
