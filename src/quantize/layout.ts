import { codesFromRows, type Grid, rowShape } from '../grid/index.ts';
import type { Builder } from './builder.ts';

type Codes = Uint8Array | Uint16Array;
type Values = Codes | Int8Array | Int16Array | Float32Array;

/**
 * How a weight lies in the file: `view` is the shape in which scales broadcast over codes. Blocks need an axis of their own; where
 * the last block of a row is shorter than the others it is filled up with code 0 and cut off after decoding.
 */
export interface Layout {
  readonly view: readonly number[];
  /** The view's axis along which rows lie. */
  readonly rowAxis: number;
  /** Codes in row form, in the order of the view. */
  readonly codes: <T extends Codes>(rows: T) => T;
  /** Shape of scales and zero points as they broadcast over `view`. */
  readonly scaleDims: readonly number[];
  /** Scales or zero points in the grid's order, in the order of `scaleDims`. */
  readonly scales: <T extends Values>(values: T) => T;
  /** From a value of shape `view` to the weight; undefined where the view is the weight's own shape. */
  readonly restore: ((builder: Builder, value: string, output: string) => void) | undefined;
}

/** One scale, or one a row, over codes in the order of the weight itself; or `blockLayout`. */
export function layoutOf(
  grid: Pick<Grid, 'rows' | 'cols' | 'block'>,
  dims: readonly number[],
  rowAxis: number,
): Layout {
  if (grid.block < grid.cols) return blockLayout(grid, dims, rowAxis);
  const after = dims.slice(rowAxis + 1).map(() => 1);
  const whole = grid.block > grid.cols || grid.rows === 1;
  return {
    view: dims,
    rowAxis,
    codes: (rows) => codesFromRows(rows, dims, rowAxis),
    scaleDims: whole ? [] : [grid.rows, ...after],
    scales: (values) => values,
    restore: undefined,
  };
}

function blockLayout(
  { rows, cols, block }: Pick<Grid, 'rows' | 'cols' | 'block'>,
  dims: readonly number[],
  rowAxis: number,
): Layout {
  const { after } = rowShape(dims, rowAxis);
  const blocks = Math.ceil(cols / block);
  const filled = <T extends Codes>(codes: T): T => fillRows(codes, rows, cols, blocks * block);
  // [K, N] with a scale for every block along K: the blocks' axis is the first one.
  if (after === 1 && rowAxis > 0)
    return {
      view: [blocks, block, rows],
      rowAxis: 2,
      codes: (codes) => transposed(filled(codes), rows, blocks * block),
      scaleDims: [blocks, 1, rows],
      scales: (values) => transposed(values, rows, blocks),
      restore: (b, value, output) => cut(b, value, [blocks * block, rows], 0, cols, dims, output),
    };
  const outer = dims.slice(0, rowAxis);
  const inner = dims.slice(rowAxis + 1);
  return {
    view: [rows, blocks, block],
    rowAxis: 0,
    codes: filled,
    scaleDims: [rows, blocks, 1],
    scales: (values) => values,
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

function transposed<T extends Values>(x: T, rows: number, cols: number): T {
  const out = x.slice() as T;
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) out[c * rows + r] = x[r * cols + c]!;
  return out;
}
