import { ModelError, UnsupportedError } from '../errors.ts';
import type { DType, Tensor } from '../tensor.ts';
import { int, since } from './attributes.ts';
import { typeAttribute } from './cast.ts';
import { narrow, widen } from './half.ts';
import type { Op, Runtime } from './op.ts';
import { axisOf, elements, need, product } from './shape.ts';
import { roundEven } from './unary.ts';

/** QuantizeLinear and DequantizeLinear: per tensor, per axis and blocked. */

const RANGES: Partial<Record<DType, readonly [number, number]>> = {
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

/** Which element of scale and zero point serves an element: x is [outer, n, inner], each `block` of n shares one. */
interface Layout {
  readonly outer: number;
  readonly n: number;
  readonly inner: number;
  readonly block: number;
  /** Scales along the axis: 1 per tensor. */
  readonly groups: number;
}

function layoutOf(x: Tensor, scale: Tensor, zero: Tensor | undefined, axis: number, block: number): Layout {
  const size = scale.data.length;
  if (zero !== undefined && zero.data.length !== size)
    throw new ModelError(`zero_point: expected shape [${scale.dims}] of the scale, found [${zero.dims}]`);
  if (scale.dims.length === 0 || (size === 1 && scale.dims.length === 1 && block === 0))
    return { outer: 1, n: 1, inner: x.data.length, block: 1, groups: 1 };
  const at = axisOf(axis, x.dims.length);
  const n = x.dims[at]!;
  const shape = { outer: product(x.dims, 0, at), n, inner: product(x.dims, at + 1) };
  if (block === 0) {
    if (scale.dims.length !== 1 || size !== n)
      throw new ModelError(`scale: expected shape [${n}] for axis ${at} of [${x.dims}], found [${scale.dims}]`);
    return { ...shape, outer: shape.outer, block: 1, groups: n };
  }
  const groups = Math.ceil(n / block);
  const want = x.dims.map((d, i) => (i === at ? groups : d));
  if (block < 1 || scale.dims.length !== want.length || want.some((d, i) => d !== scale.dims[i]))
    throw new ModelError(
      `scale: expected shape [${want}] for blocks of ${block} along axis ${at} of [${x.dims}], found [${scale.dims}]`,
    );
  return { ...shape, block, groups };
}

/** Calls body(from, to, scale index) for every stretch of elements under one scale; `blocked` scales vary along inner too. */
function stretches(l: Layout, blocked: boolean, body: (from: number, to: number, s: number) => void): void {
  for (let o = 0; o < l.outer; o++)
    for (let i = 0; i < l.n; i++) {
      const from = (o * l.n + i) * l.inner;
      if (!blocked) body(from, from + l.inner, l.groups === 1 ? 0 : i);
      else if (l.inner === 1) body(from, from + 1, o * l.groups + Math.floor(i / l.block));
      else
        for (let j = 0; j < l.inner; j++)
          body(from + j, from + j + 1, (o * l.groups + Math.floor(i / l.block)) * l.inner + j);
    }
}

function floatScale(t: Tensor, rt: Runtime): Tensor {
  if (t.dtype === 'float16') return widen(t, rt);
  if (t.dtype !== 'float') throw new UnsupportedError(`scale: expected type float or float16, found ${t.dtype}`);
  return t;
}

/** (x - zero_point) * scale in float, zero_point 0 where absent; float16 when the scale is. */
export const DequantizeLinear: Op = since(10, (node) => {
  const axis = int(node, 'axis', 1);
  const block = int(node, 'block_size', 0);
  const to = int(node, 'output_dtype', 0);
  return (inputs, rt) => {
    const x = need(inputs, 0, 'x');
    const given = need(inputs, 1, 'x_scale');
    const zero = inputs[2];
    if (RANGES[x.dtype] === undefined) throw new UnsupportedError(`x: type ${x.dtype}`);
    if (zero !== undefined && zero.dtype !== x.dtype)
      throw new ModelError(`x_zero_point: expected type ${x.dtype}, found ${zero.dtype}`);
    const l = layoutOf(x, given, zero, axis, block);
    const scale = floatScale(given, rt);
    const y = rt.empty('float', x.dims);
    const a = elements(x);
    const s = elements(scale);
    const z = zero === undefined ? undefined : elements(zero);
    const out = elements(y);
    stretches(l, block > 0, (from, end, i) => {
      const factor = s[i]!;
      const offset = z === undefined ? 0 : z[i]!;
      for (let q = from; q < end; q++) out[q] = Math.fround(a[q]! - offset) * factor;
    });
    const half = to === 0 ? given.dtype === 'float16' : typeAttribute(to, 'output_dtype') === 'float16';
    return [half ? narrow(y, rt) : y];
  };
});

/** saturate(roundeven(x / scale) + zero_point), uint8 unless the zero point or `output_dtype` says otherwise. */
export const QuantizeLinear: Op = since(10, (node) => {
  const axis = int(node, 'axis', 1);
  const block = int(node, 'block_size', 0);
  const to = int(node, 'output_dtype', 0);
  return (inputs, rt) => {
    const given = need(inputs, 0, 'x');
    const zero = inputs[2];
    const dtype = zero?.dtype ?? (to === 0 ? 'uint8' : typeAttribute(to, 'output_dtype'));
    const range = RANGES[dtype];
    if (range === undefined || dtype === 'int32') throw new UnsupportedError(`output type ${dtype}`);
    const l = layoutOf(given, need(inputs, 1, 'y_scale'), zero, axis, block);
    const scale = floatScale(need(inputs, 1, 'y_scale'), rt);
    const x = floatInput(given, rt);
    const y = rt.empty(dtype, x.dims);
    const a = elements(x);
    const s = elements(scale);
    const z = zero === undefined ? undefined : elements(zero);
    const out = elements(y);
    const [lo, hi] = range;
    stretches(l, block > 0, (from, end, i) => {
      const divisor = s[i]!;
      const offset = z === undefined ? 0 : z[i]!;
      for (let q = from; q < end; q++)
        out[q] = Math.min(Math.max(roundEven(Math.fround(a[q]! / divisor)) + offset, lo), hi);
    });
    return [y];
  };
});

function floatInput(x: Tensor, rt: Runtime): Tensor {
  if (x.dtype === 'float16') return widen(x, rt);
  if (x.dtype === 'int32') {
    const y = rt.empty('float', x.dims);
    (y.data as Float32Array).set(x.data as Int32Array);
    return y;
  }
  if (x.dtype !== 'float') throw new UnsupportedError(`x: expected type float, float16 or int32, found ${x.dtype}`);
  return x;
}

/** uint8 with the range of x, 0 included: y, its scale, its zero point. */
export const DynamicQuantizeLinear: Op = since(11, () => (inputs, rt) => {
  const x = floatInput(need(inputs, 0, 'x'), rt);
  const y = rt.empty('uint8', x.dims);
  const scale = rt.empty('float', []);
  const zero = rt.empty('uint8', []);
  let lo = 0;
  let hi = 0;
  const a = elements(x);
  for (const v of a) {
    if (v < lo) lo = v;
    if (v > hi) hi = v;
  }
  const s = hi === lo ? 1 : Math.fround(Math.fround(hi - lo) / 255);
  const z = Math.min(Math.max(roundEven(Math.fround(-lo / s)), 0), 255);
  scale.data[0] = s;
  zero.data[0] = z;
  const out = elements(y);
  for (let i = 0; i < out.length; i++) out[i] = Math.min(Math.max(roundEven(Math.fround(a[i]! / s)) + z, 0), 255);
  return [y, scale, zero];
});
