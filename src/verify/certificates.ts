import * as math from '../math.ts';
import { lowerTail, upperTail } from './binomial.ts';

/** Statements that hold for certain, or with a stated confidence on data held out; proofs in docs/theory.md. */

/** Range of the differences of two rows of scores: max d - min d, d = quantized - reference. */
export function spread(
  reference: ArrayLike<number>,
  quantized: ArrayLike<number>,
  from = 0,
  cols = reference.length,
): number {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let i = from; i < from + cols; i++) {
    const d = quantized[i]! - reference[i]!;
    if (Number.isNaN(d)) return Number.POSITIVE_INFINITY;
    if (d < low) low = d;
    if (d > high) high = d;
  }
  return cols === 0 ? 0 : high - low;
}

/**
 * Proved: KL(softmax(z) || softmax(z + d)) <= (max d - min d)^2 / 8 nats (Hoeffding's lemma), and the other way round.
 * @param range max d - min d, or an upper bound on it
 */
export function klBound(range: number): number {
  return (range * range) / 8;
}

/** Proved: the argmax of a row cannot change while its margin exceeds max d - min d. */
export function argmaxCertified(margin: number, range: number): boolean {
  return margin > range;
}

/** Distance from the largest score of a row to the second; Infinity for one score. */
export function marginOf(scores: ArrayLike<number>, from = 0, cols = scores.length): number {
  let first = Number.NEGATIVE_INFINITY;
  let second = Number.NEGATIVE_INFINITY;
  for (let i = from; i < from + cols; i++) {
    const s = scores[i]!;
    if (s > first) {
      second = first;
      first = s;
    } else if (s > second) second = s;
  }
  return first - second;
}

export interface RowCertificates {
  readonly rows: number;
  /** Rows whose argmax is proved unchanged by their margin. */
  readonly certified: number;
  readonly maxKlBound: number;
  readonly meanKlBound: number;
}

/** Certificates of score matrices [rows, cols], row by row. @throws RangeError where the shapes do not fit */
export function certifyRows(reference: ArrayLike<number>, quantized: ArrayLike<number>, cols: number): RowCertificates {
  if (!Number.isInteger(cols) || cols < 1 || reference.length % cols !== 0)
    throw new RangeError(`cols: expected a divisor of ${reference.length}, got ${cols}`);
  if (quantized.length !== reference.length)
    throw new RangeError(`quantized scores: expected ${reference.length}, got ${quantized.length}`);
  const rows = reference.length / cols;
  let certified = 0;
  let max = 0;
  let sum = 0;
  for (let r = 0; r < rows; r++) {
    const range = spread(reference, quantized, r * cols, cols);
    if (argmaxCertified(marginOf(reference, r * cols, cols), range)) certified++;
    const bound = klBound(range);
    max = Math.max(max, bound);
    sum += bound;
  }
  return { rows, certified, maxKlBound: max, meanKlBound: rows > 0 ? sum / rows : 0 };
}

function checkConfidence(confidence: number): void {
  if (typeof confidence !== 'number') throw new TypeError(`confidence: expected a number, got ${typeof confidence}`);
  if (!(confidence > 0 && confidence < 1))
    throw new RangeError(`confidence: expected a number between 0 and 1, got ${confidence}`);
}

/**
 * Clopper and Pearson's exact interval for a probability, 1934: both ends are wrong with probability at most
 * (1 - confidence) / 2, so that each alone is a one-sided bound of confidence (1 + confidence) / 2. The events must be independent
 * and not have served to choose the plan.
 * @param events number of samples the event happened on, 0..samples
 */
export function clopperPearson(
  events: number,
  samples: number,
  confidence = 0.95,
): { readonly lower: number; readonly upper: number } {
  checkConfidence(confidence);
  if (!Number.isSafeInteger(samples) || samples < 0)
    throw new RangeError(`samples: expected an integer >= 0, got ${samples}`);
  if (!Number.isSafeInteger(events) || events < 0 || events > samples)
    throw new RangeError(`events: expected an integer from 0 to ${samples}, got ${events}`);
  const tail = (1 - confidence) / 2;
  const lower = events === 0 ? 0 : bisect((p) => upperTail(samples, events, p) > tail).below;
  const upper = events === samples ? 1 : bisect((p) => lowerTail(samples, events, p) <= tail).above;
  return { lower, upper };
}

/** Neighbouring numbers in [0, 1] between which a monotone predicate turns true. */
function bisect(turned: (p: number) => boolean): { below: number; above: number } {
  let below = 0;
  let above = 1;
  for (let step = 0; step < 200; step++) {
    const mid = (below + above) / 2;
    if (mid <= below || mid >= above) break;
    if (turned(mid)) above = mid;
    else below = mid;
  }
  return { below, above };
}

export interface MeanBound {
  readonly mean: number;
  /** With the stated confidence the expectation is at most this; never above the cap. */
  readonly upper: number;
  readonly samples: number;
}

/**
 * Empirical Bernstein bound (Maurer and Pontil 2009, Theorem 4) on the expectation of min(v, cap), v >= 0: mean +
 * sqrt(2 V ln(2/delta) / n) + 7 cap ln(2/delta) / (3 (n - 1)), V the sample variance, delta = 1 - confidence. The values must be
 * independent (sequences, not tokens), the cap fixed before they were seen, and they must not have served to choose the plan.
 * @throws RangeError for a cap that is not positive or a value that is negative or NaN
 */
export function empiricalBernstein(values: ArrayLike<number>, cap: number, confidence = 0.95): MeanBound {
  checkConfidence(confidence);
  if (!(cap > 0) || cap === Number.POSITIVE_INFINITY)
    throw new RangeError(`cap: expected a positive finite number, got ${cap}`);
  const n = values.length;
  let sum = 0;
  for (let i = 0; i < n; i++) {
    if (!(values[i]! >= 0)) throw new RangeError(`value ${i}: expected a number >= 0, got ${values[i]}`);
    sum += Math.min(values[i]!, cap);
  }
  const mean = n > 0 ? sum / n : 0;
  if (n < 2) return { mean, upper: cap, samples: n };
  let squares = 0;
  for (let i = 0; i < n; i++) {
    const d = Math.min(values[i]!, cap) - mean;
    squares += d * d;
  }
  const log = math.log(2 / (1 - confidence));
  const upper = mean + Math.sqrt((2 * (squares / (n - 1)) * log) / n) + (7 * cap * log) / (3 * (n - 1));
  return { mean, upper: Math.min(upper, cap), samples: n };
}
