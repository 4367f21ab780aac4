/**
 * The whole job and no more: what a page or an edge worker loads to make a model smaller. What few models or options need (rare
 * operators, rounding of activations, tuning, drawn inputs, threads) is loaded when it is asked for, and the report when the work is
 * done. Everything else is in `kappa-onnx`; classes are the same through both.
 *
 *     const wasm = await Wasm.create(await (await fetch('kernels.wasm')).arrayBuffer()); // or a compiled module
 *     const arrays = await loadNpz(npz);
 *     const { bytes, report } = await quantize(wasm, model, { bits: 4, calibration: datasetFromArrays(arrays) });
 *
 * A `Session` made directly needs `await loadOperators(model)` before, where the model has rare operators.
 */
import type { QuantizeOptions, QuantizeResult } from './jobs/quantize.ts';
import type { Tensor } from './tensor.ts';
import type { Wasm } from './wasm/wasm.ts';

export type { QuantizeOptions, QuantizeResult } from './jobs/quantize.ts';
export { loadOperators } from './graph/load.ts';
export { type RunOptions, Session, type SessionOptions, type Trace } from './graph/session.ts';
export type { Attribute, Graph, Initializer, Model, Node, ValueInfo } from './onnx/model.ts';
export { readModel } from './onnx/read.ts';
export type { External, ReadOptions } from './onnx/tensor.ts';
export { writeModel } from './onnx/write.ts';
export {
  type Batch,
  type BatchOptions,
  type Column,
  type Dataset,
  datasetFromArrays,
  datasetFromSamples,
  type Sample,
} from './data/dataset.ts';
export type { CostTable, Plan } from './allocate/types.ts';
export type { QuantizeReport } from './report/types.ts';
export type { Progress } from './progress.ts';
export * from './errors.ts';
export * from './tensor.ts';
export { VERSION } from './version.ts';
export { type Build, kernelFile, supportsRelaxed, supportsSimd, supportsThreads } from './wasm/features.ts';
export { Wasm, type WasmOptions } from './wasm/wasm.ts';

/**
 * The whole job: model bytes in, smaller model bytes out. Its code is loaded with the first call.
 * @throws UsageError for a budget the widths cannot meet, ModelError, DataError, UnsupportedError for what was brought
 */
export async function quantize(wasm: Wasm, bytes: Uint8Array, options: QuantizeOptions): Promise<QuantizeResult> {
  const job = await import('./jobs/quantize.ts');
  return job.quantize(wasm, bytes, options);
}

/**
 * The arrays of an .npz archive, for `datasetFromArrays`. The reader is loaded with the first call.
 * @param name what errors call it: a file name
 * @throws DataError for a damaged archive, an entry that is no array, a name twice
 */
export async function loadNpz(bytes: Uint8Array, name?: string): Promise<Map<string, Tensor>> {
  const { readNpz } = await import('./data/npz.ts');
  return readNpz(bytes, name);
}
