import { gramMatrix } from './gram-factor.ts';
import { checkMatrix, type Floats, inOrder, maxAbs, place, placeFloats, scaleFor } from './matrix.ts';
import { svd } from './svd.ts';
import type { Wasm } from './wasm.ts';

/** Up to this many columns the whole decomposition is as quick. */
const SMALL = 32;
/** Up to this many the Gram matrix is made first: its products cost less than the steps then save. */
const SHORT = 1024;
/** Lanczos steps after which the whole decomposition is made instead, or, of a large matrix, a looser residual will do. */
const MOST_STEPS = 160;
/** Steps that tell whether a limit is far exceeded. */
const FIRST_STEPS = 12;
/** A matrix is large where the smaller of its sizes is more than this. */
const LARGE = 1024;
/** Error of the Ritz value, relative to it, at which to stop. */
const TOLERANCE = 1e-12;
/** Residual, relative to the Ritz value, from which the error is taken to be quadratic in it. */
const NEAR = 1e-5;
/** Residual of large matrices after MOST_STEPS: the value itself is then good to about 1e-8. */
const LOOSE = 1e-4;

/**
 * Floats [m, c, taps] in the kernels' memory seen as a matrix: element [i, j, t] is in row i rowTaps + row[t] and column
 * j colTaps + col[t].
 */
export interface Unfolded {
  readonly address: number;
  readonly m: number;
  readonly c: number;
  readonly rowTaps: number;
  readonly colTaps: number;
  /** One a tap, below rowTaps. */
  readonly row: ArrayLike<number>;
  /** One a tap, below colTaps. */
  readonly col: ArrayLike<number>;
}

/**
 * Largest singular value of a, row-major [m, n], floats or doubles, to about 1e-11 relative: Lanczos on a'a (or aa', the smaller)
 * with full reorthogonalisation (Paige 1972; Golub and Van Loan, Matrix Computations, 10.1), from a fixed start; one-sided Jacobi
 * where that is small or slow to converge. It stops when the residual, or its square over the distance to the next Ritz value (Parlett,
 * The Symmetric Eigenvalue Problem, 11.7), is below 1e-12.
 *
 * @throws TypeError, RangeError, UnsupportedError as `svd`
 */
export function sigmaMax(wasm: Wasm, a: Float64Array | Floats, m: number, n: number): number {
  if (a instanceof Float64Array) return ofDoubles(wasm, a, m, n);
  return wasm.arena.scope((alloc) => {
    const address = placeFloats(wasm, alloc, a);
    checkMatrix('sigmaMax', wasm.arena.f32(address, a.byteLength >> 2), m, n);
    return unfoldedSigmaMax(wasm, { address, m, c: n, rowTaps: 1, colTaps: 1, row: [0], col: [0] });
  });
}

/** Of doubles, brought to a largest element of about 1: squares neither overflow nor underflow. */
function ofDoubles(wasm: Wasm, a: Float64Array, m: number, n: number): number {
  checkMatrix('sigmaMax', a, m, n);
  const largest = maxAbs(a);
  if (largest === 0) return 0;
  const [wide, size] = [m < n, Math.min(m, n)];
  const scale = scaleFor(largest);
  const inPlace = (address: number, wide: boolean) => {
    const [tall, count] = wide ? [n, m] : [m, n];
    const factors = new Float64Array(count).fill(scale);
    place(wasm.arena.f64(address, m * n), a, wide, { rows: inOrder(tall), cols: inOrder(count), factors });
  };
  const found = largestOf(wasm, {
    size,
    limit: Number.POSITIVE_INFINITY,
    whole: () => svd(wasm, a, m, n).sigma[0]! * scale,
    gram: (alloc) => {
      const matrix = alloc(8 * m * n);
      inPlace(matrix, wide);
      return gramOperator(wasm, alloc, matrix, Math.max(m, n), size);
    },
    direct: (alloc) => {
      const matrix = alloc(8 * m * n);
      inPlace(matrix, true);
      return products(alloc, wasm.k.gemv_f64, matrix, m, n);
    },
  });
  return found / scale;
}

/**
 * The same of finite floats. Squares of floats, and sums of them, are far from the ends of the doubles.
 * @param limit where the value is certain to exceed this, the search ends and Infinity is returned
 */
export function unfoldedSigmaMax(wasm: Wasm, a: Unfolded, limit: number = Number.POSITIVE_INFINITY): number {
  const { k, arena } = wasm;
  const { address, m, c, rowTaps, colTaps } = a;
  const [rows, cols] = [m * rowTaps, c * colTaps];
  const [wide, size] = [rows < cols, Math.min(rows, cols)];
  if (size === 0) return 0;
  if (size === 1) {
    return arena.scope((alloc) => {
      const out = alloc(8);
      k.sum_squares(address, rows * cols, out);
      return Math.sqrt(arena.f64(out, 1)[0]!);
    });
  }
  const unfold = (alloc: Alloc, to: number, kernel: typeof k.unfold_f32, byRows: boolean): number => {
    const taps = a.row.length;
    const at = alloc(4 * taps);
    const [stepM, stepC] = byRows ? [rowTaps * cols, colTaps] : [rowTaps, colTaps * rows];
    const places = arena.i32(at, taps);
    for (let t = 0; t < taps; t++) places[t] = byRows ? a.row[t]! * cols + a.col[t]! : a.col[t]! * rows + a.row[t]!;
    kernel(address, m, c, taps, at, stepM, stepC, to);
    return to;
  };
  return largestOf(wasm, {
    size,
    limit,
    whole: () => {
      const all = arena.scope((alloc) =>
        arena.f64(unfold(alloc, alloc(8 * rows * cols), k.unfold_f64, true), rows * cols).slice(),
      );
      return svd(wasm, all, rows, cols).sigma[0]!;
    },
    gram: (alloc) => {
      const matrix = unfold(alloc, alloc(8 * rows * cols), k.unfold_f64, wide);
      return gramOperator(wasm, alloc, matrix, Math.max(rows, cols), size);
    },
    direct: (alloc) => {
      // Of one row tap the floats lie as the matrix has them.
      const matrix = rowTaps === 1 ? address : unfold(alloc, alloc(4 * rows * cols), k.unfold_f32, true);
      return products(alloc, k.gemv_f32, matrix, rows, cols);
    },
  });
}

type Alloc = (bytes: number) => number;
/** Writes to `to` the product of the Gram matrix and what is at `from`. */
type Operator = (from: number, to: number) => void;

/** A matrix whose largest singular value is wanted. */
interface Task {
  /** The smaller of its sizes, above 0. */
  readonly size: number;
  readonly limit: number;
  /** The value by the whole decomposition. */
  readonly whole: () => number;
  /** The Gram matrix as one product with it, made beforehand. */
  readonly gram: (alloc: Alloc) => Operator;
  /** The Gram matrix as two products with the matrix. */
  readonly direct: (alloc: Alloc) => Operator;
}

function largestOf(wasm: Wasm, { size, limit, whole, gram, direct }: Task): number {
  if (size <= SMALL) return whole();
  const most = Math.min(size, size > LARGE ? 2 * MOST_STEPS : MOST_STEPS);
  const search = (make: (alloc: Alloc) => Operator, steps: number): number | undefined =>
    wasm.arena.scope((alloc) => lanczos(wasm, alloc, make(alloc), size, limit ** 2, steps));
  let squared: number | undefined;
  if (size > SHORT) squared = search(direct, most);
  else {
    if (limit < Number.POSITIVE_INFINITY) squared = search(direct, Math.min(size, FIRST_STEPS));
    squared ??= search(gram, most);
  }
  return squared === undefined ? whole() : Math.sqrt(squared);
}

/** Two products with a row-major matrix. */
function products(alloc: Alloc, gemv: Gemv, matrix: number, m: number, n: number): Operator {
  const outer = alloc(8 * Math.max(m, n));
  return (from, to) => {
    gemv(m < n ? 1 : 0, m, n, matrix, from, outer);
    gemv(m < n ? 0 : 1, m, n, matrix, outer, to);
  };
}

type Gemv = Wasm['k']['gemv_f64'];

/** One product with the Gram matrix of a column-major [tall, size]. */
function gramOperator(wasm: Wasm, alloc: Alloc, matrix: number, tall: number, size: number): Operator {
  const address = gramMatrix(wasm, alloc, matrix, tall, size);
  const gram = wasm.arena.f64(address, size * size);
  for (let i = 0; i < size; i++) for (let j = 0; j < i; j++) gram[j * size + i] = gram[i * size + j]!;
  return (from, to) => wasm.k.gemv_f64(0, size, size, address, from, to);
}

/** Largest eigenvalue of a Gram matrix; undefined where it did not converge, Infinity where it is above `limit`. */
function lanczos(
  wasm: Wasm,
  alloc: Alloc,
  gram: Operator,
  size: number,
  limit: number,
  most: number,
): number | undefined {
  const { k, arena } = wasm;
  const basis = alloc(8 * size * (most + 1));
  const product = alloc(8 * size);
  const coefficients = alloc(8 * most);
  const correction = alloc(8 * size);
  const vector = (step: number) => arena.f64(basis + 8 * size * step, size);
  const diagonal: number[] = [];
  const offDiagonal: number[] = [];
  vector(0).set(start(size));
  for (let step = 1; step <= most; step++) {
    const v = vector(step - 1);
    gram(basis + 8 * size * (step - 1), product);
    const w = arena.f64(product, size);
    diagonal.push(dot(v, w));
    for (let pass = 0; pass < 2; pass++) {
      k.gemv_f64(0, step, size, basis, product, coefficients);
      k.gemv_f64(1, step, size, basis, coefficients, correction);
      const c = arena.f64(correction, size);
      for (let i = 0; i < size; i++) w[i]! -= c[i]!;
    }
    const next = Math.sqrt(dot(w, w));
    const last = step === size || next < 1e-14 * Math.max(...diagonal);
    if (last || step % 4 === 0) {
      const ritz = largestEigenvalue(diagonal, offDiagonal);
      if (ritz > limit) return Number.POSITIVE_INFINITY;
      const residual = next * lastComponent(diagonal, offDiagonal, ritz);
      if (last || residual <= (step > MOST_STEPS ? LOOSE : TOLERANCE) * ritz) return ritz;
      const apart = residual <= NEAR * ritz ? ritz - nextEigenvalue(diagonal, offDiagonal, ritz) : 0;
      if (residual * residual <= TOLERANCE * ritz * apart) return ritz;
    }
    offDiagonal.push(next);
    const fresh = vector(step);
    for (let i = 0; i < size; i++) fresh[i] = w[i]! / next;
  }
  return undefined;
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
    if (eigenvaluesAbove(diagonal, off, mid) > 0) lo = mid;
    else hi = mid;
  }
}

/** An upper bound on the second largest eigenvalue, at least half as far from the largest; `largest` where they are one. */
function nextEigenvalue(diagonal: readonly number[], off: readonly number[], largest: number): number {
  let distance = largest;
  while (distance > 1e-13 * largest && eigenvaluesAbove(diagonal, off, largest - distance) > 1) distance /= 2;
  return distance > 1e-13 * largest ? largest - distance : largest;
}

function eigenvaluesAbove(diagonal: readonly number[], off: readonly number[], x: number): number {
  let pivot = 1;
  let above = 0;
  for (let i = 0; i < diagonal.length; i++) {
    pivot = diagonal[i]! - x - (i === 0 ? 0 : (off[i - 1]! * off[i - 1]!) / pivot);
    if (pivot === 0) pivot = Number.MIN_VALUE;
    if (pivot > 0) above++;
  }
  return above;
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
