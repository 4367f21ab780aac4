/** Weighted sums of neighbours along one axis: the passes of a separable interpolation. */
import { load_tail, store_tail } from './lanes';

/** y[j] = w a[j] of n floats. */
// @ts-ignore: decorator
@inline
function scale_row(a: usize, w: f32, y: usize, n: i32): void {
  const v = f32x4.splat(w);
  let j = 0;
  for (; j + 4 <= n; j += 4) {
    const o = <usize>j << 2;
    v128.store(y + o, f32x4.mul(v, v128.load(a + o)));
  }
  if (j < n) {
    const o = <usize>j << 2;
    store_tail(y + o, f32x4.mul(v, load_tail(a + o, n - j, 0)), n - j);
  }
}

/** y[j] += w a[j] of n floats. */
// @ts-ignore: decorator
@inline
function add_row(a: usize, w: f32, y: usize, n: i32): void {
  const v = f32x4.splat(w);
  let j = 0;
  for (; j + 4 <= n; j += 4) {
    const o = <usize>j << 2;
    v128.store(y + o, f32x4.add(v128.load(y + o), f32x4.mul(v, v128.load(a + o))));
  }
  if (j < n) {
    const o = <usize>j << 2;
    store_tail(y + o, f32x4.add(load_tail(y + o, n - j, 0), f32x4.mul(v, load_tail(a + o, n - j, 0))), n - j);
  }
}

/** y[j] = w a[j] + u b[j] of n floats. */
// @ts-ignore: decorator
@inline
function mix_rows(a: usize, w: f32, b: usize, u: f32, y: usize, n: i32): void {
  const v = f32x4.splat(w);
  const t = f32x4.splat(u);
  let j = 0;
  for (; j + 8 <= n; j += 8) {
    const o = <usize>j << 2;
    const p = f32x4.add(f32x4.mul(v, v128.load(a + o)), f32x4.mul(t, v128.load(b + o)));
    const q = f32x4.add(f32x4.mul(v, v128.load(a + o, 16)), f32x4.mul(t, v128.load(b + o, 16)));
    v128.store(y + o, p);
    v128.store(y + o, q, 16);
  }
  for (; j < n; j += 4) {
    const o = <usize>j << 2;
    if (j + 4 <= n) {
      v128.store(y + o, f32x4.add(f32x4.mul(v, v128.load(a + o)), f32x4.mul(t, v128.load(b + o))));
    } else {
      const p = f32x4.mul(v, load_tail(a + o, n - j, 0));
      store_tail(y + o, f32x4.add(p, f32x4.mul(t, load_tail(b + o, n - j, 0))), n - j);
    }
  }
}

/** Rows of one float: x and y are vectors. */
function resample_line(x: usize, index: usize, weight: usize, taps: i32, size: i32, y: usize): void {
  if (taps == 2) {
    for (let i = 0; i < size; i++, index += 8, weight += 8, y += 4) {
      const a = load<f32>(x + (<usize>load<i32>(index) << 2));
      const b = load<f32>(x + (<usize>load<i32>(index, 4) << 2));
      store<f32>(y, load<f32>(weight) * a + load<f32>(weight, 4) * b);
    }
    return;
  }
  for (let i = 0; i < size; i++, y += 4) {
    let s: f32 = 0;
    for (let t = 0; t < taps; t++, index += 4, weight += 4) {
      s += load<f32>(weight) * load<f32>(x + (<usize>load<i32>(index) << 2));
    }
    store<f32>(y, s);
  }
}

export function resample(
  x: usize,
  outer: i32,
  n: i32,
  inner: i32,
  index: usize,
  weight: usize,
  taps: i32,
  size: i32,
  y: usize,
): void {
  const row = <usize>inner << 2;
  const block = <usize>n * row;
  for (let o = 0; o < outer; o++, x += block, y += <usize>size * row) {
    if (inner == 1) {
      resample_line(x, index, weight, taps, size, y);
      continue;
    }
    for (let i = 0; i < size; i++) {
      const to = y + <usize>i * row;
      const at = <usize>(i * taps) << 2;
      const first = x + <usize>load<i32>(index + at) * row;
      const w = load<f32>(weight + at);
      if (taps == 2) {
        mix_rows(first, w, x + <usize>load<i32>(index + at, 4) * row, load<f32>(weight + at, 4), to, inner);
        continue;
      }
      scale_row(first, w, to, inner);
      for (let t = 1; t < taps; t++) {
        const q = at + (<usize>t << 2);
        add_row(x + <usize>load<i32>(index + q) * row, load<f32>(weight + q), to, inner);
      }
    }
  }
}

/** The same with one neighbour and no weight: 32-bit elements copied. */
export function resample_nearest(
  x: usize,
  outer: i32,
  n: i32,
  inner: i32,
  index: usize,
  size: i32,
  y: usize,
): void {
  const row = <usize>inner << 2;
  const block = <usize>n * row;
  for (let o = 0; o < outer; o++, x += block) {
    for (let i = 0; i < size; i++, y += row) {
      const from = x + <usize>load<i32>(index + (<usize>i << 2)) * row;
      if (inner == 1) store<u32>(y, load<u32>(from));
      else memory.copy(y, from, row);
    }
  }
}
