import { convWindow, type Window } from '../../graph/window.ts';
import { flag } from '../../ops/attributes.ts';
import { OPSETS } from '../../ops/registry.ts';
import { product } from '../../ops/shape.ts';
import { windowAttributes } from '../../ops/window.ts';
import type { Tensor } from '../../tensor.ts';
import { type Call, type Gradient, single, specOf, zeros } from '../gradient.ts';

/** The window over a plane; one spatial axis is seen as two. */
function windowFor(call: Call): Window {
  const { node } = call;
  const { dims } = call.inputs[0]!;
  const kernel = windowAttributes(specOf(node, OPSETS.newest)).kernel ?? [];
  return convWindow(node, [1, 1, ...kernel], dims);
}

type Numbers = readonly [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
];

function numbers(w: Window): Numbers {
  return [...w.input, ...w.kernel, ...w.strides, w.pads[0], w.pads[1], ...w.dilations, ...w.output];
}

/** To the first of the largest elements of each window. */
export const MaxPool: Gradient = single((call, dy, x, rt) => {
  const dx = zeros(x.dims, rt);
  if (dy.data.length > 0)
    rt.wasm.k.maxpool2d_gradient(rt.ptr(x), product(x.dims, 0, 2), ...numbers(windowFor(call)), rt.ptr(dy), rt.ptr(dx));
  return dx;
});

/** Elements each window position divides by, along one axis. */
function counts(w: Window, axis: 0 | 1, padded: boolean): number[] {
  const lead = w.pads[axis];
  const lo = padded ? 0 : lead;
  const hi = lead + w.input[axis] + (padded ? w.pads[axis + 2]! : 0);
  return Array.from({ length: w.output[axis] }, (_, o) => {
    let n = 0;
    for (let k = 0; k < w.kernel[axis]; k++) {
      const p = o * w.strides[axis] + k * w.dilations[axis];
      if (p >= lo && p < hi) n++;
    }
    return n;
  });
}

export const AveragePool: Gradient = single((call, dy, x, rt) => {
  const dx = zeros(x.dims, rt);
  if (dy.data.length === 0) return dx;
  const w = windowFor(call);
  const padded = flag(specOf(call.node, OPSETS.newest), 'count_include_pad');
  const [rows, cols] = [counts(w, 0, padded), counts(w, 1, padded)];
  const share = rt.empty('float', [rows.length * cols.length]);
  (share.data as Float32Array).set(rows.flatMap((r) => cols.map((c) => 1 / Math.max(1, r * c))));
  const g = rt.empty('float', dy.dims);
  const planes = product(x.dims, 0, 2);
  rt.wasm.k.mul_row(rt.ptr(dy), rt.ptr(share), rt.ptr(g), planes, share.data.length);
  rt.wasm.k.sumpool2d_gradient(planes, ...numbers(w), rt.ptr(g), rt.ptr(dx));
  return dx;
});

export const GlobalAveragePool: Gradient = single((_, dy, x, rt) => {
  const dx = rt.empty('float', x.dims);
  const out = dx.data as Float32Array;
  const g = dy.data as Float32Array;
  const l = product(x.dims, 2);
  for (let i = 0; i < g.length; i++) out.fill(g[i]! / l, i * l, (i + 1) * l);
  return dx;
});

export const GlobalMaxPool: Gradient = single((_, dy, x, rt) => {
  const dx = zeros(x.dims, rt);
  const [out, v, g] = [dx, x, dy].map((t: Tensor) => t.data as Float32Array) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const l = product(x.dims, 2);
  for (let i = 0; i < g.length; i++) {
    let best = i * l;
    for (let j = best; j < (i + 1) * l; j++) if (v[j]! > v[best]!) best = j;
    if (l > 0) out[best] = g[i]!;
  }
  return dx;
});
