import { ModelError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { choice, float, int, ints, since } from './attributes.ts';
import { withHalf } from './half.ts';
import type { NodeSpec, Op, Run } from './op.ts';
import { elements, isFloating, need } from './shape.ts';

/** Pooling of regions of interest out of feature maps [N, C, H, W]. */

/** Bound on the bilinear samples of one region. */
const MOST_SAMPLES = 2 ** 22;
const NEIGHBOURS = 4;

function maps(inputs: readonly (Tensor | undefined)[], columns: number): { x: Tensor; rois: Tensor; regions: number } {
  const x = need(inputs, 0, 'X');
  const rois = need(inputs, 1, 'rois');
  if (x.dims.length !== 4 || !isFloating(x.dtype))
    throw new ModelError(`X: expected a floating type of rank 4, found ${x.dtype} [${x.dims}]`);
  if (rois.dims.length !== 2 || rois.dims[1] !== columns || rois.dtype !== x.dtype)
    throw new ModelError(`rois: expected ${x.dtype} [regions, ${columns}], found ${rois.dtype} [${rois.dims}]`);
  return { x, rois, regions: rois.dims[0]! };
}

/** Where the image that region r lies in starts among x's elements. */
function imageOf(b: number, r: number, x: Tensor): number {
  const [n, c, h, w] = x.dims as [number, number, number, number];
  if (!(Number.isInteger(b) && b >= 0 && b < n))
    throw new ModelError(`region ${r}: expected a batch index in 0..${n - 1}, found ${b}`);
  return b * c * h * w;
}

/** Neighbours and weights of one bilinear sample; nothing beyond one pixel outside the map. */
function bilinear(y: number, x: number, h: number, w: number, q: number, offsets: Int32Array, weights: Float64Array) {
  if (!(y >= -1 && y <= h && x >= -1 && x <= w)) {
    offsets.fill(0, q, q + NEIGHBOURS);
    weights.fill(0, q, q + NEIGHBOURS);
    return;
  }
  const cy = Math.min(Math.max(y, 0), h - 1);
  const cx = Math.min(Math.max(x, 0), w - 1);
  const y0 = Math.floor(cy);
  const x0 = Math.floor(cx);
  const y1 = Math.min(y0 + 1, h - 1);
  const x1 = Math.min(x0 + 1, w - 1);
  const [ly, lx] = [cy - y0, cx - x0];
  offsets[q] = y0 * w + x0;
  offsets[q + 1] = y0 * w + x1;
  offsets[q + 2] = y1 * w + x0;
  offsets[q + 3] = y1 * w + x1;
  weights[q] = (1 - ly) * (1 - lx);
  weights[q + 1] = (1 - ly) * lx;
  weights[q + 2] = ly * (1 - lx);
  weights[q + 3] = ly * lx;
}

function roiAlign(node: NodeSpec, halfPixel: boolean): Run {
  const mean = choice(node, 'mode', ['avg', 'max'] as const, 'avg') === 'avg';
  const height = int(node, 'output_height', 1);
  const width = int(node, 'output_width', 1);
  const ratio = int(node, 'sampling_ratio', 0);
  const scale = float(node, 'spatial_scale', 1);
  const offset = halfPixel ? 0.5 : 0;
  if (height < 1 || width < 1 || ratio < 0)
    throw new ModelError(
      `expected output sizes >= 1 and a sampling_ratio >= 0, found ${height} x ${width} and ${ratio}`,
    );
  return (inputs, rt) => {
    const { x, rois, regions } = maps(inputs, 4);
    const batch = need(inputs, 2, 'batch_indices');
    if (batch.dtype !== 'int64' || batch.data.length !== regions)
      throw new ModelError(`batch_indices: expected int64 [${regions}], found ${batch.dtype} [${batch.dims}]`);
    const [, c, h, w] = x.dims as [number, number, number, number];
    const out = rt.empty(x.dtype, [regions, c, height, width]);
    if (out.data.length === 0) return [out];
    if (h * w === 0) throw new ModelError(`X: expected spatial sizes >= 1, found [${x.dims}]`);
    const a = elements(x);
    const box = elements(rois);
    const y = elements(out);
    const cells = height * width;
    for (let r = 0, q = 0; r < regions; r++) {
      const image = imageOf(Number(batch.data[r]), r, x);
      const [x0, y0, x1, y1] = [0, 1, 2, 3].map((i) => box[4 * r + i]! * scale - offset) as [
        number,
        number,
        number,
        number,
      ];
      // Regions of the older, unaligned kind are one pixel wide at least.
      const rw = halfPixel ? x1 - x0 : Math.max(x1 - x0, 1);
      const rh = halfPixel ? y1 - y0 : Math.max(y1 - y0, 1);
      const [bh, bw] = [rh / height, rw / width];
      const gh = Math.max(0, ratio > 0 ? ratio : Math.ceil(bh));
      const gw = Math.max(0, ratio > 0 ? ratio : Math.ceil(bw));
      const per = gh * gw;
      if (!(cells * per <= MOST_SAMPLES))
        throw new ModelError(
          `region ${r}: [${Array.from(box.slice(4 * r, 4 * r + 4))}] takes more than ${MOST_SAMPLES} samples`,
        );
      const offsets = new Int32Array(cells * per * NEIGHBOURS);
      const weights = new Float64Array(cells * per * NEIGHBOURS);
      let t = 0;
      for (let cell = 0; cell < cells; cell++) {
        const top = y0 + Math.floor(cell / width) * bh;
        const left = x0 + (cell % width) * bw;
        for (let iy = 0; iy < gh; iy++)
          for (let ix = 0; ix < gw; ix++, t += NEIGHBOURS)
            bilinear(top + ((iy + 0.5) * bh) / gh, left + ((ix + 0.5) * bw) / gw, h, w, t, offsets, weights);
      }
      for (let plane = 0; plane < c; plane++) {
        const from = image + plane * h * w;
        for (let cell = 0, k = 0; cell < cells; cell++) {
          let sum = 0;
          let best = Number.NEGATIVE_INFINITY;
          for (const end = k + per * NEIGHBOURS; k < end; k++) {
            const v = weights[k]! * a[from + offsets[k]!]!;
            sum += v;
            if (!(v <= best)) best = v;
          }
          y[q++] = mean ? sum / Math.max(per, 1) : per === 0 ? 0 : best;
        }
      }
    }
    return [out];
  };
}

/**
 * Bilinear samples of each region [x1, y1, x2, y2], averaged; `max` takes the largest weighted neighbour, as the operator's
 * implementations do. Regions are shifted by half a pixel since opset 16 unless told otherwise.
 */
export const RoiAlign: Op = [
  ...withHalf(since(10, (node) => roiAlign(node, false))),
  ...withHalf(
    since(16, (node) => {
      const modes = ['half_pixel', 'output_half_pixel'] as const;
      return roiAlign(node, choice(node, 'coordinate_transformation_mode', modes, 'half_pixel') === 'half_pixel');
    }),
  ),
];

/** To the nearest integer, halves away from 0. */
function roundAway(v: number): number {
  return Math.sign(v) * Math.floor(Math.abs(v) + 0.5);
}

/** The largest element in each of the cells that a region [batch, x1, y1, x2, y2] is cut into; 0 where there is none. */
export const MaxRoiPool: Op = withHalf(
  since(1, (node) => {
    const pooled = ints(node, 'pooled_shape');
    const scale = float(node, 'spatial_scale', 1);
    if (pooled?.length !== 2 || pooled.some((d) => d < 1))
      throw new ModelError(`attribute "pooled_shape": expected two sizes >= 1, found [${pooled}]`);
    const [height, width] = pooled as [number, number];
    return (inputs, rt) => {
      const { x, rois, regions } = maps(inputs, 5);
      const [, c, h, w] = x.dims as [number, number, number, number];
      const out = rt.empty(x.dtype, [regions, c, height, width]);
      if (out.data.length === 0) return [out];
      const a = elements(x);
      const box = elements(rois);
      const y = elements(out);
      const edges = (start: number, end: number, cells: number, limit: number) => {
        const first = roundAway(start * scale);
        const size = Math.max(roundAway(end * scale) - first + 1, 1) / cells;
        const inside = (v: number) => Math.min(Math.max(v + first, 0), limit);
        return Array.from({ length: cells }, (_, i) => [
          inside(Math.floor(Math.fround(i * size))),
          inside(Math.ceil(Math.fround((i + 1) * size))),
        ]) as [number, number][];
      };
      for (let r = 0, q = 0; r < regions; r++) {
        const [b, x0, y0, x1, y1] = Array.from(box.subarray(5 * r, 5 * r + 5)) as [
          number,
          number,
          number,
          number,
          number,
        ];
        const image = imageOf(b, r, x);
        const rows = edges(y0, y1, height, h);
        const columns = edges(x0, x1, width, w);
        for (let plane = 0; plane < c; plane++)
          for (const [top, bottom] of rows)
            for (const [left, right] of columns) {
              let best = Number.NEGATIVE_INFINITY;
              for (let i = top; i < bottom; i++)
                for (let j = left; j < right; j++) {
                  const v = a[image + (plane * h + i) * w + j]!;
                  if (!(v <= best)) best = v;
                }
              y[q++] = bottom > top && right > left ? best : 0;
            }
      }
      return [out];
    };
  }),
);
