import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '../../src/errors.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { agree, float, floats, int, integers, ints, list, of, runHere, scalar, string } from './compare.ts';

test('Pad by inputs', async () => {
  const pads = list(0, 1, 2, 1, 0, 3);
  await agree('Pad', [floats([2, 3, 4]), pads]);
  await agree('Pad', [floats([2, 3, 4]), pads, scalar('float', 7.5)]);
  await agree('Pad', [integers('int64', [3], 0, 9), list(1, 2), scalar('int64', -1)]);
  for (const mode of ['reflect', 'edge']) await agree('Pad', [floats([3, 4, 5]), pads], { mode: string(mode) });
  await agree('Pad', [floats([3, 4]), list(-1, 2, 0, -1)]);
  await agree('Pad', [floats([3, 4, 5]), list(1, 2), undefined, list(-1)], {}, { opset: 18 });
  await agree('Pad', [floats([3, 4]), list(1, 2, 3, 1)], { mode: string('wrap') }, { opset: 19 });
});

test('Pad by attributes', async () => {
  await agree('Pad', [floats([3, 4])], { pads: ints(1, 0, 2, 1), value: float(2) }, { opset: 10 });
  assert.throws(() => runHere('Pad', [floats([3, 4]), list(1, 2)]), /pads: expected 4 values, found \[1,2\]/);
});

test('negative pads crop before the mode is applied', async () => {
  for (const mode of ['constant', 'reflect', 'edge', 'wrap']) {
    const a = { mode: string(mode) };
    for (const pads of [
      [-1, 3],
      [3, -1],
      [-2, -1],
      [0, 2],
    ])
      await agree('Pad', [floats([5]), list(...pads)], a, { opset: 19 });
    await agree('Pad', [floats([3, 4, 5]), list(1, -1, 2, 1, 2, -1)], a, { opset: 19 });
    await agree('Pad', [integers('uint8', [2, 40], 0, 9), list(0, 3, 1, 2)], a, { opset: 19 });
  }
  // Several times around.
  const [y] = runHere('Pad', [of([2], 1, 2), list(5, 3)], { mode: string('wrap') }, { opset: 19 });
  assert.equal([...y!.data], [2, 1, 2, 1, 2, 1, 2, 1, 2, 1]);
});

test('Pad of halves, and what it refuses', () => {
  const half = tensor('float16', [1], Uint16Array.of(0x3c00));
  const [y] = runHere('Pad', [half], { pads: ints(1, 0), value: float(2) }, { opset: 10 });
  assert.equal([...y!.data], [0x4000, 0x3c00]);
  const run =
    (...inputs: (Tensor | undefined)[]) =>
    () =>
      runHere('Pad', inputs, {}, { opset: 18 });
  throws(run(floats([3]), list(1, 2 ** 40)), ModelError, /more than 2147483647 elements/);
  throws(run(floats([3]), list(-2, -2)), ModelError, /axis 0 of \[3\] would get size -1/);
  throws(run(floats([3]), list(0, 0), scalar('int64', 1)), ModelError, /constant_value: expected type float/);
  throws(run(floats([3, 3]), list(0, 0, 0, 0), undefined, list(0, -2)), ModelError, /axis 0 is named twice/);
  throws(
    () => runHere('Pad', [floats([0]), list(0, 1)], { mode: string('edge') }),
    ModelError,
    /nothing of axis 0 of \[0\] is there to repeat/,
  );
});

test('Trilu', async () => {
  for (const upper of [0, 1])
    for (const k of [-3, -1, 0, 1, 2, 9])
      await agree('Trilu', [floats([2, 4, 5]), scalar('int64', k)], { upper: int(upper) });
  await agree('Trilu', [integers('int64', [4, 4], 1, 9)]);
});

test('ConstantOfShape', async () => {
  await agree('ConstantOfShape', [list(2, 3)]);
  await agree('ConstantOfShape', [list()]);
  await agree('ConstantOfShape', [list(4)], {
    value: { type: 'tensor', value: tensor('int64', [1], BigInt64Array.of(7n)) },
  });
});

test('Constant in every form', async () => {
  await agree('Constant', [], { value: { type: 'tensor', value: floats([2, 3]) } });
  await agree('Constant', [], { value_float: float(1.5) });
  await agree('Constant', [], { value_floats: { type: 'floats', value: [1, 2.5] } });
  await agree('Constant', [], { value_int: int(-4) });
  await agree('Constant', [], { value_ints: ints(1, 2, 3) });
  assert.throws(() => runHere('Constant', []), /Constant node "node": expected one of value, .* found none/);
});

test.run();
