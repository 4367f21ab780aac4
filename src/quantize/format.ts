import type { Layer } from '../graph/index.ts';
import type { Coded } from '../grid/coded.ts';
import type { GridSpec } from '../grid/index.ts';
import type { Node } from '../onnx/model.ts';
import type { Wasm } from '../wasm/wasm.ts';
import type { Builder } from './builder.ts';

/** A quantized weight, as a format is given it. */
export interface QuantizedWeight {
  /** Name of the value that has to come out. */
  readonly name: string;
  readonly dims: readonly number[];
  readonly rowAxis: number;
  /** In row form; more than one slice only where the format has `mixedBytes`. */
  readonly coded: Coded;
}

/** What a format must know of a grid before there is one. */
export type WrittenSpec = Pick<GridSpec, 'bits' | 'granularity' | 'symmetric' | 'scaleType'>;

/** Bytes of what is stored of a weight, by what they are. */
export interface StoredBytes {
  readonly codes: number;
  readonly scales: number;
  readonly zeros: number;
  /** Where each row is to be found, of a weight whose rows have different widths. */
  readonly order: number;
}

export function totalBytes({ codes, scales, zeros, order }: StoredBytes): number {
  return codes + scales + zeros + order;
}

/** Rows that share a width, as many of them. */
export interface Part {
  readonly rows: number;
  readonly spec: WrittenSpec;
}

/** A way to write quantized weights with ONNX operators: one file, and one line in formats.ts. */
export type WeightFormat = ValueFormat | ReplacingFormat;

interface AnyFormat {
  readonly name: string;
  /** Widths it can write. */
  readonly widths: readonly number[];
  /** Types scales can be rounded to, the first unless told. */
  readonly scaleTypes: readonly ('float16' | 'float')[];
  /** Smallest opset of ai.onnx that can hold it. */
  opset(spec: WrittenSpec): number;
  /** Bytes of codes, scales and zero points of a [rows, cols] weight, exactly as they are written. */
  bytes(rows: number, cols: number, spec: WrittenSpec): number;
  /**
   * Bytes of a weight whose rows, of `cols` weights each, have more than one width, a part for each; absent where a weight has
   * one width throughout.
   */
  readonly mixedBytes?: (cols: number, parts: readonly Part[]) => StoredBytes;
  /** Why it cannot serve a layer, widths and opset aside; undefined where it can. Absent: it serves all. */
  readonly refuses?: (layer: Layer, spec: WrittenSpec, around: Around) => string | undefined;
}

/** A format that decodes: it makes the value that the weight's nodes read. */
export interface ValueFormat extends AnyFormat {
  /** Adds what makes the value `weight.name`; returns the bytes it stored. */
  write(wasm: Wasm, builder: Builder, weight: QuantizedWeight): StoredBytes;
  /** How weights are written together; absent where each is written by itself. */
  readonly together?: {
    /** The same for weights that can be; undefined for one that cannot. */
    key(weight: QuantizedWeight): string | undefined;
    /** As `write`, for weights of one key. */
    write(wasm: Wasm, builder: Builder, weights: readonly QuantizedWeight[]): StoredBytes[];
  };
  readonly replace?: never;
}

/** A format of operators that take codes themselves, in the place of those that read the weight. */
export interface ReplacingFormat extends AnyFormat {
  /** The operators' domain, imported at version 1. */
  readonly domain: string;
  /**
   * Nodes in the place of each that reads the weight, and the bytes stored. Initializers go into the builder, nodes that run in every
   * run do not.
   * @throws RangeError for a layer it refuses
   */
  replace(wasm: Wasm, builder: Builder, weight: QuantizedWeight, layer: Layer, around: Around): Replacement;
}

export interface Replacement {
  readonly stored: StoredBytes;
  readonly nodes: ReadonlyMap<Node, readonly Node[]>;
}

/** What is around a layer in its model. */
export interface Around {
  /** Whether a node stands in the main graph, not in a body. */
  isMain(node: Node): boolean;
  /** Shape of a constant of the main graph; undefined for any other value. */
  constantDims(name: string): readonly number[] | undefined;
}
