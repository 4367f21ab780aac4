import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadWasm, normals, random } from '../helpers.ts';
import { Bench, close } from './bench.ts';

const wasm = await loadWasm();
const { k } = wasm;
const SHAPES = [
  [1, 1],
  [2, 1],
  [2, 2],
  [3, 2],
  [5, 3],
  [7, 7],
  [9, 8],
  [17, 5],
  [33, 31],
] as const;

function columns(m: number, n: number, seed: number): Float64Array {
  return Float64Array.from(normals(m * n, random(seed)));
}

/** Product of column-major a [m, k] and b [k, n], or b' with b [n, k]. */
function product(a: Float64Array, b: Float64Array, m: number, inner: number, n: number, transB = false): Float64Array {
  const c = new Float64Array(m * n);
  for (let j = 0; j < n; j++)
    for (let l = 0; l < inner; l++)
      for (let i = 0; i < m; i++) c[j * m + i]! += a[l * m + i]! * (transB ? b[l * n + j]! : b[j * inner + l]!);
  return c;
}

test('svd: A V = U diag(sigma), columns orthogonal and descending, V orthogonal', () => {
  for (const [m, n] of SHAPES) {
    const bench = new Bench(wasm, 8);
    const a = columns(m, n, m * 100 + n);
    const out = bench.f64(m * n);
    wasm.arena.put(out.ptr, a);
    const sigma = bench.f64(n);
    const v = bench.f64(n * n);
    const scratch = bench.scratch(k.svd_scratch(m, n));
    k.svd(out.ptr, m, n, sigma.ptr, v.ptr, scratch);
    const sweeps = wasm.arena.i32(scratch, 1)[0]!;
    assert.ok(sweeps >= 1 && sweeps < 20, `${sweeps} sweeps`);
    const [us, s, w] = [out.read(), sigma.read(), v.read()];
    close(product(a, w, m, n, n), us, { absolute: 1e-13 }, `A V, ${m} x ${n}`);
    const gram = new Float64Array(n * n);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) for (let l = 0; l < m; l++) gram[i * n + j]! += us[i * m + l]! * us[j * m + l]!;
    close(
      gram,
      gram.map((_, at) => (at % (n + 1) === 0 ? s[at / (n + 1)]! ** 2 : 0)),
      { absolute: 1e-12 },
      'columns',
    );
    close(
      product(w, w, n, n, n, true),
      gram.map((_, at) => (at % (n + 1) === 0 ? 1 : 0)),
      { absolute: 1e-14 },
      "V V'",
    );
    for (let i = 1; i < n; i++) assert.ok(s[i]! <= s[i - 1]!);
    bench.dispose();
  }
});

test('svd without v gives the same singular values', () => {
  for (const [m, n] of SHAPES) {
    const bench = new Bench(wasm, 8);
    const a = columns(m, n, m * 100 + n);
    const results = [0, bench.f64(n * n).ptr].map((v) => {
      const sigma = bench.f64(n);
      k.svd(bench.put(a), m, n, sigma.ptr, v, bench.scratch(k.svd_scratch(m, n)));
      return sigma.read();
    });
    close(results[0]!, results[1]!, { absolute: Number.MIN_VALUE }, `${m} x ${n}`);
    bench.dispose();
  }
});

test('qr: A P = Q R with |diagonal| descending; qr_apply multiplies by Q', () => {
  for (const [m, n] of SHAPES) {
    const bench = new Bench(wasm, 8);
    const a = columns(m, n, m * 10 + n);
    const out = bench.f64(m * n);
    wasm.arena.put(out.ptr, a);
    const tau = bench.f64(n);
    const perm = bench.i32(n);
    k.qr(out.ptr, m, n, tau.ptr, perm.ptr, bench.scratch(k.qr_scratch(n)));
    const factored = out.read();
    const p = perm.read();
    assert.equal(
      Array.from(p).sort((x, y) => x - y),
      Array.from({ length: n }, (_, i) => i),
    );
    const r = Float64Array.from({ length: m * n }, (_, at) => (at % m <= Math.floor(at / m) ? factored[at]! : 0));
    for (let j = 1; j < n; j++) assert.ok(Math.abs(r[j * m + j]!) <= Math.abs(r[(j - 1) * m + j - 1]!) * (1 + 1e-14));
    const b = bench.f64(m * n);
    wasm.arena.put(b.ptr, r);
    k.qr_apply(out.ptr, m, n, tau.ptr, b.ptr, n);
    const permuted = Float64Array.from({ length: m * n }, (_, at) => a[p[Math.floor(at / m)]! * m + (at % m)]!);
    close(b.read(), permuted, { absolute: 1e-13 }, `Q R, ${m} x ${n}`);
    bench.dispose();
  }
});

test('svd and qr come to an end on NaN and infinity, however many there are', () => {
  for (const [m, n] of [...SHAPES, [40, 37], [70, 66]] as const)
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
      for (const share of [0, 0.1, 1]) {
        const bench = new Bench(wasm, 8);
        const next = random(m + n);
        const a = columns(m, n, n).map((v) => (next() < share ? bad : v));
        a[a.length >> 1] = bad;
        const at = bench.put(a);
        const scratch = bench.scratch(k.svd_scratch(m, n));
        k.svd(at, m, n, bench.f64(n).ptr, bench.f64(n * n).ptr, scratch);
        assert.ok(Math.abs(wasm.arena.i32(scratch, 1)[0]!) <= 60);
        k.qr(bench.put(a), m, n, bench.f64(n).ptr, bench.i32(n).ptr, bench.scratch(k.qr_scratch(n)));
        bench.dispose();
      }
});

test('gemv_f64', () => {
  for (const [m, n] of [[0, 3], [3, 0], ...SHAPES]) {
    const bench = new Bench(wasm, 8);
    const a = columns(m!, n!, m! + n!);
    const x = columns(n!, 1, 1);
    const z = columns(m!, 1, 2);
    const y = bench.f64(m!);
    const w = bench.f64(n!);
    const pa = bench.put(a);
    k.gemv_f64(0, m!, n!, pa, bench.put(x), y.ptr);
    k.gemv_f64(1, m!, n!, pa, bench.put(z), w.ptr);
    // A row-major [m, n] is column-major [n, m].
    close(y.read(), product(x, a, 1, n!, m!), { absolute: 1e-13 }, `A x, ${m} x ${n}`);
    close(w.read(), product(a, z, n!, m!, 1), { absolute: 1e-13 }, `A' x, ${m} x ${n}`);
    bench.dispose();
  }
});

test('gemv_f32', () => {
  for (const [m, n] of [[0, 3], [3, 0], ...SHAPES]) {
    const bench = new Bench(wasm, 8);
    const a = Float32Array.from(columns(m!, n!, m! + n!));
    const x = columns(n!, 1, 1);
    const z = columns(m!, 1, 2);
    const y = bench.f64(m!);
    const w = bench.f64(n!);
    const pa = bench.put(a);
    k.gemv_f32(0, m!, n!, pa, bench.put(x), y.ptr);
    k.gemv_f32(1, m!, n!, pa, bench.put(z), w.ptr);
    const wide = Float64Array.from(a);
    close(y.read(), product(x, wide, 1, n!, m!), { absolute: 1e-13 }, `A x, ${m} x ${n}`);
    close(w.read(), product(wide, z, n!, m!, 1), { absolute: 1e-13 }, `A' x, ${m} x ${n}`);
    bench.dispose();
  }
});

test.run();
