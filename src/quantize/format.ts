import type { Grid, GridSpec } from '../grid/index.ts';
import type { Wasm } from '../wasm/wasm.ts';
import type { Builder } from './builder.ts';

/** A quantized weight, as a format is given it. */
export interface QuantizedWeight {
  /** Name of the value that has to come out. */
  readonly name: string;
  readonly dims: readonly number[];
  readonly rowAxis: number;
  readonly grid: Grid;
  /** In row form. */
  readonly codes: Uint8Array | Uint16Array;
}

/** What a format must know of a grid before there is one. */
export type WrittenSpec = Pick<GridSpec, 'bits' | 'granularity' | 'symmetric' | 'scaleType'>;

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
  /** Adds what makes the value `weight.name`; returns the bytes of codes, scales and zero points. */
  write(wasm: Wasm, builder: Builder, weight: QuantizedWeight): number;
}
