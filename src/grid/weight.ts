import { ModelError } from '../errors.ts';
import { type DType, sizeOf, type Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { fromHalf, toHalf } from './half.ts';
import { fromRows, rowShape, toRows } from './rows.ts';

/** Types of element that weights may have. */
export const FLOATING: ReadonlySet<DType> = new Set<DType>(['float', 'float16', 'double', 'bfloat16']);

/** How a weight is stored, and what its rows are: a layer of a model. */
export interface Stored {
  readonly dims: readonly number[];
  readonly dtype: DType;
  /** As many elements in the order they are stored; `rowAxis` and the first `lead` axes count rows. */
  readonly shape: readonly number[];
  readonly rowAxis: number;
  readonly lead: number;
}

/**
 * Elements of a tensor of a floating type as floats: a float tensor's own, any other's nearest.
 * @throws ModelError for a tensor of another type
 */
export function asFloats(wasm: Wasm, t: Tensor): Float32Array {
  switch (t.dtype) {
    case 'float':
      return t.data as Float32Array;
    case 'double':
      return Float32Array.from(t.data as Float64Array);
    case 'float16':
      return fromHalf(wasm, t.data as Uint16Array);
    case 'bfloat16': {
      const bits = Uint32Array.from(t.data as Uint16Array, (b) => b << 16);
      return new Float32Array(bits.buffer);
    }
    default:
      throw new ModelError(`weight: expected a floating type, found ${t.dtype}`);
  }
}

/** Floats as a tensor of a floating type, each the nearest there is (ties to even), as Cast rounds. */
export function fromFloats(wasm: Wasm, dtype: DType, dims: readonly number[], data: Float32Array): Tensor {
  switch (dtype) {
    case 'float':
      return { dtype, dims, data };
    case 'double':
      return { dtype, dims, data: Float64Array.from(data) };
    case 'float16':
      return { dtype, dims, data: toHalf(wasm, data) };
    case 'bfloat16': {
      const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
      // Half of the last bit kept is added, less one where that bit is 0: ties go to even.
      return { dtype, dims, data: Uint16Array.from(bits, (b) => (b + 0x7fff + ((b >>> 16) & 1)) >>> 16) };
    }
    default:
      throw new ModelError(`weight: expected a floating type, found ${dtype}`);
  }
}

/** Whether the elements of the row form lie in the order in which the weight is stored. */
export function storedByRows(layer: Stored): boolean {
  const { before, rows } = rowShape(layer.shape, layer.rowAxis, layer.lead);
  return before === 1 || rows === 1;
}

/** A weight as the matrix of its rows: [rows, cols]. Not to be written to: it is the tensor's own data where that is such a matrix. */
export function weightRows(wasm: Wasm, layer: Stored, t: Tensor): Float32Array {
  const floats = asFloats(wasm, t);
  return storedByRows(layer) && floats.length === sizeOf(layer.shape)
    ? floats
    : toRows(wasm, floats, layer.shape, layer.rowAxis, layer.lead);
}

/** The weight whose rows these are, as it is stored. */
export function weightOfRows(wasm: Wasm, layer: Stored, rows: Float32Array): Tensor {
  if (rows.length !== sizeOf(layer.dims))
    throw new RangeError(`rows: expected ${sizeOf(layer.dims)} weights, found ${rows.length}`);
  return fromFloats(wasm, layer.dtype, layer.dims, fromRows(wasm, rows, layer.shape, layer.rowAxis, layer.lead));
}
