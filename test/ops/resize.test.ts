import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError, UnsupportedError } from '../../src/errors.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import {
  agree,
  type Attributes,
  float,
  floats,
  int,
  integers,
  ints,
  list,
  of,
  runHere,
  same,
  string,
} from './compare.ts';

const SIZES = [
  [4, 5, 8, 10],
  [7, 6, 3, 4],
  [5, 5, 7, 3],
  [3, 4, 1, 9],
  [6, 9, 2, 3],
] as const;
const CLOSE = { rtol: 1e-4, atol: 1e-5 };
const ROI = of([8], 0, 0, 0.2, -0.1, 1, 1, 0.9, 1.2);

/** An image resized to a size, and by the scales that lead there. */
async function both(attributes: Attributes, roi: Tensor | undefined = undefined): Promise<void> {
  for (const [h, w, oh, ow] of SIZES) {
    const x = floats([1, 2, h, w]);
    const c = { opset: 19, ...CLOSE };
    await agree('Resize', [x, roi, undefined, list(1, 2, oh, ow)], attributes, { ...c, constants: [3] });
    await agree('Resize', [x, roi, of([4], 1, 1, oh / h, ow / w)], attributes, { ...c, constants: [2] });
  }
}

const COORDINATES = ['half_pixel', 'pytorch_half_pixel', 'align_corners', 'asymmetric'];

test('nearest under every transformation and rounding', async () => {
  for (const c of COORDINATES)
    for (const rounding of ['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'])
      await both({ coordinate_transformation_mode: string(c), nearest_mode: string(rounding) });
  await both({ coordinate_transformation_mode: string('half_pixel_symmetric') });
});

test('linear and cubic, antialiased or not, the outside excluded or not', async () => {
  for (const c of [...COORDINATES, 'half_pixel_symmetric'])
    for (const antialias of [0, 1]) {
      const a = { coordinate_transformation_mode: string(c), antialias: int(antialias) };
      await both({ ...a, mode: string('linear') });
      await both({ ...a, mode: string('cubic'), cubic_coeff_a: float(-0.5), exclude_outside: int(1) });
    }
  await both({ mode: string('cubic') });
});

test('tf_crop_and_resize: what lies outside is extrapolated', async () => {
  const a = { coordinate_transformation_mode: string('tf_crop_and_resize'), extrapolation_value: float(7) };
  for (const mode of ['nearest', 'linear', 'cubic']) await both({ ...a, mode: string(mode) }, ROI);
  // The input itself, shifted: nothing of it may be written to.
  const x = of([2, 2], 1, 2, 3, 4);
  const [y] = runHere('Resize', [x, of([4], 0.4, 0, 1.4, 1), undefined, list(2, 2)], a, { opset: 18 });
  same(y!, of([2, 2], 1, 2, 7, 7), 'shifted');
  same(x, of([2, 2], 1, 2, 3, 4), 'input');
});

test('axes and policies', async () => {
  const x = floats([1, 2, 5, 6]);
  const c = { opset: 18, ...CLOSE };
  for (const policy of ['stretch', 'not_larger', 'not_smaller'])
    for (const mode of ['nearest', 'linear', 'cubic'])
      await agree(
        'Resize',
        [x, undefined, undefined, list(7, 9)],
        { mode: string(mode), axes: ints(2, 3), keep_aspect_ratio_policy: string(policy) },
        { ...c, constants: [3] },
      );
  const swapped = { mode: string('linear'), axes: ints(-1, -2) };
  await agree('Resize', [x, undefined, of([2], 2, 0.5)], swapped, { ...c, constants: [2] });
});

test('one to three axes, channels last, other types', async () => {
  const linear = { mode: string('linear') };
  const run = (x: Tensor, ...scales: number[]) =>
    agree('Resize', [x, undefined, of([scales.length], ...scales)], linear, { opset: 18, constants: [2], ...CLOSE });
  await run(floats([2, 5]), 2, 1.5);
  await run(floats([1, 2, 3, 5, 6]), 1, 1, 2, 1.5, 0.5);
  await run(floats([1, 5, 6, 3]), 1, 2, 1.5, 1);
  for (const dtype of ['uint8', 'int8', 'int32'] as const)
    for (const mode of ['nearest', 'linear'])
      await agree(
        'Resize',
        [integers(dtype, [1, 2, 5, 6], 0, 100), undefined, of([4], 1, 1, 2, 2)],
        { mode: string(mode) },
        { opset: 13, constants: [2] },
      );
  const scales = of([1], 2);
  const half = tensor('float16', [2], Uint16Array.of(0x3c00, 0x4000));
  const [h] = runHere('Resize', [half, undefined, scales], linear, { opset: 18 });
  assert.equal([...h!.data], [0x3c00, 0x3d00, 0x3f00, 0x4000]);
  const [d] = runHere('Resize', [tensor('double', [2], Float64Array.of(1, 2)), undefined, scales], linear);
  assert.equal([...d!.data], [1, 1.25, 1.75, 2]);
  const [l] = runHere('Resize', [list(1, 2 ** 52), undefined, scales], {});
  assert.equal([...l!.data], [1n, 1n, 2n ** 52n, 2n ** 52n]);
  const [constant] = runHere('Resize', [tensor('uint8', [3], Uint8Array.of(5, 5, 5)), undefined, of([1], 2.4)], linear);
  assert.equal([...constant!.data], [5, 5, 5, 5, 5, 5, 5]);
});

test('aligned corners under scales that do not lead to whole lengths', () => {
  // x * (4 - 1) / (0.6 * 4 - 1)
  const x = of([1, 4], 1, 2, 3, 4);
  const a = { mode: string('linear'), coordinate_transformation_mode: string('align_corners') };
  const [y] = runHere('Resize', [x, undefined, of([2], 1, 0.6)], a, { opset: 19 });
  same(y!, of([1, 2], 1, 1 + 3 / 1.4), 'align_corners');
});

test('the versions before 13', async () => {
  for (const mode of ['nearest', 'linear'])
    for (const s of [
      [1, 1, 2, 3],
      [1, 1, 1.5, 2.6],
    ]) {
      const x = floats([1, 2, 3, 4]);
      const a = { mode: string(mode) };
      await agree('Upsample', [x, of([4], ...s)], a, { opset: 9, constants: [1] });
      const scales = { type: 'floats', value: s.map(Math.fround) } as const;
      await agree('Upsample', [x], { ...a, scales }, { opset: 7 });
      await agree('Resize', [x, of([4], ...s)], a, { opset: 10, constants: [1] });
      await agree('Resize', [floats([1, 2, 7, 8]), of([4], 1, 1, 0.6, 0.3)], a, { opset: 10, constants: [1] });
    }
  const a = { coordinate_transformation_mode: string('tf_half_pixel_for_nn'), nearest_mode: string('floor') };
  await agree('Resize', [floats([1, 2, 5, 6]), of([0]), of([4], 1, 1, 2, 0.5)], a, { opset: 11, constants: [2] });
});

test('Resize refuses', () => {
  const x = floats([2, 3]);
  const run =
    (scales: Tensor | undefined, sizes?: Tensor, a: Attributes = {}) =>
    () =>
      runHere('Resize', [x, undefined, scales, sizes], a, { opset: 19 });
  throws(run(undefined), ModelError, /either scales or sizes, found neither/);
  throws(run(of([2], 1, 1), list(2, 3)), ModelError, /found both/);
  throws(run(of([1], 1)), ModelError, /scales: expected 2 numbers for axes \[0,1\], found 1/);
  throws(run(of([2], 1, -1)), ModelError, /scales: expected numbers > 0, found -1/);
  throws(run(of([2], 1, Number.NaN)), ModelError, /scales: expected numbers > 0, found NaN/);
  throws(run(of([2], 1, 1e30)), ModelError, /too many elements/);
  throws(run(undefined, list(2 ** 20, 2 ** 20)), ModelError, /cannot become \[1048576,1048576\]: too many elements/);
  throws(run(undefined, list(2, -3)), ModelError, /sizes: expected sizes >= 0/);
  throws(run(of([2], 1, 1), undefined, { mode: string('lanczos') }), UnsupportedError, /attribute "mode"/);
  throws(run(of([2], 1, 1), undefined, { axes: ints(0, 0) }), ModelError, /axis 0 is named twice/);
  const crop = { coordinate_transformation_mode: string('tf_crop_and_resize') };
  throws(run(of([2], 1, 1), undefined, crop), ModelError, /input 1 \(roi\) is missing/);
  throws(
    () => runHere('Resize', [floats([0, 3]), undefined, undefined, list(2, 3)], {}, { opset: 19 }),
    ModelError,
    /axis 0 of \[0,3\] is empty/,
  );
  throws(
    () => runHere('Upsample', [x, of([2], 1, 0.5)], {}, { opset: 9 }),
    ModelError,
    /scales: expected numbers >= 1, found 0.5/,
  );
});

test.run();
