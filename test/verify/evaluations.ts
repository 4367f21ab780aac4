import { erf, maximum } from '../curvature/numeric.ts';

/** A function on a segment with f'' of one sign there, for Theorem 4.7. */
export interface Segment {
  readonly name: string;
  readonly f: (x: number) => number;
  readonly secondDerivative: (x: number) => number;
  readonly lo: number;
  readonly hi: number;
}

const phi = (x: number): number => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

export const gelu = (x: number): number => (x * (1 + erf(x / Math.SQRT2))) / 2;
const geluSecond = (x: number): number => phi(x) * (2 - x * x);
const sigmoidSecond = (x: number): number => sigmoid(x) * (1 - sigmoid(x)) * (1 - 2 * sigmoid(x));

export const SEGMENTS: readonly Segment[] = [
  { name: 'x^2 on [-1, 1]', f: (x) => x * x, secondDerivative: () => 2, lo: -1, hi: 1 },
  { name: '3 x^2 + 5 x on [0, 2]', f: (x) => 3 * x * x + 5 * x, secondDerivative: () => 6, lo: 0, hi: 2 },
  { name: '-x^2 / 2 on [-3, 1]', f: (x) => (-x * x) / 2, secondDerivative: () => -1, lo: -3, hi: 1 },
  { name: 'GELU on [-1, 1]', f: gelu, secondDerivative: geluSecond, lo: -1, hi: 1 },
  { name: 'GELU on [-1.2, 1.2]', f: gelu, secondDerivative: geluSecond, lo: -1.2, hi: 1.2 },
  {
    name: 'softmax of two classes, logit difference in [0.3, 2.5]',
    f: sigmoid,
    secondDerivative: sigmoidSecond,
    lo: 0.3,
    hi: 2.5,
  },
  {
    name: 'softmax of two classes, logit difference in [-3, -0.1]',
    f: sigmoid,
    secondDerivative: sigmoidSecond,
    lo: -3,
    hi: -0.1,
  },
  { name: 'exp on [0, 1]', f: Math.exp, secondDerivative: Math.exp, lo: 0, hi: 1 },
];

/** Least |f''| on the segment. */
export function minSecondDerivative({ secondDerivative, lo, hi }: Segment): number {
  return -maximum((x) => -Math.abs(secondDerivative(x)), lo, hi, 2001);
}

/** f on an even grid, ends included. */
export function samples({ f, lo, hi }: Segment, n = 4001): number[] {
  return Array.from({ length: n }, (_, i) => f(lo + ((hi - lo) * i) / (n - 1)));
}

/**
 * The least largest error that *any* evaluation with at most `count` distinct outputs has on these values: the values covered
 * by that many intervals of least equal radius, by bisection on the radius and greedy covering. No formula of the theorem in it.
 */
export function bestError(values: readonly number[], count: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const covers = (radius: number): boolean => {
    let used = 0;
    let reach = Number.NEGATIVE_INFINITY;
    for (const v of sorted) {
      if (v <= reach) continue;
      reach = v + 2 * radius;
      if (++used > count) return false;
    }
    return true;
  };
  let lo = 0;
  let hi = sorted[sorted.length - 1]! - sorted[0]!;
  for (let step = 0; step < 60; step++) {
    const mid = (lo + hi) / 2;
    if (covers(mid)) hi = mid;
    else lo = mid;
  }
  return hi;
}

/**
 * How far the best error on a sample may lie below the best on the segment: half the widest gap between neighbouring values,
 * which a continuous function fills.
 */
export function sampleSlack(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  let gap = 0;
  for (let i = 1; i < sorted.length; i++) gap = Math.max(gap, sorted[i]! - sorted[i - 1]!);
  return gap / 2;
}
