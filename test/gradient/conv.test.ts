import { test } from 'uvu';
import { floats, int, ints, string } from '../ops/compare.ts';
import { check, distinct } from './check.ts';

test('Conv over a plane: strides, pads, dilations, groups, one by one', () => {
  check('Conv', [floats([2, 3, 5, 6]), floats([4, 3, 3, 2]), floats([4])], { pads: ints(1, 0, 2, 1) });
  check('Conv', [floats([3, 2, 7, 5]), floats([3, 2, 3, 3])], { strides: ints(2, 3), pads: ints(1, 1, 1, 1) });
  check('Conv', [floats([2, 4, 6, 5]), floats([6, 2, 2, 3]), floats([6])], { group: int(2), dilations: ints(2, 1) });
  check('Conv', [floats([2, 3, 5, 5]), floats([3, 1, 3, 3])], { group: int(3), auto_pad: string('SAME_UPPER') });
  check('Conv', [floats([2, 3, 4, 3]), floats([5, 3, 1, 1]), floats([5])]);
  check('Conv', [floats([1, 3, 4, 3]), floats([5, 3, 1, 1])]);
  check('Conv', [floats([2, 2, 1, 1]), floats([3, 2, 3, 3])], { pads: ints(1, 1, 1, 1) });
});

test('Conv wide enough to be worked on one image at a time', () => {
  check('Conv', [floats([2, 1, 17, 16]), floats([2, 1, 2, 2])], { pads: ints(1, 0, 0, 1) }, { of: [1] });
  check('Conv', [floats([2, 2, 16, 17]), floats([1, 2, 1, 1])], {}, { of: [1] });
});

test('Conv along a line', () => {
  check('Conv', [floats([2, 3, 9]), floats([4, 3, 4]), floats([4])], { strides: ints(2), pads: ints(2, 1) });
  check('Conv', [floats([2, 4, 8]), floats([4, 1, 3])], { group: int(4), dilations: ints(2) });
});

test('ConvTranspose: strides, pads, output padding and shape, groups, one axis', () => {
  check('ConvTranspose', [floats([2, 3, 3, 4]), floats([3, 2, 3, 2]), floats([2])], {
    strides: ints(2, 1),
    pads: ints(1, 0, 0, 1),
    output_padding: ints(1, 0),
  });
  check('ConvTranspose', [floats([1, 4, 3, 3]), floats([4, 1, 2, 2])], { group: int(2), dilations: ints(2, 2) });
  check('ConvTranspose', [floats([2, 2, 3, 3]), floats([2, 3, 3, 3])], {
    strides: ints(2, 2),
    output_shape: ints(6, 6),
  });
  check('ConvTranspose', [floats([2, 2, 3, 3]), floats([2, 1, 3, 3])], {
    strides: ints(2, 2),
    auto_pad: string('SAME_LOWER'),
  });
  check('ConvTranspose', [floats([2, 3, 5]), floats([3, 2, 4]), floats([2])], { strides: ints(3), pads: ints(1, 2) });
  check('ConvTranspose', [floats([3, 2, 4, 4]), floats([2, 3, 1, 1])]);
});

test('pooling', () => {
  check('MaxPool', [distinct(2, 2, 5, 6)], { kernel_shape: ints(3, 2), strides: ints(2, 2), pads: ints(1, 1, 1, 0) });
  check('MaxPool', [distinct(1, 2, 6, 5)], { kernel_shape: ints(2, 2), dilations: ints(2, 1), ceil_mode: int(1) });
  check('MaxPool', [distinct(2, 2, 7)], { kernel_shape: ints(3), strides: ints(2) });
  for (const count_include_pad of [0, 1])
    for (const ceil_mode of [0, 1])
      check('AveragePool', [floats([2, 2, 6, 5])], {
        kernel_shape: ints(3, 2),
        strides: ints(2, 2),
        pads: ints(1, 1, 0, 1),
        count_include_pad: int(count_include_pad),
        ceil_mode: int(ceil_mode),
      });
  check('AveragePool', [floats([1, 3, 8])], { kernel_shape: ints(3), auto_pad: string('SAME_UPPER') });
  check('GlobalAveragePool', [floats([2, 3, 3, 5])]);
  check('GlobalMaxPool', [distinct(2, 3, 3, 5)]);
});

test.run();
