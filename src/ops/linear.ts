import { ModelError, UnsupportedError } from '../errors.ts';
import type { DType, Tensor } from '../tensor.ts';
import { int, since } from './attributes.ts';
import { typeAttribute } from './cast.ts';
import { isHalf, narrow, widen } from './half.ts';
import type { NodeSpec, Op, Run, Runtime } from './op.ts';
import { axisOf, elements, need, product } from './shape.ts';

/** QuantizeLinear and DequantizeLinear: per tensor, per axis and blocked. */

/** Ranges of the types that hold codes. */
export const CODE_RANGES: Partial<Record<DType, readonly [number, number]>> = {
  int2: [-2, 1],
  uint2: [0, 3],
  int4: [-8, 7],
  uint4: [0, 15],
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int32: [-2147483648, 2147483647],
};

/** How the kernels are told the memory of codes: u8, i8, u16, i16. */
export const CODE_MEMORY: Partial<Record<DType, 0 | 1 | 2 | 3>> = {
  uint2: 0,
  uint4: 0,
  uint8: 0,
  int2: 1,
  int4: 1,
  int8: 1,
  uint16: 2,
  int16: 3,
};

/** Stretches under one scale shorter than this are not worth a call of a kernel. */
const SHORT = 16;

/** Added and taken away again, rounds any double of magnitude below 2^51 to the nearest integer, ties to even. */
export const TO_INTEGER = 6755399441055744;

/** Which element of scale and zero point serves an element: x is [outer, n, inner], each `block` of n shares one. */
interface Layout {
  readonly outer: number;
  readonly n: number;
  readonly inner: number;
  /** Elements of the axis under one scale; 0 for one scale in all. */
  readonly block: number;
  /** True where every position of `inner` has its own scales. */
  readonly blocked: boolean;
}

/** True where the elements under one scale lie side by side, enough of them for a kernel. */
function long(l: Layout): boolean {
  return l.blocked ? l.inner === 1 && l.block >= SHORT : l.inner >= SHORT;
}

function layoutOf(x: Tensor, scale: Tensor, zero: Tensor | undefined, axis: number, block: number): Layout {
  const size = scale.data.length;
  if (zero !== undefined && zero.data.length !== size)
    throw new ModelError(`zero_point: expected shape [${scale.dims}] of the scale, found [${zero.dims}]`);
  if (block < 0) throw new ModelError(`attribute "block_size": expected >= 0, found ${block}`);
  if (scale.dims.length === 0 || (size === 1 && scale.dims.length === 1 && block === 0))
    return { outer: 1, n: 1, inner: product(x.dims), block: 0, blocked: false };
  const at = axisOf(axis, x.dims.length);
  const n = x.dims[at]!;
  const shape = { outer: product(x.dims, 0, at), n, inner: product(x.dims, at + 1) };
  if (block === 0) {
    if (scale.dims.length !== 1 || size !== n)
      throw new ModelError(`scale: expected shape [${n}] for axis ${at} of [${x.dims}], found [${scale.dims}]`);
    return { ...shape, block: 1, blocked: false };
  }
  const want = x.dims.map((d, i) => (i === at ? Math.ceil(n / block) : d));
  if (scale.dims.length !== want.length || want.some((d, i) => d !== scale.dims[i]))
    throw new ModelError(
      `scale: expected shape [${want}] for blocks of ${block} along axis ${at} of [${x.dims}], found [${scale.dims}]`,
    );
  return { ...shape, block, blocked: true };
}

/** Calls body(from, to, s, step) for every stretch of elements: element from + j is under scale s + j * step. */
function stretches(l: Layout, body: (from: number, to: number, s: number, step: number) => void): void {
  const { outer, n, inner, block, blocked } = l;
  const groups = block === 0 ? 1 : Math.ceil(n / block);
  for (let o = 0; o < outer; o++)
    if (blocked && inner === 1)
      for (let g = 0; g < groups; g++) body(o * n + g * block, o * n + Math.min(n, (g + 1) * block), o * groups + g, 0);
    else
      for (let i = 0; i < n; i++) {
        const from = (o * n + i) * inner;
        if (blocked) body(from, from + inner, (o * groups + Math.floor(i / block)) * inner, 1);
        else body(from, from + inner, block === 0 ? 0 : i, 0);
      }
}

/** A float, float16, bfloat16 or int32 tensor as a float one. */
function floats(t: Tensor, what: string, rt: Runtime): Tensor {
  if (t.dtype === 'float') return t;
  if (isHalf(t.dtype)) return widen(t, rt);
  if (t.dtype === 'int32') return { dtype: 'float', dims: t.dims, data: Float32Array.from(t.data as Int32Array) };
  throw new UnsupportedError(`${what}: expected type float, float16, bfloat16 or int32, found ${t.dtype}`);
}

/** Attributes of both operators. */
function linearAttributes(node: NodeSpec): { axis: number; block: number; to: number } {
  return {
    axis: int(node, 'axis', 1),
    block: int(node, 'block_size', 0),
    to: int(node, 'output_dtype', 0),
  };
}

/** (x - zero_point) * scale in float, zero_point 0 where absent; of the scale's type, or the one `output_dtype` names. */
export const DequantizeLinear: Op = since(10, (node) => {
  const { axis, block, to } = linearAttributes(node);
  const wanted = to === 0 ? undefined : typeAttribute(to, 'output_dtype');
  if (wanted !== undefined && wanted !== 'float' && !isHalf(wanted))
    throw new UnsupportedError(`attribute "output_dtype": expected float, float16 or bfloat16, found ${wanted}`);
  return (inputs, rt) => {
    const x = need(inputs, 0, 'x');
    const scale = need(inputs, 1, 'x_scale');
    const zero = inputs[2];
    if (CODE_RANGES[x.dtype] === undefined) throw new UnsupportedError(`x: type ${x.dtype}`);
    if (zero !== undefined && zero.dtype !== x.dtype)
      throw new ModelError(`x_zero_point: expected type ${x.dtype}, found ${zero.dtype}`);
    const l = layoutOf(x, scale, zero, axis, block);
    const made = wanted ?? scale.dtype;
    const result = () => (isHalf(made) ? narrow(y, rt, made) : y);
    const y = rt.empty('float', x.dims);
    const factors = floats(scale, 'x_scale', rt);
    const z = zero === undefined ? undefined : elements(zero);
    const memory = CODE_MEMORY[x.dtype];
    if (memory !== undefined && long(l)) {
      const [from, to] = [rt.ptr(x), rt.ptr(y)];
      const bytes = memory < 2 ? 1 : 2;
      const s = elements(factors);
      stretches(l, (first, end, i) =>
        rt.wasm.k.codes_to_f32(from + bytes * first, end - first, memory, z?.[i] ?? 0, s[i]!, to + 4 * first),
      );
      return [result()];
    }
    const s = elements(factors);
    const a = elements(x);
    const out = elements(y);
    stretches(l, (from, end, i, step) => {
      if (step === 0) {
        const factor = s[i]!;
        const offset = z === undefined ? 0 : z[i]!;
        for (let q = from; q < end; q++) out[q] = Math.fround(a[q]! - offset) * factor;
      } else for (let q = from, j = i; q < end; q++, j++) out[q] = Math.fround(a[q]! - (z?.[j] ?? 0)) * s[j]!;
    });
    return [result()];
  };
});

/**
 * saturate(roundeven(x / scale) + zero_point), uint8 unless the zero point or `output_dtype` says otherwise. The quotient has the
 * precision of `precision`, or else of the scale's type.
 */
export const QuantizeLinear: Op = since(10, (node) => {
  const { axis, block, to } = linearAttributes(node);
  const precision = int(node, 'precision', 0);
  const asked = precision === 0 ? undefined : typeAttribute(precision, 'precision');
  const run: Run = (inputs, rt) => {
    const given = need(inputs, 0, 'x');
    const divisors = need(inputs, 1, 'y_scale');
    const zero = inputs[2];
    const named = to === 0 ? undefined : typeAttribute(to, 'output_dtype');
    const dtype = zero?.dtype ?? named ?? 'uint8';
    if (named !== undefined && named !== dtype)
      throw new ModelError(`attribute "output_dtype": expected ${dtype} as the zero point, found ${named}`);
    const range = CODE_RANGES[dtype];
    if (range === undefined || dtype === 'int32') throw new UnsupportedError(`output type ${dtype}`);
    const l = layoutOf(given, divisors, zero, axis, block);
    const values = floats(given, 'x', rt);
    const scales = floats(divisors, 'y_scale', rt);
    const z = zero === undefined ? undefined : elements(zero);
    const [lo, hi] = range;
    const halved = asked ?? divisors.dtype;
    if (!isHalf(halved) && long(l)) {
      const place = codesAt(rt, dtype, given.dims);
      const from = rt.ptr(values);
      const s = elements(scales);
      stretches(l, (first, end, i) => {
        const to = place.ptr + place.bytes * first;
        rt.wasm.k.f32_to_codes(from + 4 * first, end - first, place.memory, z?.[i] ?? 0, s[i]!, lo, hi, to);
      });
      return [place.done()];
    }
    let quotient = rt.empty('float', given.dims);
    const s = elements(scales);
    const a = elements(values);
    const q = elements(quotient);
    stretches(l, (from, end, i, step) => {
      if (step === 0) {
        const divisor = s[i]!;
        for (let p = from; p < end; p++) q[p] = a[p]! / divisor;
      } else for (let p = from, j = i; p < end; p++, j++) q[p] = a[p]! / s[j]!;
    });
    if (isHalf(halved)) quotient = widen(narrow(quotient, rt, halved), rt);
    const y = rt.empty(dtype, given.dims);
    const rounded = elements(quotient);
    const out = elements(y);
    stretches(l, (from, end, i, step) => {
      for (let p = from, j = i; p < end; p++, j += step) {
        const v = rounded[p]! + TO_INTEGER - TO_INTEGER + (z === undefined ? 0 : z[j]!);
        out[p] = v < lo ? lo : v > hi ? hi : v;
      }
    });
    return [y];
  };
  return run;
});

/** Room for codes in wasm memory, and what makes them a tensor. */
export interface CodePlace {
  readonly ptr: number;
  readonly bytes: 1 | 2;
  readonly memory: 0 | 1 | 2 | 3;
  done(): Tensor;
}

/** @throws UnsupportedError for a type that the kernels do not write */
export function codesAt(rt: Runtime, dtype: DType, dims: readonly number[]): CodePlace {
  const memory = CODE_MEMORY[dtype];
  if (memory === undefined) throw new UnsupportedError(`output type ${dtype}`);
  if (dtype === 'int8' || dtype === 'uint8') {
    const y = rt.codes(dtype, dims);
    return { ptr: rt.ptr(y), bytes: 1, memory, done: () => y };
  }
  const bytes = memory < 2 ? 1 : 2;
  const n = product(dims);
  const ptr = rt.scratch(bytes * n);
  const done = () => {
    const y = rt.empty(dtype, dims);
    const stored = rt.wasm.arena.u8(ptr, bytes * n);
    new Uint8Array(y.data.buffer, y.data.byteOffset, y.data.byteLength).set(stored);
    return y;
  };
  return { ptr, bytes, memory, done };
}

/** uint8 with the range of x, 0 included: y, its scale, its zero point. */
export const DynamicQuantizeLinear: Op = since(11, () => (inputs, rt) => {
  const x = need(inputs, 0, 'x');
  if (x.dtype !== 'float') throw new UnsupportedError(`x: expected type float, found ${x.dtype}`);
  const { place, scale, zero } = dynamicQuantize(x, rt);
  const s = rt.empty('float', []);
  const z = rt.empty('uint8', []);
  s.data[0] = scale;
  z.data[0] = zero;
  return [place.done(), s, z];
});

/** uint8 codes of a float tensor over its own range, 0 included, in wasm memory: x is near (codes - zero) * scale. */
export function dynamicQuantize(x: Tensor, rt: Runtime): { place: CodePlace; scale: number; zero: number } {
  const n = x.data.length;
  const from = rt.ptr(x);
  const ends = rt.scratch(8);
  rt.wasm.k.min_max(from, n, ends);
  const [least, most] = rt.wasm.arena.f32(ends, 2) as unknown as [number, number];
  if (Number.isNaN(least)) throw new ModelError('x: cannot quantize values that are not numbers');
  const lo = Math.min(least, 0);
  const hi = Math.max(most, 0);
  const s = hi === lo ? 1 : Math.fround(Math.fround(hi - lo) / 255);
  const z = Math.min(Math.max(Math.fround(-lo / s) + TO_INTEGER - TO_INTEGER, 0), 255);
  const place = codesAt(rt, 'uint8', x.dims);
  rt.wasm.k.f32_to_codes(from, n, 0, z, s, 0, 255, place.ptr);
  return { place, scale: s, zero: z };
}
