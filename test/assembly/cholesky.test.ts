import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadWasm, normals, random } from '../helpers.ts';
import { Bench, close, eachSkew, same } from './bench.ts';

const wasm = await loadWasm();
const { k } = wasm;
const SIZES = [1, 2, 3, 4, 5, 7, 8, 13, 33];

/** x x' of more vectors than columns, in f32. */
function definite(n: number, seed: number): Float32Array {
  const next = random(seed);
  const h = new Float64Array(n * n);
  for (let s = 0; s < 2 * n + 3; s++) {
    const x = normals(n, next);
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) h[i * n + j]! += x[i]! * x[j]!;
  }
  return Float32Array.from(h);
}

function shuffled(n: number, seed: number): Int32Array {
  const next = random(seed);
  const keys = Array.from({ length: n }, next);
  return Int32Array.from(keys.keys()).sort((a, b) => keys[a]! - keys[b]!);
}

function factored(b: Bench, n: number, damp: number) {
  const h = definite(n, n);
  const perm = shuffled(n, n + 1);
  const l = b.f64(n * n);
  wasm.arena.f64(l.ptr, n * n).fill(-7);
  const failed = k.cholesky(b.put(h), n, b.put(perm), damp, l.ptr, b.scratch(k.gram_f64_scratch()));
  assert.is(failed, 0, `size ${n}`);
  return { h, perm, l };
}

test('cholesky: l l’ is the permuted matrix plus damping; above the diagonal nothing is written', () => {
  for (const n of SIZES)
    eachSkew(wasm, (b) => {
      const damp = 0.5;
      const { h, perm, l: out } = factored(b, n, damp);
      const l = out.read();
      const made = new Float64Array(n * n);
      const expected = new Float64Array(n * n);
      for (let i = 0; i < n; i++)
        for (let j = 0; j < n; j++) {
          if (j > i) assert.is(l[i * n + j], -7);
          expected[i * n + j] = h[perm[i]! * n + perm[j]!]! + (i === j ? damp : 0);
          for (let c = 0; c <= Math.min(i, j); c++) made[i * n + j]! += l[i * n + c]! * l[j * n + c]!;
        }
      close(made, expected, { absolute: 1e-12 * n * expected[0]! + 1e-10 }, `size ${n}`);
    });
});

test('cholesky: names the row whose pivot fails, and never leaves NaN unseen', () => {
  const b = new Bench(wasm);
  const tell = (h: number[], damp: number) => {
    const n = Math.sqrt(h.length);
    const perm = Int32Array.from({ length: n }, (_, i) => i);
    return k.cholesky(
      b.put(Float32Array.from(h)),
      n,
      b.put(perm),
      damp,
      b.f64(n * n).ptr,
      b.scratch(k.gram_f64_scratch()),
    );
  };
  assert.is(tell([0], 0), 1);
  assert.is(tell([-1], 0.5), 1);
  assert.is(tell([1, 1, 1, 1], 0), 2);
  assert.is(tell([1, 1, 1, 1], 0.01), 0);
  assert.is(tell([1, 2, 2, 1], 0.1), 2);
  assert.is(tell([1, 0, 0, 0, 1, 0, 0, 0, Number.NaN], 1), 3);
  assert.is(tell([Number.POSITIVE_INFINITY], 1), 1);
  assert.is(tell([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1].concat([]), 0), 0);
  const five = new Array<number>(25).fill(1);
  assert.is(tell(five, 0), 2);
  assert.is(tell(five, 1e-3), 0);
  b.dispose();
});

/** The unit factor and the diagonal of J l l' J. */
function unit(b: Bench, n: number) {
  const { h, perm, l } = factored(b, n, 0.25);
  const u = b.f32(n * n);
  const d = b.f64(n);
  k.unit_factor(l.ptr, n, u.ptr, d.ptr);
  return { h, perm, u, d };
}

test('unit_factor: u diag(d) u’ is the matrix with its order reversed', () => {
  for (const n of SIZES)
    eachSkew(wasm, (b) => {
      const { h, perm, u: factor, d: diagonal } = unit(b, n);
      const u = factor.read();
      const d = diagonal.read();
      const made = new Float64Array(n * n);
      const expected = new Float64Array(n * n);
      for (let i = 0; i < n; i++) {
        assert.is(u[i * n + i], 1);
        for (let j = 0; j < i; j++) assert.is(u[i * n + j], 0);
        for (let j = 0; j < n; j++) {
          const [p, q] = [perm[n - 1 - i]!, perm[n - 1 - j]!];
          expected[i * n + j] = h[p * n + q]! + (i === j ? 0.25 : 0);
          for (let c = 0; c < n; c++) made[i * n + j]! += u[i * n + c]! * d[c]! * u[j * n + c]!;
        }
      }
      close(made, expected, { absolute: 2e-5 * n + 1e-5 }, `size ${n}`);
    });
});

test('solve_unit: X U = T and X U’ = T', () => {
  for (const n of [1, 2, 5, 13])
    for (const rows of [4, 12])
      for (const trans of [0, 1])
        eachSkew(wasm, (b) => {
          const ld = n + 3;
          const next = random(n + rows);
          const u = normals(n * ld, next, 0.3);
          const x = normals(n * rows, next);
          const at = (i: number, j: number) => (i === j ? 1 : i < j ? u[i * ld + j]! : 0);
          const t = new Float32Array(n * rows);
          for (let j = 0; j < n; j++)
            for (let r = 0; r < rows; r++)
              for (let i = 0; i < n; i++) t[j * rows + r]! += x[i * rows + r]! * (trans ? at(j, i) : at(i, j));
          const out = b.f32(n * rows);
          wasm.arena.put(out.ptr, t);
          k.solve_unit(trans, n, rows, b.put(u), ld, out.ptr);
          close(out.read(), x, { absolute: 1e-4 }, `size ${n}, ${rows} rows, trans ${trans}`);
        });
});

test('what is solved twice comes out the same', () => {
  const run = () => {
    const b = new Bench(wasm);
    const { u } = unit(b, 33);
    const found = u.read();
    b.dispose();
    return found;
  };
  same(run(), run(), 'unit factor');
});

test.run();
