import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { UnsupportedError } from '../../src/errors.ts';
import { agree, float, floats, int, runHere, scalar } from './compare.ts';

test('BatchNormalization', async () => {
  const parameters = (c: number) => [floats([c]), floats([c]), floats([c]), floats([c], 0.1, 2)];
  for (const opset of [7, 9, 14, 15]) {
    await agree('BatchNormalization', [floats([3, 5, 7, 9]), ...parameters(5)], {}, { opset });
    await agree('BatchNormalization', [floats([3, 5]), ...parameters(5)], { epsilon: float(0.01) }, { opset });
  }
  assert.throws(
    () => runHere('BatchNormalization', [floats([3, 5]), ...parameters(5)], { training_mode: int(1) }),
    (e: Error) => e instanceof UnsupportedError && /"training_mode"/.test(e.message),
  );
  assert.throws(
    () => runHere('BatchNormalization', [floats([3, 5]), ...parameters(4)]),
    /scale: expected shape \[5\], found \[4\]/,
  );
});

test('LayerNormalization', async () => {
  await agree('LayerNormalization', [floats([3, 7, 33]), floats([33]), floats([33])]);
  await agree('LayerNormalization', [floats([3, 7, 33]), floats([33])], { epsilon: float(0.1) });
  await agree('LayerNormalization', [floats([3, 4, 5]), floats([4, 5]), floats([4, 5])], { axis: int(1) });
  await agree('LayerNormalization', [floats([3, 4, 5]), floats([4, 5])], { axis: int(-2) }, { outputs: 3 });
});

test('RMSNormalization', async () => {
  await agree('RMSNormalization', [floats([3, 7, 33]), floats([33])], {}, { opset: 23 });
  await agree('RMSNormalization', [floats([3, 4, 5]), floats([4, 5])], { axis: int(1) }, { opset: 23 });
});

test('Softmax and LogSoftmax along an axis and, before opset 13, from it on', async () => {
  for (const op of ['Softmax', 'LogSoftmax']) {
    for (const axis of [-1, 0, 1, 2, -3]) {
      await agree(op, [floats([3, 5, 7], -9, 9)], { axis: int(axis) });
      await agree(op, [floats([3, 5, 7], -9, 9)], { axis: int(axis) }, { opset: 11 });
    }
    await agree(op, [floats([3, 5, 7])]);
    await agree(op, [floats([3, 5, 7])], {}, { opset: 9 });
    await agree(op, [floats([4, 1], 100, 200)]);
  }
});

test('Dropout passes its input on', async () => {
  await agree('Dropout', [floats([3, 4])]);
  await agree('Dropout', [floats([3, 4])], {}, { outputs: 2 });
  await agree('Dropout', [floats([3, 4])], { ratio: float(0.4) }, { opset: 7 });
  assert.throws(
    () => runHere('Dropout', [floats([3]), scalar('float', 0.5), scalar('bool', 1)]),
    /the training form is not supported/,
  );
});

test.run();
