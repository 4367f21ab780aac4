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
