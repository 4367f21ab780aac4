import { test } from 'uvu';
import { type Attributes, float, floats, int, integers, ints, list, of, scalar, string } from '../ops/compare.ts';
import { throws } from '../throws.ts';
import { check } from './check.ts';

const x = floats([2, 3, 4]);

test('views', () => {
  check('Reshape', [x, list(4, -1)]);
  check('Flatten', [x], { axis: int(2) });
  check('Identity', [x]);
  check('Squeeze', [floats([2, 1, 3]), list(1)]);
  check('Unsqueeze', [x, list(0, 2)]);
  check('Unsqueeze', [x], { axes: ints(0) }, { opset: 11 });
  check('Dropout', [x], {}, { opset: 13 });
  check('Cast', [x], { to: int(1) });
});

test('Transpose, Concat, Split, Expand, Tile', () => {
  check('Transpose', [x]);
  check('Transpose', [x], { perm: ints(1, 2, 0) });
  check('Concat', [x, floats([2, 1, 4]), floats([2, 2, 4])], { axis: int(1) });
  check('Concat', [floats([2]), floats([3])], { axis: int(-1) });
  check('Split', [x, list(1, 3)], { axis: int(2) }, { outputs: 2 });
  check('Split', [x, list(1, 3)], { axis: int(-1) }, { outputs: 2, seeded: [1] });
  check('Split', [floats([6])], { axis: int(0) }, { outputs: 3 });
  check('Expand', [floats([3, 1]), list(2, 1, 4)]);
  check('Tile', [floats([2, 3]), list(2, 3)]);
});

test('Slice, Pad, Gather: old and new forms, negative indices and steps, repeats', () => {
  check('Slice', [x, list(2, 0), list(-4, 3), list(1, 2), list(-1, 2)]);
  check('Slice', [x], { starts: ints(1), ends: ints(3), axes: ints(1) }, { opset: 9 });
  const modes: Attributes[] = [{}, { mode: string('reflect') }, { mode: string('edge') }];
  for (const attributes of modes) check('Pad', [floats([2, 3]), list(0, 2, 1, 1)], attributes);
  check('Pad', [floats([2, 3]), list(0, -1, 1, 1), scalar('float', 3)], {}, { of: [0] });
  check('Pad', [floats([2, 3])], { pads: ints(0, 2, 1, 1) }, { opset: 10 });
  check('Gather', [floats([5, 3]), integers('int64', [2, 4], -5, 4)]);
  check('Gather', [x, scalar('int64', 1)], { axis: int(1) });
  check('Gather', [x, integers('int64', [7], 0, 3)], { axis: int(-1) });
  check('GatherElements', [floats([3, 3]), integers('int64', [2, 3], 0, 2)]);
});

test('Resize and Upsample to the nearest element, by scales and sizes; between elements there is no gradient', () => {
  const image = floats([1, 2, 3, 4]);
  const scales = of([4], 1, 1, 2, 1.5);
  check('Resize', [image, undefined, scales], { mode: string('nearest') }, { of: [0] });
  check('Resize', [image, undefined, undefined, list(1, 2, 5, 2)], { mode: string('nearest') }, { of: [0] });
  check('Resize', [image, scales], {}, { of: [0], opset: 10 });
  check('Upsample', [image, scales], {}, { of: [0], opset: 9 });
  check('Upsample', [image], { scales: { type: 'floats', value: [1, 1, 2, 2] } }, { opset: 7 });
  throws(
    () => check('Resize', [image, undefined, scales], { mode: string('linear') }, { of: [0] }),
    Error,
    /no gradient|the gradient of mode linear/,
  );
});

test('other operators that pick elements', () => {
  check('Pad', [floats([2, 3])], { pads: ints(0, 2, 1, 1), value: float(3) }, { opset: 10 });
  check('DepthToSpace', [floats([1, 8, 2, 3])], { blocksize: int(2) });
  check('SpaceToDepth', [floats([1, 2, 4, 6])], { blocksize: int(2) });
  check('Trilu', [floats([3, 4])], { upper: int(0) });
  check('GatherND', [floats([3, 4]), integers('int64', [5, 2], 0, 2)]);
  check('CenterCropPad', [floats([3, 4]), list(5, 2)], {}, { opset: 18 });
  check('CumSum', [floats([2, 4]), scalar('int64', 1)], { exclusive: int(1) });
  check('CumSum', [floats([2, 4]), scalar('int64', 0)], { reverse: int(1) });
});

test.run();
