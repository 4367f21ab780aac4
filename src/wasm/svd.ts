import { gramFactor, isTall } from './gram-factor.ts';
import { checkMatrix, type Floats, inOrder, place, placeFloats, scaleFor } from './matrix.ts';
import type { Wasm } from './wasm.ts';

export interface Svd {
  /** The min(m, n) singular values, descending. */
  readonly sigma: Float64Array;
  /** Left singular vectors, row-major [m, min(m, n)], one a column. */
  readonly u?: Float64Array;
  /** Right singular vectors, row-major [n, min(m, n)], one a column. */
  readonly v?: Float64Array;
  /** Jacobi sweeps it took. */
  readonly sweeps: number;
}

/**
 * Singular value decomposition of a, row-major [m, n]: a = u diag(sigma) v'.
 *
 * QR with sorted rows and pivoted columns, then one-sided Jacobi on R' (Drmac and Veselic 2008): whatever power of ten
 * separates the columns (or the rows), every singular value is right to a relative accuracy set by what remains once they
 * are scaled to equal length.
 *
 * @throws TypeError when a is not a Float64Array
 * @throws RangeError for a shape that does not fit a, and for NaN or infinity in it
 * @throws UnsupportedError when the work does not fit in memory
 */
export function svd(
  wasm: Wasm,
  a: Float64Array,
  m: number,
  n: number,
  options: { readonly vectors?: boolean } = {},
): Svd {
  if (!(a instanceof Float64Array))
    throw new TypeError(`svd: expected a Float64Array, found ${Object.prototype.toString.call(a).slice(8, -1)}`);
  return decomposed(wasm, () => a, m, n, options.vectors === true);
}

/** The singular values of a, row-major [m, n] floats, descending. @throws RangeError, UnsupportedError as `svd` */
export function singularValues(wasm: Wasm, a: Floats, m: number, n: number): Float64Array {
  if (a instanceof Float32Array) return decomposed(wasm, () => a, m, n, false).sigma;
  return wasm.arena.scope((alloc) => {
    const address = placeFloats(wasm, alloc, a);
    return decomposed(wasm, () => wasm.arena.f32(address, a.byteLength >> 2), m, n, false).sigma;
  });
}

/** The matrix; asked for anew after every allocation, since it may be a view of the kernels' memory. */
type Source = () => Float32Array | Float64Array;

function decomposed(wasm: Wasm, source: Source, m: number, n: number, vectors: boolean): Svd {
  const a = source();
  checkMatrix('svd', a, m, n);
  const size = Math.min(m, n);
  const most = largestElements(a, m, n);
  const largest = most.rows.reduce((x, y) => Math.max(x, y), 0);
  if (size === 0 || largest === 0) return ofZero(m, n, vectors);
  return wasm.arena.scope((alloc) => decompose(wasm, alloc, source, m, n, most, scaleFor(largest), vectors));
}

/** Largest absolute value of each row and of each column. */
interface Largest {
  readonly rows: Float64Array;
  readonly cols: Float64Array;
}

function largestElements(a: Float32Array | Float64Array, m: number, n: number): Largest {
  const [rows, cols] = [new Float64Array(m), new Float64Array(n)];
  for (let i = 0; i < m; i++) {
    let most = 0;
    for (let j = 0, at = i * n; j < n; j++, at++) {
      const size = Math.abs(a[at]!);
      if (size > most) most = size;
      if (size > cols[j]!) cols[j] = size;
    }
    rows[i] = most;
  }
  return { rows, cols };
}

/** Whether rows take the place of columns: the work is done on the shorter side, and of a square matrix on the more graded. */
function isWide(m: number, n: number, { rows, cols }: Largest): boolean {
  return m === n ? spread(rows) > spread(cols) : m < n;
}

function spread(sizes: Float64Array): number {
  let [least, most] = [Number.POSITIVE_INFINITY, 0];
  for (const size of sizes) {
    if (size > 0 && size < least) least = size;
    if (size > most) most = size;
  }
  return most / least;
}

type Alloc = (bytes: number) => number;

function decompose(
  wasm: Wasm,
  alloc: Alloc,
  a: Source,
  m: number,
  n: number,
  most: Largest,
  scale: number,
  vectors: boolean,
): Svd {
  const { k, arena } = wasm;
  const wide = isWide(m, n, most);
  const tall = wide ? n : m;
  const size = wide ? m : n;
  const [alongRows, alongCols] = wide ? [most.cols, most.rows] : [most.rows, most.cols];

  const matrix = alloc(8 * tall * size);
  const tau = alloc(8 * size);
  const perm = alloc(4 * size);
  const lower = alloc(8 * size * size);
  const sigma = alloc(8 * size);
  const rotations = vectors ? alloc(8 * size * size) : 0;
  const scratch = alloc(Math.max(k.qr_scratch(size), k.svd_scratch(size, size)));
  const basis = vectors ? alloc(8 * tall * size) : 0;

  const rows = descending(alongRows);
  const tallColumns = !vectors && isTall(tall, size) && alongCols.every((size) => size > 0);
  if (!(tallColumns && byGram(wasm, alloc, a, wide, alongCols, scale, { matrix, tall, size, lower }))) {
    place(arena.f64(matrix, tall * size), a(), wide, {
      rows,
      cols: inOrder(size),
      factors: new Float64Array(size).fill(scale),
    });
    k.qr(matrix, tall, size, tau, perm, scratch);
    const r = arena.f64(lower, size * size);
    const q = arena.f64(matrix, tall * size);
    for (let j = 0; j < size; j++) for (let i = 0; i < size; i++) r[j * size + i] = i < j ? 0 : q[i * tall + j]!;
  }
  const l = arena.f64(lower, size * size);
  k.svd(lower, size, size, sigma, rotations, scratch);
  const sweeps = arena.i32(scratch, 1)[0]!;
  if (sweeps < 0) throw new Error(`svd: ${m} x ${n} matrix: not converged after ${-sweeps} sweeps`);
  const found = arena.f64(sigma, size);
  const values = found.map((s) => s / scale);
  if (!vectors) return { sigma: values, sweeps };

  // R' W = Y diag(sigma), so A P = Q R = (Q W) diag(sigma) Y'.
  const w = arena.f64(rotations, size * size);
  const b = arena.f64(basis, tall * size);
  b.fill(0);
  for (let j = 0; j < size; j++) for (let i = 0; i < size; i++) b[j * tall + i] = w[j * size + i]!;
  k.qr_apply(matrix, tall, size, tau, basis, size);
  const left = new Float64Array(tall * size);
  for (let j = 0; j < size; j++) for (let i = 0; i < tall; i++) left[rows[i]! * size + j] = b[j * tall + i]!;
  const columns = arena.i32(perm, size);
  normalise(l, found, size);
  const right = new Float64Array(size * size);
  for (let j = 0; j < size; j++) for (let i = 0; i < size; i++) right[columns[i]! * size + j] = l[j * size + i]!;
  return wide ? { sigma: values, u: right, v: left, sweeps } : { sigma: values, u: left, v: right, sweeps };
}

/** Where the work lies: column-major [tall, size] and [size, size]. */
interface Places {
  readonly matrix: number;
  readonly tall: number;
  readonly size: number;
  readonly lower: number;
}

/** The triangular factor by way of the Gram matrix, each column scaled by a power of two to a largest element of about 1. */
function byGram(
  wasm: Wasm,
  alloc: Alloc,
  a: Source,
  wide: boolean,
  largest: Float64Array,
  scale: number,
  { matrix, tall, size, lower }: Places,
): boolean {
  const cols = descending(largest);
  const factors = Float64Array.from(cols, (j) => scaleFor(largest[j]!));
  place(wasm.arena.f64(matrix, tall * size), a(), wide, { rows: inOrder(tall), cols, factors });
  const undo = factors.map((factor) => scale / factor);
  return gramFactor(wasm, alloc, matrix, tall, size, undo, lower);
}

function descending(sizes: Float64Array): Uint32Array {
  return inOrder(sizes.length).sort((x, y) => sizes[y]! - sizes[x]! || x - y);
}

/** Columns of y [size, size] to length 1; those of no length become what completes the others to an orthonormal basis. */
function normalise(y: Float64Array, sigma: Float64Array, size: number): void {
  let done = 0;
  for (; done < size && sigma[done]! > 1e-290; done++) {
    for (let i = 0; i < size; i++) y[done * size + i]! /= sigma[done]!;
  }
  for (let axis = 0; done < size && axis < size; axis++) {
    const column = y.subarray(done * size, (done + 1) * size);
    column.fill(0);
    column[axis] = 1;
    let length = 1;
    // Twice is enough (Kahan, in Parlett, The Symmetric Eigenvalue Problem, 6.9).
    for (let pass = 0; pass < 2; pass++) {
      for (let j = 0; j < done; j++) subtract(column, y.subarray(j * size, (j + 1) * size));
      length = Math.sqrt(inner(column, column));
      if (length < 1 / size) break;
      for (let i = 0; i < size; i++) column[i]! /= length;
    }
    if (length >= 1 / size) done++;
  }
}

function inner(x: Float64Array, y: Float64Array): number {
  let s = 0;
  for (let i = 0; i < x.length; i++) s += x[i]! * y[i]!;
  return s;
}

/** x -= (x . y) y */
function subtract(x: Float64Array, y: Float64Array): void {
  const s = inner(x, y);
  for (let i = 0; i < x.length; i++) x[i]! -= s * y[i]!;
}

function ofZero(m: number, n: number, vectors: boolean): Svd {
  const size = Math.min(m, n);
  const sigma = new Float64Array(size);
  if (!vectors) return { sigma, sweeps: 0 };
  const axes = (rows: number) => {
    const x = new Float64Array(rows * size);
    for (let i = 0; i < size; i++) x[i * size + i] = 1;
    return x;
  };
  return { sigma, u: axes(m), v: axes(n), sweeps: 0 };
}
