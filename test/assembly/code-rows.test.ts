import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadWasm, normals, random } from '../helpers.ts';
import { Bench, close } from './bench.ts';

const wasm = await loadWasm();
const { k } = wasm;

interface Words {
  readonly ptr: number;
  readonly bytes: number;
  readonly scales: number;
  readonly sums: number;
  /** What the words stand for, by row. */
  readonly values: Float64Array;
}

const up16 = (n: number): number => 16 * Math.ceil(n / 16);

/** The words of m rows, read back. Rows lie one behind the other, or 4 side by side. */
function wordsOf(
  bench: Bench,
  x: Float32Array,
  m: number,
  depth: number,
  group: number,
  wide: 0 | 1,
  panel: boolean,
): Words {
  const groups = Math.ceil(depth / group);
  const rows = panel ? 4 * Math.ceil(m / 4) : m;
  const bytes = up16(depth) * (wide ? 4 : 2);
  const out = bench.u8(rows * bytes);
  const scales = bench.f32(rows * groups);
  const sums = bench.f32(rows * groups);
  const from = bench.put(x);
  const values = new Float64Array(m * depth);
  for (let r = 0; r < m; r++) {
    const at = panel ? (r >> 2) * 4 * bytes + (r & 3) * 4 : r * bytes;
    const ok = k.code_words(
      from + 4 * r * depth,
      depth,
      group,
      wide,
      out.ptr + at,
      panel ? 16 : 4,
      scales.ptr + 4 * r * groups,
      sums.ptr + 4 * r * groups,
    );
    assert.is(ok, 1);
    const words = new Int16Array(out.read().buffer);
    const [scale, sum] = [scales.read(), sums.read()];
    for (let g = 0; g < groups; g++) {
      let total = 0;
      for (let i = g * group; i < Math.min(depth, (g + 1) * group); i++) {
        const high = words[(at >> 1) + (i >> 1) * (panel ? 8 : 2) + (i & 1)]!;
        const low = wide ? words[(at >> 1) + up16(depth) + i]! : 0;
        values[r * depth + i] = (wide ? 32768 * high + low : high) * scale[r * groups + g]!;
        total += values[r * depth + i]!;
      }
      const largest = Math.max(
        ...x.subarray(r * depth + g * group, Math.min((r + 1) * depth, r * depth + (g + 1) * group)).map(Math.abs),
        0,
      );
      assert.ok(Math.abs(sum[r * groups + g]! - total) <= 1e-6 * group * largest, 'sum of a group');
      for (let i = g * group; i < Math.min(depth, (g + 1) * group); i++) {
        const error = Math.abs(values[r * depth + i]! - x[r * depth + i]!);
        assert.ok(error <= largest * (wide ? 2 ** -29 : 0.5 / 127 + 1e-7), `word ${i}: off by ${error} of ${largest}`);
      }
    }
  }
  return { ptr: out.ptr, bytes, scales: scales.ptr, sums: sums.ptr, values };
}

const SHAPES = [
  [1, 1, 1, 16, 1],
  [1, 8, 64, 32, 1],
  [2, 9, 70, 16, 2],
  [3, 17, 100, 48, 1],
  [5, 12, 260, 64, 4],
  [70, 11, 1300, 256, 6],
  [4, 8, 96, 32, 3],
] as const;

function weights(bench: Bench, depth: number, n: number, bits: number, block: number, next: () => number) {
  const half = 2 ** (bits - 1);
  const codes = Int8Array.from({ length: depth * n }, () => Math.floor(next() * 2 * half) - half);
  const panels = bench.u8(k.panels_bytes(depth, n, bits)).ptr;
  k.pack_panels(bench.put(codes), n, 1, depth, n, bits, 0, panels);
  const blocks = Math.ceil(depth / block);
  const size = 8 * Math.ceil(n / 8) * blocks;
  const scales = Float32Array.from({ length: size }, () => Math.fround(0.01 + 0.1 * next()));
  const zeros = Float32Array.from({ length: size }, () => Math.fround(9 * next() - 4.5));
  const value = (i: number, j: number, shifted: boolean) => {
    const s = (Math.floor(j / 8) * blocks + Math.floor(i / block)) * 8 + (j % 8);
    return (codes[i * n + j]! - (shifted ? zeros[s]! : 0)) * scales[s]!;
  };
  return { panels, scales: bench.put(scales), zeros: bench.put(zeros), value };
}

function expectedOf(m: number, n: number, depth: number, a: Float64Array, value: (i: number, j: number) => number) {
  const y = new Float64Array(m * n);
  let largest = 0;
  for (let r = 0; r < m; r++)
    for (let j = 0; j < n; j++) {
      let sum = 0;
      let size = 0;
      for (let i = 0; i < depth; i++) {
        sum += a[r * depth + i]! * value(i, j);
        size += Math.abs(a[r * depth + i]! * value(i, j));
      }
      y[r * n + j] = sum;
      largest = Math.max(largest, size);
    }
  return { y, largest };
}

test('code_words and code_rows: widths, groups, zero points', () => {
  for (const [m, n, depth, group, per] of SHAPES)
    for (const bits of [2, 4, 8])
      for (const wide of [0, 1] as const)
        for (const shifted of [false, true]) {
          if (m > 5) continue;
          const bench = new Bench(wasm);
          const next = random(m + n + depth + bits);
          const w = weights(bench, depth, n, bits, group * per, next);
          const a = wordsOf(bench, normals(m * depth, next), m, depth, group, wide, false);
          const ldy = n + 3;
          const y = bench.f32((m - 1) * ldy + n);
          const zeros = shifted ? w.zeros : 0;
          k.code_rows(
            m,
            n,
            depth,
            group,
            per,
            wide,
            a.ptr,
            a.bytes,
            a.scales,
            a.sums,
            w.panels,
            bits,
            w.scales,
            zeros,
            y.ptr,
            ldy,
            bench.scratch(32),
          );
          const found = y.read();
          const e = expectedOf(m, n, depth, a.values, (i, j) => w.value(i, j, shifted));
          const own = Array.from({ length: m * n }, (_, i) => found[Math.floor(i / n) * ldy + (i % n)]!);
          close(own, e.y, { absolute: 2e-6 * e.largest }, `${m}x${n}x${depth} bits ${bits} wide ${wide} ${shifted}`);
          bench.dispose();
        }
});

test('code_gemm', () => {
  for (const [m, n, depth, group, per] of SHAPES)
    for (const bits of [2, 4, 8])
      for (const shifted of [false, true]) {
        if (m === 1) continue;
        const bench = new Bench(wasm);
        const next = random(m + n + depth + bits);
        const w = weights(bench, depth, n, bits, group * per, next);
        const a = wordsOf(bench, normals(m * depth, next), m, depth, group, 0, true);
        const ldy = n + 1;
        const y = bench.f32((m - 1) * ldy + n);
        k.code_gemm(
          m,
          n,
          depth,
          group,
          per,
          a.ptr,
          a.scales,
          a.sums,
          w.panels,
          bits,
          w.scales,
          shifted ? w.zeros : 0,
          y.ptr,
          ldy,
          bench.scratch(k.code_gemm_scratch()),
        );
        const found = y.read();
        const e = expectedOf(m, n, depth, a.values, (i, j) => w.value(i, j, shifted));
        const own = Array.from({ length: m * n }, (_, i) => found[Math.floor(i / n) * ldy + (i % n)]!);
        close(own, e.y, { absolute: 2e-6 * e.largest }, `${m}x${n}x${depth} bits ${bits} ${shifted}`);
        bench.dispose();
      }
});

test('words of what is tiny, huge, zero and no number', () => {
  for (const wide of [0, 1] as const) {
    const bench = new Bench(wasm);
    for (const size of [1e38, 1e-25, 0]) {
      const x = normals(32, random(7)).map((v) => v * 0.1 * size);
      wordsOf(bench, x, 1, 32, 16, wide, false);
    }
    const at = [bench.scratch(512), bench.scratch(64), bench.scratch(64)] as const;
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
      for (const i of [0, 18, 20]) {
        const x = normals(21, random(3));
        x[i] = bad;
        assert.is(k.code_words(bench.put(x), 21, 16, wide, at[0], 4, at[1], at[2]), 0, `${bad} at ${i}`);
      }
    bench.dispose();
  }
});

test.run();
