import { codesFromRows, type Grid, rowShape } from '../grid/index.ts';
import type { Builder } from './builder.ts';

type Codes = Uint8Array | Uint16Array;

/**
 * How the codes of a weight lie in the file: `view` is the shape in which scales broadcast over codes. Blocks need an axis of
 * their own; where the last block of a row is shorter than the others it is filled up with code 0 and cut off after decoding.
 */
export interface Layout {
  readonly view: readonly number[];
  readonly codes: Codes;
  /** Shape of scales and zero points as they broadcast over `view`. */
  readonly scaleDims: readonly number[];
  readonly scales: Float32Array;
  readonly zeros: Uint8Array | Uint16Array | undefined;
  /** From a value of shape `view` to the weight; undefined where the view is the weight's own shape. */
  readonly restore: ((builder: Builder, value: string, output: string) => void) | undefined;
}

/** One scale, or one a row, over codes in the order of the weight itself; or `blockLayout`. */
export function layoutOf(grid: Grid, codes: Codes, dims: readonly number[], rowAxis: number): Layout {
  if (grid.block < grid.cols) return blockLayout(grid, codes, dims, rowAxis);
  const after = dims.slice(rowAxis + 1).map(() => 1);
  const whole = grid.block > grid.cols || grid.rows === 1;
  return {
    view: dims,
    codes: codesFromRows(codes, dims, rowAxis),
    scaleDims: whole ? [] : [grid.rows, ...after],
    scales: grid.scales,
    zeros: grid.zeros,
    restore: undefined,
  };
}

function blockLayout(grid: Grid, codes: Codes, dims: readonly number[], rowAxis: number): Layout {
  const { rows, cols, block } = grid;
  const { after } = rowShape(dims, rowAxis);
  const blocks = Math.ceil(cols / block);
  const filled = fillRows(codes, rows, cols, blocks * block);
  // [K, N] with a scale for every block along K: the blocks' axis is the first one.
  if (after === 1 && rowAxis > 0)
    return {
      view: [blocks, block, rows],
      codes: transposed(filled, rows, blocks * block),
      scaleDims: [blocks, 1, rows],
      scales: transposed(grid.scales, rows, blocks),
      zeros: grid.zeros && transposed(grid.zeros, rows, blocks),
      restore: (b, value, output) => cut(b, value, [blocks * block, rows], 0, cols, dims, output),
    };
  const outer = dims.slice(0, rowAxis);
  const inner = dims.slice(rowAxis + 1);
  return {
    view: [rows, blocks, block],
    codes: filled,
    scaleDims: [rows, blocks, 1],
    scales: grid.scales,
    zeros: grid.zeros,
    restore: (b, value, output) => {
      const moved = outer.some((d) => d !== 1);
      const rowForm = [rows, ...outer, ...inner];
      const whole = cut(b, value, [rows, blocks * block], 1, cols, moved ? rowForm : dims, moved ? undefined : output);
      if (!moved) return;
      b.node('Transpose', [whole], { perm: { type: 'ints', value: rowsBack(dims.length, rowAxis) } }, output);
    },
  };
}

/** perm of a Transpose from [rows, the other dimensions in order] to the weight's own order. */
export function rowsBack(rank: number, rowAxis: number): number[] {
  return Array.from({ length: rank }, (_, i) => (i < rowAxis ? i + 1 : i === rowAxis ? 0 : i));
}

/** `value` as the matrix `padded`, its first `count` along `axis`, in the shape `dims`. */
function cut(
  b: Builder,
  value: string,
  padded: readonly number[],
  axis: number,
  count: number,
  dims: readonly number[],
  output: string | undefined,
): string {
  if (padded[axis] === count) return b.reshape(value, dims, output);
  const exact = padded.map((d, i) => (i === axis ? count : d));
  const same = exact.length === dims.length && exact.every((d, i) => d === dims[i]);
  const sliced = b.slice(b.reshape(value, padded), axis, count, same ? output : undefined);
  return same ? sliced : b.reshape(sliced, dims, output);
}

function fillRows<T extends Codes>(codes: T, rows: number, cols: number, width: number): T {
  if (cols === width) return codes;
  const out = new (codes.constructor as new (n: number) => T)(rows * width);
  for (let r = 0; r < rows; r++) out.set(codes.subarray(r * cols, (r + 1) * cols), r * width);
  return out;
}

function transposed<T extends Codes | Float32Array>(x: T, rows: number, cols: number): T {
  const out = x.slice() as T;
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) out[c * rows + r] = x[r * cols + c]!;
  return out;
}
