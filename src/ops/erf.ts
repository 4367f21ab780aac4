import * as math from '../math.ts';
/**
 * The error function of doubles, to about 1e-15: its series (Abramowitz and Stegun 7.1.6) up to 2.5, 1 - erfc by erfc's
 * continued fraction (7.1.14) beyond.
 */
export function erf(v: number): number {
  const a = Math.abs(v);
  if (!(a < 6)) return Math.sign(v);
  const weight = math.exp(-a * a) / Math.sqrt(Math.PI);
  if (a < 2.5) {
    let term = a;
    let total = a;
    for (let n = 1; term > total * 1e-17; n++) {
      term *= (2 * a * a) / (2 * n + 1);
      total += term;
    }
    return Math.sign(v) * 2 * weight * total;
  }
  let fraction = a;
  for (let n = 60; n >= 1; n--) fraction = a + n / 2 / fraction;
  return Math.sign(v) * (1 - weight / fraction);
}
