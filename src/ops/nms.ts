import { ModelError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { int, since } from './attributes.ts';
import { halves } from './half.ts';
import { numbersOf } from './numbers.ts';
import type { Op, Runtime } from './op.ts';
import { elements, need } from './shape.ts';

const f = Math.fround;

function optional(t: Tensor | undefined, what: string, fallback: number, rt: Runtime): number {
  if (t === undefined) return fallback;
  if (t.data.length !== 1) throw new ModelError(`${what}: expected one element, found shape [${t.dims}]`);
  return numbersOf(t, rt)[0]!;
}

/** Boxes as [y1, x1, y2, x2, area], lower corner first, in f32. */
function corners(boxes: Float32Array, from: number, n: number, centered: boolean): Float32Array {
  const out = new Float32Array(5 * n);
  for (let i = 0; i < n; i++) {
    const [a, b, c, d] = [0, 1, 2, 3].map((j) => boxes[from + 4 * i + j]!) as [number, number, number, number];
    // Centered boxes are [x, y, width, height], the others two opposite corners [y, x, y, x].
    const [y1, x1, y2, x2] = centered ? [b - d / 2, a - c / 2, b + d / 2, a + c / 2] : [a, b, c, d];
    const q = 5 * i;
    out[q] = Math.min(y1, y2);
    out[q + 1] = Math.min(x1, x2);
    out[q + 2] = Math.max(y1, y2);
    out[q + 3] = Math.max(x1, x2);
    out[q + 4] = f(out[q + 2]! - out[q]!) * f(out[q + 3]! - out[q + 1]!);
  }
  return out;
}

/** Whether the boxes' intersection is more than `threshold` of their union. */
function overlap(b: Float32Array, i: number, j: number, threshold: number): boolean {
  const [p, q] = [5 * i, 5 * j];
  const h = f(Math.min(b[p + 2]!, b[q + 2]!) - Math.max(b[p]!, b[q]!));
  if (!(h > 0)) return false;
  const w = f(Math.min(b[p + 3]!, b[q + 3]!) - Math.max(b[p + 1]!, b[q + 1]!));
  if (!(w > 0)) return false;
  const shared = f(h * w);
  const union = f(f(b[p + 4]! + b[q + 4]!) - shared);
  if (!(b[p + 4]! > 0) || !(b[q + 4]! > 0) || !(union > 0)) return false;
  return f(shared / union) > threshold;
}

/** For every image and class the boxes kept, best first, none overlapping a better one: int64 [kept, 3] of image, class, box. */
export const NonMaxSuppression: Op = since(10, (node) => {
  const centered = int(node, 'center_point_box', 0) !== 0;
  return halves((inputs, rt) => {
    const boxes = need(inputs, 0, 'boxes');
    const scores = need(inputs, 1, 'scores');
    const [batches, n] = boxes.dims as [number, number];
    const classes = scores.dims[1]!;
    if (boxes.dtype !== 'float' || boxes.dims.length !== 3 || boxes.dims[2] !== 4)
      throw new ModelError(`boxes: expected float [batches, boxes, 4], found ${boxes.dtype} [${boxes.dims}]`);
    if (scores.dtype !== 'float' || String(scores.dims) !== String([batches, classes, n]))
      throw new ModelError(
        `scores: expected float [${batches}, classes, ${n}], found ${scores.dtype} [${scores.dims}]`,
      );
    const most = optional(inputs[2], 'max_output_boxes_per_class', 0, rt);
    const iou = f(optional(inputs[3], 'iou_threshold', 0, rt));
    const least = f(optional(inputs[4], 'score_threshold', Number.NEGATIVE_INFINITY, rt));
    if (!(iou >= 0 && iou <= 1)) throw new ModelError(`iou_threshold: expected 0..1, found ${iou}`);
    const cornersOf = elements(boxes);
    const score = elements(scores);
    const kept: number[] = [];
    for (let b = 0; b < batches && n > 0 && most > 0; b++) {
      const box = corners(cornersOf, 4 * b * n, n, centered);
      for (let c = 0; c < classes; c++) {
        const row = score.subarray((b * classes + c) * n, (b * classes + c + 1) * n);
        const order: number[] = [];
        for (let i = 0; i < n; i++) if (inputs[4] === undefined || row[i]! > least) order.push(i);
        order.sort((i, j) => row[j]! - row[i]! || i - j);
        const mine: number[] = [];
        for (const i of order) {
          if (mine.length >= most) break;
          if (!mine.some((j) => overlap(box, i, j, iou))) mine.push(i);
        }
        for (const i of mine) kept.push(b, c, i);
      }
    }
    const y = rt.empty('int64', [kept.length / 3, 3]);
    const out = y.data as BigInt64Array;
    kept.forEach((v, i) => {
      out[i] = BigInt(v);
    });
    return [y];
  });
});
