import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadWasm, normals, random } from '../helpers.ts';
import { Bench, close, same } from './bench.ts';

const wasm = await loadWasm();

/** Compared as bytes: NaN, signs of zero and all. */
function sameBits(found: Float32Array, expected: Float32Array, what: string): void {
  const bytes = (x: Float32Array) => new Uint8Array(x.buffer, x.byteOffset, x.byteLength);
  assert.is(Buffer.compare(bytes(found), bytes(expected)), 0, what);
}

interface Fused {
  m: number;
  n: number;
  k: number;
  /** 0, 1: as stored; 2: packed from a plain operand, 3: packed from a transposed one. */
  formA: number;
  formB: number;
  kind: number;
  residual: boolean;
  low: number;
  high: number;
  beta: number;
}

const PLAIN = { kind: 0, residual: false, low: -Infinity, high: Infinity, beta: 0 };

/** Runs it; `finish` false leaves bias, residual and clamp out. */
function run(f: Fused, skew: number, finish = true): Float32Array {
  const { m, n, k } = f;
  const bench = new Bench(wasm, skew);
  try {
    const next = random(m * 7 + n * 5 + k * 3);
    const a = normals(m * k, next);
    const b = normals(k * n, next);
    const turned = (x: Float32Array, rows: number, cols: number) =>
      x.map((_, i) => x[(i % rows) * cols + Math.floor(i / rows)]!);
    const ta = f.formA & 1;
    const tb = f.formB & 1;
    let pa = bench.put(ta ? turned(a, m, k) : a);
    let pb = bench.put(tb ? turned(b, k, n) : b);
    if (f.formA >= 2) {
      const out = bench.f32(wasm.k.gemm_packed_a(m, k) / 4);
      wasm.k.gemm_pack_a(ta, m, k, pa, ta ? m : k, out.ptr);
      out.read();
      pa = out.ptr;
    }
    if (f.formB >= 2) {
      const out = bench.f32(wasm.k.gemm_packed_b(k, n) / 4);
      wasm.k.gemm_pack_b(tb, k, n, pb, tb ? k : n, out.ptr);
      out.read();
      pb = out.ptr;
    }
    const start = normals(m * n, next);
    const c = bench.f32(m * n);
    wasm.arena.put(c.ptr, f.beta === 0 ? start.map(() => Number.NaN) : start);
    const bias = bench.put(normals(Math.max(m, n), next));
    const residual = bench.put(normals(m * (n + 2), next));
    wasm.k.gemm_fused(
      Math.min(f.formA, 2),
      Math.min(f.formB, 2),
      m,
      n,
      k,
      0.75,
      pa,
      f.formA >= 2 ? 0 : ta ? m : k,
      pb,
      f.formB >= 2 ? 0 : tb ? k : n,
      f.beta,
      c.ptr,
      n,
      bias,
      finish ? f.kind : 0,
      finish && f.residual ? residual : 0,
      n + 2,
      finish ? f.low : -Infinity,
      finish ? f.high : Infinity,
      bench.scratch(wasm.k.gemm_scratch()),
    );
    const y = c.read();
    if (finish) return y;
    // The twin of what would have followed.
    const view = (ptr: number, count: number) => wasm.arena.f32(ptr, count);
    return y.map((v, at) => {
      const [i, j] = [Math.floor(at / n), at % n];
      let s = v;
      if (f.kind === 1) s = Math.fround(s + view(bias, n)[j]!);
      if (f.kind === 2) s = Math.fround(s + view(bias, m)[i]!);
      if (f.residual) s = Math.fround(s + view(residual, m * (n + 2))[i * (n + 2) + j]!);
      return Math.min(Math.max(s, f.low), f.high);
    });
  } finally {
    bench.dispose();
  }
}

const SHAPES = [
  [5, 8, 7],
  [6, 9, 1],
  [7, 17, 30],
  [11, 23, 257],
  [16, 40, 12],
  [37, 13, 300],
  [67, 9, 600],
  [61, 520, 9],
] as const;

test('gemm: packed operands give the same bits as plain ones', () => {
  for (const [m, n, k] of SHAPES) {
    for (const beta of [0, 0.5]) {
      const expected = run({ ...PLAIN, beta, m, n, k, formA: 0, formB: 0 }, 4);
      for (const formA of [0, 1, 2, 3])
        for (const formB of [0, 1, 2, 3]) {
          const found = run({ ...PLAIN, beta, m, n, k, formA, formB }, 4 * (formA + formB));
          sameBits(found, expected, JSON.stringify({ m, n, k, formA, formB, beta }));
        }
    }
  }
});

test('gemm: few rows or columns of packed operands', () => {
  for (const [m, n, k] of [
    [1, 1, 1],
    [1, 33, 70],
    [2, 8, 300],
    [3, 5, 9],
    [4, 100, 20],
    [9, 1, 33],
    [30, 3, 257],
    [0, 4, 4],
    [4, 0, 4],
    [4, 4, 0],
  ] as const) {
    const expected = run({ ...PLAIN, m, n, k, formA: 0, formB: 0 }, 4);
    for (const formA of [0, 1, 2, 3])
      for (const formB of [0, 1, 2, 3]) {
        const found = run({ ...PLAIN, m, n, k, formA, formB }, 4);
        close(found, expected, { absolute: 1e-4, relative: 1e-5 }, JSON.stringify({ m, n, k, formA, formB }));
      }
  }
});

test('gemm_pack_a: panels of nearly equal height, the taller first', () => {
  const most = wasm.k.gemm_rows();
  for (const m of [1, 4, 5, 6, 7, 11, 12, 16, 23]) {
    const k = 3;
    const bench = new Bench(wasm);
    const out = bench.f32(m * k);
    wasm.k.gemm_pack_a(0, m, k, bench.put(Float32Array.from({ length: m * k }, (_, i) => i)), k, out.ptr);
    const count = Math.ceil(m / most);
    const expected: number[] = [];
    for (let q = 0, i = 0; q < count; q++) {
      const h = Math.floor(m / count) + (q < m % count ? 1 : 0);
      for (let p = 0; p < k; p++) for (let r = i; r < i + h; r++) expected.push(r * k + p);
      i += h;
    }
    same(out.read(), expected, `${m} rows`);
    bench.dispose();
  }
});

test('gemm_fused: bias, residual and clamp', () => {
  for (const [m, n, k] of [
    ...SHAPES,
    [1, 21, 50],
    [3, 8, 9],
    [4, 3, 300],
    [20, 2, 10],
    [3, 3, 0],
    [9, 9, 0],
  ] as const) {
    for (const kind of [0, 1, 2])
      for (const residual of [false, true])
        for (const [low, high] of [
          [-Infinity, Infinity],
          [0, Infinity],
          [-1, 2],
        ] as const) {
          const f = { m, n, k, formA: 0, formB: 0, kind, residual, low, high, beta: 0.5 };
          const what = JSON.stringify(f);
          same(run(f, 4), run(f, 4, false), what);
          if (m > 4 && n > 4) same(run({ ...f, formA: 2, formB: 3 }, 4), run(f, 4, false), what);
        }
  }
});

test('gemm_batch: the products one by one', () => {
  for (const [count, m, n, k, repeatA] of [
    [3, 7, 9, 5, false],
    [4, 1, 11, 6, true],
    [2, 16, 3, 40, false],
    [0, 5, 5, 5, false],
  ] as const)
    for (const transB of [0, 1]) {
      const bench = new Bench(wasm);
      const next = random(count + m);
      const gap = 3;
      const stepA = repeatA ? 0 : m * k + gap;
      const a = bench.put(normals(Math.max(1, count) * (m * k + gap), next));
      const b = bench.put(normals(Math.max(1, count) * (k * n + gap), next));
      const start = normals(Math.max(1, count) * (m * n + gap), next);
      const found = bench.f32(start.length);
      const expected = bench.f32(start.length);
      wasm.arena.put(found.ptr, start);
      wasm.arena.put(expected.ptr, start);
      const scratch = bench.scratch(wasm.k.gemm_scratch());
      const ldb = transB ? k : n;
      const [stepB, stepC] = [k * n + gap, m * n + gap];
      const c = found.ptr;
      wasm.k.gemm_batch(count, 0, transB, m, n, k, 2, a, k, stepA, b, ldb, stepB, 0.5, c, n, stepC, scratch);
      for (let i = 0; i < count; i++) {
        const at = expected.ptr + 4 * i * stepC;
        wasm.k.gemm(0, transB, m, n, k, 2, a + 4 * i * stepA, k, b + 4 * i * stepB, ldb, 0.5, at, n, scratch);
      }
      sameBits(found.read(), expected.read(), JSON.stringify({ count, m, n, k, transB }));
      bench.dispose();
    }
});

test('gemm_fused: NaN and infinity', () => {
  const bench = new Bench(wasm);
  const [m, n, k] = [7, 10, 3];
  const a = new Float32Array(m * k).fill(1);
  const b = new Float32Array(k * n).fill(1);
  a[2 * k + 1] = 0;
  b[n + 4] = Number.POSITIVE_INFINITY;
  b[2 * n + 7] = Number.NEGATIVE_INFINITY;
  a[5 * k] = Number.NaN;
  const c = bench.f32(m * n);
  const [pa, pb, scratch] = [bench.put(a), bench.put(b), bench.scratch(wasm.k.gemm_scratch())];
  wasm.k.gemm_fused(0, 0, m, n, k, 1, pa, k, pb, n, 0, c.ptr, n, 0, 0, 0, 0, 0, 6, scratch);
  const expected = Array.from({ length: m * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    if (i === 5 || (i === 2 && j === 4)) return Number.NaN;
    return j === 4 ? 6 : j === 7 ? 0 : i === 2 ? 2 : 3;
  });
  same(c.read(), expected, 'clamped to [0, 6]');
  bench.dispose();
});

test.run();
