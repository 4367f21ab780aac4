import type { DType, Tensor } from '../tensor.ts';
import { isHalf, narrow, widen } from './half.ts';
import type { Run, Runtime } from './op.ts';
import { isBig } from './shape.ts';

/** Elements read and written by value, whatever type they are stored in. */

/** Elements that compare by value: halves widened, 64-bit integers as bigints, all else as stored. */
export function comparable(t: Tensor, rt: Runtime): ArrayLike<number | bigint> {
  return (isHalf(t.dtype) ? widen(t, rt) : t).data;
}

/** The elements as numbers; 64-bit integers beyond 2^53 are rounded. */
export function numbersOf(t: Tensor, rt: Runtime): Float64Array {
  return Float64Array.from(comparable(t, rt) as ArrayLike<number>, Number);
}

/** `run` with halves among its inputs widened; its float results become halves only where input `i` is one. */
export function likeInput(i: number, run: Run): Run {
  return (inputs, rt) => {
    const dtype = inputs[i]?.dtype;
    const made = run(
      inputs.map((t) => (t !== undefined && isHalf(t.dtype) ? widen(t, rt) : t)),
      rt,
    );
    return dtype !== undefined && isHalf(dtype) ? made.map((t) => narrow(t, rt, dtype)) : made;
  };
}

/** The number 0 as an element of `dtype` is stored. */
export function zeroOf(dtype: DType): number | bigint {
  return isBig(dtype) ? 0n : 0;
}

/** The number 1 as an element of `dtype` is stored. */
export function oneOf(dtype: DType): number | bigint {
  if (dtype === 'float16') return 0x3c00;
  if (dtype === 'bfloat16') return 0x3f80;
  return isBig(dtype) ? 1n : 1;
}

const INTEGERS: Partial<Record<DType, readonly [number, number]>> = {
  int2: [-2, 1],
  uint2: [0, 3],
  int4: [-8, 7],
  uint4: [0, 15],
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
};

const BIGS: Partial<Record<DType, readonly [bigint, bigint]>> = {
  int64: [-(1n << 63n), (1n << 63n) - 1n],
  uint64: [0n, (1n << 64n) - 1n],
};

/** Numbers to elements of `dtype`: toward integers truncated and saturated, NaN to 0. Halves are not stored this way. */
export function storing(dtype: DType): (v: number) => number | bigint {
  const range = INTEGERS[dtype];
  if (range !== undefined) {
    const [lo, hi] = range;
    return (v) => (v >= lo ? Math.min(Math.trunc(v), hi) : v < lo ? lo : 0);
  }
  const big = BIGS[dtype];
  if (big !== undefined) {
    const [lo, hi] = big;
    const [least, most] = [Number(lo), Number(hi)];
    return (v) => (v >= most ? hi : v <= least ? lo : Number.isNaN(v) ? 0n : BigInt(Math.trunc(v)));
  }
  if (dtype === 'bool') return (v) => (v !== 0 ? 1 : 0);
  return (v) => v;
}

export type Combine = (a: never, b: never) => number | bigint;

/** Sum and product of two elements of `dtype`, to be stored in an array of that type, which wraps integers. */
export function sumAndProduct(dtype: DType): { readonly add: Combine; readonly mul: Combine } {
  if (isBig(dtype)) return { add: (a: bigint, b: bigint) => a + b, mul: (a: bigint, b: bigint) => a * b };
  if (dtype === 'bool') return { add: (a: number, b: number) => a | b, mul: (a: number, b: number) => a & b };
  const real = dtype === 'float' || dtype === 'double';
  return { add: (a: number, b: number) => a + b, mul: real ? (a: number, b: number) => a * b : Math.imul };
}
