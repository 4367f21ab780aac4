/** Normalisations over rows, and the per-channel affine map batch normalisation comes down to. y may be x. */
import { add_lanes, load_tail, store_tail } from './lanes';

/** Sum of n floats, or with `squares` of (x - shift)^2: two chains of four lanes. */
// @ts-ignore: decorator
@inline
function row_sum(x: usize, n: i32, shift: f32, squares: bool): f32 {
  const s = f32x4.splat(shift);
  let a = f32x4.splat(0);
  let b = a;
  let i = 0;
  for (; i + 8 <= n; i += 8) {
    const p = x + (<usize>i << 2);
    a = f32x4.add(a, term(v128.load(p), s, squares));
    b = f32x4.add(b, term(v128.load(p, 16), s, squares));
  }
  for (; i < n; i += 4) {
    const p = x + (<usize>i << 2);
    a = f32x4.add(a, term(i + 4 <= n ? v128.load(p) : load_tail(p, n - i, shift), s, squares));
  }
  return add_lanes(f32x4.add(a, b));
}

// @ts-ignore: decorator
@inline
function term(v: v128, s: v128, squares: bool): v128 {
  if (!squares) return v;
  const d = f32x4.sub(v, s);
  return f32x4.mul(d, d);
}

/** y = (x - shift) * scale * gamma + beta; gamma, beta 0 where absent. */
// @ts-ignore: decorator
@inline
function affine(x: usize, gamma: usize, beta: usize, y: usize, n: i32, shift: f32, scale: f32): void {
  const s = f32x4.splat(shift);
  const f = f32x4.splat(scale);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const o = <usize>i << 2;
    let v = f32x4.mul(f32x4.sub(v128.load(x + o), s), f);
    if (gamma) v = f32x4.mul(v, v128.load(gamma + o));
    if (beta) v = f32x4.add(v, v128.load(beta + o));
    v128.store(y + o, v);
  }
  if (i < n) {
    const o = <usize>i << 2;
    const rest = n - i;
    let v = f32x4.mul(f32x4.sub(load_tail(x + o, rest, 0), s), f);
    if (gamma) v = f32x4.mul(v, load_tail(gamma + o, rest, 0));
    if (beta) v = f32x4.add(v, load_tail(beta + o, rest, 0));
    store_tail(y + o, v, rest);
  }
}

/** Mean and variance in two passes (Ba, Kiros and Hinton, arXiv 1607.06450). */
export function layer_norm(x: usize, gamma: usize, beta: usize, y: usize, rows: i32, cols: i32, eps: f32): void {
  const stride = <usize>cols << 2;
  for (let r = 0; r < rows; r++, x += stride, y += stride) {
    const mean = row_sum(x, cols, 0, false) / <f32>cols;
    const variance = row_sum(x, cols, mean, true) / <f32>cols;
    affine(x, gamma, beta, y, cols, mean, 1 / sqrt<f32>(variance + eps));
  }
}

/** Zhang and Sennrich, arXiv 1910.07467. */
export function rms_norm(x: usize, gamma: usize, y: usize, rows: i32, cols: i32, eps: f32): void {
  const stride = <usize>cols << 2;
  for (let r = 0; r < rows; r++, x += stride, y += stride) {
    const mean_square = row_sum(x, cols, 0, true) / <f32>cols;
    affine(x, gamma, 0, y, cols, 0, 1 / sqrt<f32>(mean_square + eps));
  }
}

export function channel_affine(
  x: usize,
  scale: usize,
  shift: usize,
  y: usize,
  n: i32,
  c: i32,
  spatial: i32,
): void {
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < c; j++) {
      const s = f32x4.splat(load<f32>(scale + (<usize>j << 2)));
      const t = f32x4.splat(load<f32>(shift + (<usize>j << 2)));
      let e = 0;
      for (; e + 4 <= spatial; e += 4, x += 16, y += 16) {
        v128.store(y, f32x4.add(f32x4.mul(v128.load(x), s), t));
      }
      const rest = spatial - e;
      if (rest > 0) {
        store_tail(y, f32x4.add(f32x4.mul(load_tail(x, rest, 0), s), t), rest);
        x += <usize>rest << 2;
        y += <usize>rest << 2;
      }
    }
  }
}
