import { test } from 'uvu';
import type { ReduceRows } from '../../src/wasm/kernels.ts';
import { loadWasm, normals, random } from '../helpers.ts';
import { close, eachSkew, LENGTHS, same } from './bench.ts';

const wasm = await loadWasm();
const { k } = wasm;

test('sum, sum_squares, dot and squared_distance in f64', () => {
  for (const n of LENGTHS) {
    eachSkew(wasm, (bench) => {
      const next = random(n);
      const x = normals(n, next, 3);
      const y = normals(n, next);
      const [p, q] = [bench.put(x), bench.put(y)];
      const out = bench.f64(4);
      k.sum(p, n, out.ptr);
      k.sum_squares(p, n, out.ptr + 8);
      k.dot(p, q, n, out.ptr + 16);
      k.squared_distance(p, q, n, out.ptr + 24);
      const expected = [0, 0, 0, 0];
      for (let i = 0; i < n; i++) {
        expected[0]! += x[i]!;
        expected[1]! += x[i]! * x[i]!;
        expected[2]! += x[i]! * y[i]!;
        expected[3]! += (x[i]! - y[i]!) ** 2;
      }
      close(out.read(), expected, { relative: 1e-14, absolute: 1e-12 }, `n=${n}`);
    });
  }
});

test('sums in f64 keep what f32 would lose', () => {
  eachSkew(wasm, (bench) => {
    const x = Float32Array.of(1e8, 1, -1e8, 1e-3, 2e8, 3, -2e8);
    const out = bench.f64(1);
    k.sum(bench.put(x), x.length, out.ptr);
    close(out.read(), [4 + Math.fround(1e-3)], { absolute: 1e-7 }, 'sum');
  });
});

test('NaN and infinity in a sum', () => {
  eachSkew(wasm, (bench) => {
    for (const [value, expected] of [
      [Number.NaN, Number.NaN],
      [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    ] as const) {
      for (let at = 0; at < 11; at++) {
        const x = new Float32Array(11).fill(1);
        x[at] = value;
        const out = bench.f64(1);
        k.sum(bench.put(x), 11, out.ptr);
        same(out.read(), [expected], `sum with ${value} at ${at}`);
      }
    }
  });
});

const ROW_CASES: Record<string, { kernel: ReduceRows; twin: (row: number[]) => number; tolerance: number }> = {
  sum: { kernel: k.reduce_rows_sum, twin: (row) => row.reduce((s, v) => s + v, 0), tolerance: 2e-4 },
  mean: { kernel: k.reduce_rows_mean, twin: (row) => row.reduce((s, v) => s + v, 0) / row.length, tolerance: 2e-6 },
  max: { kernel: k.reduce_rows_max, twin: (row) => Math.max(...row), tolerance: 0 },
  min: { kernel: k.reduce_rows_min, twin: (row) => Math.min(...row), tolerance: 0 },
};
for (const [name, { kernel, twin, tolerance }] of Object.entries(ROW_CASES)) {
  test(`reduce_rows_${name}`, () => {
    for (const rows of [0, 1, 3])
      for (const cols of LENGTHS)
        for (const bad of [undefined, Number.NaN, Number.NEGATIVE_INFINITY]) {
          eachSkew(wasm, (bench) => {
            const x = normals(rows * cols, random(rows * 400 + cols), 3);
            if (bad !== undefined && cols > 0)
              for (let r = 0; r < rows; r += 2) x[r * cols + ((r * 7 + cols * 5) % cols)] = bad;
            const y = bench.f32(rows);
            kernel(bench.put(x), rows, cols, y.ptr);
            const expected = Array.from({ length: rows }, (_, r) =>
              twin(Array.from(x.subarray(r * cols, (r + 1) * cols))),
            );
            close(y.read(), expected, { absolute: tolerance }, `reduce_rows_${name} ${rows}x${cols}`);
          });
        }
  });
}

test('reduce_cols_sum', () => {
  for (const rows of [0, 1, 3, 50])
    for (const cols of LENGTHS) {
      eachSkew(wasm, (bench) => {
        const x = normals(rows * cols, random(rows * 400 + cols));
        const y = bench.f32(cols);
        k.reduce_cols_sum(bench.put(x), rows, cols, y.ptr);
        const expected = new Float64Array(cols);
        x.forEach((v, i) => {
          expected[i % cols]! += v;
        });
        close(y.read(), expected, { absolute: 2e-5 }, `reduce_cols_sum ${rows}x${cols}`);
      });
    }
});

test('argmax_rows: the first of equals; NaN first of all', () => {
  for (const cols of LENGTHS.filter((n) => n > 0)) {
    eachSkew(wasm, (bench) => {
      const rows = 4;
      const next = random(cols);
      const x = Float32Array.from({ length: rows * cols }, () => Math.floor(next() * 5));
      x.fill(Number.NEGATIVE_INFINITY, 2 * cols, 3 * cols);
      x[3 * cols + (cols >> 1)] = Number.NaN;
      const out = bench.i32(rows);
      k.argmax_rows(bench.put(x), rows, cols, out.ptr);
      const expected = Array.from({ length: rows }, (_, r) => {
        const row = Array.from(x.subarray(r * cols, (r + 1) * cols));
        const nan = row.findIndex(Number.isNaN);
        return nan >= 0 ? nan : row.indexOf(Math.max(...row));
      });
      same(out.read(), expected, `argmax_rows cols=${cols}`);
    });
  }
});

test.run();
