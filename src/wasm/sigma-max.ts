import { checkMatrix, maxAbs, scaleFor } from './matrix.ts';
import { svd } from './svd.ts';
import type { Wasm } from './wasm.ts';

/** Up to this many columns the whole decomposition is as quick. */
const SMALL = 32;
/** Lanczos steps after which the whole decomposition is made instead, or, of a large matrix, a looser residual will do. */
const MOST_STEPS = 160;
/** A matrix is large where the smaller of its sizes is more than this. */
const LARGE = 1024;
/** Residual of the Ritz pair, relative to the Ritz value, at which to stop. */
const TOLERANCE = 1e-11;
/** The same for large matrices after MOST_STEPS: the value itself is then good to about 1e-8. */
const LOOSE = 1e-4;

/**
 * Largest singular value of a, row-major [m, n], floats or doubles, to about 1e-11 relative (the error of a Ritz value is quadratic in its residual, so in
 * practice nearer rounding): Lanczos on a'a (or aa', the smaller) with full reorthogonalisation (Paige 1972; Golub and Van Loan,
 * Matrix Computations, 10.1), from a fixed start; one-sided Jacobi where that is small or slow to converge.
 *
 * @throws TypeError, RangeError, UnsupportedError as `svd`
 */
export function sigmaMax(wasm: Wasm, a: Float64Array | Float32Array, m: number, n: number): number {
  checkMatrix('sigmaMax', a, m, n);
  const largest = maxAbs(a);
  if (largest === 0) return 0;
  const whole = () => svd(wasm, Float64Array.from(a), m, n).sigma[0]!;
  if (Math.min(m, n) <= SMALL) return whole();
  // Squares of floats, and sums of them, are far from the ends of the doubles.
  const scale = a instanceof Float64Array ? scaleFor(largest) : 1;
  const squared = lanczos(wasm, a, m, n, scale);
  return squared === undefined ? whole() : Math.sqrt(squared) / scale;
}

/** Largest eigenvalue of the Gram matrix of scale * a; undefined where it did not converge. */
function lanczos(wasm: Wasm, a: Float64Array | Float32Array, m: number, n: number, scale: number): number | undefined {
  const { k, arena } = wasm;
  const size = Math.min(m, n);
  return arena.scope((alloc) => {
    const wide = a instanceof Float64Array;
    const gemv = wide ? k.gemv_f64 : k.gemv_f32;
    const matrix = alloc(a.byteLength);
    const inner = alloc(8 * size);
    const outer = alloc(8 * Math.max(m, n));
    const product = alloc(8 * size);
    if (wide) {
      const scaled = arena.f64(matrix, m * n);
      for (let i = 0; i < a.length; i++) scaled[i] = a[i]! * scale;
    } else arena.put(matrix, a);
    const gram = (v: Float64Array): Float64Array => {
      arena.put(inner, v);
      gemv(m < n ? 1 : 0, m, n, matrix, inner, outer);
      gemv(m < n ? 0 : 1, m, n, matrix, outer, product);
      return arena.f64(product, size).slice();
    };

    const basis: Float64Array[] = [];
    const diagonal: number[] = [];
    const offDiagonal: number[] = [];
    let v = start(size);
    const most = Math.min(size, size > LARGE ? 2 * MOST_STEPS : MOST_STEPS);
    for (let step = 1; step <= most; step++) {
      basis.push(v);
      const w = gram(v);
      diagonal.push(dot(v, w));
      for (let pass = 0; pass < 2; pass++) for (const b of basis) addMultiple(w, b, -dot(b, w));
      const next = Math.sqrt(dot(w, w));
      const last = step === size || next < 1e-14 * Math.max(...diagonal);
      if (last || step % 4 === 0) {
        const ritz = largestEigenvalue(diagonal, offDiagonal);
        const residual = next * lastComponent(diagonal, offDiagonal, ritz);
        if (last || residual <= (step > MOST_STEPS ? LOOSE : TOLERANCE) * ritz) return ritz;
      }
      offDiagonal.push(next);
      v = w.map((x) => x / next);
    }
    return undefined;
  });
}

/** A fixed unit vector without structure. */
function start(size: number): Float64Array {
  let state = 0x9e3779b9;
  const v = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    v[i] = state / 2 ** 31 - 1;
  }
  const length = Math.sqrt(dot(v, v));
  return v.map((x) => x / length);
}

/** Of a symmetric tridiagonal matrix, by bisection on the number of eigenvalues above a point (Sturm sequence). */
function largestEigenvalue(diagonal: readonly number[], off: readonly number[]): number {
  const size = diagonal.length;
  let lo = Math.max(...diagonal);
  let hi = 0;
  for (let i = 0; i < size; i++) hi = Math.max(hi, diagonal[i]! + (off[i - 1] ?? 0) + (i < size - 1 ? off[i]! : 0));
  for (;;) {
    const mid = lo + (hi - lo) / 2;
    if (!(mid > lo && mid < hi)) return mid;
    if (hasEigenvalueAbove(diagonal, off, mid)) lo = mid;
    else hi = mid;
  }
}

function hasEigenvalueAbove(diagonal: readonly number[], off: readonly number[], x: number): boolean {
  let pivot = 1;
  for (let i = 0; i < diagonal.length; i++) {
    pivot = diagonal[i]! - x - (i === 0 ? 0 : (off[i - 1]! * off[i - 1]!) / pivot);
    if (pivot >= 0) return true;
  }
  return false;
}

/** |last component| of the unit eigenvector of the largest eigenvalue, by the recurrence from the bottom, along which it grows. */
function lastComponent(diagonal: readonly number[], off: readonly number[], value: number): number {
  let below = 0;
  let here = 1;
  let squares = 1;
  for (let i = diagonal.length - 1; i > 0; i--) {
    const above = ((value - diagonal[i]!) * here - (off[i] ?? 0) * below) / off[i - 1]!;
    below = here;
    here = above;
    squares += here * here;
  }
  return 1 / Math.sqrt(squares);
}

function dot(x: Float64Array, y: Float64Array): number {
  let s = 0;
  for (let i = 0; i < x.length; i++) s += x[i]! * y[i]!;
  return s;
}

/** y += s x */
function addMultiple(y: Float64Array, x: Float64Array, s: number): void {
  for (let i = 0; i < x.length; i++) y[i]! += s * x[i]!;
}
