import type { DType, Tensor } from '../tensor.ts';

/** Products of 32- and 64-bit integers, modulo 2^32 and 2^64. */

const WIDE: readonly DType[] = ['int32', 'uint32', 'int64', 'uint64'];

export function isWide(t: Tensor): boolean {
  return WIDE.includes(t.dtype);
}

/** A matrix in a tensor: from element `at` on, [rows, inner] or, with `trans`, its transpose. */
export interface Operand {
  readonly a: Tensor;
  readonly at: number;
  readonly trans: boolean;
}

/** Elements [at, at + n) as doubles, and the largest magnitude among them. */
function doubles(t: Tensor, at: number, n: number): { values: Float64Array; most: number } {
  const values = new Float64Array(n);
  let most = 0;
  for (let i = 0; i < n; i++) {
    const v = Number(t.data[at + i]);
    values[i] = v;
    if (Math.abs(v) > most) most = Math.abs(v);
  }
  return { values, most };
}

/** y[at...] = op(A) [m, k] op(B) [k, n]: in doubles where these are exact, else in 64-bit integers. */
export function wideProduct(y: Tensor, at: number, a: Operand, b: Operand, m: number, n: number, k: number): void {
  const [ra, ca] = a.trans ? [1, m] : [k, 1];
  const [rb, cb] = b.trans ? [1, k] : [n, 1];
  const x = doubles(a.a, a.at, m * k);
  const z = doubles(b.a, b.at, k * n);
  const big = y.dtype === 'int64' || y.dtype === 'uint64';
  if (x.most * z.most * Math.max(k, 1) <= Number.MAX_SAFE_INTEGER) {
    const row = new Float64Array(n);
    for (let i = 0; i < m; i++) {
      row.fill(0);
      for (let p = 0; p < k; p++) {
        const f = x.values[i * ra + p * ca]!;
        for (let j = 0, q = p * rb; j < n; j++, q += cb) row[j]! += f * z.values[q]!;
      }
      const to = at + i * n;
      if (big) for (let j = 0; j < n; j++) (y.data as BigInt64Array)[to + j] = BigInt(row[j]!);
      else (y.data as Int32Array).set(row, to);
    }
    return;
  }
  const left = Array.from({ length: m * k }, (_, i) => BigInt(a.a.data[a.at + i]!));
  const right = Array.from({ length: k * n }, (_, i) => BigInt(b.a.data[b.at + i]!));
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      let sum = 0n;
      for (let p = 0; p < k; p++) sum = BigInt.asIntN(64, sum + left[i * ra + p * ca]! * right[p * rb + j * cb]!);
      if (big) (y.data as BigInt64Array)[at + i * n + j] = sum;
      else (y.data as Int32Array)[at + i * n + j] = Number(BigInt.asIntN(32, sum));
    }
}
