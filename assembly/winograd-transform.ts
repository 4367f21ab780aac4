/**
 * The one-dimensional transforms of F(4, 3) and F(2, 3), y = A'((G g) (B' d)) (Lavin and Gray, Fast Algorithms for Convolutional
 * Neural Networks, 2016). F(4, 3) is at the points 0, +-3/4, +-3/2 and infinity (how to choose points: Barabasz, Anderson,
 * Soodhalter and Gregg, Error Analysis and Improving the Accuracy of Winograd Convolution, 2020): they are exact in binary and
 * their errors are less than half of those at 0, +-1, +-2. F(2, 3) is at 0, 1, -1 and infinity.
 */
import { madd } from './lanes';

const A: f64 = 0.75;
const B: f64 = 1.5;
const AA: f64 = A * A;
const BB: f64 = B * B;

/** out[0..5] = B' d, `step` bytes apart, four columns at once. */
// @ts-ignore: decorator
@inline
export function input_four(d0: v128, d1: v128, d2: v128, d3: v128, d4: v128, d5: v128, out: usize, step: usize): void {
  const saa = f32x4.splat(<f32>-AA);
  const sbb = f32x4.splat(<f32>-BB);
  const e = madd(d4, sbb, d2);
  const o = f32x4.mul(f32x4.splat(<f32>A), madd(d3, sbb, d1));
  const f = madd(d4, saa, d2);
  const q = f32x4.mul(f32x4.splat(<f32>B), madd(d3, saa, d1));
  v128.store(out, madd(e, saa, madd(d2, sbb, d0)));
  out += step;
  v128.store(out, f32x4.add(e, o));
  out += step;
  v128.store(out, f32x4.sub(e, o));
  out += step;
  v128.store(out, f32x4.add(f, q));
  out += step;
  v128.store(out, f32x4.sub(f, q));
  out += step;
  // d5 - (a^2 + b^2) d3 + a^2 b^2 d1
  v128.store(out, madd(madd(d5, sbb, d3), saa, madd(d3, sbb, d1)));
}

/** out[0..3] = A' m, `step` bytes apart, four columns at once. */
// @ts-ignore: decorator
@inline
export function output_four(m0: v128, m1: v128, m2: v128, m3: v128, m4: v128, m5: v128, out: usize, step: usize): void {
  const s = f32x4.add(m1, m2);
  const d = f32x4.sub(m1, m2);
  const t = f32x4.add(m3, m4);
  const e = f32x4.sub(m3, m4);
  v128.store(out, f32x4.add(m0, f32x4.add(s, t)));
  out += step;
  v128.store(out, madd(f32x4.mul(f32x4.splat(<f32>A), d), f32x4.splat(<f32>B), e));
  out += step;
  v128.store(out, madd(f32x4.mul(f32x4.splat(<f32>AA), s), f32x4.splat(<f32>BB), t));
  out += step;
  v128.store(out, madd(madd(m5, f32x4.splat(<f32>(A * AA)), d), f32x4.splat(<f32>(B * BB)), e));
}

/** out[0..5] = G g, `step` bytes apart, in doubles. */
// @ts-ignore: decorator
@inline
export function filter_four(g0: f64, g1: f64, g2: f64, out: usize, step: usize): void {
  const na: f64 = 1 / (2 * AA * (AA - BB));
  const nb: f64 = 1 / (2 * BB * (BB - AA));
  const e = (g0 + AA * g2) * na;
  const o = A * g1 * na;
  const f = (g0 + BB * g2) * nb;
  const q = B * g1 * nb;
  store<f64>(out, g0 / (AA * BB));
  store<f64>(out + step, e + o);
  store<f64>(out + 2 * step, e - o);
  store<f64>(out + 3 * step, f + q);
  store<f64>(out + 4 * step, f - q);
  store<f64>(out + 5 * step, g2);
}

/** out[0..3] = B' d of F(2, 3). */
// @ts-ignore: decorator
@inline
export function input_two(d0: v128, d1: v128, d2: v128, d3: v128, out: usize, step: usize): void {
  v128.store(out, f32x4.sub(d0, d2));
  out += step;
  v128.store(out, f32x4.add(d1, d2));
  out += step;
  v128.store(out, f32x4.sub(d2, d1));
  out += step;
  v128.store(out, f32x4.sub(d1, d3));
}

/** out[0..1] = A' m of F(2, 3). */
// @ts-ignore: decorator
@inline
export function output_two(m0: v128, m1: v128, m2: v128, m3: v128, out: usize, step: usize): void {
  v128.store(out, f32x4.add(m0, f32x4.add(m1, m2)));
  v128.store(out + step, f32x4.sub(f32x4.sub(m1, m2), m3));
}

/** out[0..3] = G g of F(2, 3), `step` bytes apart, in doubles. */
// @ts-ignore: decorator
@inline
export function filter_two(g0: f64, g1: f64, g2: f64, out: usize, step: usize): void {
  const e = (g0 + g2) * 0.5;
  const o = g1 * 0.5;
  store<f64>(out, g0);
  store<f64>(out + step, e + o);
  store<f64>(out + 2 * step, e - o);
  store<f64>(out + 3 * step, g2);
}
