/** Pooling over windows of an image, plane by plane: four places of a line side by side where their windows lie inside. */

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
  const line = <usize>ow << 2;
  const down = (<usize>dh * <usize>w) << 2;
  const across = <usize>dw << 2;
  // Columns whose windows lie inside: ox*sw - pl >= 0 and the last tap < w.
  const reach = w + pl - (kw - 1) * dw;
  const first = min(ow, (pl + sw - 1) / sw);
  const last = max(first, min(ow, reach > 0 ? (reach - 1) / sw + 1 : 0));
  for (let p = 0; p < planes; p++, x += plane) {
    for (let oy = 0; oy < oh; oy++, y += line) {
      const top = oy * sh - pt;
      const from = top < 0 ? min(kh, (-top + dh - 1) / dh) : 0;
      const rows = max(from, min(kh, h > top ? (h - top - 1) / dh + 1 : 0)) - from;
      const start = x + (<usize>((top + from * dh) * w) << 2);
      let ox = 0;
      for (; ox < first; ox++) store<f32>(y + (<usize>ox << 2), max_at(start, w, rows, down, kw, dw, ox * sw - pl));
      if (sw == 1) {
        for (; ox + 4 <= last; ox += 4) {
          let best = f32x4.splat(-Infinity);
          let row = start + (<usize>(ox - pl) << 2);
          for (let ky = 0; ky < rows; ky++, row += down) {
            let s = row;
            for (let kx = 0; kx < kw; kx++, s += across) best = f32x4.max(best, v128.load(s));
          }
          v128.store(y + (<usize>ox << 2), best);
        }
      } else if (sw == 2) {
        // Eight floats hold four wanted ones and end one past the last of them: stop while that one is still inside.
        for (; ox + 5 <= last; ox += 4) {
          let best = f32x4.splat(-Infinity);
          let row = start + (<usize>(2 * ox - pl) << 2);
          for (let ky = 0; ky < rows; ky++, row += down) {
            let s = row;
            for (let kx = 0; kx < kw; kx++, s += across) {
              best = f32x4.max(best, v128.shuffle<f32>(v128.load(s), v128.load(s, 16), 0, 2, 4, 6));
            }
          }
          v128.store(y + (<usize>ox << 2), best);
        }
      }
      for (; ox < ow; ox++) store<f32>(y + (<usize>ox << 2), max_at(start, w, rows, down, kw, dw, ox * sw - pl));
    }
  }
}

/** Largest of one window, whose columns may leave the line on either side. */
function max_at(x: usize, w: i32, rows: i32, down: usize, kw: i32, dw: i32, left: i32): f32 {
  let best: f32 = -Infinity;
  const begin = left < 0 ? min(kw, (-left + dw - 1) / dw) : 0;
  const taps = max(begin, min(kw, w > left ? (w - left - 1) / dw + 1 : 0)) - begin;
  x += <usize>(left + begin * dw) << 2;
  for (let ky = 0; ky < rows; ky++, x += down) {
    let s = x;
    for (let kx = 0; kx < taps; kx++, s += <usize>dw << 2) best = max<f32>(best, load<f32>(s));
  }
  return best;
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
  const line = <usize>ow << 2;
  const down = (<usize>dh * <usize>w) << 2;
  const across = <usize>dw << 2;
  const reach = w + pl - (kw - 1) * dw;
  const first = min(ow, (pl + sw - 1) / sw);
  const last = max(first, min(ow, reach > 0 ? (reach - 1) / sw + 1 : 0));
  for (let p = 0; p < planes; p++, x += plane) {
    for (let oy = 0; oy < oh; oy++, y += line) {
      const top = oy * sh - pt;
      const from = top < 0 ? min(kh, (-top + dh - 1) / dh) : 0;
      const rows = max(from, min(kh, h > top ? (h - top - 1) / dh + 1 : 0)) - from;
      const start = x + (<usize>((top + from * dh) * w) << 2);
      const whole = countIncludePad ? kh * kw : max(rows * kw, 1);
      const count = f32x4.splat(<f32>whole);
      for (let ox = 0; ox < ow; ) {
        if (sw == 1 && ox >= first && ox + 4 <= last) {
          let total = f32x4.splat(0);
          let row = start + (<usize>(ox - pl) << 2);
          for (let ky = 0; ky < rows; ky++, row += down) {
            let s = row;
            for (let kx = 0; kx < kw; kx++, s += across) total = f32x4.add(total, v128.load(s));
          }
          v128.store(y + (<usize>ox << 2), f32x4.div(total, count));
          ox += 4;
        } else {
          const left = ox * sw - pl;
          const begin = left < 0 ? min(kw, (-left + dw - 1) / dw) : 0;
          const taps = max(begin, min(kw, w > left ? (w - left - 1) / dw + 1 : 0)) - begin;
          const total = sum_at(start + (<usize>(left + begin * dw) << 2), rows, down, taps, across);
          const n = countIncludePad ? whole : max(rows * taps, 1);
          store<f32>(y + (<usize>ox << 2), total / <f32>n);
          ox++;
        }
      }
    }
  }
}

function sum_at(x: usize, rows: i32, down: usize, taps: i32, across: usize): f32 {
  let total: f32 = 0;
  for (let ky = 0; ky < rows; ky++, x += down) {
    let s = x;
    for (let kx = 0; kx < taps; kx++, s += across) total += load<f32>(s);
  }
  return total;
}
