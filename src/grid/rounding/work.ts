import type { Wasm } from '../../wasm/wasm.ts';
import type { Factor } from './factor.ts';

/** Columns rounded between two products with all that come later. */
const BLOCK = 32;
/** Passes over the codes of a row between two fits of its scales; most rows settle after three or four. */
const SWEEPS = 24;

/** Rows of a grid as the kernels of this room take them. */
export interface Affine {
  readonly rows: number;
  /** Scales of a row. */
  readonly perRow: number;
  /** [rows, perRow] */
  readonly scales: Float32Array;
  /** Zero points as floats, [rows, perRow]. */
  readonly zeros: Float32Array;
  /** The scale of each column. */
  readonly blocks: Int32Array;
  /** Largest code. */
  readonly top: number;
  readonly half: boolean;
}

/** What became of rows: levels are codes less zero points, as floats. */
export interface Rounded {
  readonly levels: Float32Array;
  /** [rows, perRow] */
  readonly scales: Float32Array;
  /** e H e' of each row, e = w - level * scale, H damped. */
  readonly errors: Float64Array;
}

/** Rows w [rows, cols] that share a Gram matrix, with what is computed once for all grids tried on them. In wasm memory while `alloc` lasts. */
export class RowGroup {
  private readonly w: number;
  private readonly h: number;
  private hw = 0;
  private u = 0;

  constructor(
    private readonly wasm: Wasm,
    private readonly alloc: (bytes: number) => number,
    private readonly weights: Float32Array,
    readonly rows: number,
    private readonly cols: number,
    gram: Float32Array,
    private readonly factor: Factor,
  ) {
    const { arena } = wasm;
    this.w = alloc(4 * rows * cols);
    this.h = alloc(4 * cols * cols);
    arena.put(this.w, weights);
    arena.put(this.h, gram);
    const h = arena.f32(this.h, cols * cols);
    for (let j = 0; j < cols; j++) h[j * (cols + 1)]! += factor.damp;
  }

  /** Levels of the nearest codes. */
  nearest(grid: Affine): Float32Array {
    const { rows, cols, weights } = this;
    const levels = new Float32Array(rows * cols);
    eachLevel(grid, rows, cols, (i, scale, low, high) => {
      levels[i] = Math.min(high, Math.max(low, roundEven(weights[i]! / scale)));
    });
    return levels;
  }

  /** Levels by GPTQ: columns in the factor's order, each rounded from where the errors of those before it have moved it. */
  gptq(grid: Affine): Float32Array {
    const { wasm, rows, cols, factor, weights } = this;
    const { k, arena } = wasm;
    const { order } = factor;
    if (this.u === 0) {
      this.u = this.alloc(4 * cols * cols);
      arena.put(this.u, factor.u);
    }
    // Rows are lanes here: their number is brought to a multiple of 4 by rows of zeros.
    const lanes = Math.ceil(rows / 4) * 4;
    const across = <T extends Float32Array>(from: T, width: number, columns: Int32Array | undefined, fill: number) => {
      const out = new Float32Array(width * lanes).fill(fill);
      for (let c = 0; c < width; c++)
        for (let r = 0, i = columns ? columns[c]! : c; r < rows; r++, i += width) out[c * lanes + r] = from[i]!;
      return out;
    };
    return arena.scope((alloc) => {
      const put = (data: Float32Array | Int32Array) => {
        const at = alloc(data.byteLength);
        arena.put(at, data);
        return at;
      };
      const w = put(across(weights, cols, order, 0));
      const t = put(across(weights, cols, order, 0));
      const e = alloc(4 * cols * lanes);
      const levels = alloc(4 * cols * lanes);
      const scales = put(across(grid.scales, grid.perRow, undefined, 1));
      const zeros = put(across(grid.zeros, grid.perRow, undefined, 0));
      const blocks = put(order.map((c) => grid.blocks[c]!));
      const scratch = alloc(k.gemm_scratch());
      for (let j = 0; j < cols; j += BLOCK) {
        const n = Math.min(BLOCK, cols - j);
        const at = 4 * j * lanes;
        // What the columns rounded so far feed to these.
        if (j > 0) k.gemm(1, 0, n, lanes, j, 1, this.u + 4 * j, cols, e, lanes, 1, t + at, lanes, scratch);
        const diagonal = this.u + 4 * j * (cols + 1);
        k.gptq_block(
          n,
          lanes,
          diagonal,
          cols,
          w + at,
          t + at,
          scales,
          zeros,
          blocks + 4 * j,
          grid.top,
          e + at,
          levels + at,
        );
      }
      const found = arena.f32(levels, cols * lanes);
      const out = new Float32Array(rows * cols);
      for (let c = 0; c < cols; c++)
        for (let r = 0, i = order[c]!; r < rows; r++, i += cols) out[i] = found[c * lanes + r]!;
      return out;
    });
  }

  /** From these levels downhill; with `refit` the scales too, with `pairs` by moves of two levels at once as well. */
  descend(grid: Affine, levels: Float32Array, refit: boolean, pairs = false): Rounded {
    const { wasm, rows, cols, weights } = this;
    const { k, arena } = wasm;
    const size = rows * cols;
    if (refit && this.hw === 0 && grid.perRow === 1) {
      this.hw = this.alloc(4 * size);
      this.product(this.w, this.hw);
    }
    return arena.scope((alloc) => {
      const put = (data: Float32Array | Int32Array) => {
        const at = alloc(data.byteLength);
        arena.put(at, data);
        return at;
      };
      const e = new Float32Array(size);
      eachLevel(grid, rows, cols, (i, scale) => {
        e[i] = weights[i]! - Math.fround(levels[i]! * scale);
      });
      const g = alloc(4 * size);
      this.product(put(e), g);
      const at = put(levels);
      const scales = put(grid.scales);
      const zeros = put(grid.zeros);
      const blocks = put(grid.blocks);
      const errors = alloc(8 * rows);
      const scratch = alloc(k.descend_scratch(cols));
      k.descend(
        this.h,
        cols,
        rows,
        this.w,
        this.hw,
        at,
        g,
        scales,
        zeros,
        grid.perRow,
        blocks,
        grid.top,
        SWEEPS,
        pairs ? 1 : 0,
        refit ? 1 : 0,
        grid.half ? 1 : 0,
        errors,
        scratch,
      );
      return {
        levels: arena.f32(at, size).slice(),
        scales: arena.f32(scales, grid.scales.length).slice(),
        errors: arena.f64(errors, rows).slice(),
      };
    });
  }

  /** to = from H */
  private product(from: number, to: number): void {
    const { wasm, rows, cols } = this;
    wasm.arena.scope((alloc) => {
      const scratch = alloc(wasm.k.gemm_scratch());
      wasm.k.gemm(0, 0, rows, cols, cols, 1, from, cols, this.h, cols, 0, to, cols, scratch);
    });
  }
}

/** Calls `each` for every weight with its index, scale, and least and largest level. */
function eachLevel(
  grid: Affine,
  rows: number,
  cols: number,
  each: (i: number, scale: number, low: number, high: number) => void,
): void {
  const { scales, zeros, blocks, perRow, top } = grid;
  for (let r = 0, i = 0; r < rows; r++)
    for (let c = 0; c < cols; c++, i++) {
      const unit = r * perRow + blocks[c]!;
      each(i, scales[unit]!, -zeros[unit]!, top - zeros[unit]!);
    }
}

/** Nearest whole number, ties to even, of a quotient rounded to a float first, as the kernels have it. */
function roundEven(x: number): number {
  const q = Math.fround(x);
  const low = Math.floor(q);
  const over = q - low;
  return over < 0.5 || (over === 0.5 && low % 2 === 0) ? low : low + 1;
}
