/** Kullback-Leibler divergence and negative log-likelihood of rows, in f64. */
import { add_lanes_f64 } from './lanes';
import { exp_f64x2 } from './math';

/** Doubles of elements i and i+1; the second is -Infinity where it lies past the end. */
// @ts-ignore: decorator
@inline
function pair(x: usize, i: i32, n: i32): v128 {
  const p = x + (<usize>i << 2);
  if (i + 1 < n) return f64x2.promote_low_f32x4(v128.load64_zero(p));
  return f64x2.replace_lane(f64x2.splat(-Infinity), 0, <f64>load<f32>(p));
}

// @ts-ignore: decorator
@inline
function row_max(x: usize, n: i32): f64 {
  let best: f32 = -Infinity;
  for (let i = 0; i < n; i++) best = max<f32>(best, load<f32>(x + (<usize>i << 2)));
  return <f64>best;
}

/**
 * With a = p - max p, b = q - max q: KL = sum e^a (a - b) / sum e^a - log sum e^a + log sum e^b. Where e^a is 0 (a masked
 * logit) the term is 0, whatever b.
 */
export function kl_rows(p: usize, q: usize, rows: i32, cols: i32, out: usize): void {
  const stride = <usize>cols << 2;
  for (let r = 0; r < rows; r++, p += stride, q += stride, out += 8) {
    const p_max = f64x2.splat(row_max(p, cols));
    const q_max = f64x2.splat(row_max(q, cols));
    let p_sum = f64x2.splat(0);
    let q_sum = f64x2.splat(0);
    let cross = f64x2.splat(0);
    for (let i = 0; i < cols; i += 2) {
      const a = f64x2.sub(pair(p, i, cols), p_max);
      const b = f64x2.sub(pair(q, i, cols), q_max);
      const ea = exp_f64x2(a);
      p_sum = f64x2.add(p_sum, ea);
      q_sum = f64x2.add(q_sum, exp_f64x2(b));
      const absent = f64x2.eq(ea, f64x2.splat(0));
      cross = f64x2.add(cross, v128.andnot(f64x2.mul(ea, f64x2.sub(a, b)), absent));
    }
    const total = add_lanes_f64(p_sum);
    const kl = add_lanes_f64(cross) / total - Math.log(total) + Math.log(add_lanes_f64(q_sum));
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
    const top = row_max(logits, cols);
    const shift = f64x2.splat(top);
    let total = f64x2.splat(0);
    for (let i = 0; i < cols; i += 2) total = f64x2.add(total, exp_f64x2(f64x2.sub(pair(logits, i, cols), shift)));
    const chosen = <f64>load<f32>(logits + (<usize>label << 2));
    store<f64>(out, Math.log(add_lanes_f64(total)) - (chosen - top));
  }
}
