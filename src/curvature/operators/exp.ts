const { LN2 } = Math;

/** e^x from +, -, *, / alone, so that it is the same in every engine; right to a few units in the last place. */
export function exp(x: number): number {
  if (x > 709.7) return Number.POSITIVE_INFINITY;
  if (x < -745) return 0;
  const k = Math.round(x / LN2);
  // ln 2 in two parts, the first with few enough bits that k times it is exact.
  const r = x - k * 0.693145751953125 - k * 1.4286068203094173e-6;
  let sum = 1;
  for (let i = 18; i >= 1; i--) sum = 1 + (sum * r) / i;
  let y = sum;
  for (let i = 0; i < Math.abs(k); i++) y = k > 0 ? y * 2 : y / 2;
  return y;
}
