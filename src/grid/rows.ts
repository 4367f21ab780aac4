import { sizeOf } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';

/**
 * A weight's dimensions as [before, rows, after]: the row axis and the product of the dimensions on either side of it. Row
 * form is the matrix [rows, before * after], columns in the weight's own order.
 */
export interface RowShape {
  readonly before: number;
  readonly rows: number;
  readonly after: number;
}

/** @throws RangeError where `rowAxis` is not an axis of `dims`, or a dimension is not a whole number >= 0 */
export function rowShape(dims: readonly number[], rowAxis: number): RowShape {
  if (!Number.isInteger(rowAxis) || rowAxis < 0 || rowAxis >= dims.length)
    throw new RangeError(`rowAxis: expected an axis of [${dims}], found ${rowAxis}`);
  for (const d of dims) {
    if (!Number.isSafeInteger(d) || d < 0) throw new RangeError(`dims: expected whole numbers >= 0, found [${dims}]`);
  }
  return {
    before: sizeOf(dims.slice(0, rowAxis)),
    rows: dims[rowAxis]!,
    after: sizeOf(dims.slice(rowAxis + 1)),
  };
}

/**
 * A weight of shape `dims` as a new matrix [rows, cols], a row for each index along `rowAxis`.
 * @throws TypeError, RangeError for arguments that do not fit together
 */
export function toRows(wasm: Wasm, data: Float32Array, dims: readonly number[], rowAxis: number): Float32Array {
  const { before, rows, after } = checked(data, dims, rowAxis);
  return permute(wasm, data, [rows, before, after], [after, rows * after, 1]);
}

/**
 * The inverse of `toRows`: `rows` is [dims[rowAxis], the rest], the result has the shape `dims`.
 * @throws TypeError, RangeError for arguments that do not fit together
 */
export function fromRows(wasm: Wasm, rows: Float32Array, dims: readonly number[], rowAxis: number): Float32Array {
  const shape = checked(rows, dims, rowAxis);
  return permute(wasm, rows, [shape.before, shape.rows, shape.after], [shape.after, shape.before * shape.after, 1]);
}

/** `fromRows` for elements of any of these types, without wasm; the argument itself where nothing has to move. */
export function codesFromRows<T extends Uint8Array | Uint16Array | Float32Array>(
  codes: T,
  dims: readonly number[],
  rowAxis: number,
): T {
  const { before, rows, after } = rowShape(dims, rowAxis);
  if (codes.length !== before * rows * after)
    throw new RangeError(`codes: expected ${before * rows * after} elements for [${dims}], found ${codes.length}`);
  if (before === 1) return codes;
  const out = codes.slice() as T;
  for (let r = 0, from = 0; r < rows; r++) {
    for (let b = 0; b < before; b++) {
      const to = (b * rows + r) * after;
      for (let a = 0; a < after; a++) out[to + a] = codes[from++]!;
    }
  }
  return out;
}

function checked(data: Float32Array, dims: readonly number[], rowAxis: number): RowShape {
  if (!(data instanceof Float32Array)) throw new TypeError(`weights: expected a Float32Array, found ${typeof data}`);
  const shape = rowShape(dims, rowAxis);
  if (data.length !== sizeOf(dims))
    throw new RangeError(`weights of [${dims}]: expected ${sizeOf(dims)}, found ${data.length}`);
  return shape;
}

/** out[i, j, k] = data[i s0 + j s1 + k s2]. */
function permute(
  wasm: Wasm,
  data: Float32Array,
  d: [number, number, number],
  s: [number, number, number],
): Float32Array {
  if ((d[0] === 1 || d[1] === 1) && s[2] === 1 && (d[0] === 1 ? s[1] === d[2] : s[0] === d[2])) return data.slice();
  const { k, arena } = wasm;
  return arena.scope((alloc) => {
    const from = alloc(data.byteLength);
    const to = alloc(data.byteLength);
    arena.put(from, data);
    k.permute4(from, 1, d[0], d[1], d[2], 0, s[0], s[1], s[2], to);
    return arena.f32(to, data.length).slice();
  });
}
