/** Matrix times vector in f64, a row-major [m, n]. */
import { add_multiple, dot } from './columns';

/** y [m] = A x [n], or with trans y [n] = A' x [m]. */
export function gemv_f64(trans: i32, m: i32, n: i32, a: usize, x: usize, y: usize): void {
  const row = (<usize>n) << 3;
  if (!trans) {
    for (let i = 0; i < m; i++, a += row, y += 8) store<f64>(y, dot(a, x, n));
    return;
  }
  memory.fill(y, 0, row);
  for (let i = 0; i < m; i++, a += row, x += 8) add_multiple(y, a, n, load<f64>(x));
}
