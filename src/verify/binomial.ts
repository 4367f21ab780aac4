import * as math from '../math.ts';
/** ln n! for whole n >= 0, to about 1e-15 relative: a product below 32, Stirling's series above. */
export function logFactorial(n: number): number {
  if (n < 32) {
    let product = 1;
    for (let k = 2; k <= n; k++) product *= k;
    return math.log(product);
  }
  const x = n + 1;
  const y = 1 / (x * x);
  const series = (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y / 1188)))) / x;
  return (x - 0.5) * math.log(x) - x + 0.5 * math.log(2 * Math.PI) + series;
}

/** P(X = k) for X ~ Binomial(n, p), 0 < p < 1. */
function density(n: number, k: number, p: number): number {
  const choose = logFactorial(n) - logFactorial(k) - logFactorial(n - k);
  return math.exp(choose + k * math.log(p) + (n - k) * math.log1p(-p));
}

/** P(X >= k). Summed from the larger terms on, until the rest no longer counts. */
export function upperTail(n: number, k: number, p: number): number {
  if (k <= 0) return 1;
  if (k > n || p <= 0) return 0;
  if (p >= 1) return 1;
  if (k <= n * p) return 1 - lowerTail(n, k - 1, p);
  let term = density(n, k, p);
  let sum = 0;
  for (let j = k; j <= n && term > 1e-18 * sum; j++) {
    sum += term;
    term *= ((n - j) / (j + 1)) * (p / (1 - p));
  }
  return Math.min(1, sum);
}

/** P(X <= k). */
export function lowerTail(n: number, k: number, p: number): number {
  if (k >= n || p <= 0) return 1;
  if (k < 0 || p >= 1) return 0;
  if (k >= n * p) return 1 - upperTail(n, k + 1, p);
  let term = density(n, k, p);
  let sum = 0;
  for (let j = k; j >= 0 && term > 1e-18 * sum; j--) {
    sum += term;
    term *= (j / (n - j + 1)) * ((1 - p) / p);
  }
  return Math.min(1, sum);
}
