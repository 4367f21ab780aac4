import type { Tensor } from '../tensor.ts';
import { type KernelCall, parts, threadsFor } from '../wasm/calls.ts';
import { type Convolution, isDepthwise } from './convolution.ts';
import { convolveFields, type Finish, PADDED_BYTES, prepared } from './conv-fields.ts';
import type { Runtime } from './op.ts';
import { planeArguments } from './window.ts';

export type { Finish } from './conv-fields.ts';

const NOTHING: Finish = { bias: 0, residual: 0, low: -Infinity, high: Infinity };

/** Fewest tiles of Winograd's that a thread is given. */
const LEAST_TILES = 24;

/**
 * A convolution of float, finished, into y. The method follows from the shapes alone, so that weights that replace others are
 * computed with as they were.
 */
export function convolveFloat(rt: Runtime, v: Convolution, x: number, w: Tensor, y: number, finish: Finish): void {
  if (v.n * v.m * v.places === 0) return;
  if (isDepthwise(v)) {
    depthwise(rt, v, x, rt.ptr(w), y, finish);
    return;
  }
  const side = sideOf(v);
  if (side === undefined) convolveFields(rt, v, x, w, y, finish);
  else convolveTiles(rt, v, side, x, w, y, finish);
}

/** A depthwise convolution. */
export function depthwise(
  rt: Runtime,
  v: Convolution,
  x: number,
  w: number,
  y: number,
  { bias, residual, low, high }: Finish = NOTHING,
): void {
  const { n, c, m, places } = v;
  const [h, wd, ...rest] = planeArguments(v.window);
  const [kh, kw, sh, sw, , , dh, dw, oh, ow] = rest;
  const scratch = rt.scratch(rt.wasm.k.depthwise_scratch(kh, kw, sh, sw, dh, dw, oh, ow));
  for (let i = 0; i < n; i++) {
    const at = 4 * i * m * places;
    const from = x + 4 * i * c * h * wd;
    const add = residual === 0 ? 0 : residual + at;
    rt.wasm.k.depthwise2d(from, c, m / c, h, wd, w, ...rest, y + at, bias, add, low, high, scratch);
  }
}

/** Sides of Winograd's tiles, in places. */
type Side = 2 | 4;

/**
 * The side of the tiles by which a convolution is fastest; undefined where that is as a product of its fields. Costs, fitted to
 * measurements, are in multiplications for each filter of a channel: those of the product's columns (whole vectors of them) at every
 * point, what transforms add to them, and the way of the filters through the caches.
 */
function sideOf({ n, c, m, group, places, window }: Convolution): Side | undefined {
  const { kernel, strides, dilations, output } = window;
  const threes = kernel.length === 2 && kernel.every((k) => k === 3);
  if (group !== 1 || !threes || ![...strides, ...dilations].every((s) => s === 1)) return undefined;
  const traffic = c * m >= 2 ** 15 ? 10 : 2;
  const tiled = (side: Side) => {
    const tiles = n * output.reduce((t, o) => t * Math.ceil(o / side), 1);
    return (side + 2) ** 2 * (4 * Math.ceil(tiles / 4) * (1 + 9 / c + 9 / m) + traffic);
  };
  const side = tiled(2) < tiled(4) ? 2 : 4;
  return tiled(side) < 9 * (8 * Math.ceil((n * places) / 8) + traffic) ? side : undefined;
}

/** Filters transformed for tiles of that side, and their address. */
function transformed(rt: Runtime, { c, m }: Convolution, w: Tensor, side: Side): number {
  const { k } = rt.wasm;
  const panels = k.winograd_panels(m);
  return prepared(rt, w, `winograd ${side}`, k.winograd_filter_bytes(side, m, c), (ptr) => {
    const from = rt.ptr(w);
    // Many short calls: engines begin with slow code and look for better between calls.
    const step = Math.max(8, Math.ceil(panels / 64));
    const calls: KernelCall[] = [];
    for (let p = 0; p < panels; p += step)
      calls.push(['winograd_filter', side, from, m, c, ptr, p, Math.min(panels, p + step), rt.scratch(2048)]);
    rt.wasm.each(calls);
  });
}

/**
 * By tiles of `side` x `side` places (assembly/winograd.ts). An image with a sum that is not finite is done again by its fields: the
 * tile's other places are not what their sums alone would give.
 */
function convolveTiles(rt: Runtime, v: Convolution, side: Side, x: number, w: Tensor, y: number, finish: Finish): void {
  const { bias, residual, low, high } = finish;
  const { k, arena, threads } = rt.wasm;
  const { c, m } = v;
  const [h, wd] = v.window.input as [number, number];
  const [pt, pl] = v.window.pads as [number, number];
  const [oh, ow] = v.window.output as [number, number];
  const [down, across] = [Math.ceil(oh / side), Math.ceil(ow / side)];
  const [hp, wp] = [side * down + 2, side * across + 2];
  const panels = k.winograd_panels(m);
  const filters = transformed(rt, v, w, side);
  const count = Math.min(v.n, Math.max(1, Math.floor(PADDED_BYTES / (4 * c * hp * wp))));
  const padded = rt.scratch(4 * count * c * hp * wp + 128);
  const scratch = Array.from({ length: threads }, () => rt.scratch(k.winograd_scratch(side, c)));
  for (let i = 0; i < v.n; i += count) {
    const images = Math.min(count, v.n - i);
    k.pad_planes(x + 4 * i * c * h * wd, images * c, h, wd, pt, pl, hp, wp, padded);
    const tiles = images * down * across;
    const most = threadsFor(0.05 * (side + 2) ** 2 * tiles * c * m, threads);
    const byTiles = tiles >= LEAST_TILES * most;
    const ranges = byTiles ? parts(tiles, 8, LEAST_TILES, most) : parts(panels, 1, 1, most);
    const at = 4 * i * m * v.places;
    const add = residual === 0 ? 0 : residual + at;
    const image = [side, padded, c, hp, wp, filters, m, oh, ow] as const;
    const call = (first: number, last: number, panel: number, end: number, own: number): KernelCall => [
      'winograd',
      ...image,
      bias,
      add,
      low,
      high,
      y + at,
      first,
      last,
      panel,
      end,
      own,
    ];
    const finite = (own: number) => arena.i32(own, 1)[0] === 0;
    rt.wasm.each(
      ranges.map(({ from, count: some }, j) =>
        byTiles ? call(from, from + some, 0, panels, scratch[j]!) : call(0, tiles, from, from + some, scratch[j]!),
      ),
    );
    if (ranges.every((_, j) => finite(scratch[j]!))) continue;
    const each = down * across;
    const alone: Convolution = { ...v, n: 1 };
    for (let q = 0; q < images; q++) {
      if (images > 1) {
        rt.wasm.each([call(q * each, (q + 1) * each, 0, panels, scratch[0]!)]);
        if (finite(scratch[0]!)) continue;
      }
      const [from, to] = [4 * (i + q) * c * h * wd, 4 * (i + q) * m * v.places];
      const own = { ...finish, residual: residual === 0 ? 0 : residual + to };
      convolveFields(rt, alone, x + from, w, y + to, own);
    }
  }
}
