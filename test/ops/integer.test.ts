import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError, UnsupportedError } from '../../src/errors.ts';
import { type DType, tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { agree, floats, integers, runHere } from './compare.ts';

const RANGE = { int8: [-128, 127], uint8: [0, 255] } as const;
type Byte = keyof typeof RANGE;
const bytes = (type: Byte, dims: readonly number[]) => integers(type, dims, RANGE[type][0], RANGE[type][1]);

test('MatMulInteger: types, ranks, zero points', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 9 }),
      fc.constantFrom<Byte>('uint8', 'int8'),
      fc.boolean(),
      fc.boolean(),
      async (m, k, n, type, zeros, columns) => {
        // onnxruntime has uint8 by both, and int8 by int8.
        const a = bytes(type, [2, m, k]);
        const b = bytes(type === 'int8' ? 'int8' : columns ? 'int8' : 'uint8', [k, n]);
        const zero = [bytes(type, []), bytes(b.dtype as Byte, columns ? [n] : [])];
        await agree('MatMulInteger', [a, b, ...(zeros ? zero : [])]);
      },
    ),
    { numRuns: 50, seed: 21 },
  );
  await agree('MatMulInteger', [bytes('uint8', [4, 3, 5]), bytes('uint8', [4, 5, 2]), bytes('uint8', [])]);
});

test('constant operands, sizes around blocks', async () => {
  for (const [m, k, n] of [
    [1, 700, 33],
    [3, 513, 17],
    [130, 65, 40],
    [260, 20, 9],
  ] as const) {
    await agree('MatMulInteger', [bytes('uint8', [m, k]), bytes('int8', [k, n])], {}, { constants: [1] });
    const zeros = [bytes('uint8', []), bytes('uint8', [n])];
    await agree('MatMulInteger', [bytes('uint8', [m, k]), bytes('uint8', [k, n]), ...zeros], {}, { constants: [1, 3] });
  }
});

test('sums far beyond what float holds are exact', () => {
  for (const [type, low, high] of [
    ['int8', -128, 127],
    ['uint8', 255, 255],
  ] as const) {
    const k = 3001;
    const a = integers(type, [6, k], low, high);
    const b = integers(type, [k, 5], low, high);
    const zero = tensor(type, [1], (type === 'int8' ? Int8Array : Uint8Array).of(type === 'int8' ? 127 : 0));
    const [y] = runHere('MatMulInteger', [a, b, zero, zero]);
    for (let i = 0; i < 6; i++)
      for (let j = 0; j < 5; j++) {
        let sum = 0;
        for (let p = 0; p < k; p++)
          sum +=
            (Number(a.data[i * k + p]) - Number(zero.data[0])) * (Number(b.data[p * 5 + j]) - Number(zero.data[0]));
        assert.is(y!.data[i * 5 + j], sum);
      }
  }
});

test('zero points by row of A, and of one a matrix', () => {
  const a = tensor('uint8', [2, 3], Uint8Array.of(1, 2, 3, 4, 5, 6));
  const b = tensor('uint8', [3, 2], Uint8Array.of(1, 0, 0, 1, 1, 1));
  const rows = tensor('uint8', [2], Uint8Array.of(1, 4));
  const columns = tensor('uint8', [2], Uint8Array.of(1, 0));
  // A less its rows: [0 1 2; 0 1 2]; B less its columns: [0 0; -1 1; 0 1].
  assert.equal([...runHere('MatMulInteger', [a, b, rows, columns])[0]!.data], [-1, 3, -1, 3]);
  const stack = tensor('uint8', [2, 1, 3], a.data);
  const each = tensor('uint8', [2, 1, 1], rows.data);
  assert.equal([...runHere('MatMulInteger', [stack, b, each, columns])[0]!.data], [-1, 3, -1, 3]);
});

test('empty operands', () => {
  const y = runHere('MatMulInteger', [bytes('int8', [2, 0]), bytes('int8', [0, 3])])[0]!;
  assert.equal([...y.data], [0, 0, 0, 0, 0, 0]);
  assert.equal([...runHere('MatMulInteger', [bytes('int8', [0, 4]), bytes('int8', [4, 3])])[0]!.dims], [0, 3]);
});

test('what does not fit is said', () => {
  const [a, b] = [bytes('uint8', [2, 3]), bytes('uint8', [3, 4])];
  const zero = (type: DType, n: number) => integers(type, [n], 0, 1);
  throws(() => runHere('MatMulInteger', [floats([2, 3]), b]), UnsupportedError, /A: expected type int8 or uint8/);
  throws(() => runHere('MatMulInteger', [a, bytes('uint8', [4, 4])]), ModelError, /inner sizes 3 and 4 differ/);
  throws(() => runHere('MatMulInteger', [a, b, zero('uint8', 3)]), ModelError, /zero point of A \[2,3\]/);
  throws(() => runHere('MatMulInteger', [a, b, undefined, zero('uint8', 3)]), ModelError, /zero point of B/);
  throws(() => runHere('MatMulInteger', [a, b, zero('int8', 1)]), ModelError, /expected type uint8, found int8/);
});

test.run();
