import type { Wasm } from '../../wasm/wasm.ts';
import type { Slice } from '../coded.ts';
import type { LayerGram } from '../gram.ts';
import { type Grid, quantize } from '../grid.ts';
import { roundToHalf } from '../half.ts';
import { affineOf, partsOf, putCodes } from './groups.ts';
import { type Method, start } from './roundings.ts';
import type { Affine, RowGroup, Rounded } from './work.ts';

/** Shares of the range of a row's weights that grids are made to cover, by width: narrow codes gain by clipping. */
const SHARES: Readonly<Record<number, readonly number[]>> = {
  2: [1, 0.9, 0.8, 0.7, 0.6],
  3: [1, 0.92, 0.84, 0.76],
  4: [1, 0.93, 0.86],
};
const WIDE_SHARES: readonly number[] = [1, 0.96];
/** What the best scales of a row are multiplied with in turn, at widths in the table above and at wider ones. */
const REFINEMENTS: readonly number[] = [1.05, 0.95, 1.025, 0.975];
const WIDE_REFINEMENTS: readonly number[] = [1.03, 0.97];

/**
 * Grid and codes of least dw H dw' for each row by itself: grids that cover the row's range or part of it, and the one of least squares,
 * are rounded to by the method, their scales refitted to the codes, and the best is then varied. Rows whose group has no
 * factor keep the least-squares grid and its nearest codes.
 * @param squares the grid of least squares
 * @param range the grid of the range
 * @param near a grid of nearly the same rows, looked for around in the place of both
 */
export function searchGrids(
  wasm: Wasm,
  w: Float32Array,
  squares: Grid,
  range: Grid,
  method: Method,
  gram: LayerGram,
  near?: Grid,
): Pick<Slice, 'grid' | 'codes'> {
  const { rows, cols, bits } = squares;
  const codes = quantize(wasm, w, squares);
  const scales = squares.scales.slice();
  const zeros = squares.zeros?.slice();
  wasm.arena.scope((alloc) => {
    for (const { first, rows: count, work } of partsOf(wasm, alloc, w, rows, cols, gram)) {
      if (!work) continue;
      const best = new Best(wasm, work, method, affineOf(near ?? squares, first, count));
      const covering = affineOf(range, first, count);
      const shares = SHARES[bits];
      if (!near) for (const share of shares ?? WIDE_SHARES) best.offer(covering, share);
      for (const factor of shares ? REFINEMENTS : WIDE_REFINEMENTS) best.offer(best.grid, factor);
      if (method.pairs) best.polish();
      const { grid } = best;
      putCodes(codes, first, cols, grid, best.levels);
      scales.set(grid.scales, first * grid.perRow);
      zeros?.set(grid.zeros, first * grid.perRow);
    }
  });
  return { grid: { ...squares, scales, zeros }, codes };
}

/** The best grid and levels of each row so far. */
class Best {
  grid: Affine;
  levels: Float32Array;
  private readonly errors: Float64Array;

  constructor(
    private readonly wasm: Wasm,
    private readonly work: RowGroup,
    private readonly method: Method,
    first: Affine,
  ) {
    const { levels, scales, errors } = this.round(first);
    this.grid = { ...first, scales, zeros: first.zeros.slice() };
    this.levels = levels;
    this.errors = errors;
  }

  /** Rounds to the grid with its scales multiplied and keeps the rows that this betters. */
  offer(grid: Affine, factor: number): void {
    const { rows, perRow, half } = grid;
    const scaled = grid.scales
      .map((s) => s * factor)
      .map((s, i) => (s > 0 && Number.isFinite(s) ? s : grid.scales[i]!));
    const found = this.round({ ...grid, scales: half ? roundToHalf(this.wasm, scaled) : scaled });
    const cols = this.levels.length / rows;
    for (let r = 0; r < rows; r++) {
      if (!(found.errors[r]! < this.errors[r]!)) continue;
      this.errors[r] = found.errors[r]!;
      this.levels.set(found.levels.subarray(r * cols, (r + 1) * cols), r * cols);
      this.grid.scales.set(found.scales.subarray(r * perRow, (r + 1) * perRow), r * perRow);
      this.grid.zeros.set(grid.zeros.subarray(r * perRow, (r + 1) * perRow), r * perRow);
    }
  }

  /** Moves of pairs of levels, from the best. */
  polish(): void {
    const { levels, scales } = this.work.descend(this.grid, this.levels, true, true);
    this.levels = levels;
    this.grid = { ...this.grid, scales };
  }

  private round(grid: Affine): Rounded {
    return this.work.descend(grid, start(this.work, this.method, grid), true);
  }
}
