/** Gradients over sliding windows: every kernel here adds into dx, which the caller has zeroed. */

/** Adds dy [planes, oh, ow] to the place in dx [planes, h, w] of each window's largest x: the first of equals. */
export function maxpool2d_gradient(
  x: usize,
  planes: i32,
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
  dy: usize,
  dx: usize,
): void {
  const plane = (<usize>h * <usize>w) << 2;
  for (let p = 0; p < planes; p++, x += plane, dx += plane) {
    for (let oy = 0; oy < oh; oy++) {
      for (let ox = 0; ox < ow; ox++, dy += 4) {
        let best: f32 = -Infinity;
        let where: usize = -1;
        for (let ky = 0; ky < kh; ky++) {
          const iy = oy * sh - pt + ky * dh;
          if (<u32>iy >= <u32>h) continue;
          const line = (<usize>iy * <usize>w) << 2;
          for (let kx = 0; kx < kw; kx++) {
            const ix = ox * sw - pl + kx * dw;
            if (<u32>ix >= <u32>w) continue;
            const v = load<f32>(x + line + (<usize>ix << 2));
            if (v > best || where == <usize>-1) {
              best = v;
              where = line + (<usize>ix << 2);
            }
          }
        }
        if (where != <usize>-1) store<f32>(dx + where, load<f32>(dx + where) + load<f32>(dy));
      }
    }
  }
}

/** Adds dy [planes, oh, ow] to every place of its window in dx [planes, h, w]: the gradient of windows that are summed. */
export function sumpool2d_gradient(
  planes: i32,
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
  dy: usize,
  dx: usize,
): void {
  const plane = (<usize>h * <usize>w) << 2;
  for (let p = 0; p < planes; p++, dx += plane) {
    for (let oy = 0; oy < oh; oy++) {
      for (let ox = 0; ox < ow; ox++, dy += 4) {
        const g = load<f32>(dy);
        for (let ky = 0; ky < kh; ky++) {
          const iy = oy * sh - pt + ky * dh;
          if (<u32>iy >= <u32>h) continue;
          const line = dx + ((<usize>iy * <usize>w) << 2);
          for (let kx = 0; kx < kw; kx++) {
            const ix = ox * sw - pl + kx * dw;
            if (<u32>ix < <u32>w) {
              const at = line + (<usize>ix << 2);
              store<f32>(at, load<f32>(at) + g);
            }
          }
        }
      }
    }
  }
}
