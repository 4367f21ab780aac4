import { ModelError } from '../errors.ts';
import { since } from './attributes.ts';
import { withHalf } from './half.ts';
import type { Op } from './op.ts';
import { elements, isFloating, need, product } from './shape.ts';

/** Determinant of an n x n matrix, which is overwritten: elimination with partial pivoting. */
function determinant(a: Float64Array, n: number): number {
  let det = 1;
  for (let k = 0; k < n; k++) {
    let p = k;
    for (let i = k + 1; i < n; i++) if (Math.abs(a[i * n + k]!) > Math.abs(a[p * n + k]!)) p = i;
    const pivot = a[p * n + k]!;
    det *= p === k ? pivot : -pivot;
    if (pivot === 0) return det;
    if (p !== k) for (let j = k; j < n; j++) [a[k * n + j], a[p * n + j]] = [a[p * n + j]!, a[k * n + j]!];
    for (let i = k + 1; i < n; i++) {
      const f = a[i * n + k]! / pivot;
      if (f !== 0) for (let j = k + 1; j < n; j++) a[i * n + j]! -= f * a[k * n + j]!;
    }
  }
  return det;
}

/** Determinants of the square matrices in the last two axes. */
export const Det: Op = withHalf(
  since(11, () => (inputs, rt) => {
    const x = need(inputs, 0, 'X');
    const rank = x.dims.length;
    const n = x.dims[rank - 1];
    if (!isFloating(x.dtype)) throw new ModelError(`X: expected a floating type, found ${x.dtype}`);
    if (rank < 2 || n === undefined || n !== x.dims[rank - 2])
      throw new ModelError(`X: expected shape [..., n, n], found [${x.dims}]`);
    const y = rt.empty(x.dtype, x.dims.slice(0, -2));
    const a = elements(x);
    const size = n * n;
    for (let i = 0; i < product(y.dims); i++)
      y.data[i] = determinant(Float64Array.from(a.subarray(i * size, (i + 1) * size)), n);
    return [y];
  }),
);
