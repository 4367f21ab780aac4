import { ModelError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { ints, since } from './attributes.ts';
import { withHalf } from './half.ts';
import { sumAndProduct, zeroOf } from './numbers.ts';
import type { Op } from './op.ts';
import { elements, integers, need, product, stridesOf } from './shape.ts';
import { boundExtents, perAxis, windowAttributes } from './window.ts';

/** Operators that undo what a sliding window did. */

/** Calls `body` with every index below `sizes`, in row-major order; the array is reused between calls. */
function each(sizes: readonly number[], body: (index: readonly number[]) => void): void {
  const index = new Array<number>(sizes.length).fill(0);
  for (let count = product(sizes); count > 0; count--) {
    body(index);
    for (let a = sizes.length - 1; a >= 0; a--) {
      if (++index[a]! < sizes[a]!) break;
      index[a] = 0;
    }
  }
}

function sizes(t: Tensor, what: string): number[] {
  const v = integers(t, what);
  if (v.length === 0 || v.some((d) => d < 1)) throw new ModelError(`${what}: expected sizes >= 1, found [${v}]`);
  return v;
}

/** [N, C product(block_shape), positions] to images [N, C, image_shape...]: each column added where its window lies. */
export const Col2Im: Op = withHalf(
  since(18, (node) => {
    const a = windowAttributes(node);
    return (inputs, rt) => {
      const x = need(inputs, 0, 'input');
      const image = sizes(need(inputs, 1, 'image_shape'), 'image_shape');
      const block = sizes(need(inputs, 2, 'block_shape'), 'block_shape');
      const rank = image.length;
      perAxis(block, 'block_shape', rank, 1);
      const strides = perAxis(a.strides, 'strides', rank, 1);
      const dilations = perAxis(a.dilations, 'dilations', rank, 1);
      const pads = perAxis(a.pads, 'pads', 2 * rank, 0);
      const places = image.map((n, i) => {
        const reach = (block[i]! - 1) * dilations[i]! + 1;
        const room = n + pads[i]! + pads[i + rank]!;
        boundExtents(i + 2, room, reach, strides[i]!);
        return Math.max(0, Math.floor((room - reach) / strides[i]!) + 1);
      });
      const [n, rows, count] = x.dims as [number, number, number];
      const perImage = product(block);
      if (x.dims.length !== 3 || rows % perImage !== 0 || count !== product(places))
        throw new ModelError(
          `input: expected shape [N, C * ${perImage}, ${product(places)}] for image [${image}] and block [${block}], found [${x.dims}]`,
        );
      const c = rows / perImage;
      const y = rt.empty(x.dtype, [n, c, ...image]);
      const out = elements(y);
      const src = elements(x);
      out.fill(zeroOf(x.dtype) as number);
      if (src.length === 0) return [y];
      const add = sumAndProduct(x.dtype).add as unknown as (p: number, q: number) => number;
      const step = stridesOf(image);
      const size = product(image);
      const to = new Int32Array(count);
      let k = 0;
      each(block, (at) => {
        let l = 0;
        each(places, (place) => {
          let offset = 0;
          for (let i = 0; i < rank; i++) {
            const p = place[i]! * strides[i]! + at[i]! * dilations[i]! - pads[i]!;
            offset = p < 0 || p >= image[i]! || offset < 0 ? -1 : offset + p * step[i]!;
          }
          to[l++] = offset;
        });
        for (let plane = 0; plane < n * c; plane++)
          for (let i = 0, q = (plane * perImage + k) * count; i < count; i++, q++)
            if (to[i]! >= 0) out[plane * size + to[i]!] = add(out[plane * size + to[i]!]!, src[q]!);
        k++;
      });
      return [y];
    };
  }),
);

/**
 * Each element of X put where it came from, zeros elsewhere. The indices count through the flat tensor of the shape that
 * kernel, strides and pads lead to, which `output_shape` may embed in a larger one.
 */
export const MaxUnpool: Op = since(9, (node) => {
  const kernel = ints(node, 'kernel_shape');
  const a = windowAttributes(node);
  return (inputs, rt) => {
    const x = need(inputs, 0, 'X');
    const places = need(inputs, 1, 'I');
    if (x.dims.length < 3) throw new ModelError(`X: expected shape [N, C, spatial...], found [${x.dims}]`);
    if (places.dtype !== 'int64' || String(places.dims) !== String(x.dims))
      throw new ModelError(`I: expected int64 [${x.dims}], found ${places.dtype} [${places.dims}]`);
    const rank = x.dims.length - 2;
    if (kernel === undefined) throw new ModelError('attribute "kernel_shape" is missing');
    perAxis(kernel, 'kernel_shape', rank, 1);
    const strides = perAxis(a.strides, 'strides', rank, 1);
    const pads = perAxis(a.pads, 'pads', 2 * rank, 0);
    const inferred = x.dims.map((d, i) =>
      i < 2 ? d : (d - 1) * strides[i - 2]! + kernel[i - 2]! - pads[i - 2]! - pads[i - 2 + rank]!,
    );
    const dims = inputs[2] === undefined ? inferred : integers(inputs[2], 'output_shape');
    if (dims.length !== inferred.length || dims.some((d, i) => d < inferred[i]!))
      throw new ModelError(`output_shape: expected at least [${inferred}], found [${dims}]`);
    const y = rt.empty(x.dtype, dims);
    const out = elements(y);
    const src = elements(x);
    out.fill(zeroOf(x.dtype) as number);
    const total = product(inferred);
    const from = stridesOf(inferred);
    const to = stridesOf(dims);
    (places.data as BigInt64Array).forEach((v, q) => {
      if (v < 0n || v >= BigInt(total)) throw new ModelError(`I: expected 0..${total - 1}, found ${v} at element ${q}`);
      let rest = Number(v);
      let at = 0;
      for (let i = 0; i < from.length; i++) {
        const p = Math.floor(rest / from[i]!);
        rest -= p * from[i]!;
        at += p * to[i]!;
      }
      out[at] = src[q]!;
    });
    return [y];
  };
});
