import { test } from 'uvu';
import { loadWasm, normals, random } from '../helpers.ts';
import { Bench, close } from './bench.ts';

const wasm = await loadWasm();

interface Product {
  transA: number;
  transB: number;
  m: number;
  n: number;
  k: number;
  alpha: number;
  beta: number;
}

/** C = alpha op(A) op(B) + beta C in f64, and per element the sum of |products|, which scales the rounding error. */
function twin(p: Product, a: Float32Array, lda: number, b: Float32Array, ldb: number, c: Float32Array, ldc: number) {
  const value = Float64Array.from(c);
  const size = new Float64Array(c.length);
  for (let i = 0; i < p.m; i++) {
    for (let j = 0; j < p.n; j++) {
      let s = 0;
      let t = 0;
      for (let l = 0; l < p.k; l++) {
        const product = a[p.transA ? l * lda + i : i * lda + l]! * b[p.transB ? j * ldb + l : l * ldb + j]!;
        s += product;
        t += Math.abs(product);
      }
      const at = i * ldc + j;
      value[at] = p.alpha * s + (p.beta === 0 ? 0 : p.beta * c[at]!);
      size[at] = Math.abs(p.alpha) * t + Math.abs(p.beta * c[at]!) + 1e-30;
    }
  }
  return { value, size };
}

/** Strides exceed the rows by `pad`; what lies between the rows of C must stay as it was. */
function check(p: Product, pad: number, skew: number): void {
  const what = JSON.stringify({ ...p, pad, skew });
  const bench = new Bench(wasm, skew);
  try {
    const next = random(p.m * 7 + p.n * 5 + p.k * 3 + p.transA + 2 * p.transB);
    const lda = (p.transA ? p.m : p.k) + pad;
    const ldb = (p.transB ? p.k : p.n) + pad;
    const ldc = p.n + pad;
    const uniform = (n: number) => Float32Array.from({ length: n }, () => next() * 2 - 1);
    const a = uniform((p.transA ? p.k : p.m) * lda);
    const b = uniform((p.transB ? p.n : p.k) * ldb);
    const c = uniform(p.m * ldc);
    const out = bench.f32(c.length);
    // With beta 0, C may hold anything.
    wasm.arena.put(out.ptr, p.beta === 0 ? c.map((v, i) => (i % ldc < p.n ? Number.NaN : v)) : c);
    const { value, size } = twin(p, a, lda, b, ldb, c, ldc);
    const scratch = bench.scratch(wasm.k.gemm_scratch());
    wasm.k.gemm(
      p.transA,
      p.transB,
      p.m,
      p.n,
      p.k,
      p.alpha,
      bench.put(a),
      lda,
      bench.put(b),
      ldb,
      p.beta,
      out.ptr,
      ldc,
      scratch,
    );
    const found = out.read();
    const scaled = (x: ArrayLike<number>) => Array.from(x, (v, i) => v / (size[i]! || 1));
    close(scaled(found), scaled(value), { absolute: (8 + Math.sqrt(p.k)) * 2 ** -23 }, what);
  } finally {
    bench.dispose();
  }
}

const TRANSPOSES = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
] as const;

test('gemm: every combination of small sizes and transposes', () => {
  const sizes = [0, 1, 3, 4, 5, 6, 7, 8, 9, 11, 17];
  for (const [transA, transB] of TRANSPOSES) {
    for (const m of sizes)
      for (const n of sizes)
        for (const k of sizes) {
          check({ transA, transB, m, n, k, alpha: 1, beta: 0 }, (m + n + k) % 3, 4 * ((m + n) % 4));
        }
  }
});

test('gemm: alpha and beta', () => {
  for (const [transA, transB] of TRANSPOSES) {
    for (const [m, n, k] of [
      [1, 19, 23],
      [3, 3, 3],
      [13, 21, 9],
      [31, 2, 10],
    ] as const) {
      for (const alpha of [0, 1, -0.5])
        for (const beta of [0, 1, 0.25]) {
          check({ transA, transB, m, n, k, alpha, beta }, 1, 4);
        }
    }
  }
});

test('gemm: sizes across the block limits', () => {
  for (const [transA, transB] of TRANSPOSES) {
    for (const [m, n, k] of [
      [121, 33, 257],
      [5, 481, 256],
      [127, 9, 513],
      [241, 8, 31],
      [1, 500, 300],
      [2, 600, 4200],
      [300, 3, 4200],
      [4, 7, 4097],
    ] as const) {
      check({ transA, transB, m, n, k, alpha: 1, beta: 0.5 }, 3, 4);
    }
  }
});

test('gemm: the same bits every time, whatever the alignment', () => {
  const next = random(3);
  const [m, n, k] = [37, 41, 300];
  const a = normals(m * k, next);
  const b = normals(k * n, next);
  const results = [0, 4, 12].map((skew) => {
    const bench = new Bench(wasm, skew);
    const c = bench.f32(m * n);
    wasm.k.gemm(0, 0, m, n, k, 1, bench.put(a), k, bench.put(b), n, 0, c.ptr, n, bench.scratch(wasm.k.gemm_scratch()));
    const out = c.read();
    bench.dispose();
    return out;
  });
  for (const r of results) close(r, results[0]!, { absolute: Number.MIN_VALUE }, 'gemm again');
});

test('gemm: NaN and infinity reach exactly the elements they touch', () => {
  const bench = new Bench(wasm);
  const [m, n, k] = [11, 13, 6];
  const a = new Float32Array(m * k).fill(1);
  const b = new Float32Array(k * n).fill(1);
  a[4 * k + 2] = Number.NaN;
  b[3 * n + 5] = Number.POSITIVE_INFINITY;
  const c = bench.f32(m * n);
  wasm.k.gemm(0, 0, m, n, k, 1, bench.put(a), k, bench.put(b), n, 0, c.ptr, n, bench.scratch(wasm.k.gemm_scratch()));
  const expected = Array.from({ length: m * n }, (_, i) =>
    Math.floor(i / n) === 4 ? Number.NaN : i % n === 5 ? Number.POSITIVE_INFINITY : k,
  );
  close(c.read(), expected, { absolute: 0 }, 'gemm');
  bench.dispose();
});

test.run();
