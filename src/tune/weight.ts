import type { Layer } from '../graph/layers.ts';
import { type Coded, decode, fromHalf, type Grid, type Slice, toHalf } from '../grid/index.ts';
import { toRows } from '../grid/rows.ts';
import { weightOfRows } from '../grid/weight.ts';
import type { Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { Adam } from './adam.ts';

/** How far beyond the first and last code, in codes, a latent position may lie. */
const CELL = 0.49;
/** Scales stay within these factors of what they were. */
const [LEAST, MOST] = [0.5, 2];

/**
 * A quantized weight in training: value = (code - zero) scale with code = round(u), u a latent position for every weight, the
 * gradient in u that in the value times the scale (the straight-through estimator: Y. Bengio et al., arXiv 1308.3432), and the
 * gradient in a scale the exact one, sum of (code - zero) times that in the value (S. K. Esser et al., "Learned Step Size
 * Quantization", 2020, for positions in units of the scale). Zero points stay. Positions start at the codes: where between two of them
 * the float lay says nothing once codes were chosen together. They are kept within half a code of the codes there are, so that
 * none is out of reach.
 */
export class TunedWeight {
  private readonly slices: readonly TunedSlice[];

  constructor(
    private readonly wasm: Wasm,
    readonly layer: Layer,
    coded: Coded,
  ) {
    this.slices = coded.map((slice) => new TunedSlice(wasm, slice));
  }

  /** In codes, as they stand: a copy. */
  coded(): Coded {
    return this.slices.map((s) => s.coded());
  }

  /** The weight as the codes have it, as it is stored. */
  tensor(): Tensor {
    return weightOfRows(this.wasm, this.layer, decode(this.wasm, this.coded()));
  }

  /**
   * One step.
   * @param gradient in the weight as it is stored
   * @param rates how far positions move, in codes, and scales, relative to what they were
   */
  step(gradient: Float32Array, rates: { readonly positions: number; readonly scales: number }): void {
    const { shape, rowAxis, lead } = this.layer;
    const rows = toRows(this.wasm, gradient, shape, rowAxis, lead);
    for (const slice of this.slices) slice.step(picked(rows, slice.start), rates.positions, rates.scales);
  }
}

/** The slice's rows of a matrix of all rows. */
function picked(matrix: Float32Array, { rows, grid }: Slice): Float32Array {
  if (rows === undefined) return matrix;
  const out = new Float32Array(grid.rows * grid.cols);
  rows.forEach((r, i) => {
    out.set(matrix.subarray(r * grid.cols, (r + 1) * grid.cols), i * grid.cols);
  });
  return out;
}

class TunedSlice {
  private readonly positions: Adam;
  /** Scale / what it was at the start. */
  private readonly factors: Adam;
  private codes: Uint8Array | Uint16Array;
  private scales: Float32Array;
  private readonly zeros: ArrayLike<number>;
  private readonly top: number;

  constructor(
    private readonly wasm: Wasm,
    readonly start: Slice,
  ) {
    const { grid, codes } = start;
    this.codes = codes.slice();
    this.scales = grid.scales.slice();
    this.zeros = grid.zeros ?? new Float32Array(grid.scales.length).fill(2 ** (grid.bits - 1));
    this.top = 2 ** grid.bits - 1;
    this.positions = new Adam(Float32Array.from(codes));
    this.factors = new Adam(new Float32Array(this.scales.length).fill(1));
  }

  coded(): Slice {
    const { rows, grid } = this.start;
    return { rows, grid: { ...grid, scales: this.scales.slice() }, codes: this.codes.slice() };
  }

  step(gradient: Float32Array, positionRate: number, scaleRate: number): void {
    const { grid } = this.start;
    if (grid.bits === 0) return;
    const { codes, scales, zeros, top } = this;
    const inPositions = new Float32Array(gradient.length);
    const inFactors = new Float32Array(scales.length);
    forScales(grid, (at, from, to) => {
      const [scale, zero] = [scales[at]!, zeros[at]!];
      let sum = 0;
      for (let i = from; i < to; i++) {
        inPositions[i] = gradient[i]! * scale;
        sum += gradient[i]! * (codes[i]! - zero);
      }
      inFactors[at] = inFactors[at]! + sum * grid.scales[at]!;
    });
    this.positions.step(inPositions, positionRate);
    this.factors.step(inFactors, scaleRate);
    const u = this.positions.x;
    for (let i = 0; i < u.length; i++) {
      u[i] = Math.max(-CELL, Math.min(top + CELL, u[i]!));
      codes[i] = Math.floor(u[i]! + 0.5);
    }
    const f = this.factors.x;
    const next = new Float32Array(scales.length);
    for (let i = 0; i < f.length; i++) {
      f[i] = Math.max(LEAST, Math.min(MOST, f[i]!));
      next[i] = grid.scales[i]! * f[i]!;
    }
    const rounded = grid.scaleType === 'float16' ? fromHalf(this.wasm, toHalf(this.wasm, next)) : next;
    // A scale that its type cannot hold, or that would become 0, stays as it is.
    this.scales = rounded.map((s, i) => (s > 0 && Number.isFinite(s) ? s : scales[i]!));
  }
}

/** Calls with every scale's index and the stretches of weights, row by row, that have it. */
function forScales({ rows, cols, block }: Grid, body: (scale: number, from: number, to: number) => void): void {
  if (block > cols) body(0, 0, rows * cols);
  else
    for (let r = 0, at = 0; r < rows; r++)
      for (let c = 0; c < cols; c += block) body(at++, r * cols + c, r * cols + Math.min(cols, c + block));
}
