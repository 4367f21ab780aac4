import * as math from '../math.ts';
/**
 * Theorem 4.7 (precision obstruction) in the reading that is true; proofs in docs/theory.md.
 *
 * Let f be continuous on a segment of length D with f'' of one sign and |f''| >= kappa there. Whatever takes at most 2^p
 * distinct values on the segment is somewhere off by at least kappa D^2 / (16 2^p). So an error of at most eps everywhere
 * needs p >= log2(kappa D^2 / (16 eps)). kappa is the *minimum* of |f''|, twice Definition 4.1's curvature of a function of one
 * variable where that is constant; with a maximum over a wide domain the statement is false.
 */

/** @throws TypeError, RangeError naming the argument */
function positive(value: number, name: string): void {
  if (typeof value !== 'number') throw new TypeError(`${name}: expected a number, got ${typeof value}`);
  if (!(value > 0) || value === Number.POSITIVE_INFINITY)
    throw new RangeError(`${name}: expected a positive finite number, got ${value}`);
}

/**
 * Proved necessary bits p, a real number that may be negative (then the theorem asks for nothing): log2(kappa D^2 / (16 eps)).
 * For the whole number of bits take `wholeBits`.
 * @param minSecondDerivative least |f''| on the segment, > 0
 * @param diameter length of the segment, > 0
 * @param error largest error wanted anywhere on it, > 0
 */
export function requiredBits(minSecondDerivative: number, diameter: number, error: number): number {
  positive(minSecondDerivative, 'minSecondDerivative');
  positive(diameter, 'diameter');
  positive(error, 'error');
  return log2Ratio(minSecondDerivative * diameter * diameter, 16 * error);
}

/**
 * Proved: a piecewise linear evaluation with 2^p pieces, continuous or not, has an error of at least kappa D^2 / (16 4^p), so
 * p >= 1/2 log2(kappa D^2 / (16 eps)). Arguments as `requiredBits`.
 */
export function requiredPieceBits(minSecondDerivative: number, diameter: number, error: number): number {
  return requiredBits(minSecondDerivative, diameter, error) / 2;
}

/** Proved: the least error of 2^p distinct values, osc f / 2^(p+1) for the oscillation the curvature forces. */
export function leastError(minSecondDerivative: number, diameter: number, bits: number): number {
  positive(minSecondDerivative, 'minSecondDerivative');
  positive(diameter, 'diameter');
  if (!Number.isInteger(bits) || bits < 0 || bits > 1000)
    throw new RangeError(`bits: expected an integer from 0 to 1000, got ${bits}`);
  let values = 1;
  for (let i = 0; i < bits; i++) values *= 2;
  return (minSecondDerivative * diameter * diameter) / 16 / values;
}

/**
 * The seed document's log2(c kappa D^2 / eps), c = 1, with its own curvature kappa (Definition 4.1), D and eps: a proxy, neither
 * necessary nor sufficient in general.
 */
export function recommendedBits(kappa: number, diameter: number, error: number, c = 1): number {
  positive(kappa, 'kappa');
  positive(diameter, 'diameter');
  positive(error, 'error');
  positive(c, 'c');
  return log2Ratio(c * kappa * diameter * diameter, error);
}

/** Least whole number of bits p >= 0 with 2^p >= ratio, by doubling: exact, and the same in every engine. */
export function wholeBits(ratio: number): number {
  if (!(ratio < Number.POSITIVE_INFINITY)) throw new RangeError(`wholeBits: expected a finite ratio, got ${ratio}`);
  let p = 0;
  for (let values = 1; values < ratio; values *= 2) p++;
  return p;
}

/**
 * log2(a / b), exact where it is a whole number: whole bits taken by doubling and halving, the rest by Math.log2 of a number in
 * [1, 2), whose last bits may differ between engines but never carry over a whole number.
 */
function log2Ratio(a: number, b: number): number {
  let ratio = a / b;
  if (!(ratio > 0) || ratio === Number.POSITIVE_INFINITY)
    throw new RangeError(`${a} / ${b}: out of the range of numbers`);
  let whole = 0;
  while (ratio >= 2) {
    ratio /= 2;
    whole++;
  }
  while (ratio < 1) {
    ratio *= 2;
    whole--;
  }
  return whole + math.log2(ratio);
}
