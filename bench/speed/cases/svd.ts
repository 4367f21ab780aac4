/** Singular values: timed on random matrices, their accuracy told on graded ones whose singular values are known. */
import { svd } from '../../../src/wasm/svd.ts';
import type { BenchCase, Group, Lab, Row, Side } from '../lab.ts';
import { reasonFor } from '../lab.ts';
import { difference, type Pace } from '../measure.ts';
import { DGESVJ, dgesvj } from '../peers/lapack.ts';
import { load } from '../peers/load.ts';
import { normals, random } from '../random.ts';

const ML = 'ml-matrix';
/** Largest relative error of any singular value that ours may have on graded input. */
const ACCURACY = 1e-12;

interface MlMatrix {
  Matrix: new (rows: readonly ArrayLike<number>[]) => object;
  SVD: new (m: object, options: Record<string, boolean>) => { readonly diagonal: readonly number[] };
}

interface Matrix {
  readonly a: Float64Array;
  readonly m: number;
  readonly n: number;
}

const EXPONENTS = [3, 5, 6, 7, 8, 9, 9, 9, 10];

/**
 * [512, 512] with columns graded over 2^-66 and singular values known: the Kronecker product of nine matrices [[1, e/4], [-1/8, e]]
 * with e a power of 2, every element exact; its singular values are the products of theirs. Rows and columns are shuffled.
 * Stacked `copies` times the values grow by sqrt(copies).
 */
export function graded(copies = 1): Matrix & { readonly values: Float64Array } {
  let a = Float64Array.of(1);
  let values = [1];
  let n = 1;
  for (const exponent of EXPONENTS) {
    const e = 2 ** -exponent;
    const factor = [1, e / 4, -1 / 8, e];
    const next = new Float64Array(4 * n * n);
    for (let i = 0; i < 2 * n; i++)
      for (let j = 0; j < 2 * n; j++)
        next[i * 2 * n + j] = factor[2 * (i & 1) + (j & 1)]! * a[(i >> 1) * n + (j >> 1)]!;
    a = next;
    n *= 2;
    // of [[p, q], [r, s]]: the larger from its square, the smaller from the determinant
    const square = factor.reduce((sum, x) => sum + x * x, 0);
    const determinant = factor[0]! * factor[3]! - factor[1]! * factor[2]!;
    const larger = Math.sqrt((square + Math.sqrt(square * square - 4 * determinant * determinant)) / 2);
    values = values.flatMap((v) => [v * larger, v * (determinant / larger)]);
  }
  const m = copies * n;
  const [rows, columns] = [shuffled(m, 1), shuffled(n, 2)];
  const out = new Float64Array(m * n);
  for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) out[rows[i]! * n + columns[j]!] = a[(i % n) * n + j]!;
  const known = Float64Array.from(values, (v) => v * Math.sqrt(copies)).sort();
  return { a: out, m, n, values: known.reverse() };
}

function shuffled(n: number, seed: number): Uint32Array {
  const next = random(seed);
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** Largest relative error of a value, both descending. */
export function relativeError(found: ArrayLike<number>, known: ArrayLike<number>): number {
  if (found.length !== known.length) return Number.POSITIVE_INFINITY;
  let most = 0;
  for (let i = 0; i < known.length; i++) {
    const error = Math.abs(found[i]! - known[i]!) / Math.abs(known[i]!);
    most = Number.isNaN(error) ? Number.POSITIVE_INFINITY : Math.max(most, error);
  }
  return most;
}

function svdCase(name: string, copies: number, peers: readonly string[], slow: boolean): BenchCase {
  return { name, peers, run: (lab) => run(lab, name, copies, peers, slow) };
}

async function run(lab: Lab, name: string, copies: number, peers: readonly string[], slow: boolean): Promise<Row[]> {
  const wasm = await lab.kernels();
  const hard = graded(copies);
  const [m, n] = [hard.m, hard.n];
  const a = Float64Array.from(normals(m * n, random(m)));
  const own = relativeError(svd(wasm, hard.a, m, n).sigma, hard.values);
  if (!(own <= ACCURACY))
    throw new Error(`graded input: a singular value is off by ${own.toExponential(2)}, expected ${ACCURACY} at most`);
  const sigma = svd(wasm, a, m, n).sigma;
  const sides: Side[] = [];
  const closing: (() => void)[] = [];
  try {
    for (const peer of peers)
      try {
        const { side, close } = peer === ML ? ofMl(a, hard, sigma, own) : await ofLapack(a, hard, sigma, own);
        sides.push(side);
        closing.push(close);
      } catch (error) {
        sides.push({ peer, ...reasonFor(error) });
      }
    const pace: Pace = slow ? { ...lab.pace, rounds: lab.quick ? 1 : 7, warmUp: 0 } : lab.pace;
    return await lab.rows(name, () => svd(wasm, a, m, n), sides, 'cpu', pace);
  } finally {
    for (const close of closing) close();
  }
}

interface Open {
  readonly side: Side;
  close(): void;
}

function agreeing(peer: string, found: ArrayLike<number>, sigma: Float64Array): number {
  const off = difference(sigma, found);
  if (!(off <= 1e-10)) throw new Error(`singular values differ from those of ${peer} by ${off.toExponential(2)}`);
  return off;
}

function ofMl(a: Float64Array, hard: ReturnType<typeof graded>, sigma: Float64Array, own: number): Open {
  const { Matrix, SVD } = load<MlMatrix>('ml-matrix');
  const values = (x: Float64Array): readonly number[] => {
    const rows = Array.from({ length: hard.m }, (_, i) => x.subarray(i * hard.n, (i + 1) * hard.n));
    const options = { computeLeftSingularVectors: false, computeRightSingularVectors: false };
    return new SVD(new Matrix(rows), options).diagonal;
  };
  const off = agreeing(ML, values(a), sigma);
  const side = { peer: ML, work: () => values(a), difference: off };
  // half a minute for the tall one
  if (hard.m > hard.n) return { side, close: () => {} };
  return { side: { ...side, error: [own, relativeError(values(hard.a), hard.values)] }, close: () => {} };
}

async function ofLapack(
  a: Float64Array,
  hard: ReturnType<typeof graded>,
  sigma: Float64Array,
  own: number,
): Promise<Open> {
  const first = await dgesvj(hard.a, hard.m, hard.n);
  let error: readonly [number, number];
  try {
    await first.once();
    error = [own, relativeError(await first.values(), hard.values)];
  } finally {
    first.close();
  }
  const second = await dgesvj(a, hard.m, hard.n);
  await second.once();
  const off = agreeing(DGESVJ, await second.values(), sigma);
  const work = { elsewhere: () => second.once() };
  return { side: { peer: DGESVJ, work, difference: off, error }, close: () => second.close() };
}

export const singularValues: Group = {
  name: 'singular values',
  cases: [svdCase('singular values 512x512', 1, [ML, DGESVJ], false)],
};

/** In one build: a round of ml-matrix takes half a minute. */
export const tallSingularValues: Group = {
  name: 'singular values of a tall matrix',
  builds: ['plain'],
  cases: [svdCase('singular values 4608x512', 9, [ML, DGESVJ], true)],
};
