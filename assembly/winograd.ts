/**
 * Convolution by 3x3 filters as F(4x4, 3x3) or F(2x2, 3x3) (Lavin and Gray 2016): tiles of 6x6 or 4x4 inputs are transformed,
 * multiplied by the transformed filters at each of their 36 or 16 points, a matrix product of channels, and transformed back to
 * `side` x `side` outputs.
 *
 * Tiles are numbered image by image, row by row. A block of them is transformed to V [points, c, tiles], multiplied to
 * M [points, rows, tiles] for some rows of filters at a time, and finished. What an output sums depends on the shapes only.
 */
import { points_of, SKEW, u_step, winograd_panels } from './winograd-filter';
import { transform_in } from './winograd-input';
import { transform_out } from './winograd-output';
import { ROWS, tile_narrow, tile_wide } from './winograd-tile';

export { winograd_filter, winograd_filter_bytes, winograd_panels } from './winograd-filter';

/** Bytes of V, and of M, that a block aims at. */
const ROOM_V = 512 << 10;
const ROOM_M = 2 << 20;
/** Tiles of a block: so many that the filters, which are read once a block, are worth their way through the caches. */
const LEAST_TILES = 32;
const MOST_TILES = 64;
/** Bytes of a line of a block's tiles: four floats a tile, and what transforms run over. */
const LINE: usize = (4 * MOST_TILES + 36) * 4;
/** A block's lines, six on the way in; four and 24 vectors on the way out. */
const LINES: usize = 6 * LINE;

/** Tiles of a block: a multiple of 8. */
function block_tiles(side: i32, c: i32): i32 {
  return max(LEAST_TILES, min(MOST_TILES, (ROOM_V / (32 * points_of(side) * max(c, 1))) * 8));
}

/** Floats between rows of V and of M: transforms write four tiles at a time and may run over by three. */
// @ts-ignore: decorator
@inline
function row_floats(tiles: i32): i32 {
  return (tiles + 3 + 7) & ~7;
}

function v_step(c: i32, tiles: i32): usize {
  return ((<usize>c * <usize>row_floats(tiles)) << 2) + SKEW;
}

/** Panels of filters between two output transforms. */
function chunk_panels(side: i32, tiles: i32): i32 {
  return ROOM_M / (4 * points_of(side) * ROWS * row_floats(tiles));
}

function m_step(side: i32, tiles: i32): usize {
  return ((<usize>(chunk_panels(side, tiles) * ROWS) * <usize>row_floats(tiles)) << 2) + SKEW;
}

/** Bytes of scratch of one call. */
export function winograd_scratch(side: i32, c: i32): i32 {
  const tiles = block_tiles(side, c);
  return <i32>(<usize>points_of(side) * (v_step(c, tiles) + m_step(side, tiles)) + LINES);
}

/**
 * y [n, m, oh, ow] = clamp(convolution + bias + residual, low, high) for tiles [from, to) of all and filters of panels [panel, end).
 * x [n, c, hp, wp] is padded: hp >= side ceil(oh / side) + 2, wp likewise, and 128 bytes that may be read follow it. Bias and
 * residual may be 0. The first i32 of scratch becomes 1 where a sum is not finite, else 0.
 */
export function winograd(
  side: i32,
  x: usize,
  c: i32,
  hp: i32,
  wp: i32,
  u: usize,
  m: i32,
  oh: i32,
  ow: i32,
  bias: usize,
  residual: usize,
  low: f32,
  high: f32,
  y: usize,
  from: i32,
  to: i32,
  panel: i32,
  end: i32,
  scratch: usize,
): void {
  const points = points_of(side);
  const down = (oh + side - 1) / side;
  const across = (ow + side - 1) / side;
  const most = block_tiles(side, c);
  const vs = v_step(c, most);
  const ms = m_step(side, most);
  const v = scratch;
  const mm = v + <usize>points * vs;
  const lines = mm + <usize>points * ms;
  const us = u_step(m, c);
  const chunk = chunk_panels(side, most);
  const chunks = (end - panel + chunk - 1) / chunk;
  let bad = f32x4.splat(0);
  let touched = 0;
  for (let t = from; t < to; t += most) {
    const tiles = min(most, to - t);
    const ld = <usize>row_floats(tiles) << 2;
    transform_in(side, x, c, hp, wp, down, across, t, tiles, v, vs, ld, lines, LINE);
    for (let i = 0; i < chunks; i++) {
      const first = panel + ((end - panel) * i) / chunks;
      const last = panel + ((end - panel) * (i + 1)) / chunks;
      let a = u + ((<usize>first * <usize>c * ROWS) << 2);
      for (let p = 0; p < points; p++, a += us) {
        const after = p + 1 < points ? a + us : a;
        touched |= multiply(last - first, c, tiles, a, v + <usize>p * vs, ld, mm + <usize>p * ms, after);
      }
      const r = first * ROWS;
      const count = min(m, last * ROWS) - r;
      bad = f32x4.add(
        bad,
        transform_out(side, mm, ms, ld, down, across, t, tiles, r, count, m, oh, ow, bias, residual, low, high, y, lines, LINE),
      );
    }
  }
  store<i32>(scratch, touched, 4);
  store<i32>(scratch, v128.any_true(f32x4.ne(bad, bad)) ? 1 : 0);
}

/**
 * C [panels * ROWS, tiles] = A B for A in panels. `after` is a panel that is needed next.
 * @returns as tile_wide
 */
function multiply(panels: i32, k: i32, tiles: i32, a: usize, b: usize, ld: usize, c: usize, after: usize): i32 {
  const panel = (<usize>k * ROWS) << 2;
  let touched = 0;
  for (let q = 0; q < panels; q++, c += <usize>ROWS * ld) {
    const next = q + 1 < panels ? a + panel : after;
    let j = 0;
    for (; j + 4 < tiles; j += 8) {
      const last = j + 12 >= tiles;
      touched |= tile_wide(k, a, b + (<usize>j << 2), ld, c + (<usize>j << 2), ld, last ? next : a);
    }
    if (j < tiles) tile_narrow(k, a, b + (<usize>j << 2), ld, c + (<usize>j << 2), ld);
    a = next;
  }
  return touched;
}
