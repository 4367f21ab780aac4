import * as math from '../math.ts';
/**
 * The discrete Fourier transform X[k] = sum over t of x[t] exp(-2 pi i k t / n), in f64: radix 2 for powers of two (Cooley and
 * Tukey, 1965), any other length as a convolution with a chirp (L. Bluestein, 1970). O(n log n) for every n.
 */
export class Fourier {
  readonly #run: (re: Float64Array, im: Float64Array) => void;

  /** @param n length, 1 or more */
  constructor(readonly n: number) {
    this.#run = (n & (n - 1)) === 0 ? radix2(n) : bluestein(n);
  }

  /** In place, the arrays of length n. */
  forward(re: Float64Array, im: Float64Array): void {
    this.#run(re, im);
  }

  /** In place, with exp(+2 pi i k t / n) and divided by n. */
  inverse(re: Float64Array, im: Float64Array): void {
    this.#run(im, re);
    for (let i = 0; i < this.n; i++) {
      re[i]! /= this.n;
      im[i]! /= this.n;
    }
  }
}

function radix2(n: number): (re: Float64Array, im: Float64Array) => void {
  const half = n >> 1;
  const cos = new Float64Array(half);
  const sin = new Float64Array(half);
  for (let i = 0; i < half; i++) {
    cos[i] = math.cos((2 * Math.PI * i) / n);
    sin[i] = -math.sin((2 * Math.PI * i) / n);
  }
  return (re, im) => {
    reverse(re, im);
    for (let size = 1; size < n; size *= 2) {
      const stride = half / size;
      for (let at = 0; at < n; at += 2 * size)
        for (let p = at, w = 0; p < at + size; p++, w += stride) {
          const q = p + size;
          const c = cos[w]!;
          const s = sin[w]!;
          const x = re[q]!;
          const y = im[q]!;
          const a = x * c - y * s;
          const b = x * s + y * c;
          const u = re[p]!;
          const v = im[p]!;
          re[q] = u - a;
          im[q] = v - b;
          re[p] = u + a;
          im[p] = v + b;
        }
    }
  };
}

/** Elements i and j change places where the bits of j are those of i from back to front. */
function reverse(re: Float64Array, im: Float64Array): void {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j |= bit;
    if (i >= j) continue;
    const x = re[i]!;
    const y = im[i]!;
    re[i] = re[j]!;
    im[i] = im[j]!;
    re[j] = x;
    im[j] = y;
  }
}

/** With k t = (k^2 + t^2 - (k - t)^2) / 2 the transform is a convolution, done by transforms of a power of two >= 2n - 1. */
function bluestein(n: number): (re: Float64Array, im: Float64Array) => void {
  const m = 2 ** Math.ceil(math.log2(2 * n - 1));
  const transform = radix2(m);
  const cos = new Float64Array(n);
  const sin = new Float64Array(n);
  // k^2 mod 2n, step by step: exact, where k^2 itself would not be.
  for (let k = 0, square = 0; k < n; k++) {
    cos[k] = math.cos((Math.PI * square) / n);
    sin[k] = -math.sin((Math.PI * square) / n);
    square = (square + 2 * k + 1) % (2 * n);
  }
  const [chirpRe, chirpIm] = [new Float64Array(m), new Float64Array(m)];
  for (let k = 0; k < n; k++) {
    chirpRe[k] = chirpRe[(m - k) % m] = cos[k]!;
    chirpIm[k] = chirpIm[(m - k) % m] = -sin[k]!;
  }
  transform(chirpRe, chirpIm);
  const [a, b] = [new Float64Array(m), new Float64Array(m)];
  return (re, im) => {
    a.fill(0);
    b.fill(0);
    for (let k = 0; k < n; k++) {
      a[k] = re[k]! * cos[k]! - im[k]! * sin[k]!;
      b[k] = re[k]! * sin[k]! + im[k]! * cos[k]!;
    }
    transform(a, b);
    for (let k = 0; k < m; k++) {
      const x = a[k]!;
      const y = b[k]!;
      a[k] = x * chirpRe[k]! - y * chirpIm[k]!;
      b[k] = x * chirpIm[k]! + y * chirpRe[k]!;
    }
    // The inverse, with real and imaginary part changing places.
    transform(b, a);
    for (let k = 0; k < n; k++) {
      re[k] = (a[k]! * cos[k]! - b[k]! * sin[k]!) / m;
      im[k] = (a[k]! * sin[k]! + b[k]! * cos[k]!) / m;
    }
  };
}
