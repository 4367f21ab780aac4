import { ModelError, UnsupportedError } from '../errors.ts';
import { int, ints, since } from './attributes.ts';
import { multiply, scratchOf } from './gemm.ts';
import { withHalf } from './half.ts';
import type { Op } from './op.ts';
import { needFloat, product } from './shape.ts';
import { type WindowAttributes, windowAttributes } from './window.ts';

/** One spatial axis: output[o] gets input[i] * kernel[k] wherever o = i * stride + k * dilation - pad. */
interface Axis {
  readonly input: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly pad: number;
  readonly output: number;
}

function axisAt(
  i: number,
  rank: number,
  input: number,
  kernel: number,
  a: WindowAttributes,
  padding: readonly number[] | undefined,
  shape: readonly number[] | undefined,
): Axis {
  const stride = a.strides?.[i] ?? 1;
  const dilation = a.dilations?.[i] ?? 1;
  const extra = padding?.[i] ?? 0;
  const full = (input - 1) * stride + extra + (kernel - 1) * dilation + 1;
  const same = a.autoPad.startsWith('SAME');
  const asked = shape?.[shape.length - rank + i] ?? (same ? input * stride : undefined);
  let pad = a.autoPad === 'NOTSET' ? (a.pads?.[i] ?? 0) : 0;
  const tail = a.autoPad === 'NOTSET' ? (a.pads?.[i + rank] ?? 0) : 0;
  if (asked !== undefined) {
    const total = Math.max(0, full - asked);
    pad = a.autoPad === 'SAME_UPPER' ? Math.floor(total / 2) : total - Math.floor(total / 2);
  }
  const output = asked ?? full - pad - tail;
  if (extra < 0 || pad < 0 || tail < 0) throw new UnsupportedError('pads and output_padding: expected values >= 0');
  if (output < 1) throw new ModelError(`axis ${i + 2}: input ${input} would give an output of ${output}`);
  return { input, kernel, stride, dilation, pad, output };
}

/**
 * Transposed convolution [N, C, H, W] * [C, M/group, kh, kw] -> [N, M, oh, ow], and the same over one spatial axis: each group's
 * weights, transposed, times the image, every product added where it belongs.
 */
export const ConvTranspose: Op = withHalf(
  since(1, (node) => {
    const attributes = windowAttributes(node);
    const group = int(node, 'group', 1);
    const padding = ints(node, 'output_padding');
    const shape = ints(node, 'output_shape');
    if (group < 1) throw new ModelError(`attribute "group": expected >= 1, found ${group}`);
    return (inputs, rt) => {
      const x = needFloat(inputs, 0, 'X');
      const w = needFloat(inputs, 1, 'W');
      const bias = inputs[2] === undefined ? undefined : needFloat(inputs, 2, 'B');
      const rank = x.dims.length - 2;
      if (rank < 1 || w.dims.length !== x.dims.length)
        throw new ModelError(`expected X [N, C, spatial...] and W of one rank, found [${x.dims}] and [${w.dims}]`);
      if (rank > 2) throw new UnsupportedError(`X: shape [${x.dims}] has ${rank} spatial axes; 1 or 2 are supported`);
      const kernel = w.dims.slice(2);
      if (attributes.kernel !== undefined && String(attributes.kernel) !== String(kernel))
        throw new ModelError(`W [${w.dims}]: expected kernel_shape [${attributes.kernel}]`);
      for (const [name, v, n] of [
        ['strides', attributes.strides, rank],
        ['dilations', attributes.dilations, rank],
        ['pads', attributes.pads, 2 * rank],
        ['output_padding', padding, rank],
      ] as const)
        if (v !== undefined && v.length !== n) throw new ModelError(`${name}: expected ${n} values, found [${v}]`);
      const [n, c] = x.dims as [number, number];
      const mg = w.dims[1]!;
      const m = mg * group;
      if (w.dims[0] !== c || c % group !== 0)
        throw new ModelError(
          `W [${w.dims}] with group ${group}: expected ${c} input channels, a multiple of the group`,
        );
      if (bias !== undefined && (bias.dims.length !== 1 || bias.dims[0] !== m))
        throw new ModelError(`B: expected shape [${m}], found [${bias.dims}]`);
      const axes = kernel.map((k, i) => axisAt(i, rank, x.dims[i + 2]!, k, attributes, padding, shape));
      const y = rt.empty('float', [n, m, ...axes.map((a) => a.output)]);
      const flat: Axis = { input: 1, kernel: 1, stride: 1, dilation: 1, pad: 0, output: 1 };
      const [v, h] = (rank === 1 ? [flat, axes[0]] : axes) as [Axis, Axis];
      const l = v.input * h.input;
      const cg = c / group;
      const taps = mg * product(kernel);
      const scratch = scratchOf(rt);
      const columns = rt.scratch(4 * taps * l);
      const [px, pw, py] = [rt.ptr(x), rt.ptr(w), rt.ptr(y)];
      const size = v.output * h.output;
      const out = rt.wasm.arena.f32(py, y.data.length);
      const col = rt.wasm.arena.f32(columns, taps * l);
      for (let i = 0; i < n * m; i++) out.fill(Number(bias?.data[i % m] ?? 0), i * size, (i + 1) * size);
      for (let i = 0; i < n; i++)
        for (let g = 0; g < group; g++) {
          multiply(rt, scratch, 1, 0, taps, l, cg, 1, pw + 4 * g * cg * taps, px + 4 * (i * c + g * cg) * l, columns);
          scatter(col, out.subarray((i * m + g * mg) * size, (i * m + (g + 1) * mg) * size), mg, v, h);
        }
      return [y];
    };
  }),
);

/** Adds col [planes, kh, kw, H, W] into out [planes, oh, ow]. */
function scatter(col: Float32Array, out: Float32Array, planes: number, v: Axis, h: Axis): void {
  let at = 0;
  for (let p = 0; p < planes; p++)
    for (let ky = 0; ky < v.kernel; ky++)
      for (let kx = 0; kx < h.kernel; kx++)
        for (let iy = 0; iy < v.input; iy++, at += h.input) {
          const oy = iy * v.stride + ky * v.dilation - v.pad;
          if (oy < 0 || oy >= v.output) continue;
          const row = (p * v.output + oy) * h.output;
          let ox = kx * h.dilation - h.pad;
          for (let ix = 0; ix < h.input; ix++, ox += h.stride)
            if (ox >= 0 && ox < h.output) out[row + ox]! += col[at + ix]!;
        }
}
