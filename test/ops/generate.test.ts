import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError, UnsupportedError } from '../../src/errors.ts';
import { tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { agree, floats, int, integers, runHere, scalar } from './compare.ts';

test('EyeLike', async () => {
  for (const k of [-5, -2, 0, 1, 7]) {
    await agree('EyeLike', [integers('int32', [3, 5], 0, 1)], { k: int(k), dtype: int(1) }, { opset: 9 });
    await agree('EyeLike', [integers('int64', [4, 3], 0, 1)], { k: int(k) }, { opset: 9 });
  }
  const [half] = runHere('EyeLike', [floats([2, 2])], { dtype: int(10) }, { opset: 9 });
  assert.equal([...half!.data], [0x3c00, 0, 0, 0x3c00]);
  throws(() => runHere('EyeLike', [floats([3])]), ModelError, /input: expected rank 2, found \[3\]/);
});

test('Range', async () => {
  for (const [dtype, a, b, d] of [
    ['float', 1, 5.3, 0.7],
    ['double', 3, -2, -0.5],
    ['int32', 3, 11, 3],
    ['int64', 9, -2, -4],
    ['int16', 5, 5, 1],
  ] as const)
    await agree('Range', [scalar(dtype, a), scalar(dtype, b), scalar(dtype, d)], {}, { opset: 11 });
  for (const [a, b, d] of [
    [0, 5, 1],
    [3, -4, -2],
    [0, 10, 3],
    [5, 0, 1],
  ] as const)
    for (const dtype of ['int64', 'int32', 'float'] as const)
      await agree('Range', [scalar(dtype, a), scalar(dtype, b), scalar(dtype, d)]);
  await agree(
    'Range',
    [0, 1, 0.1].map((v) => scalar('float', v)),
  );
  const half = (bits: number) => tensor('float16', [], Uint16Array.of(bits));
  const [y] = runHere('Range', [half(0x3c00), half(0x4400), half(0x3e00)], {}, { opset: 27 });
  assert.equal([...y!.data], [0x3c00, 0x4100]);
});

test('Range beyond 2^53, and what it refuses', () => {
  const big = (v: bigint) => tensor('int64', [], BigInt64Array.of(v));
  const [y] = runHere('Range', [big(2n ** 60n), big(2n ** 60n + 3n), big(2n)]);
  assert.equal([...y!.data], [2n ** 60n, 2n ** 60n + 2n]);
  throws(() => runHere('Range', [big(0n), big(2n ** 62n), big(1n)]), ModelError, /expected sizes >= 0|more than/);
  throws(() => runHere('Range', [big(0n), big(1n), big(0n)]), ModelError, /delta: expected a number other than 0/);
  throws(
    () => runHere('Range', [scalar('float', 0), scalar('float', Number.POSITIVE_INFINITY), scalar('float', 1)]),
    ModelError,
    /is not a finite range/,
  );
  throws(() => runHere('Range', [big(0n), scalar('float', 1), big(1n)]), ModelError, /inputs of one type/);
  const byte = scalar('uint8', 1);
  throws(() => runHere('Range', [byte, byte, byte]), UnsupportedError, /type uint8/);
});

test.run();
