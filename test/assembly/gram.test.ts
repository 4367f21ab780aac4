import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadWasm, normals, random } from '../helpers.ts';
import { Bench, close, same } from './bench.ts';

const wasm = await loadWasm();
const { k } = wasm;

/** Element [i, j] of A'A, A column-major [m, n]. */
function product(a: Float64Array, m: number, i: number, j: number): number {
  let s = 0;
  for (let r = 0; r < m; r++) s += a[i * m + r]! * a[j * m + r]!;
  return s;
}

test('gram_f64: the asked rows of the lower triangle, the rest left as it is', () => {
  for (const [m, n] of [
    [1, 1],
    [3, 2],
    [5, 3],
    [7, 6],
    [16, 9],
    [513, 5],
    [1100, 70],
  ] as const)
    for (const [from, count] of [
      [0, n],
      [0, 1],
      [n - 1, 1],
      [n >> 1, n - (n >> 1)],
      [n >> 2, n >> 1],
    ] as const) {
      const bench = new Bench(wasm, 8);
      const a = Float64Array.from(normals(m * n, random(m + n)));
      const g = bench.f64(n * n);
      wasm.arena.f64(g.ptr, n * n).fill(-7);
      k.gram_f64(bench.put(a), m, n, from, count, g.ptr, bench.scratch(k.gram_f64_scratch()));
      const expected = Float64Array.from({ length: n * n }, (_, at) => {
        const [i, j] = [Math.floor(at / n), at % n];
        return i >= from && i < from + count && j <= i ? product(a, m, i, j) : -7;
      });
      close(g.read(), expected, { absolute: 1e-12 * m }, `A'A, ${m} x ${n}, rows ${from} + ${count}`);
      bench.dispose();
    }
});

test('cholesky_f64: L L’ is what there was, nothing above the diagonal is touched', () => {
  for (const n of [1, 2, 3, 4, 5, 8, 9, 31, 66]) {
    const bench = new Bench(wasm, 8);
    const m = 2 * n + 3;
    const a = Float64Array.from(normals(m * n, random(n)));
    const given = Float64Array.from({ length: n * n }, (_, at) =>
      at % n <= Math.floor(at / n) ? product(a, m, Math.floor(at / n), at % n) : 99,
    );
    const g = bench.f64(n * n);
    wasm.arena.put(g.ptr, given);
    assert.is(k.cholesky_f64(g.ptr, n, 1e-6, bench.scratch(k.gram_f64_scratch())), 0);
    const l = g.read();
    const back = Float64Array.from({ length: n * n }, (_, at) => {
      const [i, j] = [Math.floor(at / n), at % n];
      if (j > i) return l[at]!;
      let s = 0;
      for (let c = 0; c <= j; c++) s += l[i * n + c]! * l[j * n + c]!;
      return s;
    });
    close(back, given, { absolute: 1e-12 * m }, `L L', ${n}`);
    bench.dispose();
  }
});

test('cholesky_f64: the row at which a pivot falls below its share, NaN among them', () => {
  const bench = new Bench(wasm, 8);
  const scratch = bench.scratch(k.gram_f64_scratch());
  const factor = (g: readonly number[], least: number) =>
    k.cholesky_f64(bench.put(Float64Array.from(g)), Math.sqrt(g.length), least, scratch);
  assert.is(factor([4, 0, 2, 1.0625], 1e-3), 0);
  assert.is(factor([4, 0, 2, 1.0625], 0.1), 2);
  assert.is(factor([-1], 0), 1);
  assert.is(factor([Number.NaN], 0), 1);
  assert.is(factor([1, 0, Number.NaN, 1], 0), 2);
  assert.is(factor([1, 0, 0, 0, 1, 0, 1, 1, 2], 0), 3);
  bench.dispose();
});

test('rows of any cut have the same bits', () => {
  const [m, n] = [700, 37];
  const bench = new Bench(wasm, 8);
  const a = bench.put(Float64Array.from(normals(m * n, random(8))));
  const scratch = bench.scratch(k.gram_f64_scratch());
  const whole = bench.f64(n * n);
  const parts = bench.f64(n * n);
  k.gram_f64(a, m, n, 0, n, whole.ptr, scratch);
  wasm.arena.f64(parts.ptr, n * n).set(wasm.arena.f64(whole.ptr, n * n));
  for (let i = 0; i < n; i++) wasm.arena.f64(parts.ptr, n * n).fill(0, i * n, i * n + i + 1);
  for (const [from, count] of [
    [0, 10],
    [10, 16],
    [26, 11],
  ] as const)
    k.gram_f64(a, m, n, from, count, parts.ptr, scratch);
  same(parts.read(), whole.read(), 'cut at even rows');
  bench.dispose();
});

test.run();
