import type { Real } from './precision.ts';
import { product, stridesOf } from './shape.ts';
import { planeArguments, type Window } from './window.ts';

/**
 * Images and their matrices of receptive fields over any number of spatial axes: row (channel, taps...) and column (places...)
 * hold the element that tap meets at that place. Planes of the last two axes go through the kernels, the axes before are
 * walked here.
 */

/** For tap t and place p of the axes before the last two: entry [t * places + p] is the plane they meet in, -1 where none. */
function planesMet(w: Window): { taps: number; places: number; met: Int32Array } {
  const lead = w.input.length - 2;
  const strides = stridesOf(w.input.slice(0, lead));
  let taps = 1;
  let places = 1;
  let met = Int32Array.of(0);
  for (let a = 0; a < lead; a++) {
    const [kernel, output] = [w.kernel[a]!, w.output[a]!];
    const next = new Int32Array(met.length * kernel * output);
    for (let t = 0; t < taps; t++)
      for (let k = 0; k < kernel; k++)
        for (let p = 0; p < places; p++)
          for (let o = 0; o < output; o++) {
            const i = o * w.strides[a]! - w.pads[a]! + k * w.dilations[a]!;
            const sofar = met[t * places + p]!;
            next[((t * kernel + k) * places + p) * output + o] =
              sofar < 0 || i < 0 || i >= w.input[a]! ? -1 : sofar + i * strides[a]!;
          }
    taps *= kernel;
    places *= output;
    met = next;
  }
  return { taps, places, met };
}

/** Calls body(channel, plane, column address) for every plane; plane -1 where the taps meet padding alone. */
function planes(
  real: Real,
  w: Window,
  channels: number,
  columns: number,
  ld: number,
  body: (channel: number, plane: number, at: number) => void,
): void {
  const { taps, places, met } = planesMet(w);
  const rows = product(w.kernel.slice(-2));
  const cells = product(w.output.slice(-2));
  for (let c = 0; c < channels; c++)
    for (let t = 0; t < taps; t++)
      for (let p = 0; p < places; p++)
        body(c, met[t * places + p]!, real.at(columns, (c * taps + t) * rows * ld + p * cells));
}

/** The columns of one image [channels, spatial...] at `x`, written to `to`, rows `ld` elements apart. */
export function toColumns(real: Real, w: Window, x: number, channels: number, to: number, ld: number): void {
  const plane = planeArguments(w);
  if (w.input.length === 2) {
    real.k.im2col(x, channels, ...plane, to, ld);
    return;
  }
  const size = product(w.input.slice(-2));
  const depth = product(w.input);
  const rows = product(w.kernel.slice(-2));
  const cells = product(w.output.slice(-2));
  planes(real, w, channels, to, ld, (c, i, at) => {
    if (i >= 0) real.k.im2col(real.at(x, c * depth + i * size), 1, ...plane, at, ld);
    else for (let r = 0; r < rows; r++) real.view(real.at(at, r * ld), cells).fill(0);
  });
}

/** The adjoint: every entry of the columns added to its element of the image. */
export function fromColumns(real: Real, w: Window, columns: number, ld: number, channels: number, x: number): void {
  const plane = planeArguments(w);
  if (w.input.length === 2) {
    real.k.col2im(columns, ld, channels, ...plane, x);
    return;
  }
  const size = product(w.input.slice(-2));
  const depth = product(w.input);
  planes(real, w, channels, columns, ld, (c, i, at) => {
    if (i >= 0) real.k.col2im(at, ld, 1, ...plane, real.at(x, c * depth + i * size));
  });
}
