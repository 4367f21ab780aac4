import { ModelError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { ints, since } from './attributes.ts';
import type { Op, Runtime } from './op.ts';
import { collapse, copyRun, elements, need, product, stridesOf, walk } from './shape.ts';

/** The tensor with its axes in the order `perm`: output axis i is input axis perm[i]. A view where no element moves. */
export function transpose(x: Tensor, perm: readonly number[], rt: Runtime): Tensor {
  const strides = stridesOf(x.dims);
  return strided(
    x,
    perm.map((p) => x.dims[p]!),
    perm.map((p) => strides[p]!),
    rt,
  );
}

/** The elements of x from `offset` on, read with a stride for every axis of the result; inside x. A view where that is x itself. */
export function strided(
  x: Tensor,
  dims: readonly number[],
  strides: readonly number[],
  rt: Runtime,
  offset = 0,
): Tensor {
  const space = collapse(dims, [strides]);
  const s = space.strides[0]!;
  const d = space.dims;
  const last = d.length - 1;
  if (d.length === 1 && (s[0] === 1 || d[0] === 1) && d[0] === product(x.dims)) return rt.view(x, dims);
  const turned = last > 0 && s[last - 1] === 1 && product(dims) > 0;
  if (turned && (x.dtype === 'int8' || x.dtype === 'uint8')) {
    const y = rt.codes(x.dtype, dims);
    const [px, py] = [rt.ptr(x) + offset, rt.ptr(y)];
    const [cols, rows] = [d[last - 1]!, d[last]!];
    walk(space, last - 1, ([i], at) => rt.wasm.k.transpose_bytes(px + i!, rows, cols, s[last]!, py + at, rows));
    return y;
  }
  const y = rt.empty(x.dtype, dims);
  if (product(dims) === 0) return y;
  if (x.dtype === 'float') {
    // The kernel walks four axes; any beyond are walked here.
    const from = Math.max(0, d.length - 4);
    const pad = new Array<number>(4 - (d.length - from)).fill(1);
    const [d0, d1, d2, d3] = [...pad, ...d.slice(from)] as [number, number, number, number];
    const [s0, s1, s2, s3] = [...pad, ...s.slice(from)] as [number, number, number, number];
    const px = rt.ptr(x) + 4 * offset;
    const py = rt.ptr(y);
    walk(space, from, ([i], at) => rt.wasm.k.permute4(px + 4 * i!, d0, d1, d2, d3, s0, s1, s2, s3, py + 4 * at));
    return y;
  }
  const a = elements(x);
  const out = elements(y);
  const n = d[last]!;
  const step = s[last]!;
  walk(space, last, ([i], at) => {
    if (step === 1) copyRun(a, offset + i!, out, at, n);
    else for (let q = 0, j = offset + i!; q < n; q++, j += step) out[at + q] = a[j]!;
  });
  return y;
}

/** Writes the float tensor x into y, its first element where `at` says; all of x lies in y. */
export function place(x: Tensor, y: Tensor, at: readonly number[], rt: Runtime): void {
  if (product(x.dims) === 0) return;
  const strides = stridesOf(y.dims);
  const space = collapse(x.dims, [strides]);
  const d = space.dims;
  const s = space.strides[0]!;
  if (s.at(-1) !== 1) {
    d.push(1);
    s.push(1);
  }
  const from = Math.max(0, d.length - 4);
  const pad = new Array<number>(4 - (d.length - from)).fill(1);
  const [d0, d1, d2, d3] = [...pad, ...d.slice(from)] as [number, number, number, number];
  const [s0, s1, s2] = [...pad, ...s.slice(from)] as [number, number, number];
  const px = rt.ptr(x);
  const py = rt.ptr(y) + 4 * at.reduce((sum, a, i) => sum + a * strides[i]!, 0);
  walk(space, from, ([i], n) => rt.wasm.k.place4(px + 4 * n, d0, d1, d2, d3, py + 4 * i!, s0, s1, s2));
}

export const Transpose: Op = since(1, (node) => {
  const perm = ints(node, 'perm');
  return (inputs, rt) => {
    const x = need(inputs, 0, 'data');
    const rank = x.dims.length;
    const p = perm ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
    if (p.length !== rank || !p.every((_, i) => p.includes(i)))
      throw new ModelError(`attribute "perm": expected an order of the ${rank} axes of [${x.dims}], found [${p}]`);
    return [transpose(x, p, rt)];
  };
});
