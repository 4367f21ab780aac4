import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '../../src/errors.ts';
import { tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { agree, agreeIfThere, doubles, floats, int, integers, of, runHere, same, scalar } from './compare.ts';

/** Two shapes that broadcast together. */
const broadcastPair = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.constantFrom('both', 'a', 'b', 'none')), { maxLength: 5 })
  .chain((axes) => fc.tuple(fc.constant(axes), fc.nat(axes.length), fc.boolean()))
  .map(([axes, cut, left]) => {
    const a = axes.map(([n, who]) => (who === 'both' || who === 'a' ? n : 1));
    const b = axes.map(([n, who]) => (who === 'both' || who === 'b' ? n : 1));
    return left ? [a.slice(cut), b] : [a, b.slice(cut)];
  });

test('float operators broadcast as onnxruntime does', async () => {
  await fc.assert(
    fc.asyncProperty(broadcastPair, fc.constantFrom('Add', 'Sub', 'Mul', 'Div'), async ([a, b], op) => {
      await agree(op, [floats(a!), floats(b!, 0.5, 2)]);
    }),
    { numRuns: 120, seed: 1 },
  );
});

test('wide float shapes: same, scalar, row, column, batch column, both sides', async () => {
  const pairs = [
    [
      [37, 129],
      [37, 129],
    ],
    [[37, 129], []],
    [[], [37, 129]],
    [[37, 129], [129]],
    [[129], [37, 129]],
    [
      [3, 5, 7, 9],
      [5, 1, 1],
    ],
    [
      [5, 1, 1],
      [3, 5, 7, 9],
    ],
    [
      [3, 5, 7, 9],
      [3, 1, 7, 1],
    ],
    [
      [3, 1, 7],
      [5, 1],
    ],
    [[0, 4], [4]],
  ];
  for (const op of ['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min'])
    for (const [a, b] of pairs) await agree(op, [floats(a!), floats(b!, 0.5, 2)]);
});

test('integer types', async () => {
  for (const type of ['int32', 'int64', 'uint8', 'uint32'] as const)
    for (const op of ['Add', 'Sub', 'Mul', 'Div'])
      await agree(op, [integers(type, [3, 4], 1, 100), integers(type, [4], 1, 9)]).catch((e: Error) => {
        if (!/NOT_IMPLEMENTED|not implemented/i.test(e.message)) throw e;
      });
  const a = tensor('int32', [4], Int32Array.of(-7, 7, -7, 2147483647));
  same(runHere('Div', [a, scalar('int32', 2)])[0]!, tensor('int32', [4], Int32Array.of(-3, 3, -3, 1073741823)), 'Div');
  same(runHere('Mul', [a, a])[0]!, tensor('int32', [4], Int32Array.of(49, 49, 49, 1)), 'Mul');
  const u = tensor('uint8', [2], Uint8Array.of(250, 3));
  same(runHere('Add', [u, u])[0]!, tensor('uint8', [2], Uint8Array.of(244, 6)), 'Add');
  const big = tensor('int64', [1], BigInt64Array.of(2n ** 62n));
  same(runHere('Add', [big, big])[0]!, tensor('int64', [1], BigInt64Array.of(-(2n ** 63n))), 'Add');
});

test('doubles', async () => {
  const a = tensor('double', [2, 3], Float64Array.of(1, 2, 3, 4, 5, 1e-300));
  for (const op of ['Add', 'Sub', 'Mul', 'Div']) await agree(op, [a, tensor('double', [3], Float64Array.of(3, 7, 11))]);
});

test('division by an integer zero names the node', () => {
  assert.throws(
    () => runHere('Div', [scalar('int64', 1), scalar('int64', 0)]),
    (e: Error) => e instanceof ModelError && e.message === 'Div node "node": integer division by zero',
  );
});

test('shapes that do not broadcast and types that differ', () => {
  assert.throws(() => runHere('Add', [floats([2, 3]), floats([4])]), /\[2,3\] and \[4\] do not broadcast/);
  assert.throws(() => runHere('Add', [floats([2]), integers('int64', [2], 0, 1)]), /found float and int64/);
});

test('Sum, Min, Max, Mean of several', async () => {
  for (const op of ['Sum', 'Min', 'Max', 'Mean']) {
    await agree(op, [floats([3, 4]), floats([4]), floats([3, 1])]);
    await agree(op, [floats([5])]);
  }
  for (const op of ['Min', 'Max']) await agree(op, [integers('int64', [7], -9, 9), integers('int64', [1], -3, 3)]);
  await agree('Max', [of([3], Number.NaN, 1, 2), of([3], 1, Number.NaN, 3)]);
});

test('Max, Min and Mod in every type', async () => {
  const types = ['int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64', 'double'] as const;
  for (const type of types) {
    const [a, b] = [integers(type, [3, 7], 0, 90), integers(type, [7], 1, 9)];
    for (const op of ['Max', 'Min']) await agreeIfThere(op, [a, b]);
    await agreeIfThere('Mod', [a, b], { fmod: int(1) });
    if (type !== 'double') await agreeIfThere('Mod', [a, b]);
  }
  throws(() => runHere('Mod', [floats([2]), floats([2])]), ModelError, /fmod=0 takes integers only, found float/);
  throws(() => runHere('Mod', [scalar('int32', 1), scalar('int32', 0)]), ModelError, /integer division by zero/);
});

test('Mod', async () => {
  const a = tensor('int32', [6], Int32Array.of(-4, 7, 5, 4, -7, 8));
  const b = tensor('int32', [6], Int32Array.of(2, -3, 8, -2, 3, 5));
  await agree('Mod', [a, b]);
  await agree('Mod', [a, b], { fmod: int(1) });
  await agree('Mod', [of([6], -4.3, 7.2, 5, 4.3, -7.2, 8), of([6], 2.1, -3.4, 8, -2.1, 3.4, 5)], { fmod: int(1) });
  await agree('Mod', [integers('int64', [9], -50, 50), integers('int64', [9], 1, 7)]);
});

test('Pow', async () => {
  const x = of([7], -2, -0.5, 0, 0.5, 1, 2.25, 30);
  for (const e of [0, 1, 2, 3, -1, -2, 0.5, 7]) await agree('Pow', [x, scalar('float', e)]);
  const positive = floats([5, 7], 0.01, 20);
  for (const e of [0.25, -0.5, 1.7, 3.3]) await agree('Pow', [positive, scalar('float', e)], {}, { rtol: 1e-5 });
  await agree('Pow', [floats([5, 7], 0.1, 3), floats([7], -4, 4)], {}, { rtol: 1e-5 });
  await agree('Pow', [of([4], -8, -2, 0, 0), of([4], 1 / 3, 3.5, 2.5, -1.5)]);
  await agree('Pow', [of([3], -1.001, -1.001, 1.001), of([3], 501, 500, 999)], {}, { rtol: 1e-4 });
  await agree('Pow', [integers('int64', [5], -5, 5), integers('int64', [5], 0, 6)]);
  await agree('Pow', [integers('int32', [5], -5, 5), scalar('int32', 3)]);
  await agree('Pow', [x, tensor('int64', [], BigInt64Array.of(3n))]);
});

test('Pow of doubles and to powers that are not whole', async () => {
  const x = doubles([4], 0.5, 2, 9, 0);
  for (const e of [scalar('double', 0.5), scalar('double', -1.5), scalar('float', 3), scalar('int64', 2)])
    await agree('Pow', [x, e], {}, { rtol: 1e-14, atol: 0 });
  await agree('Pow', [tensor('int32', [3], Int32Array.of(2, 9, 50)), scalar('float', 0.5)]);
  await agree('Pow', [tensor('int64', [3], BigInt64Array.of(2n, 9n, 50n)), scalar('float', 1.5)]);
});

test('float16 widens and rounds back', () => {
  const h = (...bits: number[]) => tensor('float16', [bits.length], Uint16Array.from(bits));
  // 1, 2, 65504, and 1 + 2^-10
  same(
    runHere('Add', [h(0x3c00, 0x4000, 0x7bff, 0x3c01), h(0x3c00, 0x3c00, 0x7bff, 0x3c00)])[0]!,
    h(0x4000, 0x4200, 0x7c00, 0x4000),
    'Add',
    0,
    0,
  );
});

test.run();
