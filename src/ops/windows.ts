import * as math from '../math.ts';
import { ModelError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { flag, int, since } from './attributes.ts';
import { cast, typeAttribute } from './cast.ts';
import type { NodeSpec, Op } from './op.ts';
import { integers, need, scalar } from './shape.ts';

/** Window functions and the matrix that turns a spectrum into mel bands. */

function count(t: Tensor, what: string): number {
  const [n, ...more] = integers(t, what);
  if (n === undefined || more.length > 0)
    throw new ModelError(`${what}: expected one element, found shape [${t.dims}]`);
  if (n < 0) throw new ModelError(`${what}: expected 0 or more, found ${n}`);
  return n;
}

const outputType = (node: NodeSpec) => typeAttribute(int(node, 'output_datatype', 1), 'output_datatype');

/** a0 - a1 cos(2 pi t / N) + a2 cos(4 pi t / N): N is the size, or one less where the window is symmetric. */
function cosineWindow(a0: number, a1: number, a2 = 0): Op {
  return since(17, (node) => {
    const dtype = outputType(node);
    const periodic = flag(node, 'periodic', true);
    return (inputs, rt) => {
      const size = count(need(inputs, 0, 'size'), 'size');
      const y = rt.empty('double', [size]);
      const period = periodic ? size : size - 1;
      for (let t = 0; t < size; t++) {
        const angle = (2 * Math.PI * t) / period;
        y.data[t] = period === 0 ? 1 : a0 - a1 * math.cos(angle) + a2 * math.cos(2 * angle);
      }
      return [cast(y, dtype, rt)];
    };
  });
}

export const HannWindow = cosineWindow(0.5, 0.5);
export const HammingWindow = cosineWindow(25 / 46, 21 / 46);
export const BlackmanWindow = cosineWindow(0.42, 0.5, 0.08);

/** 2595 log10(1 + f / 700) and back. */
const mel = (hertz: number) => 2595 * math.log10(1 + hertz / 700);
const hertz = (m: number) => 700 * (math.pow(10, m / 2595) - 1);

/** Triangles on [dft_length / 2 + 1 bins, bands], their corners evenly spaced on the mel scale. */
export const MelWeightMatrix: Op = since(17, (node) => {
  const dtype = outputType(node);
  return (inputs, rt) => {
    const bands = count(need(inputs, 0, 'num_mel_bins'), 'num_mel_bins');
    const length = count(need(inputs, 1, 'dft_length'), 'dft_length');
    const rate = count(need(inputs, 2, 'sample_rate'), 'sample_rate');
    const low = scalar(cast(need(inputs, 3, 'lower_edge_hertz'), 'double', rt), 'lower_edge_hertz');
    const high = scalar(cast(need(inputs, 4, 'upper_edge_hertz'), 'double', rt), 'upper_edge_hertz');
    const bins = Math.floor(length / 2) + 1;
    const y = rt.empty('double', [bins, bands]);
    const out = y.data as Float64Array;
    out.fill(0);
    const step = (mel(high) - mel(low)) / (bands + 2);
    const corner = (i: number) => {
      const c = Math.floor(((length + 1) * hertz(mel(low) + i * step)) / rate);
      if (!(c >= 0 && c < bins))
        throw new ModelError(`band edges ${low}..${high} Hz: bin ${c}, expected 0..${bins - 1}`);
      return c;
    };
    for (let i = 0; i < bands; i++) {
      const [from, middle, to] = [corner(i), corner(i + 1), corner(i + 2)];
      if (middle <= from) out[middle * bands + i] = 1;
      for (let j = from; j <= middle && middle > from; j++) out[j * bands + i] = (j - from) / (middle - from);
      for (let j = middle; j < to; j++) out[j * bands + i] = (to - j) / (to - middle);
    }
    return [cast(y, dtype, rt)];
  };
});
