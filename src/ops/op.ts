import type { Attribute, ValueInfo } from '../onnx/model.ts';
import type { DType, Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';

/** Types of codes and of their sums that may live in wasm memory. */
export type CodeType = 'int8' | 'uint8' | 'int32';

/** What an operator may use while it runs. Everything it allocates here and does not return is freed when the node is done. */
export interface Runtime {
  readonly wasm: Wasm;
  /** A new tensor, elements undefined: `float` ones live in wasm memory, all others on the JavaScript heap. */
  empty(dtype: DType, dims: readonly number[]): Tensor;
  /**
   * A new tensor in wasm memory, elements undefined: written by its address alone, before anybody looks at its `data`, which is a
   * copy then. For operators between codes, which read their inputs by address too.
   */
  codes(dtype: CodeType, dims: readonly number[]): Tensor;
  /**
   * A float tensor of x's shape, elements undefined, for a result that is made of x element by element: in x's own place where nobody
   * needs x after this node, so each element of x must be read before its place is written, and never again.
   */
  over(x: Tensor): Tensor;
  /** Pointer to a tensor's elements in wasm memory; a tensor on the JavaScript heap is copied in first. */
  ptr(t: Tensor): number;
  /** The same elements under another shape, without a copy. */
  view(t: Tensor, dims: readonly number[]): Tensor;
  /** Pointer to that many bytes of scratch in wasm memory, 16-byte aligned. */
  scratch(bytes: number): number;
  /** Whether it is a constant (as `derived` has it): the same tensor then holds the same elements in every run. */
  constant(t: Tensor): boolean;
  /**
   * Address of what `make` wrote, once, from a constant (an initializer that this run did not replace, or what was folded from
   * such): 16-byte aligned, kept as long as the constant, never to be written to afterwards. Undefined for any other tensor, and
   * when there is no room for more. The key names operator and layout.
   */
  derived(t: Tensor, key: string, bytes: number, make: (ptr: number) => void): number | undefined;
  /**
   * Frees tensors made earlier in this node's run (by `empty`, or results of a body) before the node is done; they must not be
   * used any more. For loops, whose iterations would pile up otherwise; everything else is freed at the end by itself.
   */
  drop(tensors: readonly (Tensor | undefined)[]): void;
}

/**
 * A graph attribute (then_branch, else_branch, body) made ready to run. Values of the outer graph that it reads are not among
 * its inputs: the executor finds them.
 *
 * Lifetime: `run` may only be called while the node it belongs to runs. What is passed in stays the caller's and is only read.
 * What comes back belongs to the node's run as if made by `Runtime.empty` there: return it, use it until the node is done, or
 * `drop` it; a result may share its elements with an input, an outer value or another result, so never write to one.
 */
export interface Body {
  /** Names of the formal inputs, in order. */
  readonly inputs: readonly string[];
  /** Names of the outputs, in order. */
  readonly outputs: readonly string[];
  /** What the body says of its outputs' types and shapes: the shape of what is made of none. */
  readonly types: readonly ValueInfo[];
  /**
   * Runs the nodes once; counts as one step against the run's limit.
   * @throws ModelError for fewer or more inputs than `inputs`, and for more steps than the run may take; InterruptedError when it
   *   was cancelled; what a node inside throws, its name in front
   */
  run(inputs: readonly (Tensor | undefined)[]): readonly Tensor[];
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
  /** The node's graph attributes, ready to run, by attribute name; empty for all but If, Loop, Scan and their like. */
  readonly bodies: ReadonlyMap<string, Body>;
}

/** One version of one operator. Attributes are parsed once, in `build`, which throws UnsupportedError for values it cannot run. */
export interface OpVersion {
  /** First opset this definition serves; the highest `since` <= the model's opset wins. */
  readonly since: number;
  build(node: NodeSpec): Run;
}

/** An operator: its versions, ascending in `since`. */
export type Op = readonly OpVersion[];
