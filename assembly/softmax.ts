/** Softmax over rows, shifted by the row's maximum so that exp cannot overflow; a share below e^-87 is 0. y may be x. */
import { add_lanes, load_tail, row_max, store_tail } from './lanes';
import { exp_normal_f32x4, log_f32x4 } from './math';

export function softmax(x: usize, y: usize, rows: i32, cols: i32): void {
  const stride = <usize>cols << 2;
  for (let r = 0; r < rows; r++, x += stride, y += stride) {
    const shift = f32x4.splat(row_max(x, cols));
    let total = f32x4.splat(0);
    let i = 0;
    for (; i + 4 <= cols; i += 4) {
      const o = <usize>i << 2;
      const e = exp_normal_f32x4(f32x4.sub(v128.load(x + o), shift));
      v128.store(y + o, e);
      total = f32x4.add(total, e);
    }
    if (i < cols) {
      const o = <usize>i << 2;
      const e = exp_normal_f32x4(f32x4.sub(load_tail(x + o, cols - i, -Infinity), shift));
      store_tail(y + o, e, cols - i);
      total = f32x4.add(total, e);
    }
    const scale = f32x4.splat(1 / add_lanes(total));
    for (i = 0; i + 4 <= cols; i += 4) {
      const o = y + (<usize>i << 2);
      v128.store(o, f32x4.mul(v128.load(o), scale));
    }
    if (i < cols) {
      const o = y + (<usize>i << 2);
      store_tail(o, f32x4.mul(load_tail(o, cols - i, 0), scale), cols - i);
    }
  }
}

export function log_softmax(x: usize, y: usize, rows: i32, cols: i32): void {
  const stride = <usize>cols << 2;
  for (let r = 0; r < rows; r++, x += stride, y += stride) {
    const shift = f32x4.splat(row_max(x, cols));
    let total = f32x4.splat(0);
    let i = 0;
    for (; i + 4 <= cols; i += 4) {
      total = f32x4.add(total, exp_normal_f32x4(f32x4.sub(v128.load(x + (<usize>i << 2)), shift)));
    }
    if (i < cols) {
      total = f32x4.add(total, exp_normal_f32x4(f32x4.sub(load_tail(x + (<usize>i << 2), cols - i, -Infinity), shift)));
    }
    const log_total = log_f32x4(f32x4.splat(add_lanes(total)));
    for (i = 0; i + 4 <= cols; i += 4) {
      const o = <usize>i << 2;
      v128.store(y + o, f32x4.sub(f32x4.sub(v128.load(x + o), shift), log_total));
    }
    if (i < cols) {
      const o = <usize>i << 2;
      store_tail(y + o, f32x4.sub(f32x4.sub(load_tail(x + o, cols - i, 0), shift), log_total), cols - i);
    }
  }
}
