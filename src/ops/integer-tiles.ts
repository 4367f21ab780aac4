import type { Tensor } from '../tensor.ts';
import { type KernelCall, parts, threadsFor } from '../wasm/calls.ts';
import { PADDED_BYTES, prepared } from './conv-fields.ts';
import type { Convolution } from './convolution.ts';
import type { IntegerConvolution, SumsTo } from './integer-conv.ts';
import type { Runtime } from './op.ts';

/** Convolutions of 8-bit integers by 3x3 filters in tiles of 2x2 places (assembly/qwinograd.ts): exact, for 16 products instead of 36. */

/** Fewest tiles that a thread is given. */
const LEAST_TILES = 32;

/** Filters of more products than this are read from beyond the second-level cache, once for so many tiles. */
const CACHED = 2 ** 16;
const BLOCK = 64;

/** Largest size of a code less its zero point. */
export function mostOf(dtype: Tensor['dtype'], zero: number): number {
  return dtype === 'int8' ? Math.max(128 + zero, 127 - zero) : Math.max(zero, 255 - zero);
}

/**
 * Whether tiles are exact, and less work than the fields themselves: costs, fitted to measurements, are in multiplications for each
 * filter of a channel, as those of the float convolution.
 */
export function tilesFit({ v, x, w, xZero, wZeros }: IntegerConvolution): boolean {
  const { n, c, m, group, places, depth, window } = v;
  const { kernel, strides, dilations, output } = window;
  const threes = kernel.length === 2 && kernel.every((k) => k === 3);
  if (group !== 1 || !threes || ![...strides, ...dilations].every((s) => s === 1)) return false;
  if (wZeros.some((z) => z !== wZeros[0])) return false;
  // Sums come four times too large.
  if (4 * depth * mostOf(x.dtype, xZero) * mostOf(w.dtype, wZeros[0] ?? 0) >= 2 ** 31) return false;
  const tiles = n * output.reduce((t, o) => t * Math.ceil(o / 2), 1);
  const traffic = (c * m > CACHED ? 26 : 4) * Math.ceil(tiles / BLOCK);
  return (
    16 * (8 * Math.ceil(tiles / 8) * (1 + 5 / c + 10 / m) + traffic) < 9 * 4 * n * Math.ceil(places / 4) * (1 + 4 / m)
  );
}

/** Filters transformed, and their address. */
function transformed(rt: Runtime, { c, m }: Convolution, w: Tensor, zero: number): number {
  const { k } = rt.wasm;
  const signed = w.dtype === 'int8' ? 1 : 0;
  return prepared(rt, w, `integer tiles ${zero}`, k.qwinograd_filter_bytes(m, c), (ptr) => {
    k.qwinograd_filter(rt.ptr(w), m, c, signed, zero, ptr);
  });
}

/** Sums of 4 bytes at `to.ptr`, or codes. */
export function convolveCodes({ v, x, w, xZero, wZeros }: IntegerConvolution, to: SumsTo, rt: Runtime): void {
  const { k, threads } = rt.wasm;
  const { n, c, m, places, window } = v;
  const [h, wd] = window.input as [number, number];
  const [pt, pl] = window.pads as [number, number];
  const [oh, ow] = window.output as [number, number];
  const [down, across] = [Math.ceil(oh / 2), Math.ceil(ow / 2)];
  const [hp, wp] = [2 * down + 2, 2 * across + 2];
  const panels = k.qwinograd_panels(m);
  const filters = transformed(rt, v, w, wZeros[0] ?? 0);
  const count = Math.min(n, Math.max(1, Math.floor(PADDED_BYTES / (c * hp * wp))));
  const padded = rt.scratch(count * c * hp * wp + 32);
  const from = rt.ptr(x);
  const signed = x.dtype === 'int8' ? 1 : 0;
  const most = threadsFor(0.03 * 16 * count * down * across * c * m, threads);
  const scratch = Array.from({ length: most }, () => rt.scratch(k.qwinograd_scratch(c)));
  const { bias, factors, type, zero, lo, hi } = to;
  const size = factors ? 1 : 4;
  for (let i = 0; i < n; i += count) {
    const images = Math.min(count, n - i);
    k.pad_bytes(from + i * c * h * wd, images * c, h, wd, pt, pl, hp, wp, xZero, padded);
    const tiles = images * down * across;
    const byTiles = tiles >= LEAST_TILES * most;
    const ranges = byTiles ? parts(tiles, 8, LEAST_TILES, most) : parts(panels, 1, 1, most);
    const image = [padded, c, hp, wp, signed, xZero, filters, m, oh, ow] as const;
    const coding = [bias, factors, type, zero, lo, hi] as const;
    const y = to.ptr + size * i * m * places;
    rt.wasm.each(
      ranges.map(({ from: first, count: some }, j): KernelCall => {
        const range = byTiles
          ? ([first, first + some, 0, panels] as const)
          : ([0, tiles, first, first + some] as const);
        return ['qwinograd', ...image, ...coding, y, ...range, scratch[j]!];
      }),
    );
  }
}
