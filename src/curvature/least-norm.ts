import type { Layer } from '../graph/layers.ts';
import { convWindow, type Window } from '../graph/window.ts';
import { sigmaMax } from '../wasm/sigma-max.ts';
import type { Wasm } from '../wasm/wasm.ts';

/**
 * A lower bound on the norm of a convolution over inputs of one size: the norm, as a matrix, of the taps that one output element
 * meets, which is what the convolution does to inputs that are zero elsewhere. 0 for layers that are no Conv and for inputs of
 * which nothing is known.
 * @param weight row form, [layer.rows, layer.cols]
 * @param input shape of one sample of the layer's input, [C, spatial...]
 */
export function leastConvolutionNorm(
  wasm: Wasm,
  layer: Layer,
  weight: Float32Array,
  input: readonly number[] | undefined,
): number {
  const node = layer.nodes[0]!;
  if (node.opType !== 'Conv' || !input) return 0;
  const window = convWindow(node, layer.dims, [1, ...input]);
  const [down, across] = [tapsInside(window, 0), tapsInside(window, 1)];
  const taps = down.flatMap((y) => across.map((x) => y * window.kernel[1] + x));
  if (taps.length === 0) return 0;
  const size = window.kernel[0] * window.kernel[1];
  const rows = layer.rows / layer.groups;
  const channels = layer.cols / size;
  let least = 0;
  for (let g = 0; g < layer.groups; g++) {
    const whole = weight.subarray(g * rows * layer.cols, (g + 1) * rows * layer.cols);
    const met = taps.length === size ? whole : picked(whole, size, taps);
    least = Math.max(least, sigmaMax(wasm, met, rows, channels * taps.length));
  }
  return least;
}

/** Of every `size` floats those at `taps`. */
function picked(floats: Float32Array, size: number, taps: readonly number[]): Float32Array {
  const found = new Float32Array((floats.length / size) * taps.length);
  for (let from = 0, to = 0; from < floats.length; from += size)
    for (const tap of taps) found[to++] = floats[from + tap]!;
  return found;
}

/** Along one axis the taps of the window that has the most of them on the input rather than on padding. */
function tapsInside({ input, kernel, strides, dilations, pads, output }: Window, axis: 0 | 1): number[] {
  let most: number[] = [];
  for (let o = 0; o < output[axis]; o++) {
    const at = (tap: number) => o * strides[axis] - pads[axis] + tap * dilations[axis];
    const taps = Array.from({ length: kernel[axis] }, (_, tap) => tap).filter((t) => at(t) >= 0 && at(t) < input[axis]);
    if (taps.length > most.length) most = taps;
    if (most.length === kernel[axis]) break;
  }
  return most;
}
