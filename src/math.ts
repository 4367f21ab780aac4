/**
 * Elementary functions of doubles made of operations that IEEE 754 rounds correctly, so that every JavaScript engine gets the same
 * bits; those of `Math` may differ in the last place. Within a few units in the last place of the true value; for infinities, NaN
 * and arguments outside the domain what `Math` gives.
 */

/** ln 2 and pi / 2 in pieces whose products with whole numbers below 2^20 are exact. */
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
const HALF_PI = [1.5707963267341256, 6.077100506303966e-11, 2.0222662487111665e-21] as const;

const word = new DataView(new ArrayBuffer(8));

/** 2^k for -1022 <= k <= 1023. */
function powerOfTwo(k: number): number {
  word.setUint32(0, (k + 1023) << 20);
  word.setUint32(4, 0);
  return word.getFloat64(0);
}

/** x = m 2^e with m in [sqrt(1/2), sqrt(2)), x positive and finite. */
function split(x: number): readonly [m: number, e: number] {
  const tiny = x < 2.2250738585072014e-308;
  word.setFloat64(0, tiny ? x * 18014398509481984 : x);
  const high = word.getUint32(0);
  word.setUint32(0, (high & 0xfffff) | 0x3ff00000);
  const m = word.getFloat64(0);
  const e = (high >>> 20) - 1023 - (tiny ? 54 : 0);
  return m > Math.SQRT2 ? [m / 2, e + 1] : [m, e];
}

/** c[0] + c[1] x + c[2] x^2 + ... */
function horner(x: number, c: readonly number[]): number {
  let sum = 0;
  for (let i = c.length - 1; i >= 0; i--) sum = sum * x + c[i]!;
  return sum;
}

/** a(0), a(1), ... */
const terms = (n: number, a: (i: number) => number): readonly number[] => Array.from({ length: n }, (_, i) => a(i));

function factorial(n: number): number {
  let product = 1;
  for (let i = 2; i <= n; i++) product *= i;
  return product;
}

const sign = (i: number): number => (i % 2 === 0 ? 1 : -1);

/** Taylor's coefficients: (exp x - 1) / x, sin x / x and cos x in x^2, atanh x / x and atan x / x in x^2. */
const EXPM1 = terms(14, (i) => 1 / factorial(i + 1));
const SIN = terms(10, (i) => sign(i) / factorial(2 * i + 1));
const COS = terms(10, (i) => sign(i) / factorial(2 * i));
const ATANH = terms(13, (i) => 1 / (2 * i + 1));
const ATAN = terms(13, (i) => sign(i) / (2 * i + 1));

export function exp(x: number): number {
  if (Number.isNaN(x)) return x;
  if (x > 709.79) return Number.POSITIVE_INFINITY;
  if (x < -745.14) return 0;
  const k = Math.round(x / Math.LN2);
  const r = x - k * LN2_HIGH - k * LN2_LOW;
  const m = 1 + r * horner(r, EXPM1);
  // in two steps: the exponent may lie beyond what one power of two has
  const half = Math.trunc(k / 2);
  return m * powerOfTwo(half) * powerOfTwo(k - half);
}

/** 2^x, exact for whole x. */
export function exp2(x: number): number {
  if (Number.isNaN(x)) return x;
  if (x >= 1024) return Number.POSITIVE_INFINITY;
  if (x < -1080) return 0;
  const k = Math.round(x);
  const r = (x - k) * Math.LN2;
  const half = Math.trunc(k / 2);
  return (1 + r * horner(r, EXPM1)) * powerOfTwo(half) * powerOfTwo(k - half);
}

/** exp x - 1, near 0 without cancellation. */
export function expm1(x: number): number {
  return Math.abs(x) < 0.35 ? x * horner(x, EXPM1) : exp(x) - 1;
}

/** ln m for m in [sqrt(1/2), sqrt(2)). */
function logNearOne(m: number): number {
  const s = (m - 1) / (m + 1);
  return 2 * s * horner(s * s, ATANH);
}

const special = (x: number): number | undefined => {
  if (x > 0 && x < Number.POSITIVE_INFINITY) return undefined;
  return x === 0 ? Number.NEGATIVE_INFINITY : x > 0 ? x : Number.NaN;
};

export function log(x: number): number {
  const found = special(x);
  if (found !== undefined) return found;
  const [m, e] = split(x);
  return e * LN2_HIGH + (logNearOne(m) + e * LN2_LOW);
}

/** Exact for powers of two. */
export function log2(x: number): number {
  const found = special(x);
  if (found !== undefined) return found;
  const [m, e] = split(x);
  return e + logNearOne(m) / Math.LN2;
}

export const log10 = (x: number): number => log(x) / Math.LN10;

/** ln(1 + x), near 0 without cancellation: what rounding of 1 + x lost is made good. */
export function log1p(x: number): number {
  const u = 1 + x;
  return u === 1 || !Number.isFinite(u) ? (u === 1 ? x : log(u)) : log(u) * (x / (u - 1));
}

/** x^p; exact where the true value is 0, 1 or infinite. */
export function pow(x: number, p: number): number {
  if (p === 0 || !(x > 0) || x === Number.POSITIVE_INFINITY || !Number.isFinite(p)) return special754(x, p);
  return p === 0.5 ? Math.sqrt(x) : p === 1 ? x : exp(p * log(x));
}

/** x^p where x or p is zero, infinite or no number, or x is negative. */
function special754(x: number, p: number): number {
  if (p === 0) return 1;
  if (Number.isNaN(x) || Number.isNaN(p)) return Number.NaN;
  const size = Math.abs(x);
  if (!Number.isFinite(p)) {
    if (size === 1) return Number.NaN;
    return size > 1 === p > 0 ? Number.POSITIVE_INFINITY : 0;
  }
  const odd = Math.abs(p % 2) === 1;
  const negative = (x < 0 || Object.is(x, -0)) && odd;
  if (size === 0 || size === Number.POSITIVE_INFINITY) {
    const value = (size === 0) === p > 0 ? 0 : Number.POSITIVE_INFINITY;
    return negative ? -value : value;
  }
  if (!Number.isInteger(p)) return Number.NaN;
  const value = exp(p * log(size));
  return negative ? -value : value;
}

/** x less the nearest multiple of pi / 2, and which one that is, modulo 4. */
function reduced(x: number): readonly [r: number, quadrant: number] {
  if (Math.abs(x) >= 2 ** 20) return reducedExactly(x);
  const k = Math.round(x / (Math.PI / 2));
  if (k === 0) return [x, 0];
  return [x - k * HALF_PI[0] - k * HALF_PI[1] - k * HALF_PI[2], ((k % 4) + 4) % 4];
}

/** Bits after the point with which multiples of pi / 2 are taken off large numbers: those of the largest double and 176 more. */
const BITS = 1200n;
let halfPi: bigint | undefined;

/** pi / 2 by Machin's formula, in units of 2^-BITS. */
function machin(): bigint {
  const one = 1n << (BITS + 16n);
  const inverse = (n: bigint): bigint => {
    let [power, sum] = [one / n, 0n];
    for (let i = 1n; power !== 0n; i += 2n) {
      sum += i % 4n === 1n ? power / i : -(power / i);
      power /= n * n;
    }
    return sum;
  };
  return (8n * inverse(5n) - 2n * inverse(239n)) >> 16n;
}

function reducedExactly(x: number): readonly [r: number, quadrant: number] {
  halfPi ??= machin();
  const size = BigInt(Math.abs(x) >= 2 ** 53 ? Math.abs(x) : Math.trunc(Math.abs(x)));
  const rest = Math.abs(x) >= 2 ** 53 ? 0 : Math.abs(x) - Math.trunc(Math.abs(x));
  const scaled = (size << BITS) + (BigInt(rest * 2 ** 53) << (BITS - 53n));
  let quotient = scaled / halfPi;
  let r = scaled % halfPi;
  if (2n * r > halfPi) {
    r -= halfPi;
    quotient++;
  }
  // 100 bits after the point are enough for one that is small as well
  const small = Number(r >> (BITS - 100n)) * powerOfTwo(-100);
  const quadrant = Number(quotient % 4n);
  return x < 0 ? [-small, (4 - quadrant) % 4] : [small, quadrant];
}

const sinNear = (r: number): number => r * horner(r * r, SIN);
const cosNear = (r: number): number => horner(r * r, COS);

export function sin(x: number): number {
  if (!Number.isFinite(x)) return Number.NaN;
  const [r, quadrant] = reduced(x);
  const size = quadrant % 2 === 0 ? sinNear(r) : cosNear(r);
  return quadrant < 2 ? size : -size;
}

export function cos(x: number): number {
  if (!Number.isFinite(x)) return Number.NaN;
  const [r, quadrant] = reduced(x);
  const size = quadrant % 2 === 0 ? cosNear(r) : sinNear(r);
  return quadrant === 1 || quadrant === 2 ? -size : size;
}

export function tan(x: number): number {
  if (!Number.isFinite(x)) return Number.NaN;
  const [r, quadrant] = reduced(x);
  return quadrant % 2 === 0 ? sinNear(r) / cosNear(r) : -cosNear(r) / sinNear(r);
}

/** The angle is halved twice before the series. */
export function atan(x: number): number {
  if (Math.abs(x) > 1) return (x < 0 ? -Math.PI / 2 : Math.PI / 2) - atan(1 / x);
  const half = x / (1 + Math.sqrt(1 + x * x));
  const quarter = half / (1 + Math.sqrt(1 + half * half));
  return 4 * quarter * horner(quarter * quarter, ATAN);
}

export const asin = (x: number): number => atan(x / Math.sqrt((1 - x) * (1 + x)));

export const acos = (x: number): number => (x === 1 ? 0 : 2 * atan(Math.sqrt((1 - x) / (1 + x))));

export function sinh(x: number): number {
  const size = Math.abs(x);
  if (size < 22) {
    const e = expm1(size);
    const found = (e + e / (e + 1)) / 2;
    return x < 0 || Object.is(x, -0) ? -found : found;
  }
  const root = exp(size / 2);
  return x < 0 ? -(root / 2) * root : (root / 2) * root;
}

export function cosh(x: number): number {
  const root = exp(Math.abs(x) / 2);
  return (root / 2) * root + 1 / root / root / 2;
}

export function tanh(x: number): number {
  if (Math.abs(x) > 22) return Math.sign(x);
  const e = expm1(2 * x);
  return e / (e + 2);
}

/** Where x^2 + 1 is x^2. */
const LARGE = 2 ** 28;

export function asinh(x: number): number {
  const size = Math.abs(x);
  if (size === 0 || size === Number.POSITIVE_INFINITY) return x;
  const found = size > LARGE ? log(size) + Math.LN2 : log1p(size + (size * size) / (1 + Math.sqrt(1 + size * size)));
  return x < 0 ? -found : found;
}

export function acosh(x: number): number {
  if (x > LARGE) return log(x) + Math.LN2;
  const t = x - 1;
  return log1p(t + Math.sqrt(2 * t + t * t));
}

export function atanh(x: number): number {
  const size = Math.abs(x);
  if (size === 0) return x;
  const found = log1p((2 * size) / (1 - size)) / 2;
  return x < 0 ? -found : found;
}
