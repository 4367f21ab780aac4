import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '../../src/errors.ts';
import { tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { agree, floats, int, integers, list, of, runHere, scalar } from './compare.ts';

const bools = (...v: number[]) => tensor('bool', [v.length], Uint8Array.from(v));

test('NonZero', async () => {
  for (const dtype of ['int32', 'float', 'bool', 'int64', 'uint8'] as const)
    await agree('NonZero', [integers(dtype, [3, 4, 5], 0, 1)], {}, { opset: 13 });
  await agree('NonZero', [floats([0, 3])], {}, { opset: 13 });
  // Minus zero of a half is zero; a scalar has no axes to name.
  const [half] = runHere('NonZero', [tensor('float16', [3], Uint16Array.of(0x8000, 1, 0))], {}, { opset: 13 });
  assert.equal([...half!.data], [1n]);
  const [one] = runHere('NonZero', [scalar('float', 3)], {}, { opset: 13 });
  assert.equal([...one!.dims], [0, 1]);
});

test('Compress', async () => {
  for (const axis of [0, 1, -1])
    await agree('Compress', [floats([3, 4, 5]), bools(1, 0, 1)], { axis: int(axis) }, { opset: 11 });
  await agree('Compress', [integers('int64', [3, 4], 0, 9), bools(0, 1, 1, 0, 1)], {}, { opset: 11 });
  throws(
    () => runHere('Compress', [floats([3]), bools(0, 0, 0, 1)]),
    ModelError,
    /condition: element 3 is true, expected at most 3/,
  );
  throws(() => runHere('Compress', [floats([3]), list(1)]), ModelError, /condition: expected bool of rank 1/);
});

test('OneHot', async () => {
  for (const axis of [-1, 0, 1, 2])
    await agree(
      'OneHot',
      [integers('int64', [3, 4], -7, 7), scalar('int64', 6), of([2], -1, 2)],
      { axis: int(axis) },
      { opset: 11 },
    );
  await agree('OneHot', [integers('int32', [5], 0, 3), scalar('float', 4), of([2], 0, 1)], {}, { opset: 11 });
  // Before opset 11 negative indices are outside.
  const old = runHere('OneHot', [list(-1, 1), scalar('int64', 2), list(0, 1)], {}, { opset: 9 })[0]!;
  assert.equal([...old.data], [0n, 0n, 0n, 1n]);
  const run = (depth: number) => runHere('OneHot', [list(0), scalar('int64', depth), list(0, 1)], {}, { opset: 11 });
  throws(() => run(-1), ModelError, /depth: expected a size >= 0, found -1/);
  throws(() => run(2 ** 40), ModelError, /more than 2147483647 elements/);
  throws(
    () => runHere('OneHot', [list(0), scalar('int64', 2), list(0)], {}, { opset: 11 }),
    ModelError,
    /values: expected shape \[2\]/,
  );
});

test.run();
