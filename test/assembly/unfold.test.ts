import { test } from 'uvu';
import { loadWasm, normals, random } from '../helpers.ts';
import { close, eachSkew, same } from './bench.ts';

const wasm = await loadWasm();
const { k } = wasm;

test('unfold_f32, unfold_f64: [m, c, taps] as matrices by rows and by columns', () => {
  for (const [m, c, down, across] of [
    [1, 1, 1, 1],
    [2, 3, 1, 1],
    [3, 2, 3, 1],
    [4, 17, 3, 2],
    [5, 33, 2, 3],
  ] as const)
    for (const byRows of [true, false])
      eachSkew(wasm, (bench) => {
        const taps = down * across;
        const [rows, cols] = [m * down, c * across];
        const x = normals(m * c * taps, random(m + c));
        const at = Int32Array.from({ length: taps }, (_, t) => {
          const [row, col] = [Math.floor(t / across), t % across];
          return byRows ? row * cols + col : col * rows + row;
        });
        const expected = new Float32Array(x.length);
        for (let i = 0; i < m; i++)
          for (let j = 0; j < c; j++)
            for (let t = 0; t < taps; t++) {
              const [row, col] = [i * down + Math.floor(t / across), j * across + (t % across)];
              expected[byRows ? row * cols + col : col * rows + row] = x[(i * c + j) * taps + t]!;
            }
        const [stepM, stepC] = byRows ? [down * cols, across] : [down, across * rows];
        const [narrow, wide] = [bench.f32(x.length), bench.f64(x.length)];
        const [from, places] = [bench.put(x), bench.put(at)];
        k.unfold_f32(from, m, c, taps, places, stepM, stepC, narrow.ptr);
        k.unfold_f64(from, m, c, taps, places, stepM, stepC, wide.ptr);
        same(narrow.read(), expected, `floats, [${m}, ${c}, ${taps}]`);
        same(wide.read(), expected, `doubles, [${m}, ${c}, ${taps}]`);
      });
});

test('abs_sums: along rows and columns; what is not finite shows in its row', () => {
  for (const [rows, cols] of [
    [0, 3],
    [1, 1],
    [3, 5],
    [7, 4],
    [9, 18],
  ] as const)
    for (const bad of [undefined, Number.NaN, Number.NEGATIVE_INFINITY])
      eachSkew(wasm, (bench) => {
        const x = normals(rows * cols, random(rows));
        if (bad !== undefined && rows > 0) x[x.length >> 1] = bad;
        const [byRow, byColumn] = [bench.f64(rows), bench.f64(cols)];
        k.abs_sums(bench.put(x), rows, cols, byRow.ptr, byColumn.ptr);
        const sum = (picked: (at: number) => boolean) => x.reduce((s, v, at) => (picked(at) ? s + Math.abs(v) : s), 0);
        const expectedRows = Array.from({ length: rows }, (_, r) => sum((at) => Math.floor(at / cols) === r));
        const expectedCols = Array.from({ length: cols }, (_, c) => sum((at) => at % cols === c));
        close(byRow.read(), expectedRows, { relative: 1e-14 }, `rows of ${rows} x ${cols}`);
        close(byColumn.read(), expectedCols, { relative: 1e-14 }, `columns of ${rows} x ${cols}`);
      });
});

test.run();
