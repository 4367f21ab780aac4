import type { Coded } from '../grid/coded.ts';
import type { GridSpec } from '../grid/index.ts';
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
export interface WeightFormat {
  readonly name: string;
  /** Widths it can write. */
  readonly widths: readonly number[];
  /** Types scales can have, the first unless told. */
  readonly scaleTypes: readonly ('float16' | 'float')[];
  /** Smallest opset of ai.onnx that can hold it. */
  opset(spec: WrittenSpec): number;
  /** Bytes of codes, scales and zero points of a [rows, cols] weight, exactly as `write` writes them. */
  bytes(rows: number, cols: number, spec: WrittenSpec): number;
  /**
   * Bytes of a weight whose rows, of `cols` weights each, have more than one width, a part for each; absent where a weight has
   * one width throughout.
   */
  readonly mixedBytes?: (cols: number, parts: readonly Part[]) => StoredBytes;
  /** Adds what makes the value `weight.name`; returns the bytes it stored. */
  write(wasm: Wasm, builder: Builder, weight: QuantizedWeight): StoredBytes;
}
