/**
 * Convolution by 3x3 filters as F(4x4, 3x3) (Lavin and Gray 2016): tiles of 6x6 inputs are transformed, multiplied by the transformed
 * filters at 36 points, a matrix product of channels at each, and transformed back to 4x4 outputs.
 *
 * Tiles are numbered image by image, row by row. A block of them is transformed to V [36, c, tiles], multiplied to M [36, rows, tiles]
 * for some rows of filters at a time, and finished. What an output sums depends on the shapes only.
 */
import { finish_line } from './conv-finish';
import { load_rows, transpose_lines } from './winograd-lines';
import { ROWS, tile_narrow, tile_wide } from './winograd-tile';
import { filter_transform, input_transform, output_transform } from './winograd-transform';

const POINTS: usize = 36;
/** Bytes of V, and of M, that a block aims at. */
const ROOM_V = 512 << 10;
const ROOM_M = 2 << 20;
/** Tiles of a block: so many that the filters, which are read once a block, are worth their way through the caches. */
const LEAST_TILES = 32;
const MOST_TILES = 64;
/** Between the matrices of two points, so that 36 rows that are written in turn do not meet in one set of the cache. */
const SKEW: usize = 64;

/** Tiles of a block: a multiple of 8. */
function block_tiles(c: i32): i32 {
  return max(LEAST_TILES, min(MOST_TILES, (ROOM_V / (32 * <i32>POINTS * max(c, 1))) * 8));
}

/** Floats between rows of V and of M: transforms write four tiles at a time and may run over by three. */
// @ts-ignore: decorator
@inline
function row_floats(tiles: i32): i32 {
  return (tiles + 3 + 7) & ~7;
}

/** Panels of filters of m outputs. */
export function winograd_panels(m: i32): i32 {
  return (m + ROWS - 1) / ROWS;
}

/** Bytes of the transformed filters. */
export function winograd_filter_bytes(m: i32, c: i32): f64 {
  return <f64>POINTS * (<f64>(4 * ROWS) * <f64>winograd_panels(m) * <f64>c + <f64>SKEW);
}

function line_floats(tiles: i32): i32 {
  return 4 * tiles + 36;
}

function v_step(c: i32, tiles: i32): usize {
  return ((<usize>c * <usize>row_floats(tiles)) << 2) + SKEW;
}

/** Panels of filters between two output transforms. */
function chunk_panels(tiles: i32): i32 {
  return ROOM_M / (4 * <i32>POINTS * ROWS * row_floats(tiles));
}

function m_step(tiles: i32): usize {
  return ((<usize>(chunk_panels(tiles) * ROWS) * <usize>row_floats(tiles)) << 2) + SKEW;
}

/** Bytes between the filters of two points. */
function u_step(m: i32, c: i32): usize {
  return ((<usize>winograd_panels(m) * <usize>c * <usize>ROWS) << 2) + SKEW;
}

/** Bytes of scratch of one call. */
export function winograd_scratch(c: i32): i32 {
  const tiles = block_tiles(c);
  return <i32>(POINTS * (v_step(c, tiles) + m_step(tiles)) + (<usize>(6 * line_floats(MOST_TILES)) << 2) + 24 * 16);
}

/** w [m, c, 3, 3] transformed into out, panels [36, panels, c, ROWS] of filters, zeros past the last: those of panels [panel, end). */
export function winograd_filter(w: usize, m: i32, c: i32, out: usize, panel: i32, end: i32, scratch: usize): void {
  const step = u_step(m, c);
  const square = scratch + POINTS * ROWS * 4;
  out += (<usize>(panel * ROWS) * <usize>c) << 2;
  for (let r = panel * ROWS; r < end * ROWS; r += ROWS) {
    const rows = min(ROWS, m - r);
    memory.fill(scratch, 0, POINTS * ROWS * 4);
    for (let ch = 0; ch < c; ch++, out += 4 * ROWS) {
      for (let i = 0; i < rows; i++) {
        filter_square(w + ((<usize>(r + i) * <usize>c + <usize>ch) * 36), square, scratch + (<usize>i << 2));
      }
      let from = scratch;
      let to = out;
      for (let p: usize = 0; p < POINTS; p++, from += 4 * ROWS, to += step) {
        v128.store(to, v128.load(from));
        store<f32>(to, load<f32>(from, 16), 16);
        if (ASC_FEATURE_RELAXED_SIMD) store<f32>(to, load<f32>(from, 20), 20);
      }
    }
  }
}

/** One filter of 3x3 to its 36 points, ROWS floats apart. */
function filter_square(w: usize, square: usize, out: usize): void {
  for (let i: usize = 0; i < 3; i++, w += 4) {
    filter_transform(load<f32>(w), load<f32>(w, 12), load<f32>(w, 24), square + 8 * i, 24);
  }
  for (let a: usize = 0; a < 6; a++, square += 24) {
    filter_transform(load<f64>(square), load<f64>(square, 8), load<f64>(square, 16), square + 144, 8);
    for (let b: usize = 0; b < 6; b++, out += 4 * ROWS) store<f32>(out, <f32>load<f64>(square + 144 + 8 * b));
  }
}

/**
 * y [n, m, oh, ow] = clamp(convolution + bias + residual, low, high) for tiles [from, to) of all and filters of panels [panel, end).
 * x [n, c, hp, wp] is padded: hp >= 4 ceil(oh / 4) + 2, wp likewise, and 128 bytes that may be read follow it. Bias and residual
 * may be 0. The first i32 of scratch becomes 1 where a result before the clamp is not finite, else 0.
 */
export function winograd(
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
  const most = block_tiles(c);
  const vs = v_step(c, most);
  const ms = m_step(most);
  const v = scratch;
  const mm = v + POINTS * vs;
  const lines = mm + POINTS * ms;
  const us = u_step(m, c);
  const chunk = chunk_panels(most);
  const chunks = (end - panel + chunk - 1) / chunk;
  let bad = f32x4.splat(0);
  for (let t = from; t < to; t += most) {
    const tiles = min(most, to - t);
    const ld = (<usize>row_floats(tiles)) << 2;
    transform_in(x, c, hp, wp, oh, ow, t, tiles, v, vs, ld, lines);
    for (let i = 0; i < chunks; i++) {
      const first = panel + ((end - panel) * i) / chunks;
      const last = panel + ((end - panel) * (i + 1)) / chunks;
      for (let p: usize = 0; p < POINTS; p++) {
        const a = u + p * us + ((<usize>first * <usize>c * ROWS) << 2);
        multiply(last - first, c, tiles, a, v + p * vs, ld, mm + p * ms);
      }
      const r = first * ROWS;
      const count = min(m, last * ROWS) - r;
      bad = f32x4.add(bad, transform_out(mm, ms, ld, t, tiles, r, count, m, oh, ow, bias, residual, low, high, y, lines));
    }
  }
  store<i32>(scratch, v128.any_true(f32x4.ne(bad, bad)) ? 1 : 0);
}

/** C [panels * ROWS, tiles] = A B for A in panels. */
function multiply(panels: i32, k: i32, tiles: i32, a: usize, b: usize, ld: usize, c: usize): void {
  const panel = (<usize>k * ROWS) << 2;
  for (let q = 0; q < panels; q++, a += panel, c += <usize>ROWS * ld) {
    let j = 0;
    for (; j + 4 < tiles; j += 8) tile_wide(k, a, b + (<usize>j << 2), ld, c + (<usize>j << 2), ld);
    if (j < tiles) tile_narrow(k, a, b + (<usize>j << 2), ld, c + (<usize>j << 2), ld);
  }
}

/** Tiles [t, t + tiles) of every channel into V. */
function transform_in(
  x: usize,
  c: i32,
  hp: i32,
  wp: i32,
  oh: i32,
  ow: i32,
  t: i32,
  tiles: i32,
  v: usize,
  vs: usize,
  ld: usize,
  lines: usize,
): void {
  const across = (ow + 3) >> 2;
  const down = (oh + 3) >> 2;
  const plane = (<usize>hp * <usize>wp) << 2;
  const row = (<usize>wp) << 2;
  const line = (<usize>line_floats(MOST_TILES)) << 2;
  for (let ch = 0; ch < c; ch++, v += ld) {
    let done = 0;
    let image = t / (across * down);
    let ty = (t / across) % down;
    let tx = t % across;
    while (done < tiles) {
      const run = min(across - tx, tiles - done);
      const from = x + (<usize>image * <usize>c + <usize>ch) * plane + ((<usize>(4 * ty) * <usize>wp + <usize>(4 * tx)) << 2);
      load_rows(from, row, 4 * run + 2, lines, line);
      for (let a: usize = 0; a < 6; a++) {
        transpose_lines(lines + a * line, run, v + 6 * a * vs + (<usize>done << 2), vs);
      }
      done += run;
      tx = 0;
      if (++ty == down) {
        ty = 0;
        image++;
      }
    }
  }
}

/** M of filters [r, r + count) back to their outputs. @returns lanes of NaN where a result is not finite */
function transform_out(
  mm: usize,
  ms: usize,
  ld: usize,
  t: i32,
  tiles: i32,
  r: i32,
  count: i32,
  m: i32,
  oh: i32,
  ow: i32,
  bias: usize,
  residual: usize,
  low: f32,
  high: f32,
  y: usize,
  lines: usize,
): v128 {
  const across = (ow + 3) >> 2;
  const down = (oh + 3) >> 2;
  const line = (<usize>line_floats(MOST_TILES)) << 2;
  const square = lines + 6 * line;
  let bad = f32x4.splat(0);
  for (let f = r; f < r + count; f++, mm += ld) {
    const own: f32 = bias ? load<f32>(bias + (<usize>f << 2)) : 0;
    let done = 0;
    let image = t / (across * down);
    let ty = (t / across) % down;
    let tx = t % across;
    while (done < tiles) {
      const run = min(across - tx, tiles - done);
      for (let g = 0; g < run; g += 4) {
        let from = mm + (<usize>(done + g) << 2);
        for (let b: usize = 0; b < 6; b++, from += ms) {
          output_transform(
            v128.load(from),
            v128.load(from + 6 * ms),
            v128.load(from + 12 * ms),
            v128.load(from + 18 * ms),
            v128.load(from + 24 * ms),
            v128.load(from + 30 * ms),
            square + 16 * b,
            96,
          );
        }
        for (let a: usize = 0; a < 4; a++) back_line(square + 96 * a, lines + a * line + (<usize>g << 4));
      }
      const n = min(4 * run, ow - 4 * tx);
      let at = ((<usize>image * <usize>m + <usize>f) * <usize>oh * <usize>ow + <usize>(4 * ty) * <usize>ow + <usize>(4 * tx)) << 2;
      const rows = min(4, oh - 4 * ty);
      for (let a = 0; a < rows; a++, at += <usize>ow << 2) {
        const add = residual ? residual + at : 0;
        bad = f32x4.add(bad, finish_line(lines + <usize>a * line, n, own, add, low, high, y + at));
      }
      done += run;
      tx = 0;
      if (++ty == down) {
        ty = 0;
        image++;
      }
    }
  }
  return bad;
}

/** Six vectors of four tiles to sixteen places of a line. */
// @ts-ignore: decorator
@inline
function back_line(m: usize, out: usize): void {
  output_transform(v128.load(m), v128.load(m, 16), v128.load(m, 32), v128.load(m, 48), v128.load(m, 64), v128.load(m, 80), m, 16);
  const a = v128.load(m);
  const b = v128.load(m, 16);
  const c = v128.load(m, 32);
  const d = v128.load(m, 48);
  const ab0 = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
  const ab1 = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  const cd0 = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
  const cd1 = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  v128.store(out, v128.shuffle<i64>(ab0, cd0, 0, 2));
  v128.store(out, v128.shuffle<i64>(ab0, cd0, 1, 3), 16);
  v128.store(out, v128.shuffle<i64>(ab1, cd1, 0, 2), 32);
  v128.store(out, v128.shuffle<i64>(ab1, cd1, 1, 3), 48);
}
