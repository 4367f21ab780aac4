/** The gates of one step of a recurrent cell. */
import { load_tail, store_tail } from './lanes';
import { sigmoid_f32x4, tanh_f32x4 } from './math';

/** The new cell state of four units. */
// @ts-ignore: decorator
@inline
function state(i: v128, f: v128, c: v128, g: v128): v128 {
  return f32x4.add(f32x4.mul(sigmoid_f32x4(f), c), f32x4.mul(sigmoid_f32x4(i), tanh_f32x4(g)));
}

// @ts-ignore: decorator
@inline
function output(o: v128, c: v128): v128 {
  return f32x4.mul(sigmoid_f32x4(o), tanh_f32x4(c));
}

/** Hochreiter and Schmidhuber 1997, with a forget gate (Gers et al. 2000). Gates of a row in the order i, o, f, g. */
export function lstm_gates(x: usize, c: usize, h: usize, rows: i32, n: i32): void {
  const next = <usize>n << 2;
  for (let r = 0; r < rows; r++, x += 4 * next, c += next, h += next) {
    let j = 0;
    for (; j + 4 <= n; j += 4) {
      const o = <usize>j << 2;
      const i = x + o;
      const s = state(v128.load(i), v128.load(i + 2 * next), v128.load(c + o), v128.load(i + 3 * next));
      v128.store(c + o, s);
      v128.store(h + o, output(v128.load(i + next), s));
    }
    if (j < n) {
      const o = <usize>j << 2;
      const i = x + o;
      const rest = n - j;
      const s = state(
        load_tail(i, rest, 0),
        load_tail(i + 2 * next, rest, 0),
        load_tail(c + o, rest, 0),
        load_tail(i + 3 * next, rest, 0),
      );
      store_tail(c + o, s, rest);
      store_tail(h + o, output(load_tail(i + next, rest, 0), s), rest);
    }
  }
}
