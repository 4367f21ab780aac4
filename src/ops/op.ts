import type { Attribute } from '../onnx/model.ts';
import type { DType, Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';

/** What an operator may use while it runs. Everything it allocates here and does not return is freed when the node is done. */
export interface Runtime {
  readonly wasm: Wasm;
  /** A new tensor, elements undefined: `float` ones live in wasm memory, all others on the JavaScript heap. */
  empty(dtype: DType, dims: readonly number[]): Tensor;
  /** Pointer to a tensor's elements in wasm memory; a tensor on the JavaScript heap is copied in first. */
  ptr(t: Tensor): number;
  /** The same elements under another shape, without a copy. */
  view(t: Tensor, dims: readonly number[]): Tensor;
  /** Pointer to that many bytes of scratch in wasm memory, 16-byte aligned. */
  scratch(bytes: number): number;
}

/** Runs one node. Inputs are in the node's order, undefined where absent; outputs in the node's order. Inputs are never written to. */
export type Run = (inputs: readonly (Tensor | undefined)[], rt: Runtime) => readonly Tensor[];

/** What `build` is told of the node. */
export interface NodeSpec {
  readonly opType: string;
  /** The node's name, or its first output where it has none: what errors name. */
  readonly name: string;
  readonly attributes: ReadonlyMap<string, Attribute>;
  /** Number of outputs the node asks for. */
  readonly outputs: number;
  /** Version of the operator's domain in the model. */
  readonly opset: number;
}

/** One version of one operator. Attributes are parsed once, in `build`, which throws UnsupportedError for values it cannot run. */
export interface OpVersion {
  /** First opset this definition serves; the highest `since` <= the model's opset wins. */
  readonly since: number;
  build(node: NodeSpec): Run;
}

/** An operator: its versions, ascending in `since`. */
export type Op = readonly OpVersion[];
