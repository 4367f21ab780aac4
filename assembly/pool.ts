/** Pooling over windows of an image, plane by plane. */

export function maxpool2d(
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
  y: usize,
): void {
  const plane = (<usize>h * <usize>w) << 2;
  for (let p = 0; p < planes; p++, x += plane) {
    for (let oy = 0; oy < oh; oy++) {
      for (let ox = 0; ox < ow; ox++, y += 4) {
        let best: f32 = -Infinity;
        for (let ky = 0; ky < kh; ky++) {
          const iy = oy * sh - pt + ky * dh;
          if (<u32>iy >= <u32>h) continue;
          const line = x + ((<usize>iy * <usize>w) << 2);
          for (let kx = 0; kx < kw; kx++) {
            const ix = ox * sw - pl + kx * dw;
            if (<u32>ix < <u32>w) best = max<f32>(best, load<f32>(line + ((<usize>ix) << 2)));
          }
        }
        store<f32>(y, best);
      }
    }
  }
}

export function avgpool2d(
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
  countIncludePad: i32,
  y: usize,
): void {
  const plane = (<usize>h * <usize>w) << 2;
  for (let p = 0; p < planes; p++, x += plane) {
    for (let oy = 0; oy < oh; oy++) {
      for (let ox = 0; ox < ow; ox++, y += 4) {
        let total: f32 = 0;
        let inside = 0;
        for (let ky = 0; ky < kh; ky++) {
          const iy = oy * sh - pt + ky * dh;
          if (<u32>iy >= <u32>h) continue;
          const line = x + ((<usize>iy * <usize>w) << 2);
          for (let kx = 0; kx < kw; kx++) {
            const ix = ox * sw - pl + kx * dw;
            if (<u32>ix >= <u32>w) continue;
            total += load<f32>(line + ((<usize>ix) << 2));
            inside++;
          }
        }
        const count = countIncludePad ? kh * kw : max(inside, 1);
        store<f32>(y, total / <f32>count);
      }
    }
  }
}
