import type { KernelCall } from './calls.ts';
import type { Wasm } from './wasm.ts';

type Alloc = (bytes: number) => number;

/** Rows a column at least this come from the Gram matrix, where its condition allows. */
const TALL = 1.75;
/** Fewer columns are as quick by QR. */
const FEW = 32;
/** Largest norm of the inverse of the Gram matrix of columns of length 1 at which that matrix is as good as its columns. */
const MOST_INVERSE = 30;
/** Steps that estimate it. */
const STEPS = 10;
/** Pivots of the Gram matrix of columns of length 1 are above this where MOST_INVERSE is kept. */
const LEAST_PIVOT = 1 / 64;

/** Whether a matrix of that shape is worth the attempt. */
export function isTall(tall: number, size: number): boolean {
  return size >= FEW && tall >= TALL * size;
}

/**
 * Lower triangular L, column-major [size, size], of the singular values of A, column-major [tall, size] at `matrix`, times those of
 * the diagonal: L = diag(factors) C, C C' = A'A.
 *
 * Undefined unless the columns of A, scaled to length 1, are well conditioned: with H their Gram matrix, what rounding does to it, eta, changes
 * the singular values by eta |H^-1| / 2 relative to themselves whatever the factors are (Demmel and Veselic 1992, theorem 2.3), so
 * that nothing is lost by squaring. |H^-1| is estimated by inverse iteration.
 * @param factors powers of two, positive
 */
export function gramFactor(
  wasm: Wasm,
  alloc: Alloc,
  matrix: number,
  tall: number,
  size: number,
  factors: Float64Array,
  lower: number,
): boolean {
  const { k, arena } = wasm;
  const gram = gramMatrix(wasm, alloc, matrix, tall, size);
  if (k.cholesky_f64(gram, size, LEAST_PIVOT, alloc(k.gram_f64_scratch())) !== 0) return false;
  const c = arena.f64(gram, size * size);
  if (inverseNorm(c, size) > MOST_INVERSE) return false;
  const l = arena.f64(lower, size * size);
  for (let j = 0; j < size; j++)
    for (let i = 0; i < size; i++) l[j * size + i] = i < j ? 0 : c[i * size + j]! * factors[i]!;
  return true;
}

/** A'A, row-major [size, size], of which elements with column <= row are made, of A column-major [tall, size]; at the address returned. */
export function gramMatrix(wasm: Wasm, alloc: Alloc, matrix: number, tall: number, size: number): number {
  const { k } = wasm;
  const gram = alloc(8 * size * size);
  const calls = slices(size, wasm.threads).map(
    ([from, count]): KernelCall => ['gram_f64', matrix, tall, size, from, count, gram, alloc(k.gram_f64_scratch())],
  );
  wasm.each(calls);
  return gram;
}

/** Ranges of the rows of a triangle, each of about the same area. */
function slices(size: number, parts: number): [from: number, count: number][] {
  const cut = (p: number): number => 2 * Math.round((size * Math.sqrt(p / parts)) / 2);
  return Array.from({ length: parts }, (_, p) => {
    const end = p + 1 === parts ? size : cut(p + 1);
    return [cut(p), end - cut(p)];
  });
}

/** Estimate from below of |H^-1|, H = D C C' D with D such that its diagonal is 1; C lower triangular, row-major. */
function inverseNorm(c: Float64Array, size: number): number {
  const scale = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    let squares = 0;
    for (let j = 0; j <= i; j++) squares += c[i * size + j]! ** 2;
    scale[i] = Math.sqrt(squares);
  }
  let state = 0x2545f491;
  const x = Float64Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
  let estimate = 0;
  for (let step = 0; step < STEPS; step++) {
    const before = length(x);
    for (let i = 0; i < size; i++) x[i]! *= scale[i]! / before;
    for (let i = 0; i < size; i++) {
      const row = i * size;
      let s = x[i]!;
      for (let j = 0; j < i; j++) s -= c[row + j]! * x[j]!;
      x[i] = s / c[row + i]!;
    }
    for (let i = size - 1; i >= 0; i--) {
      const row = i * size;
      const s = x[i]! / c[row + i]!;
      x[i] = s;
      for (let j = 0; j < i; j++) x[j]! -= s * c[row + j]!;
    }
    for (let i = 0; i < size; i++) x[i]! *= scale[i]!;
    estimate = length(x);
  }
  return estimate;
}

function length(x: Float64Array): number {
  let s = 0;
  for (let i = 0; i < x.length; i++) s += x[i]! * x[i]!;
  return Math.sqrt(s);
}
