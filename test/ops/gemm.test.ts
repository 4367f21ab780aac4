import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { agree, float, floats, int, runHere } from './compare.ts';

const size = fc.integer({ min: 1, max: 40 });

test('Gemm: transposes, scales, broadcast C', async () => {
  await fc.assert(
    fc.asyncProperty(
      size,
      size,
      size,
      fc.boolean(),
      fc.boolean(),
      fc.nat(5),
      fc.constantFrom(1, 0.5, -2),
      async (m, n, k, ta, tb, c, beta) => {
        const bias = [undefined, [n], [1, n], [m, 1], [m, n], []][c];
        await agree(
          'Gemm',
          [floats(ta ? [k, m] : [m, k]), floats(tb ? [n, k] : [k, n]), bias && floats(bias)],
          { transA: int(Number(ta)), transB: int(Number(tb)), alpha: float(beta === 1 ? 1 : 0.25), beta: float(beta) },
          { atol: 1e-4 },
        );
      },
    ),
    { numRuns: 60, seed: 2 },
  );
});

test('Gemm says which sizes differ', () => {
  assert.throws(
    () => runHere('Gemm', [floats([2, 3]), floats([4, 5])]),
    /Gemm node "node": A \[2,3\] times B \[4,5\]: inner sizes 3 and 4 differ/,
  );
  assert.throws(
    () => runHere('Gemm', [floats([2, 3]), floats([3, 5]), floats([4])]),
    /shapes \[2,5\] and \[4\] do not broadcast/,
  );
});

test('MatMul: ranks, batches, broadcasting', async () => {
  const pairs = [
    [[3], [3]],
    [[3], [3, 4]],
    [[2, 3], [3]],
    [
      [2, 3],
      [3, 4],
    ],
    [
      [5, 2, 3],
      [3, 4],
    ],
    [
      [5, 2, 3],
      [5, 3, 4],
    ],
    [
      [5, 1, 2, 3],
      [4, 3, 7],
    ],
    [
      [2, 3],
      [6, 3, 4],
    ],
    [[3], [6, 3, 4]],
    [[6, 2, 3], [3]],
    [
      [2, 5, 17, 33],
      [2, 5, 33, 19],
    ],
    [
      [1, 5, 17, 33],
      [2, 1, 33, 19],
    ],
    [
      [1, 64, 64],
      [64, 65],
    ],
  ];
  for (const [a, b] of pairs) await agree('MatMul', [floats(a!), floats(b!)], {}, { atol: 1e-4 });
  assert.throws(() => runHere('MatMul', [floats([2, 3]), floats([4, 5])]), /inner sizes 3 and 4 differ/);
});

test('an empty inner axis gives zeros', () => {
  const [y] = runHere('MatMul', [floats([2, 0]), floats([0, 3])]);
  assert.equal([...y!.data], [0, 0, 0, 0, 0, 0]);
});

test.run();
