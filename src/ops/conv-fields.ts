import type { Tensor } from '../tensor.ts';
import { type Convolution, convolve, WIDE } from './convolution.ts';
import type { Runtime } from './op.ts';
import { Real } from './precision.ts';
import { product, stridesOf } from './shape.ts';

/** Images that are padded at once, and the columns packed at once: for the memory, and for the caches. Bytes. */
export const PADDED_BYTES = 16 * 2 ** 20;
const COLUMN_BYTES = 2 ** 20;
/** Columns up to which a product takes the kernels that stream the weights as they are. */
const FEW = 4;

/** What follows the sums, element by element: clamp(sum + bias [m] + residual [n, m, places], low, high). Addresses, 0 for none. */
export interface Finish {
  readonly bias: number;
  readonly residual: number;
  readonly low: number;
  readonly high: number;
}

/** What `make` writes from the weights: kept where they are constant, in scratch where they are not. */
export function prepared(rt: Runtime, w: Tensor, key: string, bytes: number, make: (ptr: number) => void): number {
  const kept = rt.derived(w, key, bytes, make);
  if (kept !== undefined) return kept;
  const ptr = rt.scratch(bytes);
  make(ptr);
  return ptr;
}

/** Where the elements of padded images [images, channels, sizes...] lie, in floats. */
interface Layout {
  /** Sizes of an image's plane, all axes. */
  readonly sizes: readonly number[];
  readonly plane: number;
  readonly padded: boolean;
}

const LAYOUTS = new WeakMap<Convolution, Layout>();

function layoutOf(v: Convolution): Layout {
  const known = LAYOUTS.get(v);
  if (known !== undefined) return known;
  const layout = layoutFor(v);
  LAYOUTS.set(v, layout);
  return layout;
}

function layoutFor({ window: w }: Convolution): Layout {
  const sizes = w.input.map((n, i) => {
    const reach = (w.output[i]! - 1) * w.strides[i]! + (w.kernel[i]! - 1) * w.dilations[i]! + 1;
    return Math.max(reach, w.pads[i]! + n);
  });
  return { sizes, plane: product(sizes), padded: sizes.some((s, i) => s !== w.input[i]!) };
}

/** Sums of one of `steps[i] * [0, counts[i])` for each axis, the last fastest, behind `first`. */
function offsets(
  counts: readonly number[],
  steps: readonly number[],
  first: Int32Array = Int32Array.of(0),
): Int32Array {
  return counts.reduce((sofar, count, axis) => {
    const next = new Int32Array(sofar.length * count);
    const step = steps[axis]!;
    for (let i = 0, at = 0; i < sofar.length; i++) for (let j = 0; j < count; j++) next[at++] = sofar[i]! + j * step;
    return next;
  }, first);
}

/** Where the elements of receptive fields lie: of one, and of the first of each. */
interface Tables {
  readonly images: number;
  readonly rows: Int32Array;
  readonly columns: Int32Array;
}

/** Tables of at most so many entries are kept. */
const MOST_ENTRIES = 2 ** 16;
const TABLES = new WeakMap<Convolution, Tables>();

function tablesOf(v: Convolution, { sizes, plane }: Layout, images: number): Tables {
  const known = TABLES.get(v);
  if (known?.images === images) return known;
  const { window: w } = v;
  const steps = stridesOf(sizes);
  const rows = offsets([v.c / v.group, ...w.kernel], [plane, ...steps.map((s, i) => s * w.dilations[i]!)]);
  const columns = offsets([images, ...w.output], [v.c * plane, ...steps.map((s, i) => s * w.strides[i]!)]);
  const tables = { images, rows, columns };
  if (rows.length + columns.length <= MOST_ENTRIES) TABLES.set(v, tables);
  return tables;
}

/**
 * A convolution of float as a product: the receptive fields are written straight into the panels that the matrix kernel reads,
 * from images padded once, the weights are in panels from the start, and the result is finished in the cache.
 */
export function convolveFields(rt: Runtime, v: Convolution, x: number, w: Tensor, y: number, finish: Finish): void {
  const layout = layoutOf(v);
  const size = product(v.window.input);
  const some = v.depth * Math.min(v.places, WIDE) + v.c * size + v.m * v.places;
  if (layout.padded && v.c * layout.plane > 4 * some + 2 ** 18) {
    sparse(rt, v, x, rt.ptr(w), y, finish);
    return;
  }
  const product_ = new Product(rt, v, w, finish);
  const alone = v.places >= WIDE || v.n === 1;
  const pointwise = product(v.window.kernel) === 1 && product(v.window.strides) === 1 && !layout.padded;
  if (pointwise && alone) {
    for (let i = 0; i < v.n; i++)
      for (let g = 0; g < v.group; g++) product_.straight(i, g, x + 4 * (i * v.c + (g * v.c) / v.group) * size, y);
    return;
  }
  const fit = Math.max(1, Math.floor(PADDED_BYTES / (4 * v.c * layout.plane + 1)));
  const chunk = layout.padded ? Math.min(v.n, fit) : v.n;
  const room = layout.padded ? rt.scratch(4 * chunk * v.c * layout.plane) : 0;
  const fields = new Fields(rt, v, layout, alone ? 1 : Math.min(chunk, Math.ceil(WIDE / v.places)));
  for (let from = 0; from < v.n; from += chunk) {
    const images = Math.min(chunk, v.n - from);
    if (layout.padded) padImages(rt, v, layout, x + 4 * from * v.c * size, images, room);
    const at = layout.padded ? room : x + 4 * from * v.c * size;
    for (let i = 0; i < images; i += fields.images)
      fields.times(product_, at, i, Math.min(fields.images, images - i), from, y);
  }
}

/** Images padded on every axis. */
function padImages(rt: Runtime, v: Convolution, { sizes, plane }: Layout, x: number, images: number, y: number): void {
  const { input, pads } = v.window;
  const lead = input.length - 2;
  const two = (t: readonly number[]) => [t[lead]!, t[lead + 1]!] as const;
  const [inside, before, outside] = [two(input), two(pads.slice(0, lead + 2)), two(sizes)];
  const planes = images * v.c;
  if (lead === 0) {
    rt.wasm.k.pad_planes(x, planes, ...inside, ...before, ...outside, y);
    return;
  }
  const size = product(input);
  const steps = stridesOf(sizes).slice(0, lead);
  const first = steps.reduce((sum, s, i) => sum + s * pads[i]!, 0);
  const places = offsets(input.slice(0, lead), steps, Int32Array.of(first));
  const inner = inside[0] * inside[1];
  rt.wasm.arena.f32(y, planes * plane).fill(0);
  for (let p = 0; p < planes; p++)
    places.forEach((place, i) => {
      rt.wasm.k.pad_planes(
        x + 4 * (p * size + i * inner),
        1,
        ...inside,
        ...before,
        ...outside,
        y + 4 * (p * plane + place),
      );
    });
}

/** Packed weights, and what follows the products. */
class Product {
  readonly mg: number;
  readonly #panels: number;
  readonly #step: number;
  readonly #scratch: number;

  constructor(
    readonly rt: Runtime,
    readonly v: Convolution,
    readonly w: Tensor,
    readonly finish: Finish,
  ) {
    const { k } = rt.wasm;
    const { m, group, depth } = v;
    this.mg = m / group;
    this.#step = k.gemm_packed_a(this.mg, depth);
    this.#scratch = rt.scratch(k.gemm_scratch());
    const make = (ptr: number) => {
      const from = rt.ptr(w);
      for (let g = 0; g < group; g++)
        k.gemm_pack_a(0, this.mg, depth, from + 4 * g * this.mg * depth, depth, ptr + g * this.#step);
    };
    const bytes = this.#step * group;
    this.#panels = prepared(rt, w, 'conv', bytes, make);
  }

  /** Columns [at, at + n) of image i's outputs of group g: b has panels of the columns. */
  panels(i: number, g: number, at: number, n: number, b: number, y: number): void {
    this.#run(i, g, at, n, b, 2, y);
  }

  /** All columns of image i's outputs of group g, where the image itself is the matrix of its fields. */
  straight(i: number, g: number, b: number, y: number): void {
    this.#run(i, g, 0, this.v.places, b, 0, y);
  }

  #run(i: number, g: number, at: number, n: number, b: number, kind: 0 | 2, y: number): void {
    const { bias, residual, low, high } = this.finish;
    const { m, places, depth } = this.v;
    const to = 4 * ((i * m + g * this.mg) * places + at);
    const own = bias === 0 ? 0 : bias + 4 * g * this.mg;
    const add = residual === 0 ? 0 : residual + to;
    const few = n <= FEW && kind === 0;
    const a = few ? this.rt.ptr(this.w) + 4 * g * this.mg * depth : this.#panels + g * this.#step;
    this.rt.wasm.k.gemm_fused(
      ...([few ? 0 : 2, kind, this.mg, n, depth, 1, a, depth, b, places, 0, y + to, places] as const),
      ...([own, own === 0 ? 0 : 2, add, places, low, high, this.#scratch] as const),
    );
  }

  /** Columns of `images` images from i on, side by side, by way of `result`. */
  several(i: number, images: number, g: number, b: number, result: number, y: number): void {
    const { bias, residual, low, high } = this.finish;
    const { m, places, depth } = this.v;
    const n = images * places;
    const { k } = this.rt.wasm;
    k.gemm_fused(
      ...([2, 2, this.mg, n, depth, 1, this.#panels + g * this.#step, depth, b, n, 0, result, n] as const),
      ...([0, 0, 0, 0, -Infinity, Infinity, this.#scratch] as const),
    );
    for (let j = 0; j < images; j++) {
      const to = 4 * ((i + j) * m + g * this.mg) * places;
      const own = bias === 0 ? 0 : bias + 4 * g * this.mg;
      const add = residual === 0 ? 0 : residual + to;
      k.finish_rows(result + 4 * j * places, n, this.mg, places, own, add, low, high, y + to);
    }
  }
}

/** The receptive fields of some images at a time. */
class Fields {
  readonly #rows: number;
  readonly #columns: number;
  /** Columns packed at once: a multiple of 8 where they are not all of them. */
  readonly #block: number;
  readonly #panels: number;
  readonly #result: number;

  constructor(
    readonly rt: Runtime,
    readonly v: Convolution,
    readonly layout: Layout,
    /** Images side by side. */
    readonly images: number,
  ) {
    const { depth, places } = v;
    const { rows, columns } = tablesOf(v, layout, images);
    const put = (table: Int32Array) => {
      const ptr = rt.scratch(4 * table.length);
      rt.wasm.arena.put(ptr, table);
      return ptr;
    };
    this.#rows = put(rows);
    this.#columns = put(columns);
    const total = images * places;
    const most = Math.max(64, Math.floor(COLUMN_BYTES / (4 * Math.max(depth, 1))));
    const blocks = images > 1 ? 1 : Math.ceil(total / most);
    this.#block = Math.min(total, 8 * Math.ceil(total / blocks / 8));
    this.#panels = rt.scratch(4 * depth * 8 * Math.ceil(this.#block / 8));
    this.#result = images > 1 ? rt.scratch((4 * v.m * total) / v.group) : 0;
  }

  /** Outputs of `count` images from i on of those at x, which begin with image `from` of all. */
  times(product: Product, x: number, i: number, count: number, from: number, y: number): void {
    const { v, layout } = this;
    const total = count * v.places;
    for (let g = 0; g < v.group; g++) {
      const image = x + 4 * (i * v.c + (g * v.c) / v.group) * layout.plane;
      if (this.images > 1) {
        this.#pack(image, 0, total);
        product.several(from + i, count, g, this.#panels, this.#result, y);
        continue;
      }
      for (let at = 0; at < total; at += this.#block) {
        const n = Math.min(this.#block, total - at);
        this.#pack(image, at, n);
        product.panels(from + i, g, at, n, this.#panels, y);
      }
    }
  }

  #pack(image: number, at: number, n: number): void {
    const { depth, window } = this.v;
    const step = window.strides[window.strides.length - 1]!;
    this.rt.wasm.k.pack_fields(image, this.#rows, depth, this.#columns + 4 * at, n, step, this.#panels);
  }
}

/** Windows that reach over far more padding and gaps than there are elements: no padded images. */
function sparse(rt: Runtime, v: Convolution, x: number, w: number, y: number, finish: Finish): void {
  const real = new Real(rt, 'float');
  convolve(real, v, x, w, y, (m, n, k, a, b, c, ldc) => real.multiply(0, 0, m, n, k, a, b, c, { ldc }));
  const { bias, residual, low, high } = finish;
  for (let i = 0; i < v.n; i++) {
    const at = 4 * i * v.m * v.places;
    rt.wasm.k.finish_rows(
      ...([y + at, v.places, v.m, v.places, bias, residual === 0 ? 0 : residual + at, low, high, y + at] as const),
    );
  }
}
