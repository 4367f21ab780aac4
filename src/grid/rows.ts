import { sizeOf } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';

/**
 * A weight's dimensions as [lead, before, rows, after]: the row axis, the product of the dimensions on either side of it, and
 * that of the first axes where these count rows too. Row form is the matrix [lead * rows, before * after], columns in the
 * weight's own order.
 */
export interface RowShape {
  readonly lead: number;
  readonly before: number;
  readonly rows: number;
  readonly after: number;
}

/**
 * @param lead how many of the first axes count rows too
 * @throws RangeError where `rowAxis` is not an axis of `dims` behind these, or a dimension is not a whole number >= 0
 */
export function rowShape(dims: readonly number[], rowAxis: number, lead = 0): RowShape {
  if (!Number.isInteger(rowAxis) || rowAxis < 0 || rowAxis >= dims.length)
    throw new RangeError(`rowAxis: expected an axis of [${dims}], found ${rowAxis}`);
  if (!Number.isInteger(lead) || lead < 0 || lead > rowAxis)
    throw new RangeError(`lead: expected 0..${rowAxis}, found ${lead}`);
  for (const d of dims) {
    if (!Number.isSafeInteger(d) || d < 0) throw new RangeError(`dims: expected whole numbers >= 0, found [${dims}]`);
  }
  return {
    lead: sizeOf(dims.slice(0, lead)),
    before: sizeOf(dims.slice(lead, rowAxis)),
    rows: dims[rowAxis]!,
    after: sizeOf(dims.slice(rowAxis + 1)),
  };
}

/**
 * A weight of shape `dims` as a new matrix [rows, cols], a row for each index along `rowAxis` (and the first `lead` axes).
 * @throws TypeError, RangeError for arguments that do not fit together
 */
export function toRows(
  wasm: Wasm,
  data: Float32Array,
  dims: readonly number[],
  rowAxis: number,
  lead = 0,
): Float32Array {
  const s = checked(data, dims, rowAxis, lead);
  const { before, rows, after } = s;
  return permute(wasm, data, [s.lead, rows, before, after], [before * rows * after, after, rows * after, 1]);
}

/**
 * The inverse of `toRows`: `rows` is [dims[rowAxis], the rest], the result has the shape `dims`.
 * @throws TypeError, RangeError for arguments that do not fit together
 */
export function fromRows(
  wasm: Wasm,
  rows: Float32Array,
  dims: readonly number[],
  rowAxis: number,
  lead = 0,
): Float32Array {
  const s = checked(rows, dims, rowAxis, lead);
  const size = s.before * s.after;
  return permute(wasm, rows, [s.lead, s.before, s.rows, s.after], [s.rows * size, s.after, size, 1]);
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

function checked(data: Float32Array, dims: readonly number[], rowAxis: number, lead: number): RowShape {
  if (!(data instanceof Float32Array)) throw new TypeError(`weights: expected a Float32Array, found ${typeof data}`);
  const shape = rowShape(dims, rowAxis, lead);
  if (data.length !== sizeOf(dims))
    throw new RangeError(`weights of [${dims}]: expected ${sizeOf(dims)}, found ${data.length}`);
  return shape;
}

type Four = readonly [number, number, number, number];

/** out[h, i, j, k] = data[h s0 + i s1 + j s2 + k s3]. */
function permute(wasm: Wasm, data: Float32Array, d: Four, s: Four): Float32Array {
  let stride = 1;
  const moved = [3, 2, 1, 0].some((axis) => {
    const expected = stride;
    stride *= d[axis]!;
    return d[axis] !== 1 && s[axis] !== expected;
  });
  if (!moved) return data.slice();
  const { k, arena } = wasm;
  return arena.scope((alloc) => {
    const from = alloc(data.byteLength);
    const to = alloc(data.byteLength);
    arena.put(from, data);
    k.permute4(from, d[0], d[1], d[2], d[3], s[0], s[1], s[2], s[3], to);
    return arena.f32(to, data.length).slice();
  });
}
