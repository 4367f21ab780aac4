import type { Wasm } from '../wasm/wasm.ts';
import type { Cells } from './histogram.ts';

/**
 * How a value's range is chosen from its histogram. minmax: all that was seen. percentile: all but 1e-4 of the elements. mse: least
 * squared error of what is rounded and clipped. entropy: least Kullback-Leibler divergence of what integers tell apart from the
 * distribution that was seen (after S. Migacz, "8-bit inference with TensorRT", 2017, which leaves out what is clipped).
 */
export type RangeMethod = 'minmax' | 'percentile' | 'mse' | 'entropy';
/** How ranges of activations can be chosen. */
export const RANGE_METHODS: readonly RangeMethod[] = ['minmax', 'percentile', 'mse', 'entropy'];

export interface Range {
  readonly min: number;
  readonly max: number;
}

/** Integers that stand for floats: value = (integer - zero) * scale, integers from low to high. */
export interface Affine {
  /** A float above 0. */
  readonly scale: number;
  /** A whole number in low..high, so that 0 is exact. */
  readonly zero: number;
  readonly low: number;
  readonly high: number;
}

/** Share of the elements outside the range that `percentile` gives. */
const OUTSIDE = 1e-4;
/** Ranges tried between nothing and all that was seen, a side. */
const STEPS = 64;
/** Share that cells without a count are given before distributions are compared. */
const SMOOTHING = 1e-4;

/**
 * Integers low..high for a range, which is widened to hold 0. A range that is 0 alone has scale 1.
 */
export function affineFor({ min, max }: Range, low: number, high: number): Affine {
  const from = Math.min(0, min);
  const to = Math.max(0, max);
  const scale = Math.fround((to - from) / (high - low));
  if (!(scale > 0) || !Number.isFinite(scale)) {
    if (scale > 0) return { scale: LARGEST_SCALE, zero: low + Math.floor((high - low + 1) / 2), low, high };
    return { scale: 1, zero: from < 0 ? high : low, low, high };
  }
  const zero = Math.max(low, Math.min(high, low + roundEven(-from / scale)));
  return { scale, zero, low, high };
}

/** The range of a histogram's value for integers low..high. */
export function rangeOf(wasm: Wasm, cells: Cells, method: RangeMethod, low: number, high: number): Range {
  const { min, max } = cells;
  if (method === 'minmax' || min === max) return { min, max };
  if (method === 'percentile') return percentile(cells);
  const cost =
    method === 'mse'
      ? (range: Range) => squaredError(cells, affineFor(range, low, high))
      : (range: Range) => divergence(wasm, cells, range, high - low + 1);
  // Both ends together, then each by itself.
  const at = (a: number, b: number): Range => ({
    min: min < 0 ? (min * a) / STEPS : min,
    max: max > 0 ? (max * b) / STEPS : max,
  });
  let best: [number, number] = [STEPS, STEPS];
  let least = cost(at(...best));
  const attempt = (a: number, b: number): void => {
    const found = cost(at(a, b));
    if (!(found < least)) return;
    least = found;
    best = [a, b];
  };
  for (let i = STEPS - 1; i >= 1; i--) attempt(i, i);
  if (min < 0 && max > 0) {
    const [, b] = best;
    for (let i = STEPS; i >= 1; i--) attempt(i, b);
    const [a] = best;
    for (let i = STEPS; i >= 1; i--) attempt(a, i);
  }
  return at(...best);
}

/** As little as possible of the range with no more than OUTSIDE of the elements outside, half of that on a side where there are two. */
function percentile({ counts, first, width, zeros, min, max }: Cells): Range {
  const total = counts.reduce((a, n) => a + n, zeros);
  const sides = min < 0 && max > 0 ? 2 : 1;
  const most = (OUTSIDE * total) / sides;
  let from = min;
  let to = max;
  if (min < 0) {
    let i = 0;
    for (let out = counts[0]!; out <= most && i < counts.length - 1; out += counts[i]!) i++;
    from = Math.max(min, Math.min(0, (first + i) * width));
  }
  if (max > 0) {
    let i = counts.length - 1;
    for (let out = counts[i]!; out <= most && i > 0; out += counts[i]!) i--;
    to = Math.min(max, Math.max(0, (first + i + 1) * width));
  }
  return { min: from, max: to };
}

/** Sum of squared errors of the elements, each at the middle of its cell. */
function squaredError({ counts, first, width }: Cells, { scale, zero, low, high }: Affine): number {
  let sum = 0;
  for (let i = 0; i < counts.length; i++) {
    const n = counts[i]!;
    if (n === 0) continue;
    const x = (first + i + 0.5) * width;
    const q = Math.max(low, Math.min(high, Math.round(x / scale) + zero));
    const d = x - (q - zero) * scale;
    sum += n * d * d;
  }
  return sum;
}

/**
 * KL(elements || the same told apart by `levels` integers alone, of which those outside the range get the first or the last one).
 * What integers do not tell apart is spread evenly; what falls outside would be infinitely unlikely, were it not for SMOOTHING.
 */
function divergence(wasm: Wasm, { counts, first, width }: Cells, range: Range, levels: number): number {
  const from = Math.max(0, Math.floor(Math.min(0, range.min) / width) - first);
  const to = Math.min(counts.length - 1, Math.floor(Math.max(0, range.max) / width) - first);
  const n = to - from + 1;
  const total = counts.reduce((a, c) => a + c, 0);
  if (n < levels || total === 0) return Number.POSITIVE_INFINITY;
  let below = 0;
  let above = 0;
  for (let i = 0; i < from; i++) below += counts[i]!;
  for (let i = to + 1; i < counts.length; i++) above += counts[i]!;
  const seen: number[] = [];
  const ratios: number[] = [];
  const add = (count: number, likely: number): void => {
    if (count === 0) return;
    seen.push(count / total);
    ratios.push(count / total / (likely * (1 - SMOOTHING) + SMOOTHING / counts.length));
  };
  for (let level = 0; level < levels; level++) {
    const start = from + Math.floor((level * n) / levels);
    const end = from + Math.floor(((level + 1) * n) / levels);
    let sum = (level === 0 ? below : 0) + (level === levels - 1 ? above : 0);
    let used = 0;
    for (let i = start; i < end; i++) {
      sum += counts[i]!;
      if (counts[i]! > 0) used++;
    }
    for (let i = start; i < end; i++) add(counts[i]!, sum / used / total);
  }
  for (let i = 0; i < from; i++) add(counts[i]!, 0);
  for (let i = to + 1; i < counts.length; i++) add(counts[i]!, 0);
  const { arena, k } = wasm;
  return arena.scope((alloc) => {
    const at = alloc(4 * ratios.length);
    arena.put(at, Float32Array.from(ratios));
    k.log(at, at, ratios.length);
    const logs = arena.f32(at, ratios.length);
    let sum = 0;
    for (let i = 0; i < seen.length; i++) sum += seen[i]! * logs[i]!;
    return sum;
  });
}

const LARGEST_SCALE = Math.fround(3.4e38);

/** To the nearest whole number, halves to the even one, as QuantizeLinear rounds. */
function roundEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  return rest < 0.5 || (rest === 0.5 && down % 2 === 0) ? down : down + 1;
}
