import { test } from 'uvu';
import { loadWasm, normals, random } from '../helpers.ts';
import { eachSkew, same } from './bench.ts';

const wasm = await loadWasm();
const next = random(5);
const f = Math.fround;

const SHAPES = [
  [1, 1, 1, 1],
  [2, 5, 1, 7],
  [3, 4, 2, 3],
  [1, 6, 3, 9],
  [2, 3, 8, 5],
  [1, 7, 13, 4],
  [2, 2, 37, 3],
  [0, 3, 4, 2],
  [2, 3, 0, 2],
] as const;

test('resample against sums in f32', () => {
  for (const [outer, n, inner, size] of SHAPES)
    for (const taps of [1, 2, 3, 4, 7])
      eachSkew(wasm, (bench) => {
        const x = normals(outer * n * inner, next);
        const index = Int32Array.from({ length: size * taps }, () => Math.floor(next() * n));
        const weight = normals(size * taps, next);
        const y = bench.f32(outer * size * inner);
        wasm.k.resample(bench.put(x), outer, n, inner, bench.put(index), bench.put(weight), taps, size, y.ptr);
        const expected = new Float32Array(outer * size * inner);
        for (let o = 0, q = 0; o < outer; o++)
          for (let i = 0; i < size; i++)
            for (let j = 0; j < inner; j++, q++) {
              let s = 0;
              for (let t = 0; t < taps; t++) {
                const p = f(weight[i * taps + t]! * x[(o * n + index[i * taps + t]!) * inner + j]!);
                s = t === 0 ? p : f(s + p);
              }
              expected[q] = s;
            }
        same(y.read(), expected, `resample [${outer},${n},${inner}] -> ${size}, ${taps} taps`);
      });
});

test('resample_nearest copies', () => {
  for (const [outer, n, inner, size] of SHAPES)
    eachSkew(wasm, (bench) => {
      const x = Int32Array.from({ length: outer * n * inner }, (_, i) => i * 2654435761);
      const index = Int32Array.from({ length: size }, () => Math.floor(next() * n));
      const y = bench.i32(outer * size * inner);
      wasm.k.resample_nearest(bench.put(x), outer, n, inner, bench.put(index), size, y.ptr);
      const expected = Int32Array.from({ length: outer * size * inner }, (_, q) => {
        const [o, i, j] = [Math.floor(q / inner / size), Math.floor(q / inner) % size, q % inner];
        return x[(o * n + index[i]!) * inner + j]!;
      });
      same(y.read(), expected, `resample_nearest [${outer},${n},${inner}] -> ${size}`);
    });
});

test.run();
