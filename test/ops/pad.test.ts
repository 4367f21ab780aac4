import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { tensor } from '../../src/tensor.ts';
import { agree, float, floats, int, integers, ints, list, runHere, scalar, string } from './compare.ts';

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

test('Trilu', async () => {
  for (const upper of [0, 1])
    for (const k of [-3, -1, 0, 1, 2, 9])
      await agree('Trilu', [floats([2, 4, 5]), scalar('int64', k)], { upper: int(upper) });
  await agree('Trilu', [integers('int64', [4, 4], 1, 9)]);
});

test('Range', async () => {
  for (const [a, b, d] of [
    [0, 5, 1],
    [3, -4, -2],
    [0, 10, 3],
    [5, 5, 1],
    [5, 0, 1],
  ])
    for (const type of ['int64', 'int32', 'float'] as const)
      await agree('Range', [scalar(type, a!), scalar(type, b!), scalar(type, d!)]);
  await agree(
    'Range',
    [0, 1, 0.1].map((v) => scalar('float', v)),
  );
  assert.throws(
    () =>
      runHere(
        'Range',
        [0, 1, 0].map((v) => scalar('int64', v)),
      ),
    /delta: expected a number other than 0/,
  );
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
