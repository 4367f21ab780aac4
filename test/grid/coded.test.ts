import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Coded, decode, pickRows } from '../../src/grid/coded.ts';
import { encode, type GridSpec } from '../../src/grid/index.ts';
import { loadWasm, normals, random } from '../helpers.ts';

const wasm = await loadWasm();
const ROWS = 22;
const COLS = 13;
const w = normals(ROWS * COLS, random(5), 0.1);

const specOf =
  (granularity: GridSpec['granularity'], symmetric: boolean) =>
  (bits: number): GridSpec => ({ bits, granularity, symmetric, clip: 'gram', scaleType: 'float16' });

/** E[x x'] of random inputs with a mean, a matrix a group. */
function gramOf(groups: number): { gram: Float32Array; groups: number } {
  const gram = new Float32Array(groups * COLS * COLS);
  for (let g = 0; g < groups; g++)
    for (let s = 0; s < 40; s++) {
      const x = normals(COLS, random(100 * g + s)).map((v) => v + 0.3);
      for (let i = 0; i < COLS; i++)
        for (let j = 0; j < COLS; j++) gram[(g * COLS + i) * COLS + j]! += (x[i]! * x[j]!) / 40;
    }
  return { gram, groups };
}

test('rows picked from whole codes are the rows coded by themselves', () => {
  const widths = Array.from({ length: ROWS }, (_, r) => [2, 4, 3][r % 3]!);
  for (const rounding of ['nearest', 'gptq+cd'])
    for (const granularity of ['channel', 5] as const)
      for (const symmetric of [true, false])
        for (const groups of [1, 2]) {
          const gram = gramOf(groups);
          const of = (width: number | readonly number[]): Coded =>
            encode(wasm, w, ROWS, COLS, width, specOf(granularity, symmetric), rounding, gram);
          const apart = of(widths);
          const picked = [2, 3, 4].map((bits) =>
            pickRows(
              of(bits)[0]!,
              widths.flatMap((b, r) => (b === bits ? [r] : [])),
            ),
          );
          assert.equal(picked, apart, `${rounding}, ${granularity}, ${symmetric}, ${groups} groups`);
          assert.equal(decode(wasm, picked), decode(wasm, apart));
        }
});

test('decoding puts every row in its place', () => {
  const whole = encode(wasm, w, ROWS, COLS, 8, specOf('channel', true), 'nearest');
  const odd = Array.from({ length: ROWS / 2 }, (_, i) => 2 * i + 1);
  const even = odd.map((r) => r - 1);
  const halves = [pickRows(whole[0]!, odd), pickRows(whole[0]!, even)];
  assert.equal(decode(wasm, halves), decode(wasm, whole));
});

test('rows left out stand for zeros, whatever the others are', () => {
  const widths = Array.from({ length: ROWS }, (_, r) => [0, 4, 3][r % 3]!);
  for (const granularity of ['channel', 5] as const) {
    const mixed = encode(wasm, w, ROWS, COLS, widths, specOf(granularity, false), 'gptq+cd', gramOf(2));
    const four = decode(wasm, encode(wasm, w, ROWS, COLS, 4, specOf(granularity, false), 'gptq+cd', gramOf(2)));
    const found = decode(wasm, mixed);
    for (let r = 0; r < ROWS; r++) {
      const row = found.subarray(r * COLS, (r + 1) * COLS);
      if (widths[r] === 0) assert.ok(row.every((v) => v === 0));
      if (widths[r] === 4) assert.equal([...row], [...four.subarray(r * COLS, (r + 1) * COLS)]);
    }
    assert.equal(
      mixed.map((s) => s.grid.bits),
      [0, 3, 4],
    );
  }
});

test.run();
