import type { Wasm } from '../wasm/wasm.ts';

/** What is known of one value's elements after some batches. Plain JSON. */
export interface Statistics {
  /** Finite elements seen. */
  readonly count: number;
  readonly mean: number;
  /** Population variance. */
  readonly variance: number;
  readonly min: number;
  readonly max: number;
  /** Largest l2 norm of one row (the elements along the last axis). */
  readonly maxRowNorm: number;
  /** Largest l2 norm of one sample (everything but the first axis). */
  readonly maxSampleNorm: number;
}

/** What the kernel `moments` puts out. */
type Moments = [
  count: number,
  sum: number,
  squares: number,
  min: number,
  max: number,
  largestRow: number,
  largestSample: number,
];

/**
 * Running statistics of one value over batches: sums in f64, merged batch by batch in the order they come, so that any split
 * of the same samples into batches gives the same count and extremes, and the same mean and variance up to rounding
 * (T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979).
 */
export class RunningStatistics {
  private count = 0;
  private mean = 0;
  private m2 = 0;
  private min = Number.POSITIVE_INFINITY;
  private max = Number.NEGATIVE_INFINITY;
  private rowNorm = 0;
  private sampleNorm = 0;

  constructor(private readonly wasm: Wasm) {}

  /**
   * Adds one batch.
   * @param x pointer to samples x rowsPerSample x cols floats
   */
  add(x: number, samples: number, rowsPerSample: number, cols: number): void {
    const { arena, k } = this.wasm;
    const n = samples * rowsPerSample * cols;
    if (n === 0) return;
    arena.scope((alloc) => {
      const out = alloc(56);
      k.moments(x, samples, rowsPerSample, cols, out);
      const [count, sum, squares, min, max, row, sample] = arena.f64(out, 7) as unknown as Moments;
      if (count > 0) {
        const mean = sum / count;
        const m2 = Math.max(0, squares - sum * mean);
        const total = this.count + count;
        const delta = mean - this.mean;
        this.m2 += m2 + (delta * delta * this.count * count) / total;
        this.mean += (delta * count) / total;
        this.count = total;
        this.min = Math.min(this.min, min);
        this.max = Math.max(this.max, max);
      }
      this.rowNorm = Math.max(this.rowNorm, row);
      this.sampleNorm = Math.max(this.sampleNorm, sample);
    });
  }

  read(): Statistics {
    return {
      count: this.count,
      mean: this.mean,
      variance: this.count === 0 ? 0 : this.m2 / this.count,
      min: this.count === 0 ? 0 : this.min,
      max: this.count === 0 ? 0 : this.max,
      maxRowNorm: Math.sqrt(this.rowNorm),
      maxSampleNorm: Math.sqrt(this.sampleNorm),
    };
  }
}
