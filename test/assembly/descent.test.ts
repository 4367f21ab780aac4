import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadWasm, normals, random } from '../helpers.ts';
import { Bench, eachSkew } from './bench.ts';

const wasm = await loadWasm();
const { k } = wasm;

interface Problem {
  n: number;
  rows: number;
  perRow: number;
  h: Float32Array;
  w: Float32Array;
  levels: Float32Array;
  scales: Float32Array;
  zeros: Float32Array;
  blocks: Int32Array;
  top: number;
}

function problem(n: number, rows: number, perRow: number, bits: number, seed: number): Problem {
  const next = random(seed);
  const h = new Float32Array(n * n);
  for (let s = 0; s < n + 4; s++) {
    const x = normals(n, next);
    for (let i = 1; i < n; i++) x[i] = 0.7 * x[i - 1]! + x[i]!;
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) h[i * n + j]! += (x[i]! * x[j]!) / n;
  }
  const top = 2 ** bits - 1;
  const zeros = Float32Array.from({ length: rows * perRow }, () => Math.floor(top / 2 + 2 * next()));
  const scales = Float32Array.from({ length: rows * perRow }, () => Math.fround((0.5 + next()) / 2 ** (bits - 2)));
  const blocks = Int32Array.from({ length: n }, (_, j) => Math.floor((j * perRow) / n));
  const w = normals(rows * n, next);
  const levels = Float32Array.from({ length: rows * n }, (_, i) => {
    const unit = Math.floor(i / n) * perRow + blocks[i % n]!;
    return Math.min(top - zeros[unit]!, Math.max(-zeros[unit]!, Math.round(w[i]! / scales[unit]!)));
  });
  return { n, rows, perRow, h, w, levels, scales, zeros, blocks, top };
}

/** e H e' of each row. */
function errorsOf(p: Problem, levels: Float32Array, scales: Float32Array): Float64Array {
  const { n, rows } = p;
  return Float64Array.from({ length: rows }, (_, r) => {
    const e = Array.from(
      { length: n },
      (_, j) => p.w[r * n + j]! - levels[r * n + j]! * scales[r * p.perRow + p.blocks[j]!]!,
    );
    let total = 0;
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) total += e[i]! * p.h[i * n + j]! * e[j]!;
    return total;
  });
}

function product(x: Float32Array, h: Float32Array, rows: number, n: number): Float32Array {
  const y = new Float32Array(rows * n);
  for (let r = 0; r < rows; r++)
    for (let j = 0; j < n; j++) {
      let s = 0;
      for (let i = 0; i < n; i++) s += x[r * n + i]! * h[i * n + j]!;
      y[r * n + j] = s;
    }
  return y;
}

function descend(b: Bench, p: Problem, sweeps: number, refit: boolean, half: boolean, pairs = false) {
  const { n, rows, perRow } = p;
  const e = p.w.map((x, i) => x - p.levels[i]! * p.scales[Math.floor(i / n) * perRow + p.blocks[i % n]!]!);
  const levels = b.f32(rows * n);
  const scales = b.f32(rows * perRow);
  const errors = b.f64(rows);
  wasm.arena.put(levels.ptr, p.levels);
  wasm.arena.put(scales.ptr, p.scales);
  k.descend(
    b.put(p.h),
    n,
    rows,
    b.put(p.w),
    b.put(product(p.w, p.h, rows, n)),
    levels.ptr,
    b.put(product(e, p.h, rows, n)),
    scales.ptr,
    b.put(p.zeros),
    perRow,
    b.put(p.blocks),
    p.top,
    sweeps,
    pairs ? 1000 : 0,
    refit ? 1 : 0,
    half ? 1 : 0,
    errors.ptr,
    b.scratch(k.descend_scratch(n)),
  );
  return { levels: levels.read(), scales: scales.read(), errors: errors.read() };
}

const CASES = [
  [1, 1, 1, 2],
  [3, 2, 1, 3],
  [9, 5, 1, 2],
  [16, 3, 2, 3],
  [23, 4, 3, 4],
  [41, 2, 1, 8],
] as const;

test('descend: no row gets worse, and no single code can be bettered', () => {
  for (const [n, rows, perRow, bits] of CASES)
    eachSkew(wasm, (b) => {
      const p = problem(n, rows, perRow, bits, n + rows);
      const found = descend(b, p, 100, false, false);
      const before = errorsOf(p, p.levels, p.scales);
      const after = errorsOf(p, found.levels, found.scales);
      assert.equal(found.scales, p.scales);
      for (let r = 0; r < rows; r++) {
        assert.ok(after[r]! <= before[r]! * (1 + 1e-5), `row ${r}: ${before[r]} to ${after[r]}`);
        assert.ok(Math.abs(found.errors[r]! - after[r]!) <= 1e-4 * before[r]! + 1e-6, `row ${r}: reported error`);
        for (let j = 0; j < n; j++) {
          const zero = p.zeros[r * perRow + p.blocks[j]!]!;
          const level = found.levels[r * n + j]!;
          assert.ok(
            Number.isInteger(level) && level >= -zero && level <= p.top - zero,
            `row ${r}, column ${j}: ${level}`,
          );
          for (const d of [-1, 1]) {
            if (level + d < -zero || level + d > p.top - zero) continue;
            const other = found.levels.slice();
            other[r * n + j] = level + d;
            const e = errorsOf(p, other, found.scales)[r]!;
            assert.ok(e >= after[r]! - 1e-3 * before[r]! - 1e-6, `row ${r}, column ${j}: ${after[r]} or ${e}`);
          }
        }
      }
    });
});

test('descend with refit: better than without, scales positive, halves where asked for', () => {
  for (const [n, rows, perRow, bits] of CASES)
    for (const half of [false, true]) {
      const b = new Bench(wasm);
      const p = problem(n, rows, perRow, bits, n + rows + 7);
      const plain = descend(b, p, 100, false, false);
      const found = descend(b, p, 100, true, half);
      const sum = (x: Float64Array) => x.reduce((a, c) => a + c, 0);
      const after = errorsOf(p, found.levels, found.scales);
      assert.ok(sum(after) <= sum(errorsOf(p, plain.levels, plain.scales)) * (1 + 1e-4) + 1e-9, `${n} columns`);
      for (const [r, e] of found.errors.entries())
        assert.ok(Math.abs(e - after[r]!) <= 1e-3 * after[r]! + 1e-5, `row ${r}: ${e}, truly ${after[r]}`);
      for (const [i, s] of found.scales.entries()) {
        assert.ok(s > 0 && Number.isFinite(s), `scale ${s}`);
        const bits32 = new Uint32Array(Float32Array.of(s).buffer)[0]!;
        if (half && s !== p.scales[i]) assert.is(bits32 & 0x1fff, 0, `scale ${s} is no half`);
      }
      b.dispose();
    }
});

test('descend with pairs: no two codes can be bettered together', () => {
  for (const [n, rows, perRow, bits] of CASES)
    eachSkew(wasm, (b) => {
      const p = problem(n, rows, perRow, bits, 3 * n + rows);
      const single = errorsOf(p, descend(b, p, 100, false, false).levels, p.scales);
      const found = descend(b, p, 100, false, false, true);
      const after = errorsOf(p, found.levels, found.scales);
      const before = errorsOf(p, p.levels, p.scales);
      const free = (i: number, d: number) => {
        const zero = p.zeros[Math.floor(i / n) * perRow + p.blocks[i % n]!]!;
        return found.levels[i]! + d >= -zero && found.levels[i]! + d <= p.top - zero;
      };
      for (let r = 0; r < rows; r++) {
        assert.ok(after[r]! <= single[r]! * (1 + 1e-4) + 1e-9 && after[r]! <= before[r]! * (1 + 1e-5), `row ${r}`);
        for (let i = 0; i < n; i++)
          for (let j = 0; j < i; j++)
            for (const [d, e] of [
              [1, 1],
              [1, -1],
              [-1, 1],
              [-1, -1],
            ] as const) {
              const [a, c] = [r * n + i, r * n + j];
              if (!free(a, d) || !free(c, e)) continue;
              const other = found.levels.slice();
              other[a]! += d;
              other[c]! += e;
              const error = errorsOf(
                { ...p, rows: 1, w: p.w.subarray(r * n, (r + 1) * n), scales: p.scales },
                other.subarray(r * n, (r + 1) * n),
                p.scales.subarray(r * perRow),
              )[0]!;
              const step = p.scales[r * perRow + p.blocks[i]!]! ** 2 * p.h[i * n + i]!;
              assert.ok(error >= after[r]! - 2e-3 * step - 1e-4 * before[r]! - 1e-6, `row ${r}, columns ${i} and ${j}`);
            }
      }
    });
});

test('descend: 0 sweeps only measure; a column without weight in H keeps its code', () => {
  const b = new Bench(wasm);
  const p = problem(6, 2, 1, 3, 3);
  assert.equal(descend(b, p, 0, false, false).levels, p.levels);
  for (let i = 0; i < 6; i++) p.h[2 * 6 + i] = p.h[i * 6 + 2] = 0;
  p.levels[2] = -1;
  assert.is(descend(b, p, 50, true, true).levels[2], -1);
  p.h.fill(0);
  const nothing = descend(b, p, 50, true, true);
  assert.equal(nothing.levels, p.levels);
  assert.equal(nothing.scales, p.scales);
  b.dispose();
});

test.run();
