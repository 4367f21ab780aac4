import type { Wasm } from '../../wasm/wasm.ts';
import type { Slice } from '../coded.ts';
import type { LayerGram } from '../gram.ts';
import { type Grid, quantize } from '../grid.ts';
import { roundToHalf } from '../half.ts';
import { affineOf, partsOf, putCodes } from './groups.ts';
import { type Method, start } from './roundings.ts';
import type { Affine, RowGroup, Started } from './work.ts';

/** Shares of the range of a row's weights that grids are made to cover, by width: narrow codes gain by clipping. */
const SHARES: Readonly<Record<number, readonly number[]>> = {
  2: [1, 0.9, 0.8, 0.7, 0.6],
  3: [1, 0.92, 0.84, 0.76],
  4: [1, 0.93, 0.86],
};
const WIDE_SHARES: readonly number[] = [1, 0.96];
/** Grids of a row, the best after GPTQ, that descent goes on from. */
const FINALISTS = 2;
/** What the best scales of a row are multiplied with in turn, at widths in the table above and at wider ones. */
const REFINEMENTS: readonly number[] = [1.05, 0.95, 1.025, 0.975];
const WIDE_REFINEMENTS: readonly number[] = [1.03, 0.97];

/**
 * Grid and codes of least dw H dw' for each row by itself: grids that cover the row's range or part of it, and the one of least squares,
 * are rounded to by the method, their scales refitted to the codes, and the best is then varied. Rows whose group has no
 * factor keep the least-squares grid and its nearest codes.
 * @param squares the grid of least squares
 * @param range the grid of the range
 */
export function searchGrids(
  wasm: Wasm,
  w: Float32Array,
  squares: Grid,
  range: Grid,
  method: Method,
  gram: LayerGram,
): Pick<Slice, 'grid' | 'codes'> {
  const { rows, cols, bits } = squares;
  const codes = quantize(wasm, w, squares);
  const scales = squares.scales.slice();
  const zeros = squares.zeros?.slice();
  wasm.arena.scope((alloc) => {
    for (const { first, rows: count, work } of partsOf(wasm, alloc, w, rows, cols, gram)) {
      if (!work) continue;
      const covering = affineOf(range, first, count);
      const shares = SHARES[bits];
      const grids = (shares ?? WIDE_SHARES).map((share) => scaled(wasm, covering, share));
      const best = new Best(wasm, work, method, [affineOf(squares, first, count), ...grids]);
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

/** The grid with its scales multiplied, where they stay scales. */
function scaled(wasm: Wasm, grid: Affine, factor: number): Affine {
  const scales = grid.scales.map((s) => s * factor).map((s, i) => (s > 0 && Number.isFinite(s) ? s : grid.scales[i]!));
  return { ...grid, scales: grid.half ? roundToHalf(wasm, scales) : scales };
}

/** Where rows start from. */
interface Start {
  readonly grid: Affine;
  readonly levels: Float32Array;
}

/** The best grid and levels of each row so far. */
class Best {
  grid: Affine;
  levels: Float32Array;
  private readonly errors: Float64Array;

  /** @param grids of one shape, to choose from */
  constructor(
    private readonly wasm: Wasm,
    private readonly work: RowGroup,
    private readonly method: Method,
    grids: readonly Affine[],
  ) {
    const starts =
      method.start === 'gptq'
        ? finalists(grids, work.gptq(grids))
        : grids.map((grid) => ({ grid, levels: work.nearest(grid) }));
    const { grid, levels } = starts[0]!;
    const found = work.descend(grid, levels, true);
    this.grid = { ...grid, scales: found.scales, zeros: grid.zeros.slice() };
    this.levels = found.levels;
    this.errors = found.errors;
    for (const start of starts.slice(1)) this.take(start);
  }

  /** Rounds to the grid with its scales multiplied and keeps the rows that this betters. */
  offer(grid: Affine, factor: number): void {
    const other = scaled(this.wasm, grid, factor);
    this.take({ grid: other, levels: start(this.work, this.method, other) });
  }

  private take({ grid, levels }: Start): void {
    const found = this.work.descend(grid, levels, true);
    for (let r = 0; r < grid.rows; r++) {
      if (!(found.errors[r]! < this.errors[r]!)) continue;
      this.errors[r] = found.errors[r]!;
      putRow(this.levels, found.levels, grid.rows, r);
      putRow(this.grid.scales, found.scales, grid.rows, r);
      putRow(this.grid.zeros, grid.zeros, grid.rows, r);
    }
  }

  /** Moves of pairs of levels, from the best. */
  polish(): void {
    const { levels, scales } = this.work.descend(this.grid, this.levels, true, true);
    this.levels = levels;
    this.grid = { ...this.grid, scales };
  }
}

/** The best start of each row by its errors, and the second best. What descent makes of them tells the two apart, hardly ever others. */
function finalists(grids: readonly Affine[], found: readonly Started[]): Start[] {
  const { rows } = grids[0]!;
  const ranked = Array.from({ length: rows }, (_, r) =>
    [...grids.keys()].sort((a, b) => found[a]!.errors[r]! - found[b]!.errors[r]! || a - b),
  );
  return Array.from({ length: Math.min(FINALISTS, grids.length) }, (_, rank) => {
    const grid = { ...grids[0]!, scales: grids[0]!.scales.slice(), zeros: grids[0]!.zeros.slice() };
    const levels = found[0]!.levels.slice();
    ranked.forEach((order, r) => {
      const from = order[rank]!;
      putRow(levels, found[from]!.levels, rows, r);
      putRow(grid.scales, grids[from]!.scales, rows, r);
      putRow(grid.zeros, grids[from]!.zeros, rows, r);
    });
    return { grid, levels };
  });
}

/** Row r of so many, copied. */
function putRow(to: Float32Array, from: Float32Array, rows: number, r: number): void {
  const width = to.length / rows;
  to.set(from.subarray(r * width, (r + 1) * width), r * width);
}
