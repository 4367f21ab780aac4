import { ModelError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { choice, int, ints, since } from './attributes.ts';
import { zeroOf } from './numbers.ts';
import type { NodeSpec, Op, Run, Runtime } from './op.ts';
import { pad } from './pad.ts';
import { axesOf, copyRun, elements, integers, need, product } from './shape.ts';
import { transpose } from './transpose.ts';

/** Operators that move elements without changing them. */

/** The first sequence_lens[b] steps of every batch element backwards, the others as they are. */
export const ReverseSequence: Op = since(10, (node) => {
  const batchAxis = int(node, 'batch_axis', 1);
  const timeAxis = int(node, 'time_axis', 0);
  if (!(batchAxis + timeAxis === 1 && batchAxis * timeAxis === 0))
    throw new ModelError(`batch_axis and time_axis: expected 0 and 1 or 1 and 0, found ${batchAxis} and ${timeAxis}`);
  return (inputs, rt) => {
    const x = need(inputs, 0, 'input');
    if (x.dims.length < 2) throw new ModelError(`input: expected rank >= 2, found [${x.dims}]`);
    const batch = x.dims[batchAxis]!;
    const time = x.dims[timeAxis]!;
    const lengths = integers(need(inputs, 1, 'sequence_lens'), 'sequence_lens');
    if (lengths.length !== batch || lengths.some((n) => n < 0 || n > time))
      throw new ModelError(`sequence_lens: expected ${batch} lengths in 0..${time}, found [${lengths}]`);
    const y = rt.empty(x.dtype, x.dims);
    const a = elements(x);
    const out = elements(y);
    if (out.length === 0) return [y];
    const inner = product(x.dims, 2);
    const [perBatch, perStep] = batchAxis === 0 ? [time * inner, inner] : [inner, batch * inner];
    lengths.forEach((n, b) => {
      for (let t = 0; t < time; t++)
        copyRun(a, b * perBatch + (t < n ? n - 1 - t : t) * perStep, out, b * perBatch + t * perStep, inner);
    });
    return [y];
  };
});

function blockSize(node: NodeSpec): number {
  const b = int(node, 'blocksize');
  if (b < 1) throw new ModelError(`attribute "blocksize": expected a size >= 1, found ${b}`);
  return b;
}

/** Shuffles x, seen as `dims`, to the order `perm` and back to rank 4. */
function shuffled(
  x: Tensor,
  dims: readonly number[],
  perm: readonly number[],
  to: readonly number[],
  rt: Runtime,
): Tensor {
  return rt.view(transpose(rt.view(x, dims), perm, rt), to);
}

function image(inputs: readonly (Tensor | undefined)[]): { x: Tensor; dims: [number, number, number, number] } {
  const x = need(inputs, 0, 'input');
  if (x.dims.length !== 4) throw new ModelError(`input: expected rank 4, found [${x.dims}]`);
  return { x, dims: x.dims as [number, number, number, number] };
}

/** Blocks of b x b pixels become channels: [N, C, H, W] to [N, b b C, H/b, W/b]. */
export const SpaceToDepth: Op = since(1, (node) => {
  const b = blockSize(node);
  return (inputs, rt) => {
    const { x, dims } = image(inputs);
    const [n, c, h, w] = dims;
    if (h % b !== 0 || w % b !== 0)
      throw new ModelError(`input: expected height and width in multiples of ${b}, found [${dims}]`);
    const to = [n, c * b * b, h / b, w / b];
    return [shuffled(x, [n, c, h / b, b, w / b, b], [0, 3, 5, 1, 2, 4], to, rt)];
  };
});

/** Channels become blocks of b x b pixels: [N, C, H, W] to [N, C/(b b), H b, W b]; `mode` (since 11) says which channel is where. */
export const DepthToSpace: Op = since(1, (node) => {
  const b = blockSize(node);
  const crd = choice(node, 'mode', ['DCR', 'CRD'] as const, 'DCR') === 'CRD';
  return (inputs, rt) => {
    const { x, dims } = image(inputs);
    const [n, c, h, w] = dims;
    const out = c / (b * b);
    if (!Number.isInteger(out))
      throw new ModelError(`input: expected channels in multiples of ${b * b}, found [${dims}]`);
    const to = [n, out, h * b, w * b];
    if (crd) return [shuffled(x, [n, out, b, b, h, w], [0, 1, 4, 2, 5, 3], to, rt)];
    return [shuffled(x, [n, b, b, out, h, w], [0, 3, 4, 1, 5, 2], to, rt)];
  };
});

/** Cut or padded with zeros, evenly on both sides, to the sizes in `shape` along `axes`; the odd one is at the end. */
export const CenterCropPad: Op = since(18, (node): Run => {
  const given = ints(node, 'axes');
  return (inputs, rt) => {
    const x = need(inputs, 0, 'input_data');
    const rank = x.dims.length;
    const shape = integers(need(inputs, 1, 'shape'), 'shape');
    const named = given ?? x.dims.map((_, i) => i);
    axesOf(named, rank);
    const axes = named.map((a) => (a < 0 ? a + rank : a));
    if (shape.length !== axes.length || shape.some((d) => d < 0))
      throw new ModelError(`shape: expected ${axes.length} sizes >= 0, found [${shape}]`);
    const pads = new Array<number>(2 * rank).fill(0);
    axes.forEach((a, i) => {
      const more = shape[i]! - x.dims[a]!;
      const before = Math.sign(more) * Math.floor(Math.abs(more) / 2);
      pads[a] = before;
      pads[a + rank] = more - before;
    });
    return [pad(x, pads, 'constant', zeroOf(x.dtype), rt)];
  };
});
