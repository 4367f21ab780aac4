/** Kullback-Leibler divergence and negative log-likelihood of rows, in f64. */
import { add_lanes_f64, high_f64, load_tail, low_f64, row_max } from './lanes';
import { exp_f64x2 } from './math';

/** Elements [i, i + 4) of n; -Infinity past the end. */
// @ts-ignore: decorator
@inline
function four(x: usize, i: i32, n: i32): v128 {
  const p = x + (<usize>i << 2);
  return n - i >= 4 ? v128.load(p) : load_tail(p, n - i, -Infinity);
}

/** e^a (a - b), 0 where e^a is 0 (a masked logit), whatever b. */
// @ts-ignore: decorator
@inline
function cross_term(ea: v128, a: v128, b: v128): v128 {
  return v128.andnot(f64x2.mul(ea, f64x2.sub(a, b)), f64x2.eq(ea, f64x2.splat(0)));
}

/** With a = p - max p, b = q - max q: KL = sum e^a (a - b) / sum e^a - log sum e^a + log sum e^b. */
export function kl_rows(p: usize, q: usize, rows: i32, cols: i32, out: usize): void {
  const stride = <usize>cols << 2;
  for (let r = 0; r < rows; r++, p += stride, q += stride, out += 8) {
    const p_max = f64x2.splat(<f64>row_max(p, cols));
    const q_max = f64x2.splat(<f64>row_max(q, cols));
    let p_sum0 = f64x2.splat(0);
    let p_sum1 = p_sum0;
    let q_sum0 = p_sum0;
    let q_sum1 = p_sum0;
    let cross0 = p_sum0;
    let cross1 = p_sum0;
    for (let i = 0; i < cols; i += 4) {
      const u = four(p, i, cols);
      const v = four(q, i, cols);
      const a0 = f64x2.sub(low_f64(u), p_max);
      const a1 = f64x2.sub(high_f64(u), p_max);
      const b0 = f64x2.sub(low_f64(v), q_max);
      const b1 = f64x2.sub(high_f64(v), q_max);
      const e0 = exp_f64x2(a0);
      const e1 = exp_f64x2(a1);
      p_sum0 = f64x2.add(p_sum0, e0);
      p_sum1 = f64x2.add(p_sum1, e1);
      q_sum0 = f64x2.add(q_sum0, exp_f64x2(b0));
      q_sum1 = f64x2.add(q_sum1, exp_f64x2(b1));
      cross0 = f64x2.add(cross0, cross_term(e0, a0, b0));
      cross1 = f64x2.add(cross1, cross_term(e1, a1, b1));
    }
    const total = add_lanes_f64(f64x2.add(p_sum0, p_sum1));
    const other = add_lanes_f64(f64x2.add(q_sum0, q_sum1));
    const kl = add_lanes_f64(f64x2.add(cross0, cross1)) / total - Math.log(total) + Math.log(other);
    store<f64>(out, kl < 0 ? 0 : kl);
  }
}

/** With P = sum p, Q = sum q: KL = sum p log(p / q) / P - log P + log Q. */
export function kl_probability_rows(p: usize, q: usize, rows: i32, cols: i32, out: usize): void {
  for (let r = 0; r < rows; r++, out += 8) {
    let p_sum: f64 = 0;
    let q_sum: f64 = 0;
    let cross: f64 = 0;
    for (let i = 0; i < cols; i++, p += 4, q += 4) {
      const a = <f64>load<f32>(p);
      let b = <f64>load<f32>(q);
      if (b == 0) b = 1.401298464324817e-45;
      p_sum += a;
      q_sum += b;
      if (a != 0) cross += a * Math.log(a / b);
    }
    const kl = cross / p_sum - Math.log(p_sum) + Math.log(q_sum);
    store<f64>(out, kl < 0 ? 0 : kl);
  }
}

export function nll_rows(logits: usize, labels: usize, rows: i32, cols: i32, out: usize): void {
  const stride = <usize>cols << 2;
  for (let r = 0; r < rows; r++, logits += stride, labels += 4, out += 8) {
    const label = load<i32>(labels);
    if (label < 0) {
      store<f64>(out, 0);
      continue;
    }
    if (label >= cols) {
      store<f64>(out, NaN);
      continue;
    }
    const top = <f64>row_max(logits, cols);
    const shift = f64x2.splat(top);
    let total = f64x2.splat(0);
    for (let i = 0; i < cols; i += 4) {
      const u = four(logits, i, cols);
      total = f64x2.add(total, exp_f64x2(f64x2.sub(low_f64(u), shift)));
      total = f64x2.add(total, exp_f64x2(f64x2.sub(high_f64(u), shift)));
    }
    const chosen = <f64>load<f32>(logits + (<usize>label << 2));
    store<f64>(out, Math.log(add_lanes_f64(total)) - (chosen - top));
  }
}
