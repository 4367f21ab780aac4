import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DATA_TYPES, tensor } from '../../src/tensor.ts';
import { floats, int, of, runHere, same } from './compare.ts';

const brains = (...bits: number[]) => tensor('bfloat16', [bits.length], Uint16Array.from(bits));
const to = (dtype: 'float' | 'bfloat16' | 'float16' | 'int32') => ({ to: int(DATA_TYPES[dtype]) });

test('bfloat16 rounds to nearest, ties to even', () => {
  const x = of(
    [8],
    1,
    1 + 2 ** -8,
    1 + 3 * 2 ** -8,
    1 + 2 ** -8 + 2 ** -20,
    -0,
    3.4e38,
    Number.NEGATIVE_INFINITY,
    1e-40,
  );
  const [y] = runHere('Cast', [x], to('bfloat16'));
  assert.equal([...y!.data], [0x3f80, 0x3f80, 0x3f82, 0x3f81, 0x8000, 0x7f80, 0xff80, 0x0001]);
  const nan = runHere('Cast', [of([1], Number.NaN)], to('bfloat16'))[0]!;
  assert.is(Number(nan.data[0]) & 0x7fff, 0x7fc0);
});

test('every bfloat16 is a float and comes back', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 1, maxLength: 40 }), (bits) => {
      const x = brains(...bits);
      const [wide] = runHere('Cast', [x], to('float'));
      same(runHere('Cast', [wide!], to('bfloat16'))[0]!, x, 'bfloat16', 0, 0);
    }),
    { numRuns: 40, seed: 3 },
  );
});

test('operators on bfloat16 give bfloat16', () => {
  const [a, b] = [brains(0x3f80, 0x4000), brains(0x4040, 0x3f00)];
  same(runHere('Add', [a, b])[0]!, brains(0x4080, 0x4020), 'Add', 0, 0);
  same(runHere('Max', [a, b])[0]!, brains(0x4040, 0x4000), 'Max', 0, 0);
  same(runHere('Less', [a, b])[0]!, tensor('bool', [2], Uint8Array.of(1, 0)), 'Less');
  same(runHere('ReduceSum', [a])[0]!, tensor('bfloat16', [1], Uint16Array.of(0x4040)), 'ReduceSum', 0, 0);
  same(runHere('Cast', [a], to('int32'))[0]!, tensor('int32', [2], Int32Array.of(1, 2)), 'Cast');
  same(runHere('CastLike', [floats([0]), a])[0]!, brains(), 'CastLike');
});

test('Pow takes its type from the base alone', () => {
  const half = tensor('float16', [2], Uint16Array.of(0x4000, 0x4200)); // 2, 3
  same(runHere('Pow', [of([2], 3, 5), half])[0]!, of([2], 9, 125), 'float to the float16');
  same(
    runHere('Pow', [half, of([2], 3, 1)])[0]!,
    tensor('float16', [2], Uint16Array.of(0x4800, 0x4200)),
    'the other way',
  );
});

test.run();
