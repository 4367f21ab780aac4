import type { Tensor } from '../tensor.ts';

/**
 * The model as the rooms see it: immutable, and every message remembers the bytes it came in (`wire`). A changed message is
 * a new object without `wire`; writing copies `wire` where there is one and encodes the rest, so what was not touched is
 * written byte for byte, fields this version does not know included. `wire` is the message's content, without tag and length.
 */
export interface Model {
  readonly irVersion: number;
  /** Domain ('' is ai.onnx) to version. */
  readonly opsets: ReadonlyMap<string, number>;
  readonly producer: string;
  readonly graph: Graph;
  readonly functions: readonly ModelFunction[];
  /** All other fields of ModelProto as they came, tags included. */
  readonly rest: Uint8Array;
  readonly wire?: Uint8Array | undefined;
}

/** A graph: nodes, weights, inputs and outputs. */
export interface Graph {
  readonly name: string;
  readonly nodes: readonly Node[];
  readonly initializers: readonly Initializer[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly valueInfo: readonly ValueInfo[];
  /** All other fields of GraphProto as they came (name and doc_string among them), tags included. */
  readonly rest: Uint8Array;
  readonly wire?: Uint8Array | undefined;
}

/** One node of a graph. */
export interface Node {
  readonly opType: string;
  /** '' is ai.onnx. */
  readonly domain: string;
  readonly name: string;
  /** Value names; '' where an optional input or output is absent. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, Attribute>;
  /** Which of several functions of one domain and name the node calls; absent for all but such calls. */
  readonly overload?: string | undefined;
  readonly wire?: Uint8Array | undefined;
}

/** An attribute of a node, by its type in ONNX. */
export type Attribute =
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'int'; readonly value: number }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'tensor'; readonly value: Tensor }
  | { readonly type: 'graph'; readonly value: Graph }
  | { readonly type: 'floats'; readonly value: readonly number[] }
  | { readonly type: 'ints'; readonly value: readonly number[] }
  | { readonly type: 'strings'; readonly value: readonly string[] }
  /** The value of the attribute `value` of the call of the function the node is in; `of` is its AttributeType. */
  | { readonly type: 'ref'; readonly value: string; readonly of: number }
  | { readonly type: 'other'; readonly value: null };

/** A constant tensor of a graph: a weight. Its elements are read when they are asked for. */
export interface Initializer {
  readonly name: string;
  /** TensorProto.DataType; `dtypeOf` gives its name where Kappa has one. */
  readonly dataType: number;
  readonly dims: readonly number[];
  /** Where its elements are kept when that is outside the model file, as the file has it. */
  readonly external?: string | undefined;
  /**
   * Decoded at the first call; kept where that takes more than copying it out of the file, else, if it is large, only while somebody
   * holds its data. External data is read at every call.
   * @throws ModelError, UnsupportedError, each naming the tensor
   */
  tensor(): Tensor;
  /** Its elements as they lie in the file, little-endian, at any address: floats alone; undefined where they lie there otherwise. */
  floatBytes?(): Uint8Array | undefined;
  readonly wire?: Uint8Array | undefined;
}

/** Name, type and shape of a value. */
export interface ValueInfo {
  readonly name: string;
  /** TensorProto.DataType of a tensor type, undefined for any other type. */
  readonly elemType: number | undefined;
  /** A number, a symbolic name, or null where the dimension is unknown; undefined where the rank is. */
  readonly dims: readonly (number | string | null)[] | undefined;
  readonly wire?: Uint8Array | undefined;
}

export interface ModelFunction {
  readonly name: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Names of its attributes, those without a default first. */
  readonly attributes: readonly string[];
  /** Values of the attributes that a call may leave out; none where absent. */
  readonly defaults?: ReadonlyMap<string, Attribute> | undefined;
  /** Tells functions of one domain and name apart; absent for all but these. */
  readonly overload?: string | undefined;
  readonly opsets: ReadonlyMap<string, number>;
  readonly nodes: readonly Node[];
  readonly wire?: Uint8Array | undefined;
}
