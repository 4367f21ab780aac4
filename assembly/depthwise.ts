/**
 * Depthwise convolution. Some rows of a plane at a time are written to scratch with zeros around them, each row split by `sw` into
 * the elements that lie sw apart, so that what a tap meets at neighbouring places lies side by side for any stride and dilation.
 */
import { load_tail, madd, store_tail } from './lanes';

/** Floats of scratch that a strip of rows aims at. */
const ROOM = 8192;

/** Floats of one of a row's `sw` parts: what the places meet, and what vectors run over. */
function part_floats(kw: i32, sw: i32, dw: i32, ow: i32): i32 {
  return (ow + ((kw - 1) * dw) / sw + 10) & ~3;
}

/** Rows of places of a strip. */
function strip_rows(kh: i32, kw: i32, sh: i32, sw: i32, dh: i32, dw: i32, oh: i32, ow: i32): i32 {
  const lines = ROOM / (sw * part_floats(kw, sw, dw, ow));
  return max(1, min(oh, (lines - (kh - 1) * dh) / sh));
}

/** Bytes of a table of where a row's taps lie. */
// @ts-ignore: decorator
@inline
function table_bytes(kw: i32): usize {
  return (<usize>kw * 4 + 15) & ~15;
}

/** Bytes of scratch. */
export function depthwise_scratch(kh: i32, kw: i32, sh: i32, sw: i32, dh: i32, dw: i32, oh: i32, ow: i32): f64 {
  const rows = <f64>(strip_rows(kh, kw, sh, sw, dh, dw, oh, ow) - 1) * <f64>sh + <f64>(kh - 1) * <f64>dh + 1;
  return <f64>table_bytes(kw) + 4 * rows * <f64>sw * <f64>part_floats(kw, sw, dw, ow);
}

/** One kernel a plane, or `multiplier` of them: y = clamp(sums + bias + residual, low, high). Bias and residual may be 0. */
export function depthwise2d(
  x: usize,
  planes: i32,
  multiplier: i32,
  h: i32,
  w: i32,
  weights: usize,
  kh: i32,
  kw: i32,
  sh: i32,
  sw: i32,
  pt: i32,
  pl: i32,
  dh: i32,
  dw: i32,
  oh: i32,
  ow: i32,
  y: usize,
  bias: usize,
  residual: usize,
  low: f32,
  high: f32,
  scratch: usize,
): void {
  const plane = (<usize>h * <usize>w) << 2;
  const taps = (<usize>kh * <usize>kw) << 2;
  const line = <usize>ow << 2;
  const part = part_floats(kw, sw, dw, ow);
  const row = (<usize>sw * <usize>part) << 2;
  const step = strip_rows(kh, kw, sh, sw, dh, dw, oh, ow);
  const table = scratch;
  for (let i = 0; i < kw; i++) {
    const at = i * dw;
    store<i32>(table + (<usize>i << 2), ((at % sw) * part + at / sw) << 2);
  }
  scratch += table_bytes(kw);
  for (let p = 0; p < planes; p++, x += plane) {
    for (let oy = 0; oy < oh; oy += step) {
      const rows = min(step, oh - oy);
      const top = oy * sh - pt;
      const lines = (rows - 1) * sh + (kh - 1) * dh + 1;
      for (let i = 0; i < lines; i++) {
        const iy = top + i;
        const to = scratch + <usize>i * row;
        if (<u32>iy < <u32>h) split_row(x + ((<usize>iy * <usize>w) << 2), w, pl, sw, part, to);
        else memory.fill(to, 0, row);
      }
      for (let q = 0; q < multiplier; q++) {
        const f = p * multiplier + q;
        const own: f32 = bias ? load<f32>(bias + (<usize>f << 2)) : 0;
        let at = (<usize>f * <usize>oh + <usize>oy) * line;
        const wt = weights + <usize>f * taps;
        for (let r = 0; r < rows; r++, at += line) {
          const from = scratch + <usize>(r * sh) * row;
          const add = residual ? residual + at : 0;
          if (kh == 3 && kw == 3) {
            line_three(from, <usize>dh * row, table, wt, ow, own, add, low, high, y + at);
          } else {
            line_any(from, <usize>dh * row, table, wt, kh, kw, ow, own, add, low, high, y + at);
          }
        }
      }
    }
  }
}

/** A row of w floats, behind pl zeros, in sw parts of `part` floats: element i at i / sw of part i % sw. */
function split_row(x: usize, w: i32, pl: i32, sw: i32, part: i32, out: usize): void {
  const size = <usize>part << 2;
  if (sw == 1) {
    const n = max(0, min(w, part - pl));
    const left = <usize>min(pl, part) << 2;
    memory.fill(out, 0, left);
    out += left;
    let i = 0;
    for (; i + 4 <= n; i += 4) v128.store(out + (<usize>i << 2), v128.load(x + (<usize>i << 2)));
    for (; i < n; i++) store<f32>(out + (<usize>i << 2), load<f32>(x + (<usize>i << 2)));
    memory.fill(out + (<usize>n << 2), 0, size - left - (<usize>n << 2));
    return;
  }
  memory.fill(out, 0, <usize>sw * size);
  let i = 0;
  let q = pl % sw;
  let j = pl / sw;
  if (sw == 2) {
    if (q == 1 && w > 0 && j < part) {
      store<f32>(out + size + (<usize>j << 2), load<f32>(x));
      i = 1;
      j++;
      q = 0;
    }
    if (q == 0) {
      for (; i + 8 <= w && j + 4 <= part; i += 8, j += 4) {
        const a = v128.load(x + (<usize>i << 2));
        const b = v128.load(x + (<usize>i << 2), 16);
        v128.store(out + (<usize>j << 2), v128.shuffle<f32>(a, b, 0, 2, 4, 6));
        v128.store(out + size + (<usize>j << 2), v128.shuffle<f32>(a, b, 1, 3, 5, 7));
      }
    }
  }
  for (; i < w && j < part; i++) {
    store<f32>(out + <usize>q * size + (<usize>j << 2), load<f32>(x + (<usize>i << 2)));
    if (++q == sw) {
      q = 0;
      j++;
    }
  }
}

/** Four places, or n of them, from their sums. */
// @ts-ignore: decorator
@inline
function put(sum: v128, n: i32, bias: v128, residual: usize, low: v128, high: v128, y: usize): void {
  let v = f32x4.add(sum, bias);
  if (n >= 4) {
    if (residual) v = f32x4.add(v, v128.load(residual));
    v128.store(y, f32x4.min(f32x4.max(v, low), high));
  } else {
    if (residual) v = f32x4.add(v, load_tail(residual, n, 0));
    store_tail(y, f32x4.min(f32x4.max(v, low), high), n);
  }
}

/** A line of places of a 3x3 window. */
function line_three(
  x: usize,
  down: usize,
  table: usize,
  wt: usize,
  n: i32,
  bias: f32,
  residual: usize,
  low: f32,
  high: f32,
  y: usize,
): void {
  const w0 = v128.load_splat<f32>(wt);
  const w1 = v128.load_splat<f32>(wt, 4);
  const w2 = v128.load_splat<f32>(wt, 8);
  const w3 = v128.load_splat<f32>(wt, 12);
  const w4 = v128.load_splat<f32>(wt, 16);
  const w5 = v128.load_splat<f32>(wt, 20);
  const w6 = v128.load_splat<f32>(wt, 24);
  const w7 = v128.load_splat<f32>(wt, 28);
  const w8 = v128.load_splat<f32>(wt, 32);
  const b = f32x4.splat(bias);
  const lo = f32x4.splat(low);
  const hi = f32x4.splat(high);
  const one = <usize>load<i32>(table, 4);
  const two = <usize>load<i32>(table, 8);
  for (let i = 0; i < n; i += 4) {
    let p = x + (<usize>i << 2);
    let sum = f32x4.mul(w0, v128.load(p));
    sum = madd(sum, w1, v128.load(p + one));
    sum = madd(sum, w2, v128.load(p + two));
    p += down;
    sum = madd(sum, w3, v128.load(p));
    sum = madd(sum, w4, v128.load(p + one));
    sum = madd(sum, w5, v128.load(p + two));
    p += down;
    sum = madd(sum, w6, v128.load(p));
    sum = madd(sum, w7, v128.load(p + one));
    sum = madd(sum, w8, v128.load(p + two));
    put(sum, n - i, b, residual ? residual + (<usize>i << 2) : 0, lo, hi, y + (<usize>i << 2));
  }
}

/** A line of places of any window. */
function line_any(
  x: usize,
  down: usize,
  table: usize,
  wt: usize,
  kh: i32,
  kw: i32,
  n: i32,
  bias: f32,
  residual: usize,
  low: f32,
  high: f32,
  y: usize,
): void {
  const b = f32x4.splat(bias);
  const lo = f32x4.splat(low);
  const hi = f32x4.splat(high);
  let i = 0;
  // Sixteen places, then eight or four: rows hold what the last of them would read.
  for (; n - i > 8; i += 16) {
    let s = f32x4.splat(0);
    let t = s;
    let u = s;
    let v = s;
    let row = x + (<usize>i << 2);
    let f = wt;
    for (let ky = 0; ky < kh; ky++, row += down) {
      for (let kx = 0; kx < kw; kx++, f += 4) {
        const p = row + <usize>load<i32>(table + (<usize>kx << 2));
        const w = v128.load_splat<f32>(f);
        s = madd(s, w, v128.load(p));
        t = madd(t, w, v128.load(p, 16));
        u = madd(u, w, v128.load(p, 32));
        v = madd(v, w, v128.load(p, 48));
      }
    }
    const to = y + (<usize>i << 2);
    const add = residual ? residual + (<usize>i << 2) : 0;
    put(s, 4, b, add, lo, hi, to);
    put(t, 4, b, add ? add + 16 : 0, lo, hi, to + 16);
    put(u, n - i - 8, b, add ? add + 32 : 0, lo, hi, to + 32);
    if (n - i > 12) put(v, n - i - 12, b, add ? add + 48 : 0, lo, hi, to + 48);
  }
  for (; i < n; i += 4) {
    let s = f32x4.splat(0);
    let row = x + (<usize>i << 2);
    let f = wt;
    for (let ky = 0; ky < kh; ky++, row += down) {
      for (let kx = 0; kx < kw; kx++, f += 4) {
        s = madd(s, v128.load_splat<f32>(f), v128.load(row + <usize>load<i32>(table + (<usize>kx << 2))));
      }
    }
    put(s, n - i, b, residual ? residual + (<usize>i << 2) : 0, lo, hi, y + (<usize>i << 2));
  }
}
