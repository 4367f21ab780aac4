import { ModelError, UnsupportedError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { int, since } from './attributes.ts';
import { addBias, convAttributes, convolutionOf } from './conv.ts';
import { withHalf } from './half.ts';
import type { Op } from './op.ts';
import { realOf } from './precision.ts';
import { need } from './shape.ts';
import { planeArguments } from './window.ts';

/** x [h, w] between its elements, by the four around (y, z); 0 beyond them. */
function sample(x: ArrayLike<number>, at: number, h: number, w: number, y: number, z: number): number {
  if (!(y > -1 && z > -1 && y < h && z < w)) return 0;
  const top = Math.floor(y);
  const left = Math.floor(z);
  const [dy, dz] = [y - top, z - left];
  const value = (i: number, j: number) => (i < 0 || j < 0 || i >= h || j >= w ? 0 : x[at + i * w + j]!);
  return (
    (1 - dy) * ((1 - dz) * value(top, left) + dz * value(top, left + 1)) +
    dy * ((1 - dz) * value(top + 1, left) + dz * value(top + 1, left + 1))
  );
}

function expectShape(t: Tensor, dims: readonly number[], what: string): void {
  if (String(t.dims) !== String(dims)) throw new ModelError(`${what}: expected shape [${dims}], found [${t.dims}]`);
}

/**
 * Deformable convolution over two spatial axes (Zhu et al., arXiv 1811.11168): every tap of every window moves by its own offset
 * (down, across), is read between the elements there, and multiplied by its mask.
 */
export const DeformConv: Op = withHalf(
  since(19, (node) => {
    const attributes = convAttributes(node);
    const parts = int(node, 'offset_group', 1);
    if (parts < 1) throw new ModelError(`attribute "offset_group": expected >= 1, found ${parts}`);
    return (inputs, rt) => {
      const x = need(inputs, 0, 'X');
      const real = realOf(x, 'X', rt);
      const w = real.need(inputs, 1, 'W');
      const offset = real.need(inputs, 2, 'offset');
      const bias = real.optional(inputs, 3, 'B');
      const mask = real.optional(inputs, 4, 'mask');
      if (x.dims.length !== 4) throw new UnsupportedError(`X: shape [${x.dims}]: only two spatial axes are supported`);
      const v = convolutionOf(attributes, x, w, bias);
      const [h, wd, kh, kw, sh, sw, pt, pl, dh, dw, oh, ow] = planeArguments(v.window);
      const taps = kh * kw;
      if (v.c % parts !== 0) throw new ModelError(`X has ${v.c} channels, not a multiple of offset_group ${parts}`);
      expectShape(offset, [v.n, parts * taps * 2, oh, ow], 'offset');
      if (mask !== undefined) expectShape(mask, [v.n, parts * taps, oh, ow], 'mask');
      const y = real.empty(v.dims);
      if (y.length === 0) return [y.done()];
      const l = v.places;
      const columns = real.scratch(v.c * taps * l);
      const [pw, pb] = [real.ptr(w), bias === undefined ? 0 : real.ptr(bias)];
      const mg = v.m / v.group;
      for (let n = 0; n < v.n; n++) {
        // Views anew for every image: a product may have grown the memory.
        const out = real.view(columns, v.c * taps * l);
        const [image, shift, weight] = [x.data, offset.data, mask?.data] as (Float32Array | undefined)[];
        let to = 0;
        for (let c = 0; c < v.c; c++) {
          const part = n * parts + Math.floor((c * parts) / v.c);
          const plane = (n * v.c + c) * h * wd;
          for (let ky = 0; ky < kh; ky++)
            for (let kx = 0; kx < kw; kx++) {
              const tap = part * taps + ky * kw + kx;
              const [down, across] = [2 * tap * l, (2 * tap + 1) * l];
              for (let oy = 0, p = 0; oy < oh; oy++)
                for (let ox = 0; ox < ow; ox++, p++, to++) {
                  const at = oy * sh - pt + ky * dh + shift![down + p]!;
                  const left = ox * sw - pl + kx * dw + shift![across + p]!;
                  out[to] = sample(image!, plane, h, wd, at, left) * (weight?.[tap * l + p] ?? 1);
                }
            }
        }
        for (let g = 0; g < v.group; g++)
          real.multiply(
            0,
            0,
            mg,
            l,
            v.depth,
            real.at(pw, g * mg * v.depth),
            real.at(columns, g * v.depth * l),
            real.at(y.ptr, (n * v.m + g * mg) * l),
          );
      }
      if (bias !== undefined) addBias(real, v, pb, y.ptr);
      return [y.done()];
    };
  }),
);
