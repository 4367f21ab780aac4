import { ModelError, UnsupportedError } from '../errors.ts';
import { ints, since } from './attributes.ts';
import { fromColumns } from './fields.ts';
import { addBias, convAttributes } from './conv.ts';
import { withHalf } from './half.ts';
import type { Op } from './op.ts';
import { realOf } from './precision.ts';
import { need, product } from './shape.ts';
import { atLeastTwo, boundExtents, perAxis, spatialRank, type Window, type WindowAttributes } from './window.ts';

/**
 * The window of the convolution this is the adjoint of: it reads our output and has our input's sizes as its places, so that
 * output[i * stride + k * dilation - pad] gets input[i] * kernel[k].
 */
function windowOf(
  a: WindowAttributes,
  dims: readonly number[],
  kernel: readonly number[],
  padding: readonly number[] | undefined,
  shape: readonly number[] | undefined,
): Window {
  const rank = spatialRank(dims);
  const strides = perAxis(a.strides, 'strides', rank, 1);
  const dilations = perAxis(a.dilations, 'dilations', rank, 1);
  const given = perAxis(a.autoPad === 'NOTSET' ? a.pads : undefined, 'pads', 2 * rank, 0);
  const extra = perAxis(padding, 'output_padding', rank, 0);
  if (shape !== undefined && shape.length !== rank && shape.length !== rank + 2)
    throw new ModelError(`output_shape: expected ${rank} values, found [${shape}]`);
  const before: number[] = [];
  const after: number[] = [];
  const output: number[] = [];
  for (let i = 0; i < rank; i++) {
    const n = dims[i + 2]!;
    const s = strides[i]!;
    const reach = (kernel[i]! - 1) * dilations[i]! + 1;
    boundExtents(i + 2, n, reach, s, n * s);
    const full = (n - 1) * s + extra[i]! + reach;
    const asked = shape?.[shape.length - rank + i] ?? (a.autoPad.startsWith('SAME') ? n * s : undefined);
    let head = given[i]!;
    let tail = given[i + rank]!;
    if (asked !== undefined) {
      const total = Math.max(0, full - asked);
      head = a.autoPad === 'SAME_UPPER' ? Math.floor(total / 2) : Math.ceil(total / 2);
      tail = total - head;
    }
    const out = asked ?? full - head - tail;
    if (extra[i]! < 0 || head < 0 || tail < 0)
      throw new UnsupportedError('pads and output_padding: expected values >= 0');
    if (out < 1) throw new ModelError(`axis ${i + 2}: input ${n} would give an output of ${out}`);
    boundExtents(i + 2, out);
    before.push(head);
    after.push(tail);
    output.push(out);
  }
  return atLeastTwo({
    input: output,
    kernel,
    strides,
    dilations,
    pads: [...before, ...after],
    output: dims.slice(2),
    outputDims: output,
  });
}

/**
 * Transposed convolution [N, C, spatial...] * [C, M/group, kernel...] -> [N, M, spatial...]: each group's weights, transposed,
 * times the image, every product added where it belongs.
 */
export const ConvTranspose: Op = withHalf(
  since(1, (node) => {
    const attributes = convAttributes(node);
    const { group } = attributes;
    const padding = ints(node, 'output_padding');
    const shape = ints(node, 'output_shape');
    return (inputs, rt) => {
      const x = need(inputs, 0, 'X');
      const real = realOf(x, 'X', rt);
      const w = real.need(inputs, 1, 'W');
      const bias = real.optional(inputs, 2, 'B');
      if (x.dims.length < 3 || w.dims.length !== x.dims.length)
        throw new ModelError(`expected X [N, C, spatial...] and W of one rank, found [${x.dims}] and [${w.dims}]`);
      const kernel = w.dims.slice(2);
      if (attributes.kernel !== undefined && String(attributes.kernel) !== String(kernel))
        throw new ModelError(`W [${w.dims}]: expected kernel_shape [${attributes.kernel}]`);
      if (kernel.some((k) => k < 1)) throw new ModelError(`W: expected sizes >= 1, found [${w.dims}]`);
      const [n, c] = x.dims as [number, number];
      const mg = w.dims[1]!;
      const m = mg * group;
      if (w.dims[0] !== c || c % group !== 0)
        throw new ModelError(
          `W [${w.dims}] with group ${group}: expected ${c} input channels, a multiple of the group`,
        );
      if (bias !== undefined && (bias.dims.length !== 1 || bias.dims[0] !== m))
        throw new ModelError(`B: expected shape [${m}], found [${bias.dims}]`);
      const window = windowOf(attributes, x.dims, kernel, padding, shape);
      const dims = [n, m, ...window.outputDims];
      const y = real.empty(dims);
      const l = product(window.output);
      const size = product(window.input);
      const cg = c / group;
      const taps = mg * product(kernel);
      const columns = real.scratch(taps * l);
      const [px, pw] = [real.ptr(x), real.ptr(w)];
      real.view(y.ptr, y.length).fill(0);
      for (let i = 0; i < n && l > 0; i++)
        for (let g = 0; g < group; g++) {
          const [weights, image] = [real.at(pw, g * cg * taps), real.at(px, (i * c + g * cg) * l)];
          real.multiply(1, 0, taps, l, cg, weights, image, columns);
          fromColumns(real, window, columns, l, mg, real.at(y.ptr, (i * m + g * mg) * size));
        }
      if (bias !== undefined) addBias(real, { n, m, places: size }, real.ptr(bias), y.ptr);
      return [y.done()];
    };
  }),
);
