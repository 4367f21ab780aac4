/** Weights as the matrices whose norms bound a convolution's. */
import { high_f64, low_f64 } from './lanes';

/** Elements along c that are written together: streams that the caches hold side by side. */
const TOGETHER = 16;

/** y[i step_m + j step_c + at[t]] = x[i, j, t] for x of floats [m, c, taps]; y of doubles where `wide`. */
// @ts-ignore: decorator
@inline
function scatter(x: usize, m: i32, c: i32, taps: i32, at: usize, step_m: i32, step_c: i32, y: usize, wide: bool): void {
  const shift: usize = wide ? 3 : 2;
  for (let first = 0; first < c; first += TOGETHER) {
    const end = min<i32>(c, first + TOGETHER);
    for (let i = 0; i < m; i++) {
      let from = x + ((<usize>i * <usize>c + <usize>first) * <usize>taps << 2);
      let to = y + ((<usize>i * <usize>step_m + <usize>first * <usize>step_c) << shift);
      for (let j = first; j < end; j++, to += (<usize>step_c) << shift) {
        for (let t = 0; t < taps; t++, from += 4) {
          const place = to + ((<usize>load<i32>(at + (<usize>t << 2))) << shift);
          if (wide) store<f64>(place, <f64>load<f32>(from));
          else store<f32>(place, load<f32>(from));
        }
      }
    }
  }
}

export function unfold_f32(x: usize, m: i32, c: i32, taps: i32, at: usize, step_m: i32, step_c: i32, y: usize): void {
  scatter(x, m, c, taps, at, step_m, step_c, y, false);
}

export function unfold_f64(x: usize, m: i32, c: i32, taps: i32, at: usize, step_m: i32, step_c: i32, y: usize): void {
  scatter(x, m, c, taps, at, step_m, step_c, y, true);
}

/** Sums of absolute values along the rows and along the columns of x [rows, cols], in f64: out_rows [rows], out_cols [cols]. */
export function abs_sums(x: usize, rows: i32, cols: i32, out_rows: usize, out_cols: usize): void {
  memory.fill(out_cols, 0, <usize>cols << 3);
  for (let r = 0; r < rows; r++, x += <usize>cols << 2) {
    let s = f64x2.splat(0);
    let i = 0;
    for (; i + 4 <= cols; i += 4) {
      const a = f32x4.abs(v128.load(x + (<usize>i << 2)));
      const low = low_f64(a);
      const high = high_f64(a);
      const to = out_cols + (<usize>i << 3);
      v128.store(to, f64x2.add(v128.load(to), low));
      v128.store(to, f64x2.add(v128.load(to, 16), high), 16);
      s = f64x2.add(s, f64x2.add(low, high));
    }
    let total = f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1);
    for (; i < cols; i++) {
      const a = <f64>abs<f32>(load<f32>(x + (<usize>i << 2)));
      const to = out_cols + (<usize>i << 3);
      store<f64>(to, load<f64>(to) + a);
      total += a;
    }
    store<f64>(out_rows + (<usize>r << 3), total);
  }
}
