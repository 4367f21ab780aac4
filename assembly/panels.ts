/**
 * Panels of codes: a weight matrix [k, n] of signed codes of 2, 4 or 8 bits in the order the integer kernels read it.
 *
 * A panel holds 8 columns; k is rounded up to a multiple of 16, and what is past the last row or column is code 0. Rows come in
XX Panel j starts at j * k16 * bits
 * bytes; a run of panels is itself such a matrix.
 */

/** Columns of a panel. */
export const NR = 8;

/** k rounded up to whole steps of every width. */
// @ts-ignore: decorator
@inline
export function rows16(k: i32): i32 {
  return (k + 15) & ~15;
}

/** Bytes of a panel. */
// @ts-ignore: decorator
@inline
export function panel_bytes(k: i32, bits: i32): usize {
  return <usize>rows16(k) * <usize>bits;
}

export function panels_bytes(k: i32, n: i32, bits: i32): usize {
  return <usize>((n + NR - 1) >> 3) * panel_bytes(k, bits);
}

/** Row i of column j is the byte at codes + i * row + j * column, its top bit turned over by flip; bits above `bits` do not count. */
export function pack_panels(codes: usize, row: i32, column: i32, k: i32, n: i32, bits: i32, flip: i32, out: usize): void {
  memory.fill(out, 0, panels_bytes(k, n, bits));
  if (bits == 8 && column == 1) {
    pack_rows(codes, <usize>row, k, n, flip, out);
    return;
  }
  const step = 32 / bits;
  const mask: u32 = ((<u32>1) << bits) - 1;
  const bytes = panel_bytes(k, bits);
  for (let j = 0; j < n; j++) {
    let from = codes + <usize>j * <usize>column;
    let to = out + <usize>(j >> 3) * bytes + ((<usize>j & 7) << 2);
    for (let i = 0; i < k; i += step, to += 32) {
      const count = min(step, k - i);
      let lane: u32 = 0;
      for (let t = 0; t < count; t++, from += <usize>row) {
        const c = (<u32>load<u8>(from) ^ <u32>flip) & mask;
        lane |= c << ((t & 1) * 16 + 16 - ((t >> 1) + 1) * bits);
      }
      store<u32>(to, lane);
    }
  }
}

/** pack_panels of rows of bytes: 4 rows of 8 columns at a time. */
function pack_rows(codes: usize, row: usize, k: i32, n: i32, flip: i32, out: usize): void {
  const flips = i8x16.splat(<i8>flip);
  const bytes = panel_bytes(k, 8);
  const whole = n & ~7;
  for (let i = 0; i < k; i += 4, codes += 4 * row, out += 32) {
    const rows = min(4, k - i);
    if (rows == 4) {
      let to = out;
      for (let j = 0; j < whole; j += NR, to += bytes) {
        const p = codes + <usize>j;
        // A lane is, from its low byte, rows 2, 0, 3, 1.
        const even = v128.shuffle<u8>(
          v128.load64_zero(p + 2 * row),
          v128.load64_zero(p),
          0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23,
        );
        const odd = v128.shuffle<u8>(
          v128.load64_zero(p + 3 * row),
          v128.load64_zero(p + row),
          0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23,
        );
        v128.store(to, v128.xor(v128.shuffle<u16>(even, odd, 0, 8, 1, 9, 2, 10, 3, 11), flips));
        v128.store(to, v128.xor(v128.shuffle<u16>(even, odd, 4, 12, 5, 13, 6, 14, 7, 15), flips), 16);
      }
    }
    for (let j = rows == 4 ? whole : 0; j < n; j++) {
      const to = out + <usize>(j >> 3) * bytes + ((<usize>j & 7) << 2);
      const p = codes + <usize>j;
      store<u8>(to, load<u8>(p) ^ <u8>flip, 1);
      if (rows > 1) store<u8>(to, load<u8>(p + row) ^ <u8>flip, 3);
      if (rows > 2) store<u8>(to, load<u8>(p + 2 * row) ^ <u8>flip);
      if (rows > 3) store<u8>(to, load<u8>(p + 3 * row) ^ <u8>flip, 2);
    }
  }
}

/** Rows 2t and 2t + 1 of four columns as 16-bit lanes, from 16 bytes of a step. */
// @ts-ignore: decorator
@inline
export function pair(v: v128, bits: i32, t: i32): v128 {
  return i16x8.shr_s(t == 0 ? v : i16x8.shl(v, bits * t), 16 - bits);
}

/** One panel's `steps` steps as pairs of rows of 16 bits, 8 columns of 2: 32 bytes a pair. */
export function expand(panel: usize, steps: i32, bits: i32, out: usize): void {
  if (bits == 8) {
    for (; steps > 0; steps--, panel += 32, out += 64) {
      const a = v128.load(panel);
      const b = v128.load(panel, 16);
      v128.store(out, pair(a, 8, 0));
      v128.store(out, pair(b, 8, 0), 16);
      v128.store(out, pair(a, 8, 1), 32);
      v128.store(out, pair(b, 8, 1), 48);
    }
  } else if (bits == 4) {
    for (; steps > 0; steps--, panel += 32, out += 128) {
      const a = v128.load(panel);
      const b = v128.load(panel, 16);
      v128.store(out, pair(a, 4, 0));
      v128.store(out, pair(b, 4, 0), 16);
      v128.store(out, pair(a, 4, 1), 32);
      v128.store(out, pair(b, 4, 1), 48);
      v128.store(out, pair(a, 4, 2), 64);
      v128.store(out, pair(b, 4, 2), 80);
      v128.store(out, pair(a, 4, 3), 96);
      v128.store(out, pair(b, 4, 3), 112);
    }
  } else {
    for (; steps > 0; steps--, panel += 32) {
      const a = v128.load(panel);
      const b = v128.load(panel, 16);
      for (let t = 0; t < 8; t++, out += 32) {
        v128.store(out, i16x8.shr_s(i16x8.shl(a, 2 * t), 14));
        v128.store(out, i16x8.shr_s(i16x8.shl(b, 2 * t), 14), 16);
      }
    }
  }
}

/** 2^-n */
// @ts-ignore: decorator
@inline
function power(n: i32): f32 {
  return reinterpret<f32>((127 - n) << 23);
}

/**
 * Row t of a step of four columns as floats: (code - zero) scale, or code * scale where there is no zero point. The code stays in the
 * top bits of its lane, which is exact and saves a shift: s is scale / 2^(32 - bits), z zero * 2^(32 - bits).
 */
// @ts-ignore: decorator
@inline
function row(v: v128, bits: i32, t: i32, s: v128, z: v128, shifted: bool): v128 {
  const up = 16 - ((t & 1) << 4) + (t >> 1) * bits;
  const c = v128.and(up == 0 ? v : i32x4.shl(v, up), i32x4.splat(-1 << (32 - bits)));
  const x = f32x4.convert_i32x4_s(c);
  return f32x4.mul(shifted ? f32x4.sub(x, z) : x, s);
}

/** Rows t..t + 3 of a step. */
// @ts-ignore: decorator
@inline
function rows4(x: v128, y: v128, bits: i32, t: i32, s0: v128, s1: v128, z0: v128, z1: v128, shifted: bool, out: usize): void {
  v128.store(out, row(x, bits, t, s0, z0, shifted));
  v128.store(out, row(y, bits, t, s1, z1, shifted), 16);
  v128.store(out, row(x, bits, t + 1, s0, z0, shifted), 32);
  v128.store(out, row(y, bits, t + 1, s1, z1, shifted), 48);
  v128.store(out, row(x, bits, t + 2, s0, z0, shifted), 64);
  v128.store(out, row(y, bits, t + 2, s1, z1, shifted), 80);
  v128.store(out, row(x, bits, t + 3, s0, z0, shifted), 96);
  v128.store(out, row(y, bits, t + 3, s1, z1, shifted), 112);
}

/** One panel. */
// @ts-ignore: decorator
@inline
function decode(panel: usize, k: i32, bits: i32, block: i32, s: usize, z: usize, shifted: bool, out: usize): void {
  const step = 32 / bits;
  const down = f32x4.splat(power(32 - bits));
  const raise = f32x4.splat(power(bits - 32));
  for (let from = 0; from < k; from += block, s += 32, z += 32) {
    const s0 = f32x4.mul(v128.load(s), down);
    const s1 = f32x4.mul(v128.load(s, 16), down);
    const z0 = shifted ? f32x4.mul(v128.load(z), raise) : s0;
    const z1 = shifted ? f32x4.mul(v128.load(z, 16), raise) : s1;
    const end = min(k, from + block);
    let i = from;
    for (; i + step <= end; i += step, panel += 32, out += (<usize>step) << 5) {
      const x = v128.load(panel);
      const y = v128.load(panel, 16);
      rows4(x, y, bits, 0, s0, s1, z0, z1, shifted, out);
      if (bits <= 4) rows4(x, y, bits, 4, s0, s1, z0, z1, shifted, out + 128);
      if (bits == 2) {
        rows4(x, y, bits, 8, s0, s1, z0, z1, shifted, out + 256);
        rows4(x, y, bits, 12, s0, s1, z0, z1, shifted, out + 384);
      }
    }
    if (i < end) {
      const x = v128.load(panel);
      const y = v128.load(panel, 16);
      for (let t = 0; t < end - i; t++, out += 32) {
        v128.store(out, row(x, bits, t, s0, z0, shifted));
        v128.store(out, row(y, bits, t, s1, z1, shifted), 16);
      }
      panel += 32;
    }
  }
}

/**
 * Panels of codes as floats, (code - zero) scale: `count` panels of the float matrix product, each k rows of 8 floats. scales and
 * zeros (floats, or 0): [count, ceil(k / block), 8], one for every `block` rows, a multiple of 16.
 */
export function decode_panels(
  panels: usize,
  count: i32,
  k: i32,
  bits: i32,
  block: i32,
  scales: usize,
  zeros: usize,
  out: usize,
): void {
  const blocks = <usize>((k + block - 1) / block) << 5;
  const bytes = panel_bytes(k, bits);
  const floats = (<usize>k) << 5;
  for (let j = 0; j < count; j++) {
    if (bits == 8) {
      if (zeros) decode(panels, k, 8, block, scales, zeros, true, out);
      else decode(panels, k, 8, block, scales, 0, false, out);
    } else if (bits == 4) {
      if (zeros) decode(panels, k, 4, block, scales, zeros, true, out);
      else decode(panels, k, 4, block, scales, 0, false, out);
    } else if (zeros) decode(panels, k, 2, block, scales, zeros, true, out);
    else decode(panels, k, 2, block, scales, 0, false, out);
    panels += bytes;
    scales += blocks;
    if (zeros) zeros += blocks;
    out += floats;
  }
}
