/**
 * Convolution of 8-bit integers by 3x3 filters as F(2x2, 3x3) (Lavin and Gray 2016), exact in integers: filters are transformed
 * four times too large, so that they are whole, and sums are shifted back. Sums wrap as plain ones do as long as four times a sum
 * fits 32 bits.
 *
 * Tiles are numbered image by image, row by row. A block of them is transformed to V [16, pairs of channels, tiles, 2] in 16 bits,
 * multiplied to M [16, rows, tiles] in 32 for some rows of filters at a time, and transformed back.
 */
import { code_four } from './requantize';
import { points8, SQUARE } from './qwinograd-input';

/** Rows of a panel of filters. */
const ROWS = 4;
const POINTS: usize = 16;
/** Tiles of a block, a multiple of 8: of few and of many channels. */
const TILES = 64;
const FEW_TILES = 32;
const MANY_CHANNELS = 512;
/** Panels of filters between two output transforms. */
const CHUNK = 16;
/** Between the matrices of two points, so that rows that are written in turn do not meet in one set of the cache. */
const SKEW: usize = 64;
/** Bytes of a line of results of a block's tiles. */
const LINE: usize = (2 * TILES + 16) * 4;

// @ts-ignore: decorator
@inline
function pairs_of(c: i32): i32 {
  return (c + 1) >> 1;
}

// @ts-ignore: decorator
@inline
function panels_of(m: i32): i32 {
  return (m + ROWS - 1) / ROWS;
}

function tiles_of(c: i32): i32 {
  return c > MANY_CHANNELS ? FEW_TILES : TILES;
}

/** Bytes of a row of V and of M: transforms write eight tiles at a time and may run over by seven. */
// @ts-ignore: decorator
@inline
function row_bytes(tiles: i32): usize {
  return <usize>(tiles + 8) << 2;
}

function u_step(m: i32, c: i32): usize {
  return <usize>panels_of(m) * <usize>pairs_of(c) * (ROWS * 4) + SKEW;
}

export function qwinograd_panels(m: i32): i32 {
  return panels_of(m);
}

/** Bytes of the transformed filters. */
export function qwinograd_filter_bytes(m: i32, c: i32): f64 {
  return <f64>POINTS * (<f64>panels_of(m) * <f64>pairs_of(c) * <f64>(ROWS * 4) + <f64>SKEW);
}

/** Bytes of scratch of one call. */
export function qwinograd_scratch(c: i32): i32 {
  const ld = row_bytes(tiles_of(c));
  const v = <usize>pairs_of(c) * ld + SKEW;
  const mm = <usize>(CHUNK * ROWS) * ld + SKEW;
  return <i32>(POINTS * (v + mm) + <usize>2 * (SQUARE + LINE));
}

// @ts-ignore: decorator
@inline
function byte(p: usize, signed: bool): i32 {
  return signed ? <i32>load<i8>(p) : <i32>load<u8>(p);
}

/**
 * w [m, c, 3, 3] of bytes (u8, or i8 with signed 1) less zero, transformed into out, panels [16, panels, pairs, 4, 2] of i16, zeros
 * past the last output and channel.
 */
export function qwinograd_filter(w: usize, m: i32, c: i32, signed: i32, zero: i32, out: usize): void {
  const step = u_step(m, c);
  const pairs = pairs_of(c);
  memory.fill(out, 0, POINTS * step);
  for (let r = 0; r < m; r++) {
    const panel = out + (<usize>(r / ROWS) * <usize>pairs * ROWS + <usize>(r % ROWS)) * 4;
    for (let ch = 0; ch < c; ch++, w += 9) {
      const to = panel + <usize>(ch >> 1) * (ROWS * 4) + (<usize>(ch & 1) << 1);
      for (let i = 0; i < 4; i++) {
        let a = 0;
        let b = 0;
        let d = 0;
        // Row i of the first transform: 2 g0, g0 + g1 + g2, g0 - g1 + g2, 2 g2.
        for (let k = 0; k < 3; k++) {
          const f = i == 0 ? (k == 0 ? 2 : 0) : i == 3 ? (k == 2 ? 2 : 0) : i == 2 && k == 1 ? -1 : 1;
          const row = w + <usize>(3 * k);
          a += f * (byte(row, !!signed) - zero);
          b += f * (byte(row + 1, !!signed) - zero);
          d += f * (byte(row + 2, !!signed) - zero);
        }
        const at = to + <usize>(4 * i) * step;
        store<i16>(at, <i16>(2 * a));
        store<i16>(at + step, <i16>(a + b + d));
        store<i16>(at + 2 * step, <i16>(a - b + d));
        store<i16>(at + 3 * step, <i16>(2 * d));
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function dot(acc: v128, a: v128, b: v128): v128 {
  return i32x4.add(acc, i32x4.dot_i16x8_s(a, b));
}

/** C [4, 8] = a panel of filters times 8 tiles. */
// @ts-ignore: decorator
@inline
function tile(pairs: i32, a: usize, b: usize, ld: usize, c: usize): void {
  let c00 = i32x4.splat(0);
  let c01 = i32x4.splat(0);
  let c10 = i32x4.splat(0);
  let c11 = i32x4.splat(0);
  let c20 = i32x4.splat(0);
  let c21 = i32x4.splat(0);
  let c30 = i32x4.splat(0);
  let c31 = i32x4.splat(0);
  for (; pairs > 0; pairs--) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let s = v128.load32_splat(a);
    c00 = dot(c00, s, b0);
    c01 = dot(c01, s, b1);
    s = v128.load32_splat(a, 4);
    c10 = dot(c10, s, b0);
    c11 = dot(c11, s, b1);
    s = v128.load32_splat(a, 8);
    c20 = dot(c20, s, b0);
    c21 = dot(c21, s, b1);
    s = v128.load32_splat(a, 12);
    c30 = dot(c30, s, b0);
    c31 = dot(c31, s, b1);
    a += 16;
    b += ld;
  }
  v128.store(c, c00);
  v128.store(c, c01, 16);
  c += ld;
  v128.store(c, c10);
  v128.store(c, c11, 16);
  c += ld;
  v128.store(c, c20);
  v128.store(c, c21, 16);
  c += ld;
  v128.store(c, c30);
  v128.store(c, c31, 16);
}

function multiply(panels: i32, pairs: i32, tiles: i32, a: usize, b: usize, ld: usize, c: usize): void {
  const panel = <usize>pairs * (ROWS * 4);
  for (let q = 0; q < panels; q++, a += panel, c += <usize>ROWS * ld)
    for (let j = 0; j < tiles; j += 8) tile(pairs, a, b + (<usize>j << 2), ld, c + (<usize>j << 2));
}

/** Tiles [t, t + tiles) to V: rows of `ld` bytes, points `vs` bytes apart. */
function transform_in(
  x: usize,
  c: i32,
  hp: i32,
  wp: i32,
  down: i32,
  across: i32,
  t: i32,
  tiles: i32,
  flip: i32,
  zero: i32,
  v: usize,
  vs: usize,
  ld: usize,
  square: usize,
): void {
  const plane = <usize>hp * <usize>wp;
  const other = square + SQUARE;
  for (let ch = 0; ch < c; ch += 2, v += ld) {
    const alone = ch + 1 == c;
    if (alone) memory.fill(other, 0, SQUARE);
    let done = 0;
    let image = t / (across * down);
    let ty = (t / across) % down;
    let tx = t % across;
    while (done < tiles) {
      const run = min(across - tx, tiles - done);
      const from = x + (<usize>image * <usize>c + <usize>ch) * plane + <usize>(2 * ty) * <usize>wp + <usize>(2 * tx);
      for (let g = 0; g < run; g += 8) {
        points8(from + <usize>(2 * g), <usize>wp, flip, zero, square);
        if (!alone) points8(from + plane + <usize>(2 * g), <usize>wp, flip, zero, other);
        let to = v + (<usize>(done + g) << 2);
        for (let p: usize = 0; p < SQUARE; p += 16, to += vs) {
          const a = v128.load(square + p);
          const b = v128.load(other + p);
          v128.store(to, v128.shuffle<u16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11));
          v128.store(to, v128.shuffle<u16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15), 16);
        }
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

/** Four tiles, whose points lie ms bytes apart, to eight places of two lines. */
// @ts-ignore: decorator
@inline
function back(m: usize, ms: usize, lines: usize): void {
  let p0 = i32x4.splat(0);
  let p1 = p0;
  let p2 = p0;
  let q0 = p0;
  let q1 = p0;
  let q2 = p0;
  let r = p0;
  let s = p0;
  for (let b = 0; b < 4; b++, m += ms) {
    const m0 = v128.load(m);
    const m1 = v128.load(m + 4 * ms);
    const m2 = v128.load(m + 8 * ms);
    const m3 = v128.load(m + 12 * ms);
    r = i32x4.add(i32x4.add(m0, m1), m2);
    s = i32x4.sub(i32x4.sub(m1, m2), m3);
    if (b == 0) {
      p0 = r;
      q0 = s;
    } else if (b == 1) {
      p1 = r;
      q1 = s;
    } else if (b == 2) {
      p2 = r;
      q2 = s;
    }
  }
  const a = i32x4.shr_s(i32x4.add(i32x4.add(p0, p1), p2), 2);
  const b = i32x4.shr_s(i32x4.sub(i32x4.sub(p1, p2), r), 2);
  v128.store(lines, v128.shuffle<i32>(a, b, 0, 4, 1, 5));
  v128.store(lines, v128.shuffle<i32>(a, b, 2, 6, 3, 7), 16);
  const d = i32x4.shr_s(i32x4.add(i32x4.add(q0, q1), q2), 2);
  const e = i32x4.shr_s(i32x4.sub(i32x4.sub(q1, q2), s), 2);
  v128.store(lines + LINE, v128.shuffle<i32>(d, e, 0, 4, 1, 5));
  v128.store(lines + LINE, v128.shuffle<i32>(d, e, 2, 6, 3, 7), 16);
}

/** n sums as codes of bytes. */
// @ts-ignore: decorator
@inline
function code_line(x: usize, n: i32, bias: i32, factor: f32, type: i32, zero: i32, lo: i32, hi: i32, out: usize): void {
  const b = i32x4.splat(bias);
  const f = f32x4.splat(factor);
  const low = f32x4.splat(<f32>(lo - zero));
  const high = f32x4.splat(<f32>(hi - zero));
  const z = i32x4.splat(zero);
  for (let i = 0; i < n; i += 8, x += 32, out += 8) {
    const h = i16x8.narrow_i32x4_s(
      code_four(i32x4.add(v128.load(x), b), f, low, high, z),
      code_four(i32x4.add(v128.load(x, 16), b), f, low, high, z),
    );
    let c = type == 0 ? i8x16.narrow_i16x8_u(h, h) : i8x16.narrow_i16x8_s(h, h);
    if (i + 8 <= n) {
      v128.store64_lane(out, c, 0);
      continue;
    }
    let left = n - i;
    let to = out;
    if (left >= 4) {
      v128.store32_lane(to, c, 0);
      c = i64x2.shr_u(c, 32);
      to += 4;
      left -= 4;
    }
    for (; left > 0; left--, to++) {
      v128.store8_lane(to, c, 0);
      c = i64x2.shr_u(c, 8);
    }
  }
}

/**
 * y [n, m, oh, ow] for tiles [from, to) of all and filters of panels [panel, end). x: bytes [n, c, hp, wp], u8, or i8 with signed 1,
 * padded with their zero point: hp >= 2 ceil(oh / 2) + 2, wp likewise, and 32 bytes that may be read follow it. With factors 0, y is
 * i32 sums; else codes, as requantize makes them by row.
 */
export function qwinograd(
  x: usize,
  c: i32,
  hp: i32,
  wp: i32,
  signed: i32,
  zeroA: i32,
  u: usize,
  m: i32,
  oh: i32,
  ow: i32,
  bias: usize,
  factors: usize,
  type: i32,
  zero: i32,
  lo: i32,
  hi: i32,
  y: usize,
  from: i32,
  to: i32,
  panel: i32,
  end: i32,
  scratch: usize,
): void {
  const down = (oh + 1) >> 1;
  const across = (ow + 1) >> 1;
  const pairs = pairs_of(c);
  const most = tiles_of(c);
  const ld = row_bytes(min(most, (to - from + 7) & ~7));
  const vs = <usize>pairs * ld + SKEW;
  const ms = <usize>(CHUNK * ROWS) * ld + SKEW;
  const square = scratch;
  const lines = square + SQUARE + SQUARE;
  const v = lines + LINE + LINE;
  const mm = v + POINTS * vs;
  const us = u_step(m, c);
  const flip = signed ? 0x80 : 0;
  for (let t = from; t < to; t += most) {
    const tiles = min(most, to - t);
    transform_in(x, c, hp, wp, down, across, t, tiles, flip, zeroA + flip, v, vs, ld, square);
    for (let first = panel; first < end; first += CHUNK) {
      const count = min(CHUNK, end - first);
      const a = u + <usize>first * <usize>pairs * (ROWS * 4);
      for (let p: usize = 0; p < POINTS; p++) multiply(count, pairs, tiles, a + p * us, v + p * vs, ld, mm + p * ms);
      const rows = min(m, (first + count) * ROWS);
      let source = mm;
      for (let f = first * ROWS; f < rows; f++, source += ld) {
        const own: i32 = factors && bias ? load<i32>(bias + (<usize>f << 2)) : 0;
        const factor: f32 = factors ? load<f32>(factors + (<usize>f << 2)) : 0;
        let done = 0;
        let image = t / (across * down);
        let ty = (t / across) % down;
        let tx = t % across;
        while (done < tiles) {
          const run = min(across - tx, tiles - done);
          for (let g = 0; g < run; g += 4) back(source + (<usize>(done + g) << 2), ms, lines + (<usize>g << 3));
          const n = min(2 * run, ow - 2 * tx);
          const height = min(2, oh - 2 * ty);
          const place = (<usize>image * <usize>m + <usize>f) * <usize>oh * <usize>ow;
          let at = place + <usize>(2 * ty) * <usize>ow + <usize>(2 * tx);
          for (let i = 0; i < height; i++, at += <usize>ow) {
            const line = lines + <usize>i * LINE;
            if (factors) code_line(line, n, own, factor, type, zero, lo, hi, y + at);
            else memory.copy(y + (at << 2), line, <usize>n << 2);
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
  }
}
