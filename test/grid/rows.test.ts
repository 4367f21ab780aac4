import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { codesFromRows, fromRows, rowShape, toRows } from '../../src/grid/index.ts';
import { sizeOf } from '../../src/tensor.ts';
import { loadWasm } from '../helpers.ts';
import { throws } from '../throws.ts';

const wasm = await loadWasm();

/** Element by element: the index along the row axis first, the others in order. */
function naive(data: Float32Array, dims: readonly number[], rowAxis: number): Float32Array {
  const out: number[] = [];
  for (let r = 0; r < dims[rowAxis]!; r++) {
    for (let i = 0; i < data.length; i++) {
      const after = sizeOf(dims.slice(rowAxis + 1));
      if (Math.floor(i / after) % dims[rowAxis]! === r) out.push(data[i]!);
    }
  }
  return Float32Array.from(out);
}

const shapes = fc
  .array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 5 })
  .chain((dims) => fc.record({ dims: fc.constant(dims), rowAxis: fc.nat(dims.length - 1) }));

test('toRows agrees with its twin, fromRows and codesFromRows undo it, for any shape and axis', () => {
  fc.assert(
    fc.property(shapes, ({ dims, rowAxis }) => {
      const data = Float32Array.from({ length: sizeOf(dims) }, (_, i) => i);
      const rows = toRows(wasm, data, dims, rowAxis);
      assert.equal(rows, naive(data, dims, rowAxis));
      assert.equal(fromRows(wasm, rows, dims, rowAxis), data);
      assert.equal(codesFromRows(Uint16Array.from(rows), dims, rowAxis), Uint16Array.from(data));
    }),
  );
});

test('the weights of MatMul are transposed, those of Conv are not', () => {
  assert.equal(toRows(wasm, Float32Array.of(1, 2, 3, 4, 5, 6), [3, 2], 1), Float32Array.of(1, 3, 5, 2, 4, 6));
  assert.equal(rowShape([8, 4, 3, 3], 0), { lead: 1, before: 1, rows: 8, after: 36 });
});

test('first axes that count rows too: each of their indices is a matrix by itself', () => {
  fc.assert(
    fc.property(shapes, fc.integer({ min: 1, max: 4 }), ({ dims, rowAxis }, n) => {
      const size = sizeOf(dims);
      const data = Float32Array.from({ length: n * size }, (_, i) => i);
      const rows = toRows(wasm, data, [n, ...dims], rowAxis + 1, 1);
      for (let i = 0; i < n; i++)
        assert.equal(rows.slice(i * size, (i + 1) * size), naive(data.slice(i * size, (i + 1) * size), dims, rowAxis));
      assert.equal(fromRows(wasm, rows, [n, ...dims], rowAxis + 1, 1), data);
    }),
  );
  throws(() => rowShape([2, 3], 0, 1), RangeError, /lead: expected 0..0, found 1/);
});

test('wrong arguments are named', () => {
  assert.throws(() => toRows(wasm, new Float32Array(6), [3, 2], 2), /rowAxis: expected an axis of \[3,2\], found 2/);
  assert.throws(() => toRows(wasm, new Float32Array(5), [3, 2], 0), /expected 6, found 5/);
  throws(() => rowShape([3, -1], 0), RangeError);
  throws(() => fromRows(wasm, [1] as unknown as Float32Array, [1], 0), TypeError);
});

test.run();
