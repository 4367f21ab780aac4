import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadWasm, normals, random } from '../helpers.ts';
import { close, eachSkew, LENGTHS, same } from './bench.ts';

const wasm = await loadWasm();
const { k } = wasm;
const COLS = LENGTHS.filter((n) => n > 0);

function logSoftmax(row: number[]): number[] {
  const top = Math.max(...row);
  const total = Math.log(row.reduce((s, v) => s + Math.exp(v - top), 0));
  return row.map((v) => v - top - total);
}

function kl(p: number[], q: number[]): number {
  const a = logSoftmax(p);
  const b = logSoftmax(q);
  return a.reduce((s, v, i) => s + (v === Number.NEGATIVE_INFINITY ? 0 : Math.exp(v) * (v - b[i]!)), 0);
}

function rowsOf(x: Float32Array, cols: number): number[][] {
  return Array.from({ length: x.length / cols }, (_, r) => Array.from(x.subarray(r * cols, (r + 1) * cols)));
}

test('kl_rows', () => {
  for (const rows of [1, 3])
    for (const cols of COLS) {
      eachSkew(wasm, (bench) => {
        const next = random(rows * 999 + cols);
        const p = normals(rows * cols, next, 5);
        const q = p.map((v) => v + (next() - 0.5));
        if (cols > 4) {
          p[2] = Number.NEGATIVE_INFINITY;
          q[2] = Number.NEGATIVE_INFINITY;
          p[3] = Number.NEGATIVE_INFINITY;
        }
        const out = bench.f64(rows);
        k.kl_rows(bench.put(p), bench.put(q), rows, cols, out.ptr);
        const other = rowsOf(q, cols);
        close(
          out.read(),
          rowsOf(p, cols).map((row, r) => kl(row, other[r]!)),
          { relative: 1e-11, absolute: 1e-14 },
          `${rows}x${cols}`,
        );
      });
    }
});

test('kl_rows: nothing between a row and its shift; infinite where q misses what p has; NaN spreads to its row only', () => {
  eachSkew(wasm, (bench) => {
    const p = Float32Array.of(1, 2, 3, 1, 2, 3, 1, Number.NaN, 3, 500, -500, 0);
    const q = Float32Array.of(3, 4, 5, 1, Number.NEGATIVE_INFINITY, 3, 1, 2, 3, -500, 500, 0);
    const out = bench.f64(4);
    k.kl_rows(bench.put(p), bench.put(q), 4, 3, out.ptr);
    const found = out.read();
    assert.ok(found[0]! >= 0 && found[0]! < 1e-15, `found ${found[0]}`);
    same(found.subarray(1, 3), [Number.POSITIVE_INFINITY, Number.NaN], 'kl_rows');
    close(found.subarray(3), [1000], { relative: 1e-14 }, 'kl_rows, far apart');
  });
});

test('kl_rows: small divergences are right', () => {
  // For q = p + d t to second order: KL = d^2 Var_p(t) / 2.
  eachSkew(wasm, (bench) => {
    const next = random(4);
    const p = normals(64, next, 2);
    const d = 2 ** -12;
    const q = p.map((v, i) => v + (i % 2 ? d : -d));
    const out = bench.f64(1);
    k.kl_rows(bench.put(p), bench.put(q), 1, 64, out.ptr);
    close(out.read(), [kl(Array.from(p), Array.from(q))], { relative: 1e-6 }, 'kl_rows');
    assert.ok(out.read()[0]! > 0 && out.read()[0]! < d * d);
  });
});

test('kl_probability_rows agrees with kl_rows on softmax, whatever the rows add up to', () => {
  for (const cols of COLS) {
    eachSkew(wasm, (bench) => {
      const next = random(cols);
      const a = normals(cols, next, 3);
      const b = a.map((v) => v + next());
      const p = Float32Array.from(logSoftmax(Array.from(a)).map((v) => 1.01 * Math.exp(v)));
      const q = Float32Array.from(logSoftmax(Array.from(b)).map((v) => 0.98 * Math.exp(v)));
      const out = bench.f64(2);
      k.kl_probability_rows(bench.put(p), bench.put(q), 1, cols, out.ptr);
      k.kl_rows(bench.put(a), bench.put(b), 1, cols, out.ptr + 8);
      const found = out.read();
      close(found.subarray(0, 1), found.subarray(1), { relative: 1e-5, absolute: 1e-7 }, `cols=${cols}`);
    });
  }
});

test('kl_probability_rows: zeros', () => {
  eachSkew(wasm, (bench) => {
    const out = bench.f64(2);
    k.kl_probability_rows(
      bench.put(Float32Array.of(0, 1, 0.5, 0.5)),
      bench.put(Float32Array.of(0.5, 0.5, 1, 0)),
      2,
      2,
      out.ptr,
    );
    close(
      out.read(),
      [Math.log(2), 0.5 * Math.log(0.5) + 0.5 * Math.log(0.5 / 2 ** -149)],
      { relative: 1e-13 },
      'zeros',
    );
  });
});

test('nll_rows', () => {
  for (const cols of COLS) {
    eachSkew(wasm, (bench) => {
      const x = normals(3 * cols, random(cols), 6);
      const labels = Int32Array.of(0, -1, cols - 1);
      const out = bench.f64(3);
      k.nll_rows(bench.put(x), bench.put(labels), 3, cols, out.ptr);
      const expected = rowsOf(x, cols).map((row, r) => (labels[r]! < 0 ? 0 : -logSoftmax(row)[labels[r]!]!));
      close(out.read(), expected, { relative: 1e-12, absolute: 1e-13 }, `cols=${cols}`);
    });
  }
});

test('nll_rows: a label past the last column gives NaN', () => {
  eachSkew(wasm, (bench) => {
    const out = bench.f64(2);
    k.nll_rows(bench.put(new Float32Array(6)), bench.put(Int32Array.of(3, 2 ** 31 - 1)), 2, 3, out.ptr);
    same(out.read(), [Number.NaN, Number.NaN], 'nll_rows');
  });
});

test.run();
