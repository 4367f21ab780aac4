import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '../../src/errors.ts';
import { tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { agree, floats, int, integers, of, runHere } from './compare.ts';

test('Unique elements and slices, sorted and not', async () => {
  for (const sorted of [0, 1])
    for (const dtype of ['float', 'int64'] as const) {
      const s = { sorted: int(sorted) };
      await agree('Unique', [integers(dtype, [6, 4, 2], 0, 1)], s, { opset: 11, outputs: 4 });
      for (const axis of [0, 1, -1])
        await agree('Unique', [integers(dtype, [6, 4, 2], 0, 1)], { ...s, axis: int(axis) }, { opset: 11, outputs: 4 });
    }
});

test('Unique of halves, NaN and nothing', () => {
  const [half] = runHere('Unique', [tensor('float16', [4], Uint16Array.of(0x3c00, 0xbc00, 0x3c00, 0x8000))]);
  assert.equal([...half!.data], [0xbc00, 0x8000, 0x3c00]);
  const [nan, first] = runHere('Unique', [of([4], Number.NaN, 2, Number.NaN, 1)], {}, { outputs: 2 });
  assert.equal([...nan!.data], [1, 2, Number.NaN]);
  assert.equal([...first!.data], [3n, 1n, 0n]);
  const none = runHere('Unique', [floats([0])], {}, { outputs: 4 });
  assert.equal(
    none.map((t) => [...t.dims]),
    [[0], [0], [0], [0]],
  );
  throws(
    () => runHere('Unique', [floats([2 ** 31 - 1, 0])], { axis: int(0) }),
    ModelError,
    /slices of \[2147483647,0\] along axis 0 have no elements/,
  );
  throws(() => runHere('Unique', [floats([3])], { axis: int(1) }), ModelError, /axis: expected -1..0/);
});

test.run();
