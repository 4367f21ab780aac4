import { test } from 'uvu';
import { ModelError, UnsupportedError } from '../../src/errors.ts';
import { zeros } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { agree, floats, int, ints, of, runHere, same } from './compare.ts';
import { narrowed, widened } from './wide.ts';

const C = { opset: 19, atol: 2e-5 };

test('offsets, masks, groups, offset groups', async () => {
  const x = floats([2, 4, 6, 7]);
  const a = { kernel_shape: ints(3, 2), pads: ints(1, 0, 1, 1), strides: ints(2, 1), dilations: ints(1, 2) };
  const [oh, ow] = [3, 6];
  const offset = (parts: number) => floats([2, parts * 12, oh, ow], -1.5, 1.5);
  await agree('DeformConv', [x, floats([6, 4, 3, 2]), offset(1)], a, C);
  const w = floats([6, 2, 3, 2]);
  const inputs = [x, w, offset(2), floats([6]), floats([2, 12, oh, ow], 0, 1)];
  const groups = { ...a, group: int(2), offset_group: int(2) };
  await agree('DeformConv', inputs, groups, C);
  const y = runHere('DeformConv', inputs, groups, C)[0]!;
  same(narrowed(runHere('DeformConv', inputs.map(widened), groups, C)[0]!), y, 'double', 1e-5, 1e-5);
});

test('without offsets it is a convolution, and offsets move the taps', () => {
  const x = floats([1, 2, 5, 5]);
  const w = floats([3, 2, 3, 3]);
  const still = zeros('float', [1, 18, 3, 3]);
  same(runHere('DeformConv', [x, w, still], {}, C)[0]!, runHere('Conv', [x, w])[0]!, 'no offset', 1e-5, 1e-5);
  // One tap, half a row down and one column across: between rows 0 and 1 of column 1.
  const [y] = runHere(
    'DeformConv',
    [of([1, 1, 2, 2], 1, 2, 3, 4), of([1, 1, 1, 1], 1), of([1, 2, 2, 2], 0.5, 0, 0, 0, 1, 0, 0, -3)],
    {},
    C,
  );
  same(y!, of([1, 1, 2, 2], 3, 2, 3, 0), 'a half');
});

test('what does not fit is said', () => {
  const [x, w] = [floats([1, 2, 4, 4]), floats([3, 2, 2, 2])];
  const offset = floats([1, 8, 3, 3]);
  throws(
    () => runHere('DeformConv', [x, w, floats([1, 8, 3, 4])], {}, C),
    ModelError,
    /offset: expected shape \[1,8,3,3\]/,
  );
  throws(() => runHere('DeformConv', [x, w, offset], { offset_group: int(0) }, C), ModelError, /"offset_group"/);
  throws(
    () => runHere('DeformConv', [x, w, offset, undefined, floats([1, 3, 3, 3])], {}, C),
    ModelError,
    /mask: expected shape \[1,4,3,3\]/,
  );
  throws(
    () => runHere('DeformConv', [floats([1, 2, 4]), floats([3, 2, 2]), offset], {}, C),
    UnsupportedError,
    /only two spatial axes/,
  );
});

test.run();
