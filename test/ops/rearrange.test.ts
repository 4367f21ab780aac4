import { test } from 'uvu';
import { ModelError } from '../../src/errors.ts';
import { throws } from '../throws.ts';
import { agree, floats, int, integers, ints, list, runHere, string } from './compare.ts';

test('ReverseSequence', async () => {
  const x = floats([4, 5, 3]);
  await agree('ReverseSequence', [x, list(1, 2, 3, 4, 1)], { batch_axis: int(1), time_axis: int(0) }, { opset: 10 });
  await agree('ReverseSequence', [x, list(5, 1, 2, 3)], { batch_axis: int(0), time_axis: int(1) }, { opset: 10 });
  throws(
    () => runHere('ReverseSequence', [x, list(5, 1, 2, 3, 1)]),
    ModelError,
    /sequence_lens: expected 5 lengths in 0..4/,
  );
  throws(() => runHere('ReverseSequence', [floats([4]), list(1)]), ModelError, /input: expected rank >= 2/);
  throws(
    () => runHere('ReverseSequence', [x, list(1)], { batch_axis: int(2) }),
    ModelError,
    /batch_axis and time_axis: expected 0 and 1/,
  );
});

test('SpaceToDepth and DepthToSpace', async () => {
  await agree('SpaceToDepth', [floats([2, 3, 4, 6])], { blocksize: int(2) }, { opset: 13 });
  for (const mode of ['DCR', 'CRD'])
    await agree('DepthToSpace', [floats([2, 12, 4, 3])], { blocksize: int(2), mode: string(mode) }, { opset: 13 });
  await agree('DepthToSpace', [floats([1, 9, 2, 2])], { blocksize: int(3) }, { opset: 9 });
  throws(
    () => runHere('SpaceToDepth', [floats([1, 1, 3, 4])], { blocksize: int(2) }),
    ModelError,
    /height and width in multiples of 2/,
  );
  throws(
    () => runHere('DepthToSpace', [floats([1, 6, 3, 4])], { blocksize: int(2) }),
    ModelError,
    /channels in multiples of 4/,
  );
  throws(() => runHere('DepthToSpace', [floats([1, 6, 3])], { blocksize: int(2) }), ModelError, /expected rank 4/);
  throws(
    () => runHere('DepthToSpace', [floats([1, 4, 3, 4])], { blocksize: int(0) }),
    ModelError,
    /size >= 1, found 0/,
  );
});

test('CenterCropPad', async () => {
  await agree('CenterCropPad', [floats([5, 8, 3, 4]), list(8, 5, 4, 4)], {}, { opset: 18 });
  await agree('CenterCropPad', [integers('int64', [5, 8, 3], 0, 9), list(3, 10)], { axes: ints(-1, 0) }, { opset: 18 });
  throws(
    () => runHere('CenterCropPad', [floats([5, 8]), list(3)], {}, { opset: 18 }),
    ModelError,
    /shape: expected 2 sizes >= 0, found \[3\]/,
  );
  throws(
    () => runHere('CenterCropPad', [floats([5]), list(2 ** 40)], {}, { opset: 18 }),
    ModelError,
    /more than 2147483647 elements/,
  );
});

test.run();
