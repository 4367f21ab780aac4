import { ModelError } from '../errors.ts';
import { int, since } from './attributes.ts';
import { multiply, scratchOf } from './gemm.ts';
import { withHalf } from './half.ts';
import type { Op, Runtime } from './op.ts';
import { needFloat, product } from './shape.ts';
import { type Window, windowAttributes, windowOf } from './window.ts';

/** A product as wide as this keeps the matrix kernel busy: small images are gathered until their columns reach it. */
const WIDE = 256;
/** Bound on the gathered columns, in bytes. */
const COLUMN_BYTES = 32 * 2 ** 20;

/**
 * Convolution [N, C, H, W] * [M, C/group, kh, kw] -> [N, M, oh, ow], and the same over one spatial axis: the receptive fields
 * of several images side by side, times the weight matrix, a group at a time.
 */
export const Conv: Op = withHalf(
  since(1, (node) => {
    const attributes = windowAttributes(node);
    const group = int(node, 'group', 1);
    if (group < 1) throw new ModelError(`attribute "group": expected >= 1, found ${group}`);
    return (inputs, rt) => {
      const x = needFloat(inputs, 0, 'X');
      const w = needFloat(inputs, 1, 'W');
      const bias = inputs[2] === undefined ? undefined : needFloat(inputs, 2, 'B');
      if (w.dims.length !== x.dims.length)
        throw new ModelError(`W: expected rank ${x.dims.length} as X [${x.dims}], found [${w.dims}]`);
      const kernel = w.dims.slice(2);
      if (attributes.kernel !== undefined && String(attributes.kernel) !== String(kernel))
        throw new ModelError(`W [${w.dims}]: expected kernel_shape [${attributes.kernel}]`);
      if (kernel.some((k) => k < 1)) throw new ModelError(`W: expected sizes >= 1, found [${w.dims}]`);
      const win = windowOf(attributes, x.dims, kernel);
      const [n, c] = x.dims as [number, number];
      const [m, cg] = w.dims as [number, number];
      if (c !== cg * group || m % group !== 0)
        throw new ModelError(`X has ${c} channels and W [${w.dims}] with group ${group} expects ${cg * group}`);
      if (bias !== undefined && (bias.dims.length !== 1 || bias.dims[0] !== m))
        throw new ModelError(`B: expected shape [${m}], found [${bias.dims}]`);
      const y = rt.empty('float', [n, m, ...win.outputDims]);
      if (y.data.length === 0) return [y];
      const px = rt.ptr(x);
      const pw = rt.ptr(w);
      const py = rt.ptr(y);
      if (direct(win)) pointwise(rt, n, c, m, group, product(win.output), px, pw, py);
      else gathered(rt, win, n, c, m, group, px, pw, py);
      if (bias !== undefined) {
        const pb = rt.ptr(bias);
        const l = product(win.output);
        for (let i = 0; i < n; i++) rt.wasm.k.add_col(py + 4 * i * m * l, pb, py + 4 * i * m * l, m, l);
      }
      return [y];
    };
  }),
);

/** True where the image itself is its matrix of receptive fields, and is wide enough or alone. */
function direct(w: Window): boolean {
  return (
    product(w.kernel) === 1 && product(w.strides) === 1 && w.pads.every((p) => p === 0) && product(w.output) >= WIDE
  );
}

function pointwise(
  rt: Runtime,
  n: number,
  c: number,
  m: number,
  group: number,
  l: number,
  x: number,
  w: number,
  y: number,
): void {
  const scratch = scratchOf(rt);
  const cg = c / group;
  const mg = m / group;
  for (let i = 0; i < n; i++)
    for (let g = 0; g < group; g++)
      multiply(
        rt,
        scratch,
        0,
        0,
        mg,
        l,
        cg,
        1,
        w + 4 * g * mg * cg,
        x + 4 * (i * c + g * cg) * l,
        y + 4 * (i * m + g * mg) * l,
      );
}

function gathered(
  rt: Runtime,
  win: Window,
  n: number,
  c: number,
  m: number,
  group: number,
  x: number,
  w: number,
  y: number,
): void {
  const k = rt.wasm.k;
  const scratch = scratchOf(rt);
  const cg = c / group;
  const mg = m / group;
  const [h, wd] = win.input;
  const [oh, ow] = win.output;
  const l = oh * ow;
  const depth = cg * product(win.kernel);
  const fit = Math.max(1, Math.floor(COLUMN_BYTES / (4 * depth * l)));
  const chunk = Math.min(n, fit, Math.ceil(WIDE / l));
  const columns = rt.scratch(4 * depth * l * chunk);
  const result = chunk > 1 ? rt.scratch(4 * mg * l * chunk) : 0;
  for (let from = 0; from < n; from += chunk) {
    const images = Math.min(chunk, n - from);
    const ld = images * l;
    for (let g = 0; g < group; g++) {
      for (let i = 0; i < images; i++) {
        const image = x + 4 * ((from + i) * c + g * cg) * h * wd;
        const [kh, kw] = win.kernel;
        const [sh, sw] = win.strides;
        const [dh, dw] = win.dilations;
        const [pt, pl] = win.pads;
        k.im2col(image, cg, h, wd, kh, kw, sh, sw, pt, pl, dh, dw, oh, ow, columns + 4 * i * l, ld);
      }
      const weights = w + 4 * g * mg * depth;
      const out = y + 4 * (from * m + g * mg) * l;
      if (images === 1) multiply(rt, scratch, 0, 0, mg, l, depth, 1, weights, columns, out);
      else {
        multiply(rt, scratch, 0, 0, mg, ld, depth, 1, weights, columns, result);
        spread(rt, result, out, images, mg, l, m * l);
      }
    }
  }
}

/** [rows, images, l] at `from` to [images, rows, l] at `to`, whose images are `stride` floats apart. */
function spread(rt: Runtime, from: number, to: number, images: number, rows: number, l: number, stride: number): void {
  const k = rt.wasm.k;
  for (let i = 0; i < images; i++)
    k.permute4(from + 4 * i * l, 1, 1, rows, l, 0, 0, images * l, 1, to + 4 * i * stride);
}
