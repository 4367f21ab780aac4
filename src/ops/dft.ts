import { ModelError, UnsupportedError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { flag, int } from './attributes.ts';
import { Fourier } from './fourier.ts';
import { halves } from './half.ts';
import type { NodeSpec, Op, Run, Runtime } from './op.ts';
import { axisOf, elements, integers, isFloating, need, product } from './shape.ts';

/** DFT and STFT: signals whose last axis holds a real number, or its real and imaginary part. */

/** Longest transform. */
const MAX_LENGTH = 2 ** 24;

/** The one integer of a tensor. */
function whole(t: Tensor, what: string): number {
  const [v, ...more] = integers(t, what);
  if (v === undefined || more.length > 0)
    throw new ModelError(`${what}: expected one element, found shape [${t.dims}]`);
  return v;
}

function checkLength(n: number, what: string): void {
  if (n < 1) throw new ModelError(`${what}: expected 1 or more, found ${n}`);
  if (n > MAX_LENGTH) throw new UnsupportedError(`${what}: at most ${MAX_LENGTH} is supported, found ${n}`);
}

/** Keeps the tables of the last length that was asked for. */
function planner(): (n: number) => Fourier {
  let last: Fourier | undefined;
  return (n) => {
    if (last?.n !== n) last = new Fourier(n);
    return last;
  };
}

interface Form {
  readonly axis: number;
  readonly inverse: boolean;
  readonly onesided: boolean;
}

/**
 * One-sided forward takes real numbers to the bins 0..n/2; one-sided inverse takes these bins to n real numbers; all other
 * forms are complex, n to n.
 */
function dft(x: Tensor, length: Tensor | undefined, form: Form, plan: (n: number) => Fourier, rt: Runtime): Tensor {
  if (!isFloating(x.dtype)) throw new ModelError(`input: expected a floating type, found ${x.dtype}`);
  const rank = x.dims.length;
  const parts = x.dims[rank - 1];
  if (rank < 2 || (parts !== 1 && parts !== 2))
    throw new ModelError(`input: expected shape [..., 1] or [..., 2], found [${x.dims}]`);
  const at = axisOf(form.axis, rank);
  if (at === rank - 1) throw new ModelError(`axis: expected a signal axis, found the last one of [${x.dims}]`);
  const { inverse, onesided } = form;
  if (onesided && (parts === 2) !== inverse)
    throw new ModelError(`input: onesided expects ${inverse ? 'complex' : 'real'} numbers, found [${x.dims}]`);
  const given = x.dims[at]!;
  const toReal = onesided && inverse;
  const n = length === undefined ? (toReal ? 2 * (given - 1) : given) : whole(length, 'dft_length');
  checkLength(n, 'dft_length');
  const bins = Math.floor(n / 2) + 1;
  const used = Math.min(given, toReal ? bins : n);
  const made = onesided && !inverse ? bins : n;
  const outParts = toReal ? 1 : 2;
  const dims = x.dims.map((d, i) => (i === at ? made : i === rank - 1 ? outParts : d));
  const y = rt.empty(x.dtype, dims);
  const inner = product(x.dims, at + 1, rank - 1);
  const outer = product(x.dims, 0, at);
  const [a, out] = [elements(x), elements(y)];
  const fourier = plan(n);
  const [re, im] = [new Float64Array(n), new Float64Array(n)];
  for (let o = 0; o < outer; o++)
    for (let i = 0; i < inner; i++) {
      re.fill(0);
      im.fill(0);
      for (let t = 0; t < used; t++) {
        const q = ((o * given + t) * inner + i) * parts;
        re[t] = a[q]!;
        if (parts === 2) im[t] = a[q + 1]!;
      }
      if (toReal) mirror(re, im);
      if (inverse) fourier.inverse(re, im);
      else fourier.forward(re, im);
      for (let t = 0; t < made; t++) {
        const q = ((o * made + t) * inner + i) * outParts;
        out[q] = re[t]!;
        if (outParts === 2) out[q + 1] = im[t]!;
      }
    }
  return y;
}

/** The bins above n/2 of a real signal: the conjugates of those below. The first and the middle bin are real. */
function mirror(re: Float64Array, im: Float64Array): void {
  const n = re.length;
  im[0] = 0;
  if (n % 2 === 0) im[n / 2] = 0;
  for (let k = Math.floor(n / 2) + 1; k < n; k++) {
    re[k] = re[n - k]!;
    im[k] = -im[n - k]!;
  }
}

/** The axis is an attribute, 1 unless told, until opset 20; an input, -2 unless told, since. */
export const DFT: Op = [
  {
    since: 17,
    build: (node: NodeSpec): Run => {
      const form = { axis: int(node, 'axis', 1), inverse: flag(node, 'inverse'), onesided: flag(node, 'onesided') };
      const plan = planner();
      return halves((inputs, rt) => [dft(need(inputs, 0, 'input'), inputs[1], form, plan, rt)]);
    },
  },
  {
    since: 20,
    build: (node: NodeSpec): Run => {
      const form = { inverse: flag(node, 'inverse'), onesided: flag(node, 'onesided') };
      const plan = planner();
      return halves((inputs, rt) => {
        const axis = inputs[2] === undefined ? -2 : whole(inputs[2], 'axis');
        return [dft(need(inputs, 0, 'input'), inputs[1], { ...form, axis }, plan, rt)];
      });
    },
  },
];

/** Windowed transforms of frames of a signal, `frame_step` apart; one-sided unless told. */
export const STFT: Op = [
  {
    since: 17,
    build: (node: NodeSpec): Run => {
      const onesided = flag(node, 'onesided', true);
      const plan = planner();
      return halves((inputs, rt) => [stft(inputs, onesided, plan, rt)]);
    },
  },
];

function stft(
  inputs: readonly (Tensor | undefined)[],
  onesided: boolean,
  plan: (n: number) => Fourier,
  rt: Runtime,
): Tensor {
  const x = need(inputs, 0, 'signal');
  if (!isFloating(x.dtype)) throw new ModelError(`signal: expected a floating type, found ${x.dtype}`);
  const [batch, length, parts = 1] = x.dims;
  if (batch === undefined || length === undefined || x.dims.length > 3 || (parts !== 1 && parts !== 2))
    throw new ModelError(`signal: expected shape [batch, length], [.., 1] or [.., 2], found [${x.dims}]`);
  if (parts === 2 && onesided) throw new ModelError(`signal: onesided expects real numbers, found [${x.dims}]`);
  const step = whole(need(inputs, 1, 'frame_step'), 'frame_step');
  if (step < 1) throw new ModelError(`frame_step: expected 1 or more, found ${step}`);
  const window = inputs[2];
  const n = inputs[3] === undefined ? product(need(inputs, 2, 'window').dims) : whole(inputs[3], 'frame_length');
  checkLength(n, 'frame_length');
  if (window !== undefined && (window.dims.length !== 1 || window.dims[0] !== n || window.dtype !== x.dtype))
    throw new ModelError(`window: expected ${x.dtype} [${n}], found ${window.dtype} [${window.dims}]`);
  if (length < n) throw new ModelError(`signal: expected at least one frame of ${n}, found length ${length}`);
  const frames = Math.floor((length - n) / step) + 1;
  const bins = onesided ? Math.floor(n / 2) + 1 : n;
  const y = rt.empty(x.dtype, [batch, frames, bins, 2]);
  const [a, out, w] = [elements(x), elements(y), window && elements(window)];
  const fourier = plan(n);
  const [re, im] = [new Float64Array(n), new Float64Array(n)];
  for (let b = 0; b < batch; b++)
    for (let f = 0; f < frames; f++) {
      const from = (b * length + f * step) * parts;
      for (let t = 0; t < n; t++) {
        const factor = w?.[t] ?? 1;
        re[t] = a[from + t * parts]! * factor;
        im[t] = parts === 2 ? a[from + t * parts + 1]! * factor : 0;
      }
      fourier.forward(re, im);
      const to = (b * frames + f) * bins * 2;
      for (let k = 0; k < bins; k++) {
        out[to + 2 * k] = re[k]!;
        out[to + 2 * k + 1] = im[k]!;
      }
    }
  return y;
}
