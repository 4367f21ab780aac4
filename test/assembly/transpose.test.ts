import { test } from 'uvu';
import { loadWasm, random } from '../helpers.ts';
import { eachSkew, same } from './bench.ts';

const wasm = await loadWasm();

test('transpose', () => {
  const sizes = [0, 1, 2, 3, 4, 5, 7, 8, 31, 33, 67];
  for (const rows of sizes)
    for (const cols of sizes) {
      eachSkew(wasm, (bench) => {
        const x = Int32Array.from({ length: rows * cols }, (_, i) => i * 2654435761);
        const y = bench.i32(rows * cols);
        wasm.k.transpose(bench.put(x), rows, cols, y.ptr);
        const expected = x.map((_, i) => x[(i % rows) * cols + Math.floor(i / rows)]!);
        same(y.read(), expected, `transpose ${rows}x${cols}`);
      });
    }
});

function permutations(items: number[]): number[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((v, i) => permutations(items.filter((_, j) => j !== i)).map((rest) => [v, ...rest]));
}

test('permute4: every order of four axes, repeats and slices', () => {
  const next = random(1);
  for (const dims of [
    [1, 1, 1, 1],
    [2, 3, 4, 5],
    [3, 1, 7, 2],
    [1, 9, 6, 37],
    [2, 2, 35, 5],
  ]) {
    const strides = [dims[1]! * dims[2]! * dims[3]!, dims[2]! * dims[3]!, dims[3]!, 1];
    for (const order of permutations([0, 1, 2, 3])) {
      for (const repeated of [-1, 0, 2, 3]) {
        eachSkew(wasm, (bench) => {
          const x = Int32Array.from({ length: dims.reduce((a, b) => a * b) }, () => next() * 2 ** 31);
          const d = order.map((axis) => dims[axis]!);
          const s = order.map((axis) => (axis === repeated ? 0 : strides[axis]!));
          const n = x.length;
          const y = bench.i32(n);
          wasm.k.permute4(bench.put(x), d[0]!, d[1]!, d[2]!, d[3]!, s[0]!, s[1]!, s[2]!, s[3]!, y.ptr);
          const expected: number[] = [];
          for (let i = 0; i < d[0]!; i++)
            for (let j = 0; j < d[1]!; j++)
              for (let l = 0; l < d[2]!; l++)
                for (let m = 0; m < d[3]!; m++) expected.push(x[i * s[0]! + j * s[1]! + l * s[2]! + m * s[3]!]!);
          same(y.read(), expected, `permute4 ${dims} by ${order}, axis ${repeated} repeated`);
        });
      }
    }
  }
});

test('place4: runs of every length to places apart', () => {
  for (const d3 of [0, 1, 2, 3, 4, 5, 31, 95, 96, 101])
    for (const [d0, d1, d2] of [
      [1, 1, 1],
      [2, 3, 4],
      [3, 1, 2],
    ] as const)
      eachSkew(wasm, (bench) => {
        const x = Int32Array.from({ length: d0 * d1 * d2 * d3 }, (_, i) => i * 2654435761);
        const s2 = d3 + 1;
        const s1 = d2 * s2 + 3;
        const s0 = d1 * s1;
        const y = bench.i32(d0 * s0);
        const expected = y.read();
        wasm.k.place4(bench.put(x), d0, d1, d2, d3, y.ptr, s0, s1, s2);
        x.forEach((v, at) => {
          const run = Math.floor(at / d3);
          const [i, j, k] = [Math.floor(run / (d1 * d2)), Math.floor(run / d2) % d1, run % d2];
          expected[i * s0 + j * s1 + k * s2 + (at % d3)] = v;
        });
        same(y.read(), expected, `place4 ${d0} ${d1} ${d2} ${d3}`);
      });
});

test.run();
