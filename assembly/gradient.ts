/** Gradients of operators: what a backward pass needs and no forward kernel gives. */
import { add_lanes, add_lanes_f64, high_f64, load_tail, low_f64, store_tail } from './lanes';

/** dx = dy times `inside` where lo < x <= hi, times `outside` elsewhere: activations made of straight lines. */
export function gate(x: usize, dy: usize, dx: usize, n: i32, lo: f32, hi: f32, inside: f32, outside: f32): void {
  const a = f32x4.splat(lo);
  const b = f32x4.splat(hi);
  const p = f32x4.splat(inside);
  const q = f32x4.splat(outside);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const o = <usize>i << 2;
    const v = v128.load(x + o);
    const within = v128.and(f32x4.gt(v, a), f32x4.le(v, b));
    v128.store(dx + o, f32x4.mul(v128.load(dy + o), v128.bitselect(p, q, within)));
  }
  for (; i < n; i++) {
    const o = <usize>i << 2;
    const v = load<f32>(x + o);
    store<f32>(dx + o, load<f32>(dy + o) * (v > lo && v <= hi ? inside : outside));
  }
}

/** Sum of a[i] b[i], or of a[i] where b is 0. */
// @ts-ignore: decorator
@inline
function row_dot(a: usize, b: usize, n: i32): f32 {
  let s = f32x4.splat(0);
  let t = s;
  let i = 0;
  for (; i + 8 <= n; i += 8) {
    const o = <usize>i << 2;
    s = f32x4.add(s, b ? f32x4.mul(v128.load(a + o), v128.load(b + o)) : v128.load(a + o));
    t = f32x4.add(t, b ? f32x4.mul(v128.load(a + o, 16), v128.load(b + o, 16)) : v128.load(a + o, 16));
  }
  let sum = add_lanes(f32x4.add(s, t));
  for (; i < n; i++) {
    const o = <usize>i << 2;
    sum += b ? load<f32>(a + o) * load<f32>(b + o) : load<f32>(a + o);
  }
  return sum;
}

/** dx[r, :] = y (dy - sum(y dy)): the gradient of a softmax whose result is y. */
export function softmax_gradient(y: usize, dy: usize, dx: usize, rows: i32, cols: i32): void {
  const stride = <usize>cols << 2;
  for (let r = 0; r < rows; r++, y += stride, dy += stride, dx += stride) {
    const mean = row_dot(y, dy, cols);
    const m = f32x4.splat(mean);
    let i = 0;
    for (; i + 4 <= cols; i += 4) {
      const o = <usize>i << 2;
      v128.store(dx + o, f32x4.mul(v128.load(y + o), f32x4.sub(v128.load(dy + o), m)));
    }
    for (; i < cols; i++) {
      const o = <usize>i << 2;
      store<f32>(dx + o, load<f32>(y + o) * (load<f32>(dy + o) - mean));
    }
  }
}

/** dx[r, :] = dy - p sum(dy): the gradient of a log-softmax, p its probabilities. */
export function log_softmax_gradient(p: usize, dy: usize, dx: usize, rows: i32, cols: i32): void {
  const stride = <usize>cols << 2;
  for (let r = 0; r < rows; r++, p += stride, dy += stride, dx += stride) {
    const sum = row_dot(dy, 0, cols);
    for (let i = 0; i < cols; i++) {
      const o = <usize>i << 2;
      store<f32>(dx + o, load<f32>(dy + o) - load<f32>(p + o) * sum);
    }
  }
}

// @ts-ignore: decorator
@inline
function weighted(dy: usize, gamma: usize): v128 {
  const g = v128.load(dy);
  return gamma ? f32x4.mul(g, v128.load(gamma)) : g;
}

// @ts-ignore: decorator
@inline
function weighted_tail(dy: usize, gamma: usize, rest: i32): v128 {
  const g = load_tail(dy, rest, 0);
  return gamma ? f32x4.mul(g, load_tail(gamma, rest, 0)) : g;
}

/**
 * Gradient in x of (x - mean) / sqrt(variance + eps) * gamma over each row, or with `centre` 0 of x / sqrt(mean(x^2) + eps) * gamma:
 * with g = dy gamma and h the normalised row, (g - mean(g) - h mean(g h)) / deviation, without mean(g) where nothing was
 * centred. gamma: [cols], or 0 where absent.
 */
export function norm_gradient(
  x: usize,
  gamma: usize,
  dy: usize,
  dx: usize,
  rows: i32,
  cols: i32,
  eps: f32,
  centre: i32,
): void {
  const stride = <usize>cols << 2;
  const n = <f32>cols;
  const whole = cols & ~3;
  const rest = cols - whole;
  const end = <usize>whole << 2;
  for (let r = 0; r < rows; r++, x += stride, dy += stride, dx += stride) {
    const mean: f32 = centre ? row_dot(x, 0, cols) / n : 0;
    const m = f32x4.splat(mean);
    let squares = f32x4.splat(0);
    let sum = squares;
    let products = squares;
    for (let o: usize = 0; o < end; o += 16) {
      const d = f32x4.sub(v128.load(x + o), m);
      const g = weighted(dy + o, gamma ? gamma + o : 0);
      squares = f32x4.add(squares, f32x4.mul(d, d));
      sum = f32x4.add(sum, g);
      products = f32x4.add(products, f32x4.mul(g, d));
    }
    if (rest > 0) {
      const d = f32x4.sub(load_tail(x + end, rest, mean), m);
      const g = weighted_tail(dy + end, gamma ? gamma + end : 0, rest);
      squares = f32x4.add(squares, f32x4.mul(d, d));
      sum = f32x4.add(sum, g);
      products = f32x4.add(products, f32x4.mul(g, d));
    }
    const inverse: f32 = 1 / sqrt<f32>(add_lanes(squares) / n + eps);
    const a = f32x4.splat(centre ? add_lanes(sum) / n : 0);
    const b = f32x4.splat((add_lanes(products) / n) * inverse * inverse);
    const s = f32x4.splat(inverse);
    for (let o: usize = 0; o < end; o += 16) {
      const d = f32x4.sub(v128.load(x + o), m);
      const g = weighted(dy + o, gamma ? gamma + o : 0);
      v128.store(dx + o, f32x4.mul(f32x4.sub(f32x4.sub(g, a), f32x4.mul(d, b)), s));
    }
    if (rest > 0) {
      const d = f32x4.sub(load_tail(x + end, rest, mean), m);
      const g = weighted_tail(dy + end, gamma ? gamma + end : 0, rest);
      store_tail(dx + end, f32x4.mul(f32x4.sub(f32x4.sub(g, a), f32x4.mul(d, b)), s), rest);
    }
  }
}

/**
 * g and r are [blocks, channels, inner]; the energy of a place (i, l) is e = sum over k of r[i, k, l]^2. out[k] += sum over places of
 * g[i, k, l]^2 e, out[channels] += sum of e; out is f64 [channels + 1]. energies: room for `inner` floats.
 */
export function weighted_squares(
  g: usize,
  r: usize,
  blocks: i32,
  channels: i32,
  inner: i32,
  energies: usize,
  out: usize,
): void {
  const end = out + (<usize>channels << 3);
  const line = <usize>inner << 2;
  for (let i = 0; i < blocks; i++) {
    if (inner == 1) {
      const e = dot_f64(r, r, channels);
      store<f64>(end, load<f64>(end) + e);
      add_squares(g, channels, e, out);
      g += <usize>channels << 2;
      r += <usize>channels << 2;
      continue;
    }
    memory.fill(energies, 0, line);
    for (let k = 0; k < channels; k++, r += line) square_into(r, inner, energies);
    let total: f64 = 0;
    for (let l = 0; l < inner; l++) total += <f64>load<f32>(energies + (<usize>l << 2));
    store<f64>(end, load<f64>(end) + total);
    for (let k = 0; k < channels; k++, g += line) {
      const o = out + (<usize>k << 3);
      store<f64>(o, load<f64>(o) + weighted_sum(g, energies, inner));
    }
  }
}

/** out[i] += e g[i]^2, out f64. */
// @ts-ignore: decorator
@inline
function add_squares(g: usize, n: i32, e: f64, out: usize): void {
  const s = f64x2.splat(e);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const v = v128.load(g + (<usize>i << 2));
    const lo = low_f64(v);
    const hi = high_f64(v);
    const to = out + (<usize>i << 3);
    v128.store(to, f64x2.add(v128.load(to), f64x2.mul(s, f64x2.mul(lo, lo))));
    v128.store(to, f64x2.add(v128.load(to, 16), f64x2.mul(s, f64x2.mul(hi, hi))), 16);
  }
  for (; i < n; i++) {
    const to = out + (<usize>i << 3);
    const v = <f64>load<f32>(g + (<usize>i << 2));
    store<f64>(to, load<f64>(to) + e * (v * v));
  }
}

/** y[i] += x[i]^2 */
// @ts-ignore: decorator
@inline
function square_into(x: usize, n: i32, y: usize): void {
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const o = <usize>i << 2;
    const v = v128.load(x + o);
    v128.store(y + o, f32x4.add(v128.load(y + o), f32x4.mul(v, v)));
  }
  for (; i < n; i++) {
    const o = <usize>i << 2;
    const v = load<f32>(x + o);
    store<f32>(y + o, load<f32>(y + o) + v * v);
  }
}

/** Sum of g[i]^2 w[i]. */
// @ts-ignore: decorator
@inline
function weighted_sum(g: usize, w: usize, n: i32): f64 {
  let s = f64x2.splat(0);
  let t = s;
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const o = <usize>i << 2;
    const u = v128.load(g + o);
    const v = v128.load(w + o);
    const lo = low_f64(u);
    const hi = high_f64(u);
    s = f64x2.add(s, f64x2.mul(f64x2.mul(lo, lo), low_f64(v)));
    t = f64x2.add(t, f64x2.mul(f64x2.mul(hi, hi), high_f64(v)));
  }
  let sum = add_lanes_f64(f64x2.add(s, t));
  for (; i < n; i++) {
    const v = <f64>load<f32>(g + (<usize>i << 2));
    sum += v * v * <f64>load<f32>(w + (<usize>i << 2));
  }
  return sum;
}

/**
 * out[i, k] += sum over j and l of a[i, j, k, l] b[i, j, k, l]: a and b are [n, places, channels, inner], out f64 [n, channels].
 */
export function channel_dots(a: usize, b: usize, n: i32, places: i32, channels: i32, inner: i32, out: usize): void {
  const line = <usize>inner << 2;
  for (let i = 0; i < n; i++, out += <usize>channels << 3) {
    for (let j = 0; j < places; j++) {
      if (inner == 1) {
        add_products(a, b, channels, out);
        a += <usize>channels << 2;
        b += <usize>channels << 2;
      } else {
        for (let k = 0; k < channels; k++, a += line, b += line) {
          const o = out + (<usize>k << 3);
          store<f64>(o, load<f64>(o) + dot_f64(a, b, inner));
        }
      }
    }
  }
}

/** out[i] += a[i] b[i], out f64. */
// @ts-ignore: decorator
@inline
function add_products(a: usize, b: usize, n: i32, out: usize): void {
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const o = <usize>i << 2;
    const u = v128.load(a + o);
    const v = v128.load(b + o);
    const to = out + (<usize>i << 3);
    v128.store(to, f64x2.add(v128.load(to), f64x2.mul(low_f64(u), low_f64(v))));
    v128.store(to, f64x2.add(v128.load(to, 16), f64x2.mul(high_f64(u), high_f64(v))), 16);
  }
  for (; i < n; i++) {
    const to = out + (<usize>i << 3);
    store<f64>(to, load<f64>(to) + <f64>load<f32>(a + (<usize>i << 2)) * <f64>load<f32>(b + (<usize>i << 2)));
  }
}

// @ts-ignore: decorator
@inline
function dot_f64(a: usize, b: usize, n: i32): f64 {
  let s = f64x2.splat(0);
  let t = s;
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const o = <usize>i << 2;
    const u = v128.load(a + o);
    const v = v128.load(b + o);
    s = f64x2.add(s, f64x2.mul(low_f64(u), low_f64(v)));
    t = f64x2.add(t, f64x2.mul(high_f64(u), high_f64(v)));
  }
  let sum = add_lanes_f64(f64x2.add(s, t));
  for (; i < n; i++) sum += <f64>load<f32>(a + (<usize>i << 2)) * <f64>load<f32>(b + (<usize>i << 2));
  return sum;
}
