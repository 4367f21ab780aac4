import { test } from 'uvu';
import type { Kernels } from '../../src/wasm/kernels.ts';
import { loadWasm, normals, random } from '../helpers.ts';
import { eachSkew, LENGTHS, same } from './bench.ts';

const wasm = await loadWasm();
const f = Math.fround;

const TWINS = {
  add: (a: number, b: number) => f(a + b),
  sub: (a: number, b: number) => f(a - b),
  mul: (a: number, b: number) => f(a * b),
  div: (a: number, b: number) => f(a / b),
  min: (a: number, b: number) => Math.min(a, b),
  max: (a: number, b: number) => Math.max(a, b),
  rsub: (a: number, b: number) => f(b - a),
  rdiv: (a: number, b: number) => f(b / a),
} as const;
type Name = keyof typeof TWINS;
const NAMES = Object.keys(TWINS) as Name[];

/** Numbers with the awkward ones among them. */
function sample(n: number, seed: number): Float32Array {
  const next = random(seed);
  const x = normals(n, next, 3);
  const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0, 1e-42, 3e38];
  for (let i = 0; i < n; i++) if (next() < 0.1) x[i] = odd[Math.floor(next() * odd.length)]!;
  return x;
}

for (const name of NAMES) {
  const twin = TWINS[name];

  if (name !== 'rsub' && name !== 'rdiv') {
    test(`${name}: arrays`, () => {
      for (const n of LENGTHS) {
        eachSkew(wasm, (bench) => {
          const a = sample(n, n);
          const b = sample(n, n + 1000);
          const y = bench.f32(n);
          wasm.k[name](bench.put(a), bench.put(b), y.ptr, n);
          same(
            y.read(),
            a.map((v, i) => twin(v, b[i]!)),
            `${name} n=${n}`,
          );
        });
      }
    });
  }

  test(`${name}_scalar`, () => {
    const kernel = wasm.k[`${name}_scalar` as keyof Kernels] as Kernels['add_scalar'];
    for (const n of LENGTHS) {
      for (const s of [f(-1.7), 0, Number.NaN]) {
        eachSkew(wasm, (bench) => {
          const a = sample(n, n);
          const y = bench.f32(n);
          kernel(bench.put(a), s, y.ptr, n);
          same(
            y.read(),
            a.map((v) => twin(v, s)),
            `${name}_scalar n=${n}`,
          );
        });
      }
    }
  });

  test(`${name}_row and ${name}_col`, () => {
    const row = wasm.k[`${name}_row` as keyof Kernels] as Kernels['add_row'];
    const col = wasm.k[`${name}_col` as keyof Kernels] as Kernels['add_col'];
    for (const rows of [0, 1, 3, 8]) {
      for (const cols of [1, 3, 7, 16, 33]) {
        eachSkew(wasm, (bench) => {
          const a = sample(rows * cols, rows * 100 + cols);
          const byColumn = sample(cols, cols);
          const byRow = sample(rows, rows);
          const y = bench.f32(rows * cols);
          const z = bench.f32(rows * cols);
          row(bench.put(a), bench.put(byColumn), y.ptr, rows, cols);
          col(bench.put(a), bench.put(byRow), z.ptr, rows, cols);
          const what = `${rows}x${cols}`;
          same(
            y.read(),
            a.map((v, i) => twin(v, byColumn[i % cols]!)),
            `${name}_row ${what}`,
          );
          same(
            z.read(),
            a.map((v, i) => twin(v, byRow[Math.floor(i / cols)]!)),
            `${name}_col ${what}`,
          );
        });
      }
    }
  });

  test(`${name}_scalar in place`, () => {
    const kernel = wasm.k[`${name}_scalar` as keyof Kernels] as Kernels['add_scalar'];
    eachSkew(wasm, (bench) => {
      const a = sample(37, 5);
      const p = bench.put(a);
      kernel(p, 0.5, p, 37);
      same(
        wasm.arena.f32(p, 37),
        a.map((v) => twin(v, 0.5)),
        name,
      );
    });
  });
}

test.run();
