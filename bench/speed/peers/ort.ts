/** onnxruntime, in WebAssembly and native. */
import type ort from 'onnxruntime-web';
import { arrayOf, type DType, type Tensor, type TypedArray } from '../../../src/tensor.ts';
import { load } from './load.ts';

type Ort = typeof ort;
export type Engine = 'onnxruntime-web' | 'onnxruntime-node';

export interface Model {
  /** Runs on other feeds, or on those that were made ready before. */
  run(feeds?: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>>;
  /** Runs and leaves the outputs where they are. */
  call(): Promise<unknown>;
  close(): Promise<void>;
}

const TYPES: Partial<Record<DType, string>> = { float: 'float32', double: 'float64' };

function toOrt(module: Ort, t: Tensor): ort.Tensor {
  return new module.Tensor((TYPES[t.dtype] ?? t.dtype) as ort.Tensor.Type, t.data as never, t.dims);
}

function fromOrt(t: ort.Tensor): Tensor {
  const dtype = t.type === 'float32' ? 'float' : t.type === 'float64' ? 'double' : (t.type as DType);
  return { dtype, dims: t.dims, data: new (arrayOf(dtype))(t.data as never) as TypedArray };
}

const loaded = new Map<Engine, Ort>();

/** @throws Absent where the package is not installed */
function engine(name: Engine, threads: number): Ort {
  let module = loaded.get(name);
  if (!module) {
    // Both register backends with onnxruntime-common, the later one over the earlier: each gets a copy of its own.
    module = load<Ort>(name, 'onnxruntime-common');
    loaded.set(name, module);
    module.env.logLevel = 'error';
    if (name === 'onnxruntime-web') module.env.wasm.numThreads = threads;
  }
  if (name === 'onnxruntime-web' && module.env.wasm.numThreads !== threads)
    throw new Error(`onnxruntime-web has ${module.env.wasm.numThreads} threads in this process, ${threads} asked for`);
  return module;
}

/**
 * A model in the engine, every graph optimization on, ready to run on the feeds.
 * @throws Absent where the engine is not installed
 */
export async function ortModel(
  name: Engine,
  bytes: Uint8Array,
  feeds: Readonly<Record<string, Tensor>>,
  threads = 1,
): Promise<Model> {
  const module = engine(name, threads);
  const session = await module.InferenceSession.create(bytes, {
    executionProviders: name === 'onnxruntime-web' ? ['wasm'] : ['cpu'],
    graphOptimizationLevel: 'all',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const ready = (given: Readonly<Record<string, Tensor>>) =>
    Object.fromEntries(Object.entries(given).map(([key, t]) => [key, toOrt(module, t)]));
  const inputs = ready(feeds);
  return {
    run: async (others) => {
      const outputs = await session.run(others ? ready(others) : inputs);
      return Object.fromEntries(Object.entries(outputs).map(([key, t]) => [key, fromOrt(t)]));
    },
    call: () => session.run(inputs),
    close: () => session.release(),
  };
}
