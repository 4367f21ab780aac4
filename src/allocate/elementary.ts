/**
 * log2 and exp2 from +, -, *, / alone: JavaScript engines may differ in the last bits of Math.log2 and Math.pow, and a plan
 * must come out the same everywhere. Both are right to a few units in the last place.
 */
const { LN2 } = Math;

/** Binary logarithm of a positive finite number. @throws RangeError otherwise */
export function log2(x: number): number {
  if (!(x > 0) || x === Number.POSITIVE_INFINITY)
    throw new RangeError(`log2: expected a positive finite number, got ${x}`);
  let m = x;
  let e = 0;
  // Every step multiplies by a power of two and is exact.
  for (let step = 512; step >= 1; step /= 2) {
    const p = pow2(step);
    while (m >= p) {
      m /= p;
      e += step;
    }
  }
  for (let step = 512; step >= 1; step /= 2) {
    const p = pow2(step);
    while (m * p < 2) {
      m *= p;
      e -= step;
    }
  }
  if (m > Math.SQRT2) {
    m /= 2;
    e += 1;
  }
  // ln m = 2 artanh s with |s| <= 0.1716: the first term left out is below 1e-20.
  const s = (m - 1) / (m + 1);
  const q = s * s;
  let sum = 0;
  for (let k = 25; k >= 1; k -= 2) sum = sum * q + 1 / k;
  return e + (2 * s * sum) / LN2;
}

/** 2 to the power x; 0 below the smallest number, Infinity above the largest. @throws RangeError for NaN */
export function exp2(x: number): number {
  if (Number.isNaN(x)) throw new RangeError('exp2: expected a number, got NaN');
  if (x > 1025) return Number.POSITIVE_INFINITY;
  if (x < -1080) return 0;
  const k = Math.round(x);
  const t = (x - k) * LN2;
  let sum = 1;
  for (let i = 18; i >= 1; i--) sum = 1 + (sum * t) / i;
  return scale(sum, k);
}

/** x * 2^k in steps that are exact as long as the result is a normal number. */
function scale(x: number, k: number): number {
  let y = x;
  let left = k;
  while (left > 0) {
    const step = Math.min(left, 512);
    y *= pow2(step);
    left -= step;
  }
  while (left < 0) {
    const step = Math.min(-left, 512);
    y /= pow2(step);
    left += step;
  }
  return y;
}

/** 2^n for an integer 0 <= n <= 512, exact. */
function pow2(n: number): number {
  let y = 1;
  let base = 2;
  for (let left = n; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) y *= base;
    base *= base;
  }
  return y;
}
