import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError, UnsupportedError } from '../../src/errors.ts';
import { tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { Session } from '../../src/graph/index.ts';
import { agree, feedsOf, float, floats, int, integers, modelOf, runHere, wasm } from './compare.ts';
import { widened } from './wide.ts';

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

test('Gemm and MatMul: a constant operand changes no bit, in any run', () => {
  for (const [m, n, k] of [
    [5, 5, 3],
    [16, 24, 70],
    [9, 11, 600],
    [1, 40, 30],
    [40, 2, 30],
    [7, 9, 0],
  ] as const)
    for (const transB of [0, 1])
      for (const opType of ['Gemm', 'MatMul', 'FusedMatMul']) {
        if (opType === 'MatMul' && transB) continue;
        const inputs = [floats([m, k]), floats(transB ? [n, k] : [k, n])];
        const attributes = opType === 'MatMul' ? {} : { transB: int(transB) };
        const domain = opType === 'FusedMatMul' ? { domain: 'com.microsoft' } : {};
        const [fed] = runHere(opType, inputs, attributes, domain);
        const before = wasm.arena.used;
        const session = new Session(modelOf(opType, inputs, attributes, { ...domain, constants: [1] }), wasm);
        try {
          const feeds = feedsOf(inputs, { constants: [1] });
          const what = JSON.stringify({ opType, m, n, k, transB });
          for (let run = 0; run < 2; run++) assert.equal(session.run(feeds).y0!.data, fed!.data, what);
          const other = floats(inputs[1]!.dims);
          const [expected] = runHere(opType, [inputs[0], other], attributes, domain);
          const replaced = session.run(feeds, { weights: new Map([['x1', other]]) });
          assert.equal(replaced.y0!.data, expected!.data, `${what}, replaced`);
          assert.equal(session.run(feeds).y0!.data, fed!.data, `${what}, afterwards`);
        } finally {
          session.dispose();
        }
        assert.is(wasm.arena.used, before);
      }
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

test('double and integers, which wrap', async () => {
  const a = floats([2, 5, 7]);
  const b = floats([7, 4]);
  await agree('MatMul', [widened(a), widened(b)], {}, { rtol: 1e-14, atol: 1e-14 });
  const c = [widened(floats([5, 7])), widened(floats([4, 7])), widened(floats([4]))];
  await agree('Gemm', c, { transB: int(1), alpha: float(0.5), beta: float(0.25) }, { rtol: 1e-14, atol: 1e-14 });
  await agree(
    'Gemm',
    [widened(floats([7, 5])), widened(b), widened(floats([5, 1]))],
    { transA: int(1) },
    { rtol: 1e-14, atol: 1e-14 },
  );
  for (const type of ['int32', 'uint32', 'int64', 'uint64'] as const) {
    const lo = type.startsWith('u') ? 0 : -50;
    await agree('MatMul', [integers(type, [2, 3, 5], lo, 50), integers(type, [2, 5, 4], lo, 50)]);
    await agree('MatMul', [integers(type, [3, 5], lo * 4e7, 2e9), integers(type, [5, 4], lo * 4e7, 2e9)]);
  }
  const gemm = runHere(
    'Gemm',
    [integers('int32', [2, 2], 3, 3), integers('int32', [2, 2], 5, 5), integers('int32', [2], 7, 7)],
    { alpha: float(2), beta: float(-1) },
  );
  assert.equal([...gemm[0]!.data], [53, 53, 53, 53]);
  const big = runHere('Gemm', [scalarMatrix(2n ** 62n), scalarMatrix(4n), scalarMatrix(9n)]);
  assert.equal([...big[0]!.data], [9n]);
  throws(
    () => runHere('Gemm', [integers('int32', [2, 2], 3, 3), integers('int32', [2, 2], 5, 5)], { alpha: float(0.5) }),
    UnsupportedError,
    /expected integers for type int32/,
  );
  throws(
    () => runHere('MatMul', [integers('int8', [2, 2], 3, 3), integers('int8', [2, 2], 5, 5)]),
    UnsupportedError,
    /A: type int8/,
  );
  throws(() => runHere('MatMul', [a, widened(b)]), ModelError, /one type/);
  throws(() => runHere('MatMul', [floats([]), b]), ModelError, /rank >= 1/);
});

const scalarMatrix = (v: bigint) => tensor('int64', [1, 1], BigInt64Array.of(v));

test('an empty inner axis gives zeros', () => {
  const [y] = runHere('MatMul', [floats([2, 0]), floats([0, 3])]);
  assert.equal([...y!.data], [0, 0, 0, 0, 0, 0]);
});

test.run();
