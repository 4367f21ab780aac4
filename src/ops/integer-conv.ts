import { ModelError, UnsupportedError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { depthwise } from './conv-float.ts';
import { type ConvAttributes, type Convolution, convolutionOf, isDepthwise } from './convolution.ts';
import { checkBytes, flipOf } from './integer.ts';
import { convolveCodes, mostOf, tilesFit } from './integer-tiles.ts';
import { CODE_MEMORY } from './linear.ts';
import type { Runtime } from './op.ts';
import { elements, product } from './shape.ts';
import type { Window } from './window.ts';

/**
 * Convolutions of 8-bit integers, exact in 32 bits: the padded image with channels last, so that what a window covers is a few runs
 * of bytes, times panels of weights in the same order.
 */

/** Bound on the places of an image, each of which is listed. */
const MOST_PLACES = 2 ** 26;

/** How sums become codes: of int8 or uint8, factors one a channel, in float. */
export interface Coding {
  readonly type: 0 | 1;
  readonly factors: Float32Array;
  readonly zero: number;
  /** Least and greatest code. */
  readonly lo: number;
  readonly hi: number;
}

/** A convolution's operands, checked. */
export interface IntegerConvolution {
  readonly v: Convolution;
  readonly x: Tensor;
  readonly w: Tensor;
  readonly xZero: number;
  /** One a channel. */
  readonly wZeros: Int32Array;
  readonly bias: Tensor | undefined;
}

/**
 * Operands of int8 or uint8 with their zero points: of x one, of w one or one an output channel; bias int32 [M] or none.
 * @throws UnsupportedError for other types, ModelError for what does not fit
 */
export function integerConvolution(
  attributes: ConvAttributes,
  x: Tensor,
  xZero: Tensor | undefined,
  w: Tensor,
  wZero: Tensor | undefined,
  bias: Tensor | undefined,
): IntegerConvolution {
  if (xZero !== undefined && xZero.data.length !== 1)
    throw new ModelError(`x_zero_point: expected one element, found shape [${xZero.dims}]`);
  if (bias !== undefined && bias.dtype !== 'int32') throw new ModelError(`B: expected type int32, found ${bias.dtype}`);
  checkBytes(x, 'x');
  checkBytes(w, 'w');
  for (const [zero, t, what] of [
    [xZero, x, 'x'],
    [wZero, w, 'w'],
  ] as const)
    if (zero !== undefined && zero.dtype !== t.dtype)
      throw new ModelError(`zero point of ${what}: expected type ${t.dtype}, found ${zero.dtype}`);
  const v = convolutionOf(attributes, x, w, bias);
  if (wZero !== undefined && wZero.data.length !== 1 && wZero.data.length !== v.m)
    throw new ModelError(`zero point of w [${w.dims}]: expected one element or [${v.m}], found [${wZero.dims}]`);
  const zeros = wZero === undefined ? [0] : elements(wZero);
  const wZeros = Int32Array.from({ length: v.m }, (_, i) => zeros[zeros.length === 1 ? 0 : i]!);
  return { v, x, w, xZero: Number(xZero?.data[0] ?? 0), wZeros, bias };
}

/**
 * Writes the sums, int32 [N, M, places...], at `to`; the bias is added. With `coding` they are codes, a byte each.
 */
export function runConvolution(c: IntegerConvolution, coding: Coding | undefined, to: number, rt: Runtime): void {
  const { v } = c;
  if (v.n * v.m * v.places === 0) return;
  if (v.places > MOST_PLACES) throw new UnsupportedError(`${v.places} places: at most ${MOST_PLACES} are supported`);
  const finish = finishOf(c, coding, rt);
  if (v.depth === 0 || depthwiseFits(c)) {
    depthwiseSums(c, finish, to, rt);
    return;
  }
  if (tilesFit(c)) {
    convolveCodes(c, { ...finish, ptr: to }, rt);
    if (coding === undefined && finish.bias) addBias(v, finish.bias, to, rt);
    return;
  }
  const { k } = rt.wasm;
  const { c: channels, group } = v;
  const cg = channels / group;
  const mg = v.m / group;
  const f = fieldsOf(v, cg);
  const flip = flipOf(c.w.dtype);
  const panels = weightPanels(c.w, v, flip, rt);
  const zeros = columnZeros(c.wZeros, group, mg, flip);
  const zerosAt = zeros === undefined ? 0 : put(zeros, rt);
  const image = imageOf(c, rt);
  const size = channels * product(v.window.input);
  const [places, offsets] = f.lda ? [0, 0] : [put(f.places, rt), put(f.offsets, rt)];
  const zeroA = put(Int32Array.of(c.xZero), rt);
  const scratch = rt.scratch(k.qconv_scratch(v.depth, mg));
  const signed = c.x.dtype === 'int8' ? 1 : 0;
  const bytes = coding === undefined ? 4 : 1;
  for (let i = 0; i < v.n; i++) {
    image.load(i * size);
    for (let g = 0; g < group; g++) {
      const out = to + bytes * (i * v.m + g * mg) * v.places;
      const own = (ptr: number) => ptr && ptr + 4 * g * mg;
      k.qconv(
        image.ptr + g * cg,
        f.lda,
        places,
        v.places,
        offsets,
        f.taps,
        v.depth / f.taps,
        signed,
        zeroA,
        panels.ptr + g * panels.bytes,
        mg,
        8,
        zerosAt && zerosAt + 4 * g * (zeros!.length / group),
        own(finish.bias),
        own(finish.factors),
        finish.type,
        finish.zero,
        finish.lo,
        finish.hi,
        out,
        v.places,
        scratch,
      );
    }
  }
  if (coding === undefined && finish.bias) addBias(v, finish.bias, to, rt);
}

export interface Finish {
  /** int32 [M], or 0. */
  readonly bias: number;
  /** float [M], or 0 for sums as they are. */
  readonly factors: number;
  readonly type: number;
  readonly zero: number;
  readonly lo: number;
  readonly hi: number;
}

/** Where sums or codes go. */
export interface SumsTo extends Finish {
  readonly ptr: number;
}

function finishOf({ bias }: IntegerConvolution, coding: Coding | undefined, rt: Runtime): Finish {
  const at = bias === undefined ? 0 : rt.ptr(bias);
  if (coding === undefined) return { bias: at, factors: 0, type: 0, zero: 0, lo: 0, hi: 0 };
  const factors = rt.scratch(4 * coding.factors.length);
  rt.wasm.arena.put(factors, coding.factors);
  const { type, zero, lo, hi } = coding;
  return { bias: at, factors, type, zero, lo, hi };
}

function put(values: Int32Array, rt: Runtime): number {
  const ptr = rt.scratch(values.byteLength);
  rt.wasm.arena.put(ptr, values);
  return ptr;
}

/** Adds bias [M] to sums [N, M, places]. */
function addBias(v: Convolution, bias: number, to: number, rt: Runtime): void {
  const sums = rt.wasm.arena.i32(to, v.n * v.m * v.places);
  const shift = rt.wasm.arena.i32(bias, v.m);
  for (let p = 0, i = 0; p < v.n * v.m; p++)
    for (const end = i + v.places; i < end; i++) sums[i] = sums[i]! + shift[p % v.m]!;
}

/** Sizes of the padded image. */
function paddedOf(w: Window): number[] {
  const rank = w.input.length;
  return w.input.map((d, i) => d + w.pads[i]! + w.pads[i + rank]!);
}

interface Fields {
  /** Bytes from one place to the next where the image itself is the matrix of its fields; else 0. */
  readonly lda: number;
  readonly places: Int32Array;
  readonly offsets: Int32Array;
  readonly taps: number;
}

/** Tables of at most so many entries are kept. */
const MOST_ENTRIES = 2 ** 16;
const FIELDS = new WeakMap<Convolution, Fields>();

function fieldsOf(v: Convolution, cg: number): Fields {
  const known = FIELDS.get(v);
  if (known !== undefined) return known;
  const fields = fieldsFor(v, cg);
  if (fields.places.length + fields.offsets.length <= MOST_ENTRIES) FIELDS.set(v, fields);
  return fields;
}

/** Where the bytes under the window lie in the padded image, channels last. */
function fieldsFor(v: Convolution, cg: number): Fields {
  const { window: w, c } = v;
  const padded = paddedOf(w);
  const rank = padded.length;
  const steps = padded.map((_, i) => c * product(padded, i + 1));
  // Taps along the last axis lie side by side where all channels are one group's and nothing is skipped.
  const run = v.group === 1 && w.dilations[rank - 1] === 1 ? w.kernel[rank - 1]! : 1;
  const kernel = w.kernel.map((d, i) => (i === rank - 1 ? d / run : d));
  const offsets = offsetsOf(
    kernel,
    steps.map((s, i) => s * w.dilations[i]!),
  );
  const plain = offsets.length === 1 && w.strides.every((s) => s === 1) && w.output.every((o, i) => o === padded[i]);
  if (plain) return { lda: c, places: new Int32Array(0), offsets, taps: 1 };
  const places = offsetsOf(
    w.output,
    steps.map((s, i) => s * w.strides[i]!),
  );
  return { lda: 0, places, offsets, taps: (v.depth / cg / run) | 0 };
}

/** Sums of index times step over all indices below `sizes`, in row-major order. */
function offsetsOf(sizes: readonly number[], steps: readonly number[]): Int32Array {
  let out = Int32Array.of(0);
  sizes.forEach((n, axis) => {
    const next = new Int32Array(out.length * n);
    let q = 0;
    for (const base of out) for (let i = 0; i < n; i++) next[q++] = base + i * steps[axis]!;
    out = next;
  });
  return out;
}

/** Weights [M, C / group, kernel...] as panels [taps, channels] by output channel, a run of panels a group. */
function weightPanels(w: Tensor, v: Convolution, flip: number, rt: Runtime): { ptr: number; bytes: number } {
  const { k } = rt.wasm;
  const { group, depth } = v;
  const cg = v.c / group;
  const mg = v.m / group;
  const taps = depth / cg;
  const bytes = k.panels_bytes(depth, mg, 8);
  const make = (out: number) => {
    const from = rt.ptr(w);
    const turned = rt.scratch(mg * depth);
    for (let g = 0; g < group; g++) {
      for (let i = 0; i < mg; i++)
        k.transpose_bytes(from + (g * mg + i) * depth, cg, taps, taps, turned + i * depth, cg);
      k.pack_panels(turned, 1, depth, depth, mg, 8, flip, out + g * bytes);
    }
  };
  const known = rt.derived(w, `conv panels ${group}`, bytes * group, make);
  if (known !== undefined) return { ptr: known, bytes };
  const ptr = rt.scratch(bytes * group);
  make(ptr);
  return { ptr, bytes };
}

/** Zero points as the panels of each group have them; undefined where all are 0. */
function columnZeros(zeros: Int32Array, group: number, mg: number, flip: number): Int32Array | undefined {
  if (zeros.every((z) => z === flip)) return undefined;
  const m8 = 8 * Math.ceil(mg / 8);
  const out = new Int32Array(group * m8);
  zeros.forEach((z, i) => {
    out[Math.floor(i / mg) * m8 + (i % mg)] = z - flip;
  });
  return out;
}

/** The padded image with channels last: `load` puts the image at that offset of x there. */
function imageOf({ v, x, xZero }: IntegerConvolution, rt: Runtime): { ptr: number; load(offset: number): void } {
  const { k, arena } = rt.wasm;
  const { c, window: w } = v;
  const from = rt.ptr(x);
  const padded = paddedOf(w);
  const total = c * product(padded);
  const ptr = rt.scratch(total);
  const size = product(w.input);
  if (w.pads.every((p) => p === 0)) return { ptr, load: (at) => k.transpose_bytes(from + at, c, size, size, ptr, c) };
  // Padding is the zero point, written once: the images come and go inside it.
  arena.u8(ptr, total).fill(xZero & 255);
  const width = w.input[w.input.length - 1]!;
  const steps = padded.map((_, i) => c * product(padded, i + 1));
  const first = steps.reduce((sum, s, i) => sum + s * w.pads[i]!, 0);
  const lines = offsetsOf(w.input.slice(0, -1), steps);
  return {
    ptr,
    load: (at) =>
      lines.forEach((to, i) => k.transpose_bytes(from + at + i * width, c, width, size, ptr + first + to, c)),
  };
}

/** True where sums of a depthwise convolution are exact in float. */
function depthwiseFits({ v, x, xZero, wZeros, w }: IntegerConvolution): boolean {
  const bound = mostOf(x.dtype, xZero) * wZeros.reduce((b, z) => Math.max(b, mostOf(w.dtype, z)), 0);
  return isDepthwise(v) && bound * v.depth <= 2 ** 24;
}

/** One channel a group: small dot products, in float, which holds them exactly. Also sums of nothing. */
function depthwiseSums(c: IntegerConvolution, finish: Finish, to: number, rt: Runtime): void {
  const { v, x, w } = c;
  const { k, arena } = rt.wasm;
  const n = v.n * v.m * v.places;
  const sums = finish.factors ? rt.scratch(4 * n) : to;
  if (v.depth === 0) arena.i32(sums, n).fill(0);
  else {
    const size = product(x.dims);
    const a = rt.scratch(4 * size);
    const b = rt.scratch(4 * product(w.dims));
    k.codes_to_f32(rt.ptr(x), size, CODE_MEMORY[x.dtype]!, c.xZero, 1, a);
    const taps = v.depth;
    const from = rt.ptr(w);
    for (let i = 0; i < v.m; i++)
      k.codes_to_f32(from + i * taps, taps, CODE_MEMORY[w.dtype]!, c.wZeros[i]!, 1, b + 4 * i * taps);
    const floats = rt.scratch(4 * n);
    depthwise(rt, v, a, b, floats);
    arena.i32(sums, n).set(arena.f32(floats, n));
  }
  if (!finish.factors) {
    if (finish.bias) addBias(v, finish.bias, to, rt);
    return;
  }
  const { bias, factors, type, zero, lo, hi } = finish;
  for (let i = 0; i < v.n; i++) {
    const at = i * v.m * v.places;
    k.requantize(sums + 4 * at, v.m, v.places, v.places, 1, bias, factors, type, zero, lo, hi, to + at, v.places);
  }
}
