import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Coded,
  decode,
  encode,
  fitGrid,
  gramErrorRows,
  type GridSpec,
  quantize,
} from '../../../src/grid/index.ts';
import { loadWasm, normals, random } from '../../helpers.ts';
import { throws } from '../../throws.ts';
import { inputs, total } from './problems.ts';

const wasm = await loadWasm();
const spec =
  (more: Partial<GridSpec> = {}) =>
  (bits: number): GridSpec => ({
    bits,
    granularity: 'channel',
    symmetric: false,
    clip: 'gram',
    scaleType: 'float16',
    ...more,
  });

function errorOf(w: Float32Array, coded: Coded, rows: number, cols: number, gram: Float32Array, groups = 1) {
  return gramErrorRows(wasm, w, decode(wasm, coded), rows, cols, gram, groups);
}

test('the search finds less error than the method alone on the best fixed grid, for every row type of grid', () => {
  const [rows, cols] = [12, 40];
  const w = normals(rows * cols, random(2), 0.1);
  const { gram } = inputs(cols, 1, 120, 3);
  for (const bits of [2, 3, 4, 6])
    for (const more of [{}, { symmetric: true }, { granularity: 16 }, { scaleType: 'float' }] as Partial<GridSpec>[]) {
      const under = { gram, groups: 1 };
      const best = encode(wasm, w, rows, cols, bits, spec(more), 'gptq+cd', under);
      const pairs = encode(wasm, w, rows, cols, bits, spec(more), 'gptq+cd+pairs', under);
      const gptq = encode(wasm, w, rows, cols, bits, spec(more), 'gptq', under);
      const nearest = encode(wasm, w, rows, cols, bits, spec(more), 'nearest', under);
      const error = (coded: Coded) => total(errorOf(w, coded, rows, cols, gram));
      const what = `${bits} bits, ${JSON.stringify(more)}`;
      assert.ok(error(best) < error(gptq) && error(gptq) < error(nearest), what);
      assert.ok(error(pairs) <= error(best) * 1.001, what);
      const { grid } = best[0]!;
      assert.ok(grid.scales.every((s) => s > 0 && Number.isFinite(s)));
      if (more.scaleType !== 'float') {
        const words = new Uint32Array(grid.scales.slice().buffer);
        assert.ok(
          words.every((word) => (word & 0x1fff) === 0),
          `${what}: scales are halves`,
        );
      }
      assert.is(grid.zeros === undefined, more.symmetric === true);
    }
});

test('one width for all rows is one slice of all, however it is said', () => {
  const w = normals(5 * 9, random(4));
  const { gram } = inputs(9, 1, 40, 5);
  const one = encode(wasm, w, 5, 9, 3, spec(), 'gptq+cd', { gram, groups: 1 });
  assert.is(one.length, 1);
  assert.is(one[0]!.rows, undefined);
  assert.equal(encode(wasm, w, 5, 9, [3, 3, 3, 3, 3], spec(), 'gptq+cd', { gram, groups: 1 }), one);
  assert.equal(encode(wasm, w, 5, 9, 3, spec(), 'gptq+cd', { gram, groups: 1 }), one, 'again');
});

test('a width for each row: a slice a width, rows as good as if all had their width', () => {
  const [rows, cols] = [12, 10];
  const widths = [4, 2, 3, 4, 2, 8, 3, 3, 2, 4, 16, 2];
  const w = normals(rows * cols, random(6));
  for (const groups of [1, 2, 4, 12]) {
    const { gram } = inputs(cols, groups, 40, 7);
    const under = { gram, groups };
    const coded = encode(wasm, w, rows, cols, widths, spec(), 'gptq+cd', under);
    assert.equal(
      coded.map((s) => [s.grid.bits, s.rows]),
      [2, 3, 4, 8, 16].map((bits) => [bits, widths.flatMap((b, r) => (b === bits ? [r] : []))]),
    );
    const found = errorOf(w, coded, rows, cols, gram, groups);
    for (const bits of new Set(widths)) {
      const all = errorOf(w, encode(wasm, w, rows, cols, bits, spec(), 'gptq+cd', under), rows, cols, gram, groups);
      // Products of other numbers of rows may be summed in another order.
      widths.forEach((b, r) => {
        const near = Math.abs(found[r]! - all[r]!) <= 1e-3 * all[r]!;
        assert.ok(b !== bits || near, `${groups} groups, row ${r} at ${b} bits: ${found[r]}, whole ${all[r]}`);
      });
    }
  }
});

test('without a Gram matrix clip gram is least squares and codes are the nearest', () => {
  const w = normals(4 * 11, random(8));
  const [slice] = encode(wasm, w, 4, 11, 3, spec(), 'gptq+cd');
  const grid = fitGrid(wasm, w, 4, 11, { ...spec()(3), clip: 'mse' });
  assert.equal(slice!.grid, grid);
  assert.equal(slice!.codes, quantize(wasm, w, grid));
});

test('Gram matrices without a factor: finite values, no worse than least squares', () => {
  const w = normals(4 * 6, random(9));
  const least = decode(wasm, encode(wasm, w, 4, 6, 3, spec({ clip: 'mse' }), 'nearest'));
  for (const fill of [0, Number.NaN, -1]) {
    const gram = new Float32Array(2 * 36).fill(fill);
    const { gram: good } = inputs(6, 1, 30, 10);
    gram.set(good);
    const values = decode(wasm, encode(wasm, w, 4, 6, 3, spec(), 'gptq+cd', { gram, groups: 2 }));
    assert.ok(values.every(Number.isFinite));
    assert.equal(values.slice(12), least.slice(12), `rows of the group filled with ${fill}`);
  }
});

test('rows of zeros, huge and tiny weights', () => {
  const [rows, cols] = [4, 8];
  const w = normals(rows * cols, random(11));
  for (let c = 0; c < cols; c++) {
    w[c] = 0;
    w[cols + c]! *= 1e30;
    w[2 * cols + c]! *= 1e-30;
  }
  const { gram } = inputs(cols, 1, 40, 12);
  for (const scaleType of ['float16', 'float'] as const)
    for (const symmetric of [true, false]) {
      const values = decode(
        wasm,
        encode(wasm, w, rows, cols, 3, spec({ scaleType, symmetric }), 'gptq+cd', { gram, groups: 1 }),
      );
      assert.ok(values.every(Number.isFinite), `${scaleType}, symmetric ${symmetric}`);
      assert.ok(values.slice(0, cols).every((v) => v === 0));
    }
});

test('a rounding of the caller’s is given the grid and the Gram matrix', () => {
  const w = normals(2 * 6, random(13));
  const { gram } = inputs(6, 1, 30, 14);
  const [slice] = encode(
    wasm,
    w,
    2,
    6,
    2,
    spec(),
    (_, weights, grid, under) => {
      assert.equal([weights.length, grid.rows, under?.groups], [12, 2, 1]);
      return new Uint8Array(12).fill(3);
    },
    { gram, groups: 1 },
  );
  assert.ok(slice!.codes.every((c) => c === 3));
});

test('bad arguments are named', () => {
  const w = normals(2 * 3, random(15));
  throws(() => encode(wasm, w, 2, 3, [2], spec(), 'nearest'), RangeError, /widths: expected 2/);
  throws(() => encode(wasm, w, 2, 3, 2, spec(), 'best'), RangeError, /rounding: expected one of nearest/);
  throws(() => encode(wasm, w, 2, 3, 1, spec(), 'nearest'), RangeError, /bits/);
  throws(() => encode(wasm, Float32Array.of(1, 2, Number.NaN, 0, 0, 0), 2, 3, 2, spec(), 'nearest'), RangeError, /NaN/);
  throws(() => encode(wasm, w, 2, 3, 2, spec(), 'gptq', { gram: new Float32Array(8), groups: 1 }), RangeError, /gram/);
});

test.run();
