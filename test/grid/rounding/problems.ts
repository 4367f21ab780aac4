import { normals, random } from '../../helpers.ts';

/** E[x x'] of correlated inputs with a mean, [groups, cols, cols], and the inputs of the first group, [samples, cols]. */
export function inputs(cols: number, groups: number, samples: number, seed: number) {
  const next = random(seed);
  const gram = new Float32Array(groups * cols * cols);
  const first = new Float32Array(samples * cols);
  for (let g = 0; g < groups; g++) {
    const sum = new Float64Array(cols * cols);
    for (let s = 0; s < samples; s++) {
      const x = normals(cols, next, 1 + 0.3 * g);
      for (let i = 1; i < cols; i++) x[i] = Math.max(-0.5, 0.8 * x[i - 1]! + x[i]!);
      if (g === 0) first.set(x, s * cols);
      for (let i = 0; i < cols; i++) for (let j = 0; j < cols; j++) sum[i * cols + j]! += (x[i]! * x[j]!) / samples;
    }
    gram.set(sum, g * cols * cols);
  }
  return { gram, first };
}

/** The sum over some rows of what `gramErrorRows` gives. */
export function total(errors: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < errors.length; i++) sum += errors[i]!;
  return sum;
}
