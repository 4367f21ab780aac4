import type { Tensor } from '../tensor.ts';
import { type KernelCall, parts } from '../wasm/calls.ts';
import { type Convolution, isDepthwise } from './convolution.ts';
import { convolveFields, type Finish, PADDED_BYTES, padPlanes, prepared } from './conv-fields.ts';
import type { Runtime } from './op.ts';
import { product } from './shape.ts';
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
  if (isDepthwise(v)) depthwise(rt, v, x, rt.ptr(w), y, finish);
  else if (!suitsWinograd(v) || !convolveTiles(rt, v, x, w, y, finish)) convolveFields(rt, v, x, w, y, finish);
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
  const size = product(v.window.input);
  const plane = planeArguments(v.window);
  const [h, wd, ...rest] = plane;
  for (let i = 0; i < v.n; i++) {
    const to = y + 4 * i * v.m * v.places;
    rt.wasm.k.depthwise2d(x + 4 * i * v.c * size, v.c, v.m / v.c, h, wd, w, ...rest, to);
    const add = residual === 0 ? 0 : residual + 4 * i * v.m * v.places;
    rt.wasm.k.finish_rows(to, v.places, v.m, v.places, bias, add, low, high, to);
  }
}

/** 3x3 windows side by side over channels enough to multiply. */
function suitsWinograd({ c, m, group, places, window: { kernel, strides, dilations } }: Convolution): boolean {
  return (
    group === 1 &&
    kernel.length === 2 &&
    kernel.every((k) => k === 3) &&
    [...strides, ...dilations].every((s) => s === 1) &&
    c >= 16 &&
    m >= 16 &&
    places >= 16
  );
}

/**
 * By tiles of 4x4 places (assembly/winograd.ts).
 * @returns false where a sum is not finite: the tile's other places are then not what the sums alone would give
 */
function convolveTiles(rt: Runtime, v: Convolution, x: number, w: Tensor, y: number, finish: Finish): boolean {
  const { k, threads } = rt.wasm;
  const { c, m } = v;
  const [h, wd] = v.window.input as [number, number];
  const [pt, pl] = v.window.pads as [number, number];
  const [oh, ow] = v.window.output as [number, number];
  const [down, across] = [Math.ceil(oh / 4), Math.ceil(ow / 4)];
  const [hp, wp] = [4 * down + 2, 4 * across + 2];
  const bytes = k.winograd_filter_bytes(m, c);
  const panels = k.winograd_panels(m);
  const make = (ptr: number) => {
    const from = rt.ptr(w);
    rt.wasm.each(
      parts(panels, 1, 4, threads).map((p) => {
        const call: KernelCall = ['winograd_filter', from, m, c, ptr, p.from, p.from + p.count, rt.scratch(2048)];
        return call;
      }),
    );
  };
  const filters = prepared(rt, w, 'winograd', bytes, make);
  const count = Math.min(v.n, Math.max(1, Math.floor(PADDED_BYTES / (4 * c * hp * wp))));
  const padded = rt.scratch(4 * count * c * hp * wp + 128);
  const scratch = Array.from({ length: threads }, () => rt.scratch(k.winograd_scratch(c)));
  for (let i = 0; i < v.n; i += count) {
    const images = Math.min(count, v.n - i);
    padPlanes(rt, x + 4 * i * c * h * wd, images * c, [h, wd], [pt, pl], [hp, wp], padded);
    const tiles = images * down * across;
    const byTiles = tiles >= LEAST_TILES * threads;
    const ranges = byTiles ? parts(tiles, 8, LEAST_TILES, threads) : parts(panels, 1, 1, threads);
    const at = 4 * i * m * v.places;
    const { bias, residual, low, high } = finish;
    const add = residual === 0 ? 0 : residual + at;
    rt.wasm.each(
      ranges.map(({ from, count: some }, j): KernelCall => {
        const range = byTiles ? ([from, from + some, 0, panels] as const) : ([0, tiles, from, from + some] as const);
        return ['winograd', padded, c, hp, wp, filters, m, oh, ow, bias, add, low, high, y + at, ...range, scratch[j]!];
      }),
    );
    if (ranges.some((_, j) => rt.wasm.arena.i32(scratch[j]!, 1)[0] !== 0)) return false;
  }
  return true;
}
