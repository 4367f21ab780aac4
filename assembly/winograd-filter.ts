/** Filters of 3x3 transformed for Winograd's products, in panels. */
import { ROWS } from './winograd-tile';
import { filter_four, filter_two } from './winograd-transform';

/** Between the matrices of two points, so that rows that are written in turn do not meet in one set of the cache. */
export const SKEW: usize = 64;

/** Points of a tile of `side` x `side` places. */
// @ts-ignore: decorator
@inline
export function points_of(side: i32): i32 {
  return (side + 2) * (side + 2);
}

/** Panels of filters of m outputs. */
export function winograd_panels(m: i32): i32 {
  return (m + ROWS - 1) / ROWS;
}

/** Bytes between the filters of two points. */
export function u_step(m: i32, c: i32): usize {
  return ((<usize>winograd_panels(m) * <usize>c * <usize>ROWS) << 2) + SKEW;
}

/** Bytes of the transformed filters. */
export function winograd_filter_bytes(side: i32, m: i32, c: i32): f64 {
  return <f64>points_of(side) * (<f64>(4 * ROWS) * <f64>winograd_panels(m) * <f64>c + <f64>SKEW);
}

/**
 * w [m, c, 3, 3] transformed into out, panels [points, panels, c, ROWS] of filters, zeros past the last: those of panels [panel, end).
 * scratch: 2048 bytes.
 */
export function winograd_filter(
  side: i32,
  w: usize,
  m: i32,
  c: i32,
  out: usize,
  panel: i32,
  end: i32,
  scratch: usize,
): void {
  const points = <usize>points_of(side);
  const step = u_step(m, c);
  const square = scratch + points * ROWS * 4;
  out += (<usize>(panel * ROWS) * <usize>c) << 2;
  for (let r = panel * ROWS; r < end * ROWS; r += ROWS) {
    const rows = min(ROWS, m - r);
    memory.fill(scratch, 0, points * ROWS * 4);
    for (let ch = 0; ch < c; ch++, out += 4 * ROWS) {
      for (let i = 0; i < rows; i++) {
        const from = w + (<usize>(r + i) * <usize>c + <usize>ch) * 36;
        const to = scratch + (<usize>i << 2);
        if (side == 4) square_four(from, square, to);
        else square_two(from, square, to);
      }
      let from = scratch;
      let to = out;
      for (let p: usize = 0; p < points; p++, from += 4 * ROWS, to += step) {
        v128.store(to, v128.load(from));
        store<f32>(to, load<f32>(from, 16), 16);
        if (ASC_FEATURE_RELAXED_SIMD) store<f32>(to, load<f32>(from, 20), 20);
      }
    }
  }
}

/** One filter to its 36 points, ROWS floats apart. */
function square_four(w: usize, square: usize, out: usize): void {
  for (let i: usize = 0; i < 3; i++, w += 4) {
    filter_four(load<f32>(w), load<f32>(w, 12), load<f32>(w, 24), square + 8 * i, 24);
  }
  for (let a: usize = 0; a < 6; a++, square += 24) {
    filter_four(load<f64>(square), load<f64>(square, 8), load<f64>(square, 16), square + 144, 8);
    for (let b: usize = 0; b < 6; b++, out += 4 * ROWS) store<f32>(out, <f32>load<f64>(square + 144 + 8 * b));
  }
}

/** One filter to its 16 points. */
function square_two(w: usize, square: usize, out: usize): void {
  for (let i: usize = 0; i < 3; i++, w += 4) {
    filter_two(load<f32>(w), load<f32>(w, 12), load<f32>(w, 24), square + 8 * i, 24);
  }
  for (let a: usize = 0; a < 4; a++, square += 24) {
    filter_two(load<f64>(square), load<f64>(square, 8), load<f64>(square, 16), square + 96, 8);
    for (let b: usize = 0; b < 4; b++, out += 4 * ROWS) store<f32>(out, <f32>load<f64>(square + 96 + 8 * b));
  }
}
