/** Convolution as a matrix product (Chellapilla, Puri and Simard 2006). */

export function im2col(
  x: usize,
  c: i32,
  h: i32,
  w: i32,
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
  out: usize,
  ldo: i32,
): void {
  const plane = (<usize>h * <usize>w) << 2;
  const stride = <usize>ldo << 2;
  for (let ic = 0; ic < c; ic++, x += plane) {
    for (let ky = 0; ky < kh; ky++) {
      for (let kx = 0; kx < kw; kx++, out += stride) {
        // Column ox reads x at ox*sw + shift: inside the image for ox in [first, last).
        const shift = kx * dw - pl;
        const first = min(ow, shift < 0 ? (-shift + sw - 1) / sw : 0);
        const last = max(first, min(ow, w > shift ? (w - shift - 1) / sw + 1 : 0));
        let line = out;
        for (let oy = 0; oy < oh; oy++, line += <usize>ow << 2) {
          const iy = oy * sh - pt + ky * dh;
          if (<u32>iy >= <u32>h) memory.fill(line, 0, <usize>ow << 2);
          else copy_line(x + ((<usize>iy * <usize>w) << 2), shift, sw, first, last, ow, line);
        }
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function copy_line(x: usize, shift: i32, sw: i32, first: i32, last: i32, ow: i32, y: usize): void {
  for (let i = 0; i < first; i++) store<f32>(y + (<usize>i << 2), 0);
  // A sum of signed offsets: shift may be negative while first*sw + shift is not.
  let s = x + (<usize>(first * sw + shift) << 2);
  let i = first;
  if (sw == 1) {
    for (; i + 4 <= last; i += 4, s += 16) v128.store(y + (<usize>i << 2), v128.load(s));
  } else if (sw == 2) {
    // Eight floats hold four wanted ones and end one past the last of them: stop while that one is still inside.
    for (; i + 5 <= last; i += 4, s += 32) {
      v128.store(y + (<usize>i << 2), v128.shuffle<f32>(v128.load(s), v128.load(s, 16), 0, 2, 4, 6));
    }
  }
  const step = <usize>sw << 2;
  for (; i < last; i++, s += step) store<f32>(y + (<usize>i << 2), load<f32>(s));
  for (; i < ow; i++) store<f32>(y + (<usize>i << 2), 0);
}

/** The adjoint of im2col: every column entry is added to the element it was read from. */
export function col2im(
  columns: usize,
  ldc: i32,
  c: i32,
  h: i32,
  w: i32,
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
  x: usize,
): void {
  const plane = (<usize>h * <usize>w) << 2;
  const stride = <usize>ldc << 2;
  for (let ic = 0; ic < c; ic++, x += plane) {
    for (let ky = 0; ky < kh; ky++) {
      for (let kx = 0; kx < kw; kx++, columns += stride) {
        const shift = kx * dw - pl;
        const first = min(ow, shift < 0 ? (-shift + sw - 1) / sw : 0);
        const last = max(first, min(ow, w > shift ? (w - shift - 1) / sw + 1 : 0));
        let line = columns;
        for (let oy = 0; oy < oh; oy++, line += <usize>ow << 2) {
          const iy = oy * sh - pt + ky * dh;
          if (<u32>iy < <u32>h) add_line(line, x + ((<usize>iy * <usize>w) << 2), shift, sw, first, last);
        }
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function add_line(from: usize, x: usize, shift: i32, sw: i32, first: i32, last: i32): void {
  let s = x + (<usize>(first * sw + shift) << 2);
  let i = first;
  if (sw == 1) {
    for (; i + 4 <= last; i += 4, s += 16) {
      v128.store(s, f32x4.add(v128.load(s), v128.load(from + (<usize>i << 2))));
    }
  } else if (sw == 2) {
    // Zeros are added between: eight floats, ending one past the last wanted; stop while that one is still inside.
    const zero = f32x4.splat(0);
    for (; i + 5 <= last; i += 4, s += 32) {
      const v = v128.load(from + (<usize>i << 2));
      v128.store(s, f32x4.add(v128.load(s), v128.shuffle<f32>(v, zero, 0, 4, 1, 5)));
      v128.store(s, f32x4.add(v128.load(s, 16), v128.shuffle<f32>(v, zero, 2, 4, 3, 5)), 16);
    }
  }
  const step = <usize>sw << 2;
  for (; i < last; i++, s += step) store<f32>(s, load<f32>(s) + load<f32>(from + (<usize>i << 2)));
}

/** One kernel a plane: a small dot product at every place, rows of four places side by side where the window lies inside. */
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
): void {
  const plane = (<usize>h * <usize>w) << 2;
  const taps = (<usize>kh * <usize>kw) << 2;
  const line = <usize>ow << 2;
  // Columns whose windows lie inside: ox*sw - pl >= 0 and the last tap < w.
  const reach = w + pl - (kw - 1) * dw;
  const first = min(ow, (pl + sw - 1) / sw);
  const last = max(first, min(ow, reach > 0 ? (reach - 1) / sw + 1 : 0));
  for (let p = 0; p < planes; p++, x += plane) {
    for (let q = 0; q < multiplier; q++, weights += taps) {
      for (let oy = 0; oy < oh; oy++, y += line) {
        const top = oy * sh - pt;
        const from = top < 0 ? min(kh, (-top + dh - 1) / dh) : 0;
        const to = max(from, min(kh, h > top ? (h - top - 1) / dh + 1 : 0));
        // Rows above the image belong to taps that are skipped: the sum of signed offsets stays inside.
        const rows = x + (<usize>((top + from * dh) * w) << 2);
        const wt = weights + (<usize>(from * kw) << 2);
        for (let ox = 0; ox < first; ox++) store<f32>(y + (<usize>ox << 2), at_edge(rows, w, to - from, dh, wt, kw, dw, ox * sw - pl));
        inside_line(rows, w, to - from, dh, wt, kw, dw, sw, pl, first, last, y);
        for (let ox = last; ox < ow; ox++) store<f32>(y + (<usize>ox << 2), at_edge(rows, w, to - from, dh, wt, kw, dw, ox * sw - pl));
      }
    }
  }
}

/** One place whose window may leave the line on either side. */
function at_edge(x: usize, w: i32, rows: i32, dh: i32, weights: usize, kw: i32, dw: i32, left: i32): f32 {
  let total: f32 = 0;
  const down = (<usize>dh * <usize>w) << 2;
  const begin = left < 0 ? min(kw, (-left + dw - 1) / dw) : 0;
  const end = max(begin, min(kw, w > left ? (w - left - 1) / dw + 1 : 0));
  for (let ky = 0; ky < rows; ky++, x += down, weights += <usize>kw << 2) {
    for (let kx = begin; kx < end; kx++) {
      total += load<f32>(x + (<usize>(left + kx * dw) << 2)) * load<f32>(weights + (<usize>kx << 2));
    }
  }
  return total;
}

/** Places [first, last) of a line, whose windows lie inside. */
// @ts-ignore: decorator
@inline
function inside_line(
  x: usize,
  w: i32,
  rows: i32,
  dh: i32,
  weights: usize,
  kw: i32,
  dw: i32,
  sw: i32,
  pl: i32,
  first: i32,
  last: i32,
  y: usize,
): void {
  const down = (<usize>dh * <usize>w) << 2;
  const across = <usize>dw << 2;
  let i = first;
  if (sw == 1) {
    for (; i + 16 <= last; i += 16) {
      let a = f32x4.splat(0);
      let b = a;
      let c = a;
      let d = a;
      let row = x + (<usize>(i - pl) << 2);
      let wt = weights;
      for (let ky = 0; ky < rows; ky++, row += down) {
        let s = row;
        for (let kx = 0; kx < kw; kx++, s += across, wt += 4) {
          const f = v128.load32_splat(wt);
          a = f32x4.add(a, f32x4.mul(f, v128.load(s)));
          b = f32x4.add(b, f32x4.mul(f, v128.load(s, 16)));
          c = f32x4.add(c, f32x4.mul(f, v128.load(s, 32)));
          d = f32x4.add(d, f32x4.mul(f, v128.load(s, 48)));
        }
      }
      const o = y + (<usize>i << 2);
      v128.store(o, a);
      v128.store(o, b, 16);
      v128.store(o, c, 32);
      v128.store(o, d, 48);
    }
    for (; i + 4 <= last; i += 4) {
      let a = f32x4.splat(0);
      let row = x + (<usize>(i - pl) << 2);
      let wt = weights;
      for (let ky = 0; ky < rows; ky++, row += down) {
        let s = row;
        for (let kx = 0; kx < kw; kx++, s += across, wt += 4) {
          a = f32x4.add(a, f32x4.mul(v128.load32_splat(wt), v128.load(s)));
        }
      }
      v128.store(y + (<usize>i << 2), a);
    }
  } else if (sw == 2) {
    // Eight floats hold four wanted ones and end one past the last of them: stop while that one is still inside.
    for (; i + 5 <= last; i += 4) {
      let a = f32x4.splat(0);
      let row = x + (<usize>(2 * i - pl) << 2);
      let wt = weights;
      for (let ky = 0; ky < rows; ky++, row += down) {
        let s = row;
        for (let kx = 0; kx < kw; kx++, s += across, wt += 4) {
          const v = v128.shuffle<f32>(v128.load(s), v128.load(s, 16), 0, 2, 4, 6);
          a = f32x4.add(a, f32x4.mul(v128.load32_splat(wt), v));
        }
      }
      v128.store(y + (<usize>i << 2), a);
    }
  }
  for (; i < last; i++) {
    let total: f32 = 0;
    let row = x + (<usize>(i * sw - pl) << 2);
    let wt = weights;
    for (let ky = 0; ky < rows; ky++, row += down) {
      let s = row;
      for (let kx = 0; kx < kw; kx++, s += across, wt += 4) total += load<f32>(s) * load<f32>(wt);
    }
    store<f32>(y + (<usize>i << 2), total);
  }
}
