import { test } from 'uvu';
import { loadWasm, normals, random } from '../helpers.ts';
import { eachSkew, same } from './bench.ts';

const wasm = await loadWasm();

test('pad_planes', () => {
  for (const [planes, h, w, pt, pl, hp, wp] of [
    [1, 1, 1, 0, 0, 1, 1],
    [3, 5, 7, 1, 2, 7, 10],
    [2, 4, 4, 0, 0, 4, 4],
    [2, 3, 9, 2, 0, 5, 14],
    [1, 6, 3, 0, 5, 11, 8],
    [4, 2, 13, 3, 1, 9, 17],
    [2, 0, 3, 1, 1, 2, 5],
    [2, 3, 0, 1, 1, 5, 2],
    [0, 3, 3, 1, 1, 5, 5],
  ] as const)
    eachSkew(wasm, (bench) => {
      const x = normals(planes * h * w, random(h * 31 + w));
      if (x.length > 3) x.set([NaN, Infinity, -Infinity]);
      const y = bench.f32(planes * hp * wp);
      wasm.k.pad_planes(bench.put(x), planes, h, w, pt, pl, hp, wp, y.ptr);
      const expected = new Float32Array(planes * hp * wp);
      for (let p = 0; p < planes; p++)
        for (let i = 0; i < h; i++)
          for (let j = 0; j < w; j++) expected[(p * hp + pt + i) * wp + pl + j] = x[(p * h + i) * w + j]!;
      same(y.read(), expected, `${planes} planes of ${h} x ${w} in ${hp} x ${wp}`);
    });
});

/** The matrix [depth, n] of x[rows[k] + columns[j]] in panels of 8 columns. */
function packed(x: Float32Array, rows: Int32Array, columns: Int32Array): Float32Array {
  const out = new Float32Array(Math.ceil(columns.length / 8) * 8 * rows.length);
  columns.forEach((c, j) => {
    rows.forEach((r, k) => {
      out[((j >> 3) * rows.length + k) * 8 + (j & 7)] = x[r + c]!;
    });
  });
  return out;
}

test('pack_fields', () => {
  for (const step of [1, 2, 3])
    for (const [width, lines] of [
      [1, 5],
      [7, 3],
      [8, 1],
      [9, 4],
      [16, 2],
      [29, 3],
    ] as const)
      for (const depth of [0, 1, 5, 18])
        eachSkew(wasm, (bench) => {
          const next = random(step * 100 + width + depth);
          const row = (width - 1) * step + 1;
          const columns = Int32Array.from(
            { length: width * lines },
            (_, j) => Math.floor(j / width) * row + (j % width) * step,
          );
          const rows = Int32Array.from({ length: depth }, () => Math.floor(next() * 40));
          // Not a float more than the farthest element: a vector that ends behind it would read the guard of another block.
          const x = normals(Math.max(0, ...rows) + columns.at(-1)! + 1, next);
          x[x.length >> 1] = NaN;
          x[0] = -Infinity;
          const expected = packed(x, rows, columns);
          const out = bench.f32(expected.length);
          const at = [bench.put(x), bench.put(rows), bench.put(columns)] as const;
          wasm.k.pack_fields(at[0], at[1], depth, at[2], columns.length, step, out.ptr);
          same(out.read(), expected, `step ${step}, ${lines} lines of ${width}, depth ${depth}`);
        });
});

test('finish_rows: bias, residual and bounds, each there or not, in place or from rows with gaps', () => {
  for (const m of [0, 1, 3])
    for (const n of [0, 1, 3, 4, 5, 17])
      for (const gap of [0, 3])
        for (const [biased, added] of [
          [false, false],
          [true, false],
          [false, true],
          [true, true],
        ])
          for (const [low, high] of [
            [-Infinity, Infinity],
            [0, Infinity],
            [-0.5, 0.5],
          ] as const)
            eachSkew(wasm, (bench) => {
              const next = random(m * 100 + n * 10 + gap);
              const ldx = n + gap;
              const [x, b, r] = [m * ldx, m, m * n].map((size) => normals(size, next)) as [
                Float32Array,
                Float32Array,
                Float32Array,
              ];
              if (n > 3 && m > 0) x.set([NaN, Infinity, -Infinity]);
              const expected = new Float32Array(m * n);
              for (let i = 0; i < m; i++)
                for (let j = 0; j < n; j++) {
                  const v = Math.fround(x[i * ldx + j]! + (biased ? b[i]! : 0));
                  const sum = Math.fround(v + (added ? r[i * n + j]! : 0));
                  expected[i * n + j] = Math.min(high, Math.max(low, sum));
                }
              const own = biased ? bench.put(b) : 0;
              const add = added ? bench.put(r) : 0;
              const what = `${m} x ${n}, rows ${ldx} apart, bias ${biased}, residual ${added}, [${low}, ${high}]`;
              const y = bench.f32(m * n);
              wasm.k.finish_rows(bench.put(x), ldx, m, n, own, add, low, high, y.ptr);
              same(y.read(), expected, what);
              if (gap > 0) return;
              wasm.arena.f32(y.ptr, m * n).set(x);
              wasm.k.finish_rows(y.ptr, n, m, n, own, add, low, high, y.ptr);
              same(y.read(), expected, `${what}, in place`);
            });
});

test.run();
