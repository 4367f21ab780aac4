import type { Wasm } from '../../wasm/wasm.ts';
import type { Factor } from './factor.ts';

/** Columns rounded between two products with all that come later. */
const BLOCK = 32;
/** Rows rounded at once where they are on several grids. */
const LANES = 256;
/** Passes over the codes of a row between two fits of its scales; most rows settle after three or four. */
const SWEEPS = 24;
/** Passes over pairs of codes of a row: the first finds nearly all there is to gain. */
const PAIR_PASSES = 1;

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

/** Levels to start from, and e H e' of each row, e = w - level * scale, H damped. */
export interface Started {
  readonly levels: Float32Array;
  readonly errors: Float64Array;
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
  /** The weights, columns in the factor's order, rows as lanes: [cols, lanesOf(rows)]. */
  private turned = 0;

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

  /** Levels by GPTQ, on each of these grids: columns in the factor's order, each rounded from where the errors of those before it have moved it. */
  gptq(grids: readonly Affine[]): Started[] {
    // Few rows on many grids at once are as much work as many rows on one.
    const together = Math.max(1, Math.floor(LANES / lanesOf(this.rows)));
    const out: Started[] = [];
    for (let i = 0; i < grids.length; i += together) out.push(...this.gptqOnce(grids.slice(i, i + together)));
    return out;
  }

  private gptqOnce(grids: readonly Affine[]): Started[] {
    const { wasm, rows, cols, factor } = this;
    const { k, arena } = wasm;
    const { order } = factor;
    const { perRow, top } = grids[0]!;
    const size = rows * cols;
    if (this.u === 0) {
      this.u = this.alloc(4 * cols * cols);
      arena.put(this.u, factor.u);
    }
    const own = lanesOf(rows);
    if (this.turned === 0) {
      this.turned = this.alloc(4 * cols * own);
      this.turn(this.turned, own);
    }
    const lanes = grids.length * own;
    return arena.scope((alloc) => {
      const put = (data: Float32Array | Float64Array | Int32Array) => {
        const at = alloc(data.byteLength);
        arena.put(at, data);
        return at;
      };
      const w = grids.length === 1 ? this.turned : alloc(4 * cols * lanes);
      if (w !== this.turned) beside(arena.f32(this.turned, cols * own), grids.length, own, arena.f32(w, cols * lanes));
      const t = alloc(4 * cols * lanes);
      arena.copy(t, w, 4 * cols * lanes);
      const e = alloc(4 * cols * lanes);
      const levels = alloc(4 * cols * lanes);
      const errors = alloc(8 * lanes);
      arena.f64(errors, lanes).fill(0);
      const scales = put(
        across(
          grids.map((g) => g.scales),
          rows,
          perRow,
          1,
        ),
      );
      const zeros = put(
        across(
          grids.map((g) => g.zeros),
          rows,
          perRow,
          0,
        ),
      );
      const blocks = put(order.map((c) => grids[0]!.blocks[c]!));
      const d = put(factor.d);
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
          top,
          d + 8 * j,
          e + at,
          levels + at,
          errors,
        );
      }
      const turned = alloc(4 * size);
      const out = alloc(4 * size);
      return grids.map((_, g) => {
        order.forEach((c, i) => {
          arena.copy(turned + 4 * c * rows, levels + 4 * (i * lanes + g * own), 4 * rows);
        });
        k.transpose(turned, cols, rows, out);
        return { levels: arena.f32(out, size).slice(), errors: arena.f64(errors + 8 * g * own, rows).slice() };
      });
    });
  }

  /** From these levels downhill; with `refit` the scales too, with `pairs` by moves of two levels at once as well. */
  descend(grid: Affine, levels: Float32Array, refit: boolean, pairs = false): Rounded {
    const { wasm, rows, cols } = this;
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
      const at = put(levels);
      const scales = put(grid.scales);
      const e = alloc(4 * size);
      const g = alloc(4 * size);
      this.errors(grid, levels, at, scales, e);
      this.product(e, g);
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
        pairs ? PAIR_PASSES : 0,
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

  /** Writes the weights transposed, their columns in the factor's order, each `lanes` floats from the one before, zeros at its end. */
  private turn(to: number, lanes: number): void {
    const { wasm, rows, cols, factor } = this;
    const { k, arena } = wasm;
    arena.scope((alloc) => {
      const turned = alloc(4 * rows * cols);
      k.transpose(this.w, rows, cols, turned);
      arena.f32(to, cols * lanes).fill(0);
      factor.order.forEach((c, i) => {
        arena.copy(to + 4 * i * lanes, turned + 4 * c * rows, 4 * rows);
      });
    });
  }

  /** e = w - level * scale of every weight, at `e`; levels and scales are at the addresses too. */
  private errors(grid: Affine, levels: Float32Array, at: number, scales: number, e: number): void {
    const { wasm, rows, cols, weights } = this;
    const { perRow, blocks } = grid;
    const width = cols / perRow;
    if (perRow === 1 || (Number.isInteger(width) && blocks.every((b, c) => b === Math.floor(c / width)))) {
      wasm.k.mul_col(at, scales, e, rows * perRow, width);
      wasm.k.sub(this.w, e, e, rows * cols);
      return;
    }
    const found = new Float32Array(rows * cols);
    eachLevel(grid, rows, cols, (i, scale) => {
      found[i] = weights[i]! - Math.fround(levels[i]! * scale);
    });
    wasm.arena.put(e, found);
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

/** Rows as lanes: their number is brought to a multiple of 4. */
function lanesOf(rows: number): number {
  return Math.ceil(rows / 4) * 4;
}

/** Of each part, [rows, width] as [width, lanes], one part's lanes beside another's, those too many filled. */
function across(parts: readonly Float32Array[], rows: number, width: number, fill: number): Float32Array {
  const own = lanesOf(rows);
  const lanes = parts.length * own;
  const out = new Float32Array(width * lanes).fill(fill);
  parts.forEach((from, p) => {
    for (let c = 0; c < width; c++) for (let r = 0; r < rows; r++) out[c * lanes + p * own + r] = from[r * width + c]!;
  });
  return out;
}

/** Every row of so many floats so many times, one beside the other. */
function beside(from: Float32Array, times: number, floats: number, to: Float32Array): void {
  for (let at = 0; at < from.length; at += floats)
    for (let i = 0; i < times; i++) to.set(from.subarray(at, at + floats), at * times + i * floats);
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
