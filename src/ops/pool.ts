import { ModelError, UnsupportedError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { flag, int, since } from './attributes.ts';
import { halves, withHalf } from './half.ts';
import type { NodeSpec, Op, Run, Runtime } from './op.ts';
import { asFloat, elements, need, needFloat, product } from './shape.ts';
import { type Window, type WindowAttributes, windowAttributes, windowOf } from './window.ts';

function kernelOf(a: WindowAttributes): readonly number[] {
  if (a.kernel === undefined) throw new ModelError('attribute "kernel_shape" is missing');
  return a.kernel;
}

/** Largest element of each window, of float, int8 and uint8; its flat index on request. */
export const MaxPool: Op = since(1, (node) => {
  const attributes = windowAttributes(node);
  const kernel = kernelOf(attributes);
  const columnMajor = int(node, 'storage_order', 0) !== 0;
  const run: Run = (inputs, rt) => {
    const x = need(inputs, 0, 'X');
    const w = windowOf(attributes, x.dims, kernel);
    const dims = [...x.dims.slice(0, 2), ...w.outputDims];
    if (node.outputs < 2 && x.dtype === 'float') return [pooled(rt, x, dims, w, 'max')];
    return maxWithIndices(rt, x, dims, w, columnMajor);
  };
  return halves(run);
});

function pooled(rt: Runtime, x: Tensor, dims: readonly number[], w: Window, kind: 'max' | 'mean' | 'padded'): Tensor {
  const y = rt.empty('float', dims);
  if (y.data.length === 0) return y;
  const k = rt.wasm.k;
  const planes = x.dims[0]! * x.dims[1]!;
  const [h, wd] = w.input;
  const [kh, kw] = w.kernel;
  const [sh, sw] = w.strides;
  const [dh, dw] = w.dilations;
  const [pt, pl] = w.pads;
  const [oh, ow] = w.output;
  const px = rt.ptr(x);
  const py = rt.ptr(y);
  if (kind === 'max') k.maxpool2d(px, planes, h, wd, kh, kw, sh, sw, pt, pl, dh, dw, oh, ow, py);
  else k.avgpool2d(px, planes, h, wd, kh, kw, sh, sw, pt, pl, dh, dw, oh, ow, kind === 'padded' ? 1 : 0, py);
  return y;
}

/** Positions o*s - p + k*d of a window that lie in [0, n), as [first, past the last] of k. */
function inside(o: number, s: number, p: number, d: number, kernel: number, n: number): [number, number] {
  const start = o * s - p;
  const first = start < 0 ? Math.ceil(-start / d) : 0;
  return [first, Math.min(kernel, Math.ceil((n - start) / d))];
}

function maxWithIndices(rt: Runtime, x: Tensor, dims: readonly number[], w: Window, columnMajor: boolean): Tensor[] {
  if (x.dtype !== 'float' && x.dtype !== 'int8' && x.dtype !== 'uint8')
    throw new UnsupportedError(`X: expected type float, float16, int8 or uint8, found ${x.dtype}`);
  const y = rt.empty(x.dtype, dims);
  const indices = rt.empty('int64', dims);
  const at = indices.data as BigInt64Array;
  const a = elements(x);
  const out = elements(y);
  const [h, wd] = w.input;
  const [oh, ow] = w.output;
  const planes = x.dims[0]! * x.dims[1]!;
  const lowest = x.dtype === 'int8' ? -128 : x.dtype === 'uint8' ? 0 : Number.NEGATIVE_INFINITY;
  let q = 0;
  for (let p = 0; p < planes; p++) {
    const base = p * h * wd;
    for (let oy = 0; oy < oh; oy++) {
      const [y0, y1] = inside(oy, w.strides[0], w.pads[0], w.dilations[0], w.kernel[0], h);
      for (let ox = 0; ox < ow; ox++, q++) {
        const [x0, x1] = inside(ox, w.strides[1], w.pads[1], w.dilations[1], w.kernel[1], wd);
        let best = lowest;
        let where = -1;
        for (let ky = y0; ky < y1; ky++) {
          const iy = oy * w.strides[0] - w.pads[0] + ky * w.dilations[0];
          for (let kx = x0; kx < x1; kx++) {
            const ix = ox * w.strides[1] - w.pads[1] + kx * w.dilations[1];
            const v = a[base + iy * wd + ix]!;
            if (v > best || where < 0) {
              best = v;
              where = columnMajor ? ix * h + iy : iy * wd + ix;
            }
          }
        }
        out[q] = best;
        at[q] = BigInt(base + where);
      }
    }
  }
  return [y, indices];
}

/** Mean of each window. Padding counts as zeros with `count_include_pad`; what lies beyond the padding never counts. */
export const AveragePool: Op = withHalf(
  since(7, (node) => {
    const attributes = windowAttributes(node);
    const kernel = kernelOf(attributes);
    const padded = flag(node, 'count_include_pad');
    return (inputs, rt) => {
      const x = needFloat(inputs, 0, 'X');
      const w = windowOf(attributes, x.dims, kernel);
      const dims = [...x.dims.slice(0, 2), ...w.outputDims];
      const y = pooled(rt, x, dims, w, padded ? 'padded' : 'mean');
      if (padded && attributes.ceil) recount(y, w);
      return [y];
    };
  }),
);

/** Windows that `ceil_mode` lets run past the padding were divided by the whole kernel: divide by what is there instead. */
function recount(y: Tensor, w: Window): void {
  const counts = [0, 1].map((a) => {
    const padded = w.input[a]! + w.pads[a]! + w.pads[a + 2]!;
    return Array.from({ length: w.output[a]! }, (_, o) => {
      const [first, end] = inside(o, w.strides[a]!, 0, w.dilations[a]!, w.kernel[a]!, padded);
      return end - first;
    });
  }) as [number[], number[]];
  const [oh, ow] = w.output;
  const whole = product(w.kernel);
  const out = y.data as Float32Array;
  for (let i = 0; i < out.length; i++) {
    const count = counts[0][Math.floor(i / ow) % oh]! * counts[1][i % ow]!;
    if (count !== whole) out[i] = (out[i]! * whole) / count;
  }
}

function global(kernel: 'reduce_rows_mean' | 'reduce_rows_max'): Op {
  const build = (_: NodeSpec): Run =>
    halves((inputs, rt) => {
      const x = asFloat(need(inputs, 0, 'X'), 'X');
      if (x.dims.length < 3) throw new ModelError(`X: expected shape [N, C, spatial...], found [${x.dims}]`);
      const y = rt.empty(
        'float',
        x.dims.map((d, i) => (i < 2 ? d : 1)),
      );
      rt.wasm.k[kernel](rt.ptr(x), x.dims[0]! * x.dims[1]!, product(x.dims, 2), rt.ptr(y));
      return [y];
    });
  return since(1, build);
}

export const GlobalAveragePool = global('reduce_rows_mean');
export const GlobalMaxPool = global('reduce_rows_max');
