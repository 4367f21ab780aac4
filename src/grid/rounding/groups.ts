import type { Wasm } from '../../wasm/wasm.ts';
import { checkGram, type LayerGram } from '../gram.ts';
import type { Grid } from '../spec.ts';
import { factorsOf } from './factor.ts';
import { type Affine, RowGroup } from './work.ts';

/** Rows [first, first + rows) of a matrix, which share a Gram matrix; no `work` where that has no factor. */
export interface Part {
  readonly first: number;
  readonly rows: number;
  readonly work: RowGroup | undefined;
}

/** The matrix cut by groups, in wasm memory while `alloc` lasts. */
export function partsOf(
  wasm: Wasm,
  alloc: (bytes: number) => number,
  w: Float32Array,
  rows: number,
  cols: number,
  gram: LayerGram,
): Part[] {
  const factors = factorsOf(wasm, gram, cols);
  let first = 0;
  return checkGram(rows, cols, gram).map((count, g) => {
    const at = first;
    first += count;
    const factor = factors[g];
    if (!factor || count === 0) return { first: at, rows: count, work: undefined };
    const own = w.subarray(at * cols, first * cols);
    const h = gram.gram.subarray(g * cols * cols, (g + 1) * cols * cols);
    return { first: at, rows: count, work: new RowGroup(wasm, alloc, own, count, cols, h, factor) };
  });
}

/** Those rows of a grid. One scale for everything is given to each row. */
export function affineOf(grid: Grid, first: number, rows: number): Affine {
  const { cols, block, bits, scaleType } = grid;
  const whole = block > cols || grid.scales.length === 1;
  const perRow = whole ? 1 : Math.ceil(cols / block);
  const blocks = Int32Array.from({ length: cols }, (_, c) => (whole ? 0 : Math.floor(c / block)));
  const part = (all: ArrayLike<number>) =>
    Float32Array.from({ length: rows * perRow }, (_, i) => all[whole ? 0 : first * perRow + i]!);
  const centre = 2 ** (bits - 1);
  const zeros = grid.zeros ? part(grid.zeros) : new Float32Array(rows * perRow).fill(centre);
  return { rows, perRow, scales: part(grid.scales), zeros, blocks, top: 2 ** bits - 1, half: scaleType === 'float16' };
}

/** The codes of those rows' levels, written to `codes` of the whole matrix. */
export function putCodes(
  codes: Uint8Array | Uint16Array,
  first: number,
  cols: number,
  affine: Affine,
  levels: Float32Array,
): void {
  const { rows, perRow, zeros, blocks } = affine;
  for (let r = 0, i = 0; r < rows; r++)
    for (let c = 0; c < cols; c++, i++) codes[first * cols + i] = levels[i]! + zeros[r * perRow + blocks[c]!]!;
}
