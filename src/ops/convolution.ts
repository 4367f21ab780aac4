import { ModelError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { int } from './attributes.ts';
import { toColumns } from './fields.ts';
import type { NodeSpec } from './op.ts';
import type { Real } from './precision.ts';
import { product, sameDims } from './shape.ts';
import { type Window, type WindowAttributes, windowAttributes, windowOf } from './window.ts';

/** A product as wide as this keeps the matrix kernel busy: small images are gathered until their columns reach it. */
export const WIDE = 256;
/** Bounds on the gathered columns, in bytes: of several images side by side, and of a slab of one, for the caches. */
const IMAGES_BYTES = 8 * 2 ** 20;
const SLAB_BYTES = 2 ** 20;

/** The attributes of a convolution. */
export interface ConvAttributes extends WindowAttributes {
  readonly group: number;
}

export function convAttributes(node: NodeSpec): ConvAttributes {
  const group = int(node, 'group', 1);
  if (group < 1) throw new ModelError(`attribute "group": expected >= 1, found ${group}`);
  return { ...windowAttributes(node), group };
}

/** X [n, c, spatial...] by W [m, c / group, kernel...] into [n, m, places...]. */
export interface Convolution {
  readonly n: number;
  readonly c: number;
  readonly m: number;
  readonly group: number;
  readonly window: Window;
  /** Elements one output element sums: c / group times the taps. */
  readonly depth: number;
  /** Places of the window. */
  readonly places: number;
  /** Shape of the result. */
  readonly dims: readonly number[];
}

interface Known {
  readonly shapes: readonly (readonly number[])[];
  readonly v: Convolution;
}

/** The last of each node: most are asked for again and again. */
const KNOWN = new WeakMap<ConvAttributes, Known>();

/** The same object as the last time where attributes and shapes are. @throws ModelError for shapes and attributes that contradict each other */
export function convolutionOf(a: ConvAttributes, x: Tensor, w: Tensor, bias: Tensor | undefined): Convolution {
  const known = KNOWN.get(a);
  const shapes = [x.dims, w.dims, bias?.dims ?? NONE];
  if (known !== undefined && shapes.every((dims, i) => sameDims(dims, known.shapes[i]!))) return known.v;
  const v = convolutionFor(a, x, w, bias);
  KNOWN.set(a, { shapes: shapes.map((dims) => [...dims]), v });
  return v;
}

const NONE: readonly number[] = [-1];

function convolutionFor(a: ConvAttributes, x: Tensor, w: Tensor, bias: Tensor | undefined): Convolution {
  if (w.dims.length !== x.dims.length)
    throw new ModelError(`W: expected rank ${x.dims.length} as X [${x.dims}], found [${w.dims}]`);
  const kernel = w.dims.slice(2);
  if (a.kernel !== undefined && String(a.kernel) !== String(kernel))
    throw new ModelError(`W [${w.dims}]: expected kernel_shape [${a.kernel}]`);
  if (kernel.some((k) => k < 1)) throw new ModelError(`W: expected sizes >= 1, found [${w.dims}]`);
  const window = windowOf(a, x.dims, kernel);
  const [n, c] = x.dims as [number, number];
  const [m, cg] = w.dims as [number, number];
  if (c !== cg * a.group || m % a.group !== 0)
    throw new ModelError(`X has ${c} channels and W [${w.dims}] with group ${a.group} expects ${cg * a.group}`);
  if (bias !== undefined && (bias.dims.length !== 1 || bias.dims[0] !== m))
    throw new ModelError(`B: expected shape [${m}], found [${bias.dims}]`);
  const places = product(window.output);
  return {
    n,
    c,
    m,
    group: a.group,
    window,
    depth: cg * product(kernel),
    places,
    dims: [n, m, ...window.outputDims],
  };
}

/** Writes C [m, n] = A [m, k] B [k, n]: addresses, no gaps but rows of C `ldc` elements apart. */
export type Times = (m: number, n: number, k: number, a: number, b: number, c: number, ldc: number) => void;

/**
 * The receptive fields of one or several images side by side, times the weight matrix, a group at a time (Chellapilla, Puri and
 * Simard 2006). `times` makes the products; the elements of y are as wide as those of x and w.
 */
export function convolve(real: Real, v: Convolution, x: number, w: number, y: number, times: Times): void {
  if (v.n * v.m * v.places === 0) return;
  const cg = v.c / v.group;
  const mg = v.m / v.group;
  const l = v.places;
  const size = product(v.window.input);
  const image = (i: number, g: number) => real.at(x, (i * v.c + g * cg) * size);
  const weights = (g: number) => real.at(w, g * mg * v.depth);
  const out = (i: number, g: number, at = 0) => real.at(y, (i * v.m + g * mg) * l + at);
  if (direct(v)) {
    for (let i = 0; i < v.n; i++)
      for (let g = 0; g < v.group; g++) times(mg, l, cg, weights(g), image(i, g), out(i, g), l);
    return;
  }
  const columnBytes = real.bytes * Math.max(v.depth, 1);
  const images = Math.min(v.n, Math.ceil(WIDE / l), Math.max(1, Math.floor(IMAGES_BYTES / (columnBytes * l))));
  if (images > 1) {
    const columns = real.scratch(v.depth * l * images);
    const result = real.scratch(mg * l * images);
    for (let from = 0; from < v.n; from += images) {
      const count = Math.min(images, v.n - from);
      const ld = count * l;
      for (let g = 0; g < v.group; g++) {
        for (let i = 0; i < count; i++) toColumns(real, v.window, image(from + i, g), cg, real.at(columns, i * l), ld);
        times(mg, ld, v.depth, weights(g), columns, result, ld);
        for (let i = 0; i < count; i++)
          real.k.permute4(real.at(result, i * l), 1, 1, mg, l, 0, 0, ld, 1, out(from + i, g));
      }
    }
    return;
  }
  const slabs = slabsOf(v.window, Math.max(WIDE, Math.floor(SLAB_BYTES / columnBytes)));
  const columns = real.scratch(v.depth * Math.max(...slabs.map((s) => product(s.output))));
  for (let i = 0; i < v.n; i++)
    for (let g = 0; g < v.group; g++) {
      let at = 0;
      for (const slab of slabs) {
        const places = product(slab.output);
        toColumns(real, slab, image(i, g), cg, columns, places);
        times(mg, places, v.depth, weights(g), columns, out(i, g, at), l);
        at += places;
      }
    }
}

/** True where the image itself is its matrix of receptive fields, and is wide enough or alone. */
function direct(v: Convolution): boolean {
  const w = v.window;
  return (
    product(w.kernel) === 1 &&
    product(w.strides) === 1 &&
    w.pads.every((p) => p === 0) &&
    (v.places >= WIDE || v.n === 1)
  );
}

/** The window in pieces along its first axis of several places, each of about `most` places, or one line of them. */
function slabsOf(w: Window, most: number): Window[] {
  const axis = w.output.findIndex((o) => o > 1);
  const total = product(w.output);
  if (total <= most || axis < 0) return [w];
  const length = w.output[axis]!;
  const step = Math.max(1, Math.floor((most * length) / total));
  const slabs: Window[] = [];
  const put = (v: readonly number[], value: number) => v.map((old, i) => (i === axis ? value : old));
  for (let from = 0; from < length; from += step)
    slabs.push({
      ...w,
      output: put(w.output, Math.min(step, length - from)),
      pads: put(w.pads, w.pads[axis]! - from * w.strides[axis]!),
    });
  return slabs;
}

/** Bound on the rows that a window of a depthwise convolution meets, gaps and padding among them, in floats. */
const MOST_ROWS = 2 ** 22;

/** True for one input channel a group over at most two axes: a small dot product a place, not a matrix product. */
export function isDepthwise(v: Convolution): boolean {
  const { input, kernel, strides, dilations, output } = v.window;
  if (v.group === 1 || v.c !== v.group || input.length !== 2) return false;
  const reach = (axis: number) => (kernel[axis]! - 1) * dilations[axis]! + 1;
  return reach(0) * (reach(1) + (output[1]! + 8) * strides[1]!) <= MOST_ROWS;
}

/** Adds bias [m] to y [n, m, places]. */
export function addBias(real: Real, v: Pick<Convolution, 'n' | 'm' | 'places'>, bias: number, y: number): void {
  for (let i = 0; i < v.n; i++) {
    const at = real.at(y, i * v.m * v.places);
    real.k.add_col(at, bias, at, v.m, v.places);
  }
}
