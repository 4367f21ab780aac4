import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Svd, singularValues, svd } from '../../src/wasm/svd.ts';
import { close, same } from '../assembly/bench.ts';
import { loadWasm, random } from '../helpers.ts';
import { twinSingularValues } from './double-double.ts';

const wasm = await loadWasm();

function matrix(m: number, n: number, value: (i: number, j: number) => number): Float64Array {
  return Float64Array.from({ length: m * n }, (_, at) => value(Math.floor(at / n), at % n));
}

function normal(next: () => number): number {
  let s = -6;
  for (let i = 0; i < 12; i++) s += next();
  return s;
}

function randomMatrix(m: number, n: number, seed: number): Float64Array {
  const next = random(seed);
  return matrix(m, n, () => normal(next));
}

/** Sylvester's Hadamard matrix: entries +-1, columns orthogonal. */
function hadamard(i: number, j: number): number {
  let bits = i & j;
  let sign = 1;
  for (; bits; bits &= bits - 1) sign = -sign;
  return sign;
}

/** x [rows, cols] of orthonormal columns, and u diag(sigma) v' = a within rounding of the largest singular value. */
function checkVectors(a: Float64Array, m: number, n: number, d: Svd, what: string): void {
  const p = Math.min(m, n);
  for (const [x, rows, name] of [
    [d.u!, m, 'u'],
    [d.v!, n, 'v'],
  ] as const) {
    const gram = matrix(p, p, (i, j) => {
      let s = 0;
      for (let l = 0; l < rows; l++) s += x[l * p + i]! * x[l * p + j]!;
      return s;
    });
    close(
      gram,
      matrix(p, p, (i, j) => (i === j ? 1 : 0)),
      { absolute: 1e-13 },
      `${what}: ${name}'${name}`,
    );
  }
  const back = matrix(m, n, (i, j) => {
    let s = 0;
    for (let l = 0; l < p; l++) s += d.u![i * p + l]! * d.sigma[l]! * d.v![j * p + l]!;
    return s;
  });
  close(back, a, { absolute: 1e-13 * d.sigma[0]! + Number.MIN_VALUE * 64 }, `${what}: u diag(sigma) v'`);
}

/** Both ways of asking agree; vectors are right; sigma is as expected to `relative`. */
function check(
  a: Float64Array,
  m: number,
  n: number,
  expected: ArrayLike<number>,
  relative: number,
  what: string,
): void {
  const plain = svd(wasm, a, m, n);
  const full = svd(wasm, a, m, n, { vectors: true });
  close(plain.sigma, expected, { relative }, what);
  same(full.sigma, plain.sigma, `${what}: with vectors`);
  assert.is(plain.u, undefined);
  checkVectors(a, m, n, full, what);
}

const SHAPES = [
  [1, 1],
  [1, 7],
  [7, 1],
  [2, 2],
  [3, 2],
  [2, 3],
  [5, 5],
  [9, 4],
  [4, 9],
  [12, 12],
  [17, 16],
  [31, 5],
] as const;

test('random matrices of every shape', () => {
  for (const [m, n] of SHAPES) {
    const a = randomMatrix(m, n, 10 * m + n);
    check(a, m, n, twinSingularValues(a, m, n), 1e-13, `${m} x ${n}`);
  }
});

test('columns from 1 to 1e-30, in any order', () => {
  for (const [m, n] of [
    [12, 12],
    [20, 9],
    [9, 20],
  ] as const) {
    for (const seed of [1, 2, 3]) {
      const b = randomMatrix(m, n, seed);
      const next = random(seed);
      const power = Array.from({ length: n }, (_, j) => 10 ** (-30 * (seed === 1 ? j / (n - 1) : next())));
      const a = b.map((v, at) => v * power[at % n]!);
      check(a, m, n, twinSingularValues(a, m, n), 1e-12, `columns graded ${m} x ${n}, seed ${seed}`);
    }
  }
});

test('rows from 1 to 1e-30, in any order', () => {
  for (const [m, n] of [
    [12, 12],
    [9, 20],
    [20, 9],
  ] as const) {
    for (const seed of [1, 2, 3]) {
      const b = randomMatrix(m, n, seed + 10);
      const next = random(seed);
      const power = Array.from({ length: m }, (_, i) => 10 ** (-30 * (seed === 1 ? i / (m - 1) : next())));
      const a = b.map((v, at) => v * power[Math.floor(at / n)]!);
      const transposed = matrix(n, m, (i, j) => a[j * n + i]!);
      // The twin rotates columns: a tall row-graded matrix is beyond it unless few rows carry everything.
      if (m <= n) check(a, m, n, twinSingularValues(a, m, n), 1e-12, `rows graded ${m} x ${n}, seed ${seed}`);
      close(svd(wasm, a, m, n).sigma, svd(wasm, transposed, n, m).sigma, { relative: 1e-12 }, 'transposed');
    }
  }
});

test('singular values known exactly: powers of two down to 2^-1000 times a Hadamard matrix', () => {
  for (const n of [1, 2, 4, 8, 16]) {
    for (const step of [1, 7, 60]) {
      const expected = Array.from({ length: n }, (_, i) => Math.sqrt(n) * 2 ** (-step * i));
      check(
        matrix(n, n, (i, j) => hadamard(i, j) * 2 ** (-step * i)),
        n,
        n,
        expected,
        1e-12,
        `rows, n=${n} step=${step}`,
      );
      check(
        matrix(n, n, (i, j) => hadamard(i, j) * 2 ** (-step * j)),
        n,
        n,
        expected,
        1e-12,
        `columns, n=${n} step=${step}`,
      );
    }
  }
});

test('the Kahan matrix', () => {
  for (const n of [8, 16]) {
    const c = Math.cos(1.2);
    const s = Math.sin(1.2);
    const a = matrix(n, n, (i, j) => s ** i * (i === j ? 1 : j > i ? -c : 0));
    check(a, n, n, twinSingularValues(a, n, n), 1e-12, `Kahan ${n}`);
  }
});

test('orthogonal matrices: all ones', () => {
  for (const n of [2, 4, 16, 64]) {
    const a = matrix(n, n, (i, j) => hadamard(i, j) / Math.sqrt(n));
    check(a, n, n, new Float64Array(n).fill(1), 1e-14, `orthogonal ${n}`);
  }
});

test('rank deficient: what should be 0 is rounding, vectors are orthonormal all the same', () => {
  for (const [m, n, rank] of [
    [10, 10, 3],
    [15, 6, 2],
    [6, 15, 1],
  ] as const) {
    const [x, y] = [randomMatrix(m, rank, m), randomMatrix(rank, n, n)];
    const a = matrix(m, n, (i, j) => {
      let s = 0;
      for (let l = 0; l < rank; l++) s += x[i * rank + l]! * y[l * n + j]!;
      return s;
    });
    const d = svd(wasm, a, m, n, { vectors: true });
    checkVectors(a, m, n, d, `rank ${rank}`);
    for (let i = rank; i < Math.min(m, n); i++)
      assert.ok(d.sigma[i]! < 1e-14 * d.sigma[0]!, `sigma ${i}: ${d.sigma[i]}`);
    assert.ok(d.sigma[rank - 1]! > 1e-3 * d.sigma[0]!);
  }
});

test('zero rows, zero columns, all zero, nothing at all', () => {
  const a = matrix(6, 5, (i, j) => (i === 2 || j === 1 || j === 4 ? 0 : i + 1 / (j + 1)));
  const d = svd(wasm, a, 6, 5, { vectors: true });
  checkVectors(a, 6, 5, d, 'with zeros');
  same(d.sigma.subarray(3), [0, 0], 'two zero columns');
  const zero = svd(wasm, new Float64Array(12), 3, 4, { vectors: true });
  same(zero.sigma, [0, 0, 0], 'all zero');
  checkVectors(new Float64Array(12), 3, 4, zero, 'all zero');
  assert.is(svd(wasm, new Float64Array(0), 0, 4).sigma.length, 0);
});

test('scale does not matter, up to the ends of the range', () => {
  const a = randomMatrix(9, 7, 5);
  const base = svd(wasm, a, 9, 7).sigma;
  for (const e of [-900, -500, 500, 1000]) {
    const scaled = svd(
      wasm,
      a.map((v) => v * 2 ** e),
      9,
      7,
    ).sigma;
    same(
      scaled.map((v) => v * 2 ** -e),
      base,
      `2^${e}`,
    );
  }
  const tiny = a.map((v) => v * 2 ** -1060);
  const enlarged = twinSingularValues(
    tiny.map((v) => v * 2 ** 530 * 2 ** 530),
    9,
    7,
  );
  const expected = enlarged.map((v) => v * 2 ** -530 * 2 ** -530);
  close(svd(wasm, tiny, 9, 7).sigma, expected, { relative: 1e-12, absolute: Number.MIN_VALUE }, 'subnormal');
});

test('sum of squares is kept on a larger matrix, and results repeat bit for bit', () => {
  const [m, n] = [150, 90];
  const a = randomMatrix(m, n, 77);
  const d = svd(wasm, a, m, n, { vectors: true });
  checkVectors(a, m, n, d, 'larger');
  const squares = (x: Float64Array) => x.reduce((s, v) => s + v * v, 0);
  close([squares(d.sigma)], [squares(a)], { relative: 1e-13 }, 'sum of squares');
  same(svd(wasm, a, m, n).sigma, d.sigma, 'again');
});

/**
 * [2^exponents.length, the same] graded over the product of the factors [[1, e / 4], [-1 / 8, e]], e = 2^-exponent, of which it is the
 * Kronecker product: every element exact, singular values known. Stacked `copies` times these grow by sqrt(copies).
 */
function graded(
  exponents: readonly number[],
  copies: number,
): { a: Float64Array; m: number; n: number; known: Float64Array } {
  let a: Float64Array = Float64Array.of(1);
  let [values, n] = [[1], 1];
  for (const exponent of exponents) {
    const e = 2 ** -exponent;
    const factor = [1, e / 4, -1 / 8, e];
    const side = n;
    const before = a;
    a = matrix(2 * side, 2 * side, (i, j) => factor[2 * (i & 1) + (j & 1)]! * before[(i >> 1) * side + (j >> 1)]!);
    n *= 2;
    const square = factor.reduce((sum, x) => sum + x * x, 0);
    const determinant = e + e / 32;
    const larger = Math.sqrt((square + Math.sqrt(square * square - 4 * determinant * determinant)) / 2);
    values = values.flatMap((v) => [v * larger, v * (determinant / larger)]);
  }
  const [block, side, m] = [a, n, copies * n];
  // 5 and 7 have no factor in common with the sizes: rows and columns in another order.
  const order = (at: number, count: number, step: number) => (at * step) % count;
  const stacked = matrix(m, n, (i, j) => block[(order(i, m, 7) % side) * side + order(j, side, 5)]!);
  const known = Float64Array.from(values, (v) => v * Math.sqrt(copies)).sort();
  return { a: stacked, m, n, known: known.reverse() };
}

test('graded over 2^-60, 128 columns, square, tall and wide: each value to 1e-13, of floats as of doubles', () => {
  for (const copies of [1, 3]) {
    const { a, m, n, known } = graded([6, 7, 8, 9, 9, 10, 11], copies);
    close(svd(wasm, a, m, n).sigma, known, { relative: 1e-13 }, `${m} x ${n}`);
    const turned = matrix(n, m, (i, j) => a[j * n + i]!);
    close(svd(wasm, turned, n, m).sigma, known, { relative: 1e-13 }, `${n} x ${m}`);
    const floats = Float32Array.from(a);
    assert.equal(Float64Array.from(floats), a);
    same(singularValues(wasm, floats, m, n), svd(wasm, a, m, n).sigma, 'floats');
  }
});

test('tall, columns nearly dependent: what the Gram matrix would lose is kept', () => {
  const [m, n] = [160, 40];
  for (const gap of [1e-3, 1e-7, 1e-12]) {
    const a = randomMatrix(m, n, 21);
    // Column 1 is column 0 but for a share `gap` of one element.
    for (let i = 0; i < m; i++) a[i * n + 1] = a[i * n]! * (i === 17 ? 1 + gap : 1);
    const { sigma } = svd(wasm, a, m, n);
    const expected = twinSingularValues(a, m, n);
    close(sigma.subarray(0, n - 1), expected.slice(0, n - 1), { relative: 1e-13 }, `gap ${gap}`);
    close(
      [sigma[n - 1]!],
      [expected[n - 1]!],
      { relative: 1e-14 / gap + 1e-13, absolute: 1e-15 },
      `least value, gap ${gap}`,
    );
  }
});

test('the arena is as it was, after success and failure', () => {
  const used = wasm.arena.used;
  svd(wasm, randomMatrix(8, 8, 1), 8, 8, { vectors: true });
  assert.throws(() => svd(wasm, Float64Array.of(1, Number.NaN), 1, 2));
  assert.is(wasm.arena.used, used);
});

test('wrong arguments', () => {
  const message = (body: () => unknown, kind: typeof RangeError | typeof TypeError, pattern: RegExp) =>
    assert.throws(body, (error: Error) => error instanceof kind && pattern.test(error.message));
  message(() => svd(wasm, Float64Array.of(1, 2, Number.NaN, 4), 2, 2), RangeError, /found NaN at row 1, column 0/);
  message(
    () => svd(wasm, Float64Array.of(1, Number.POSITIVE_INFINITY), 1, 2),
    RangeError,
    /found Infinity at row 0, column 1/,
  );
  message(() => svd(wasm, new Float64Array(5), 2, 2), RangeError, /expected 2 x 2 = 4 elements, found 5/);
  message(() => svd(wasm, new Float64Array(4), -2, -2), RangeError, /found -2/);
  message(() => svd(wasm, new Float32Array(4) as unknown as Float64Array, 2, 2), TypeError, /expected a Float64Array/);
});

test.run();
