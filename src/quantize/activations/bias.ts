import type { Coded } from '../../grid/coded.ts';
import { mergedScales } from '../slices.ts';

/** Largest code of a bias that weights are made room for: sums of products are added to it in int32. */
const LARGEST_BIAS = 2 ** 30;
/** Scales that rows are given: every type of scales can have them. */
const SMALLEST_SCALE = 2 ** -14;
const LARGEST_SCALE = 2 ** 15;

/** Biases as int32 of scale `input` x the scale of their row. @param scales one a row, or one in all */
export function biasCodes(bias: Float32Array, input: number, scales: Float32Array): Int32Array {
  return Int32Array.from(bias, (v, r) => {
    const scale = Math.fround(input * scales[scales.length === 1 ? 0 : r]!);
    const code = scale > 0 ? Math.round(v / scale) : 0;
    return Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, code));
  });
}

/**
 * Codes whose scales let the biases of their rows be int32 of scale `input` x the row's: rows of weights that are next to nothing
 * beside their bias, and rows left out, get larger scales, and codes to go with them. The same codes where none has to.
 * @param input the smallest scale of what the weight is multiplied by
 */
export function roomForBias(coded: Coded, bias: Float32Array, input: number): Coded {
  const single = coded.length === 1 && coded[0]!.grid.scales.length === 1 && bias.length > 1;
  const all = mergedScales(coded);
  const largest = (r: number) => Math.abs(bias[r]!) / (LARGEST_BIAS * input);
  const wanted = (r: number) => (single ? bias.reduce((a, _, i) => Math.max(a, largest(i)), 0) : largest(r));
  if (all.every((s, r) => s > 0 && s >= wanted(r))) return coded;
  return coded.map((slice) => {
    const { grid, codes: before, rows } = slice;
    const scales = grid.scales.slice();
    const codes = before.slice();
    for (let i = 0; i < scales.length; i++) {
      const least = wanted(rows?.[i] ?? i);
      const scale = scales[i]!;
      if (scale > 0 && scale >= least) continue;
      scales[i] = powerOf2(Math.min(LARGEST_SCALE, Math.max(least, SMALLEST_SCALE)));
      const zero = grid.zeros ? grid.zeros[i]! : 2 ** (grid.bits - 1);
      const each = codes.length / scales.length;
      for (let j = i * each; j < (i + 1) * each; j++)
        codes[j] = grid.bits === 0 ? 0 : zero + Math.round(((codes[j]! - zero) * scale) / scales[i]!);
    }
    return { ...slice, grid: { ...grid, scales }, codes };
  });
}

/** The smallest power of 2 that is no less. */
function powerOf2(x: number): number {
  let p = 1;
  while (p < x) p *= 2;
  while (p / 2 >= x) p /= 2;
  return p;
}
