/** What follows a tile's sums, while they and the result are still in the cache. */

/** C [rows, 8] = alpha T + beta C for T [rows, 8] without gaps; C is not read when beta is 0. ldc in bytes. */
export function put(rows: i32, t: usize, alpha: f32, beta: f32, c: usize, ldc: usize): void {
  const s = f32x4.splat(alpha);
  if (beta == 0) {
    for (; rows > 0; rows--, c += ldc, t += 32) {
      v128.store(c, f32x4.mul(s, v128.load(t)));
      v128.store(c, f32x4.mul(s, v128.load(t, 16)), 16);
    }
    return;
  }
  const by = f32x4.splat(beta);
  for (; rows > 0; rows--, c += ldc, t += 32) {
    v128.store(c, f32x4.add(f32x4.mul(s, v128.load(t)), f32x4.mul(by, v128.load(c))));
    v128.store(c, f32x4.add(f32x4.mul(s, v128.load(t, 16)), f32x4.mul(by, v128.load(c, 16))), 16);
  }
}

/** As put, for the first `cols` columns. */
export function put_edge(rows: i32, cols: i32, t: usize, alpha: f32, beta: f32, c: usize, ldc: usize): void {
  for (; rows > 0; rows--, c += ldc, t += 32) {
    for (let j = 0; j < cols; j++) {
      const o = (<usize>j) << 2;
      const v = alpha * load<f32>(t + o);
      store<f32>(c + o, beta == 0 ? v : v + beta * load<f32>(c + o));
    }
  }
}

/** A bias of one number a column, or a row. */
const COLUMN = 1;
const ROW = 2;

/**
 * C [m, n] = clamp(C + bias + residual, low, high), NaN staying NaN. Bias: n numbers with kind 1, m with kind 2, none with 0.
 * Residual: [m, n], rows ldr bytes apart, or none where it is 0. ldc in bytes.
 */
export function finish(
  m: i32,
  n: i32,
  c: usize,
  ldc: usize,
  bias: usize,
  kind: i32,
  residual: usize,
  ldr: usize,
  low: f32,
  high: f32,
): void {
  const lows = f32x4.splat(low);
  const highs = f32x4.splat(high);
  const step = kind == COLUMN ? <usize>16 : <usize>0;
  for (let i = 0; i < m; i++, c += ldc, residual += ldr) {
    const own: f32 = kind == ROW ? load<f32>(bias + ((<usize>i) << 2)) : 0;
    const row = f32x4.splat(own);
    let j = 0;
    let to = c;
    let from = residual;
    let b = bias;
    for (; j + 4 <= n; j += 4, to += 16, from += 16, b += step) {
      let v = v128.load(to);
      if (kind == COLUMN) v = f32x4.add(v, v128.load(b));
      else if (kind == ROW) v = f32x4.add(v, row);
      if (ldr != 0) v = f32x4.add(v, v128.load(from));
      v128.store(to, f32x4.min(f32x4.max(v, lows), highs));
    }
    for (; j < n; j++, to += 4, from += 4, b += 4) {
      let v = load<f32>(to);
      if (kind == COLUMN) v += load<f32>(b);
      else if (kind == ROW) v += own;
      if (ldr != 0) v += load<f32>(from);
      store<f32>(to, min<f32>(max<f32>(v, low), high));
    }
  }
}
