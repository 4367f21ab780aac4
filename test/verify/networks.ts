import { svd } from '../../src/wasm/svd.ts';
import type { Wasm } from '../../src/wasm/wasm.ts';
import { norm } from '../curvature/numeric.ts';

/** Small dense networks in plain numbers, for bounds that must hold on every input. */

export interface Dense {
  readonly rows: number;
  readonly cols: number;
  readonly weight: Float64Array;
  readonly bias: readonly number[];
}

export function randomDense(rows: number, cols: number, next: () => number): Dense {
  return {
    rows,
    cols,
    weight: Float64Array.from({ length: rows * cols }, () => (2 * next() - 1) * Math.sqrt(3 / cols)),
    bias: Array.from({ length: rows }, () => 0.2 * (next() - 0.5)),
  };
}

/** The seed document's grid: one symmetric scale, s = max|w| / (2^(b-1) - 1). */
export function quantizeTensor(weight: Float64Array, bits: number): Float64Array {
  const max = weight.reduce((m, w) => Math.max(m, Math.abs(w)), 0);
  const scale = max / (2 ** (bits - 1) - 1);
  return weight.map((w) => Math.round(w / scale) * scale);
}

export const minus = (a: Float64Array, b: Float64Array): Float64Array => a.map((v, i) => v - b[i]!);

export function apply({ rows, cols, bias }: Dense, weight: Float64Array, x: readonly number[]): number[] {
  return Array.from({ length: rows }, (_, r) => {
    let sum = bias[r]!;
    for (let c = 0; c < cols; c++) sum += weight[r * cols + c]! * x[c]!;
    return sum;
  });
}

export function operatorNorm(wasm: Wasm, weight: Float64Array, rows: number, cols: number): number {
  return svd(wasm, weight, rows, cols).sigma[0]!;
}

/** A point of the ball of that radius, some of them on its surface. */
export function pointInBall(n: number, radius: number, next: () => number): number[] {
  const x = Array.from({ length: n }, () => 2 * next() - 1);
  const length = norm(x);
  const r = radius * (next() < 0.5 ? 1 : next());
  return x.map((v) => (v / length) * r);
}
