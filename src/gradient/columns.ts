import type { Window } from '../graph/window.ts';
import type { Runtime } from '../ops/op.ts';
import { product } from '../ops/shape.ts';

/** Bound on the columns of some images side by side, in bytes. */
const COLUMN_BYTES = 16 * 2 ** 20;
/** Columns of a product that keep the matrix kernel busy. */
const WIDE = 256;

/**
 * A convolution between two stacks of images: the window moves over the wide one [images, groups * wide, plane], and the narrow one
 * [images, groups * narrow, places] has a place for each position. W is [groups * narrow, wide * kernel]. Conv takes the
 * wide side to the narrow one, ConvTranspose the other way.
 */
export interface Convolution {
  readonly window: Window;
  readonly images: number;
  readonly groups: number;
  readonly wide: number;
  readonly narrow: number;
}

/** True where an image is its own matrix of columns. */
function direct(w: Window): boolean {
  return product(w.kernel) === 1 && product(w.strides) === 1 && w.pads.every((p) => p === 0);
}

/** What a product reads and writes: addresses of the columns [depth, ld], the narrow planes [narrow, ld], W's first row. */
type Body = (columns: number, planes: number, ld: number, weights: number) => void;

/** Which side is read before the product, and which is written after it. */
interface Flow {
  readonly reads: readonly ('wide' | 'narrow')[];
  readonly writes?: 'wide' | 'narrow';
}

function forColumns(c: Convolution, rt: Runtime, at: Addresses, flow: Flow, body: Body): void {
  const { window, images, groups, wide, narrow } = c;
  const [h, w] = window.input;
  const [kh, kw] = window.kernel;
  const [sh, sw] = window.strides;
  const [dh, dw] = window.dilations;
  const [pt, pl] = window.pads;
  const [oh, ow] = window.output;
  const places = oh * ow;
  const depth = wide * kh * kw;
  const { k } = rt.wasm;
  const straight = direct(window);
  const fit = Math.max(1, Math.floor(COLUMN_BYTES / (4 * depth * places)));
  const chunk = Math.min(images, fit, Math.ceil(WIDE / places));
  const room = straight && chunk === 1 ? 0 : rt.scratch(4 * depth * places * chunk);
  const side = chunk > 1 ? rt.scratch(4 * narrow * places * chunk) : 0;
  for (let from = 0; from < images; from += chunk) {
    const count = Math.min(chunk, images - from);
    const ld = count * places;
    for (let g = 0; g < groups; g++) {
      const wideAt = (i: number) => at.wide + 4 * ((from + i) * groups + g) * wide * h * w;
      const narrowAt = (i: number) => at.narrow + 4 * ((from + i) * groups + g) * narrow * places;
      const inPlace = straight && count === 1;
      const columns = inPlace ? wideAt(0) : room;
      const planes = count === 1 ? narrowAt(0) : side;
      if (flow.reads.includes('wide') && !inPlace)
        for (let i = 0; i < count; i++)
          k.im2col(wideAt(i), wide, h, w, kh, kw, sh, sw, pt, pl, dh, dw, oh, ow, columns + 4 * i * places, ld);
      if (flow.reads.includes('narrow') && count > 1)
        k.permute4(narrowAt(0), 1, narrow, count, places, 0, places, groups * narrow * places, 1, side);
      body(columns, planes, ld, at.weights + 4 * g * narrow * depth);
      if (flow.writes === 'wide' && !inPlace)
        for (let i = 0; i < count; i++)
          k.col2im(columns + 4 * i * places, ld, wide, h, w, kh, kw, sh, sw, pt, pl, dh, dw, oh, ow, wideAt(i));
      if (flow.writes === 'narrow' && count > 1)
        for (let i = 0; i < count; i++)
          k.permute4(side + 4 * i * places, 1, 1, narrow, places, 0, 0, ld, 1, narrowAt(i));
    }
  }
}

export interface Addresses {
  readonly wide: number;
  readonly narrow: number;
  readonly weights: number;
}

function depthOf(c: Convolution): number {
  return c.wide * product(c.window.kernel);
}

/** narrow = W columns(wide). */
export function toNarrow(c: Convolution, rt: Runtime, at: Addresses): void {
  const depth = depthOf(c);
  const scratch = rt.scratch(rt.wasm.k.gemm_scratch());
  forColumns(c, rt, at, { reads: ['wide'], writes: 'narrow' }, (columns, planes, ld, w) => {
    rt.wasm.k.gemm(0, 0, c.narrow, ld, depth, 1, w, depth, columns, ld, 0, planes, ld, scratch);
  });
}

/** wide += the images whose columns are W' narrow; wide holds zeros before. */
export function toWide(c: Convolution, rt: Runtime, at: Addresses): void {
  const depth = depthOf(c);
  const scratch = rt.scratch(rt.wasm.k.gemm_scratch());
  forColumns(c, rt, at, { reads: ['narrow'], writes: 'wide' }, (columns, planes, ld, w) => {
    rt.wasm.k.gemm(1, 0, depth, ld, c.narrow, 1, w, depth, planes, ld, 0, columns, ld, scratch);
  });
}

/** W += narrow columns(wide)'. */
export function toWeights(c: Convolution, rt: Runtime, at: Addresses): void {
  const depth = depthOf(c);
  const scratch = rt.scratch(rt.wasm.k.gemm_scratch());
  forColumns(c, rt, at, { reads: ['wide', 'narrow'] }, (columns, planes, ld, w) => {
    rt.wasm.k.gemm(0, 1, c.narrow, depth, ld, 1, planes, ld, columns, ld, 1, w, depth, scratch);
  });
}
