/** Tiles of bytes to the points of F(2x2, 3x3), in 16 bits, and planes of bytes in their padding. */

/** Bytes of eight tiles of one channel: 16 points of 8 lanes. */
export const SQUARE: usize = 256;

// @ts-ignore: decorator
@inline
function bytes(p: usize, flip: v128): v128 {
  return v128.xor(v128.load(p), flip);
}

/** Bytes at even and odd places, as 16-bit lanes. */
// @ts-ignore: decorator
@inline
function even(v: v128): v128 {
  return v128.and(v, i16x8.splat(0xff));
}

// @ts-ignore: decorator
@inline
function odd(v: v128): v128 {
  return i16x8.shr_u(v, 8);
}

/** Four vectors a line apart at `from` to the four points of their column. */
// @ts-ignore: decorator
@inline
function column(from: usize): void {
  const a = v128.load(from);
  const b = v128.load(from, 64);
  const c = v128.load(from, 128);
  const d = v128.load(from, 192);
  v128.store(from, i16x8.sub(a, c));
  v128.store(from, i16x8.add(b, c), 64);
  v128.store(from, i16x8.sub(c, b), 128);
  v128.store(from, i16x8.sub(b, d), 192);
}

/** Eight tiles side by side, from x on, lines wp bytes apart: points [4, 4, 8] of the bytes, turned over by flip, less zero. */
export function points8(x: usize, wp: usize, flip: i32, zero: i32, out: usize): void {
  const f = i8x16.splat(<i8>flip);
  const z = i16x8.splat(<i16>(2 * zero));
  for (let i: usize = 0; i < 4; i++, x += wp) {
    const near = bytes(x, f);
    const far = bytes(x + 2, f);
    const d1 = odd(near);
    const d2 = even(far);
    const to = out + 64 * i;
    v128.store(to, i16x8.sub(even(near), d2));
    v128.store(to, i16x8.sub(i16x8.add(d1, d2), z), 16);
    v128.store(to, i16x8.sub(d2, d1), 32);
    v128.store(to, i16x8.sub(d1, odd(far)), 48);
  }
  column(out);
  column(out + 16);
  column(out + 32);
  column(out + 48);
}

/** Planes [h, w] of bytes put into planes [hp, wp] at (pt, pl), everything else `value`. */
export function pad_bytes(
  x: usize,
  planes: i32,
  h: i32,
  w: i32,
  pt: i32,
  pl: i32,
  hp: i32,
  wp: i32,
  value: i32,
  y: usize,
): void {
  const v = <u8>value;
  const right = <usize>(wp - pl - w);
  const above = <usize>pt * <usize>wp;
  const below = <usize>(hp - pt - h) * <usize>wp;
  for (let p = 0; p < planes; p++) {
    memory.fill(y, v, above);
    y += above;
    for (let i = 0; i < h; i++) {
      for (let j = 0; j < pl; j++, y++) store<u8>(y, v);
      let j = 0;
      for (; j + 16 <= w; j += 16) v128.store(y + <usize>j, v128.load(x + <usize>j));
      for (; j + 4 <= w; j += 4) store<u32>(y + <usize>j, load<u32>(x + <usize>j));
      for (; j < w; j++) store<u8>(y + <usize>j, load<u8>(x + <usize>j));
      x += <usize>w;
      y += <usize>w;
      for (let j: usize = 0; j < right; j++, y++) store<u8>(y, v);
    }
    memory.fill(y, v, below);
    y += below;
  }
}
