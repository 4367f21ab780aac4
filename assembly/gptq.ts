/**
 * Column by column rounding with feedback: E. Frantar et al., "GPTQ" (arXiv 2210.17323), in the form of J. Chee et al., "QuIP"
 * (arXiv 2307.13304, LDLQ): with H = U D U', U unit upper triangular, column j is rounded from w_j + sum over i < j of e_i U_ij.
 */
export function gptq_block(
  n: i32,
  rows: i32,
  u: usize,
  ldu: i32,
  w: usize,
  t: usize,
  scales: usize,
  zeros: usize,
  blocks: usize,
  top: i32,
  d: usize,
  e: usize,
  levels: usize,
  errors: usize,
): void {
  const row = <usize>rows << 2;
  const most = f32x4.splat(<f32>top);
  for (let j = 0; j < n; j++) {
    const at = <usize>j * row;
    const pivot = f64x2.splat(load<f64>(d + (<usize>j << 3)));
    const unit = <usize>load<i32>(blocks + (<usize>j << 2)) * row;
    for (let o: usize = 0; o < row; o += 16) {
      const s = v128.load(scales + unit + o);
      const z = v128.load(zeros + unit + o);
      const x = v128.load(t + at + o);
      const q = f32x4.nearest(f32x4.div(x, s));
      const level = f32x4.pmin(f32x4.pmax(q, f32x4.neg(z)), f32x4.sub(most, z));
      v128.store(levels + at + o, level);
      const given = f32x4.mul(level, s);
      v128.store(e + at + o, f32x4.sub(v128.load(w + at + o), given));
      const left = f32x4.sub(x, given);
      const low = f64x2.promote_low_f32x4(left);
      const high = f64x2.promote_low_f32x4(i8x16.shuffle(left, left, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15));
      const error = errors + 2 * o;
      v128.store(error, f64x2.add(v128.load(error), f64x2.mul(pivot, f64x2.mul(low, low))));
      v128.store(error, f64x2.add(v128.load(error, 16), f64x2.mul(pivot, f64x2.mul(high, high))), 16);
    }
    for (let k = j + 1; k < n; k++) {
      const f = f32x4.splat(load<f32>(u + ((<usize>j * <usize>ldu + <usize>k) << 2)));
      const to = t + <usize>k * row;
      for (let o: usize = 0; o < row; o += 16)
        v128.store(to + o, f32x4.add(v128.load(to + o), f32x4.mul(f, v128.load(e + at + o))));
    }
  }
}
