import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '../../src/errors.ts';
import { tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { agree, floats, int, integers, list, of, runHere } from './compare.ts';

test('TopK of every version with many ties', async () => {
  for (const dtype of ['float', 'int64', 'int32', 'double'] as const)
    for (const largest of [0, 1])
      for (const axis of [0, 1, -1])
        await agree(
          'TopK',
          [integers(dtype, [4, 5, 6], -4, 4), list(3)],
          { axis: int(axis), largest: int(largest) },
          { opset: 11, outputs: 2 },
        );
  await agree('TopK', [floats([4, 50])], { k: int(7) }, { opset: 9, outputs: 2 });
  await agree('TopK', [floats([4, 50]), list(50)], {}, { opset: 10, outputs: 2 });
  await agree('TopK', [floats([4, 50]), list(0)], {}, { opset: 11, outputs: 2 });
});

test('TopK is a stable sort cut off', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1, maxLength: 40 }),
      fc.nat(),
      fc.boolean(),
      (v, seed, largest) => {
        const k = seed % (v.length + 1);
        const inputs = [of([v.length], ...v), list(k)];
        const [values, places] = runHere('TopK', inputs, { largest: int(largest ? 1 : 0) }, { outputs: 2 });
        const order = v.map((_, i) => i).sort((i, j) => (largest ? v[j]! - v[i]! : v[i]! - v[j]!) || i - j);
        assert.equal([...places!.data].map(Number), order.slice(0, k));
        assert.equal(
          [...values!.data],
          order.slice(0, k).map((i) => v[i]!),
        );
      },
    ),
    { numRuns: 60, seed: 3 },
  );
});

test('TopK of uint64, halves and NaN', () => {
  const [big] = runHere(
    'TopK',
    [tensor('uint64', [3], BigUint64Array.of(1n, 2n ** 64n - 1n, 5n)), list(2)],
    {},
    { opset: 24 },
  );
  assert.equal([...big!.data], [2n ** 64n - 1n, 5n]);
  // -1, 2 and 1 as halves: their bits are in another order.
  const [half] = runHere('TopK', [tensor('float16', [3], Uint16Array.of(0xbc00, 0x4000, 0x3c00)), list(2)]);
  assert.equal([...half!.data], [0x4000, 0x3c00]);
  const [nan] = runHere('TopK', [of([3], 1, Number.NaN, 2), list(2)]);
  assert.equal([...nan!.data], [Number.NaN, 2]);
});

test('TopK of nothing in a long axis', () => {
  const [y] = runHere('TopK', [floats([2 ** 31 - 1, 0]), list(1)], { axis: int(0) });
  assert.equal([...y!.dims], [1, 0]);
});

test('TopK refuses', () => {
  throws(() => runHere('TopK', [floats([3]), list(4)]), ModelError, /K: expected 0..3 for axis 0 of \[3\], found 4/);
  throws(() => runHere('TopK', [floats([3]), list(-1)]), ModelError, /found -1/);
  throws(() => runHere('TopK', [floats([3]), of([1], 1)]), ModelError, /K: expected int64 of one element/);
  throws(() => runHere('TopK', [floats([3]), list(1)], { axis: int(1) }), ModelError, /axis: expected -1..0/);
});

test.run();
