import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '../../src/errors.ts';
import { throws } from '../throws.ts';
import { agree, float, floats, int, ints, list, of, runHere, string } from './compare.ts';

const X = floats([2, 3, 12, 10]);
const BOXES = of([3, 4], 0, 0, 9, 9, 1.5, 2, 30, 12.5, 4, 5, 4.5, 5.2);

test('RoiAlign', async () => {
  for (const opset of [10, 16])
    for (const mode of ['avg', 'max'])
      for (const ratio of [0, 2])
        for (const transformation of opset === 10 ? [undefined] : ['half_pixel', 'output_half_pixel'])
          await agree(
            'RoiAlign',
            [X, BOXES, list(0, 1, 1)],
            {
              mode: string(mode),
              sampling_ratio: int(ratio),
              output_height: int(3),
              output_width: int(2),
              spatial_scale: float(0.5),
              ...(transformation === undefined ? {} : { coordinate_transformation_mode: string(transformation) }),
            },
            { opset, rtol: 1e-4, atol: 1e-5 },
          );
});

test('RoiAlign refuses', () => {
  throws(() => runHere('RoiAlign', [X, BOXES, list(0, 1)]), ModelError, /batch_indices: expected int64 \[3\]/);
  throws(
    () => runHere('RoiAlign', [X, BOXES, list(0, 1, 2)]),
    ModelError,
    /region 2: expected a batch index in 0..1, found 2/,
  );
  throws(() => runHere('RoiAlign', [X, floats([1, 5]), list(0)]), ModelError, /rois: expected float \[regions, 4\]/);
  throws(
    () => runHere('RoiAlign', [X, of([1, 4], 0, 0, 1e9, 1e9), list(0)]),
    ModelError,
    /takes more than \d+ samples/,
  );
  throws(
    () => runHere('RoiAlign', [X, of([1, 4], 0, 0, Number.NaN, 1), list(0)]),
    ModelError,
    /region 0: \[0,0,NaN,1\] takes more than/,
  );
  throws(
    () => runHere('RoiAlign', [X, BOXES, list(0, 0, 0)], { output_height: int(0) }),
    ModelError,
    /output sizes >= 1/,
  );
});

test('MaxRoiPool', async () => {
  const rois = of([4, 5], 0, 0, 0, 9, 9, 1, 1.5, 2, 30, 12.5, 1, 4, 5, 4.5, 5.2, 0, 50, 50, 60, 60);
  for (const scale of [1, 0.5, 0.0625])
    await agree('MaxRoiPool', [X, rois], { pooled_shape: ints(3, 2), spatial_scale: float(scale) }, { opset: 11 });
  throws(
    () => runHere('MaxRoiPool', [X, of([1, 5], 2, 0, 0, 1, 1)], { pooled_shape: ints(1, 1) }),
    ModelError,
    /region 0: expected a batch index in 0..1, found 2/,
  );
  const [none] = runHere('MaxRoiPool', [floats([1, 0, 2, 2]), of([1, 5], 0, 0, 0, 1, 1)], {
    pooled_shape: ints(2 ** 30, 1),
  });
  assert.is(none!.data.length, 0);
  throws(() => runHere('MaxRoiPool', [X, rois], { pooled_shape: ints(3) }), ModelError, /expected two sizes >= 1/);
});

test.run();
