import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '../../src/errors.ts';
import { throws } from '../throws.ts';
import { agree, floats, int, list, of, runHere, scalar } from './compare.ts';

test('NonMaxSuppression of corners and centers, with and without a least score', async () => {
  for (const centered of [0, 1])
    for (const iou of [0.3, 0.6])
      for (const least of [[], [scalar('float', 0.4)]])
        await agree(
          'NonMaxSuppression',
          [floats([2, 40, 4], 0, 1), floats([2, 3, 40], 0, 1), scalar('int64', 5), scalar('float', iou), ...least],
          { center_point_box: int(centered) },
          { opset: 11 },
        );
  await agree('NonMaxSuppression', [floats([1, 4, 4], 0, 1), floats([1, 1, 4], 0, 1)], {}, { opset: 11 });
});

test('equal scores keep the order of the boxes', () => {
  const boxes = of([1, 3, 4], 0, 0, 1, 1, 5, 5, 6, 6, 9, 9, 10, 10);
  const [y] = runHere('NonMaxSuppression', [boxes, of([1, 1, 3], 1, 1, 1), list(2), scalar('float', 0.5)]);
  assert.equal([...y!.data].map(Number), [0, 0, 0, 0, 0, 1]);
});

test('NonMaxSuppression refuses', () => {
  const run =
    (boxes: number[], scores: number[], iou = 0.5) =>
    () =>
      runHere('NonMaxSuppression', [floats(boxes), floats(scores), scalar('int64', 1), scalar('float', iou)]);
  throws(run([1, 4, 3], [1, 1, 4]), ModelError, /boxes: expected float \[batches, boxes, 4\]/);
  throws(run([1, 4, 4], [1, 1, 5]), ModelError, /scores: expected float \[1, classes, 4\]/);
  throws(run([1, 4, 4], [1, 1, 4], 1.5), ModelError, /iou_threshold: expected 0..1, found 1.5/);
});

test.run();
