import { arrayOf, type DType, sizeOf, type Tensor, tensor } from '../../../src/tensor.ts';
import { random } from '../../helpers.ts';
import type { Attributes, Case } from '../compare.ts';

/** A node drawn at random: what `agree` of compare.ts takes. */
export interface Sample {
  readonly inputs: readonly (Tensor | undefined)[];
  readonly attributes?: Attributes;
  readonly c?: Case;
  /** The operator, where one generator draws several. */
  readonly op?: string;
  /** By how much integers may differ: 1 where a result is rounded from floats of another order of summation. */
  readonly steps?: number;
}

/** Draws a valid node of one operator. */
export type Generator = (d: Draw) => Sample;

/** A family of operators: name to generator. */
export type Family = Readonly<Record<string, Generator>>;

export const FLOATS: readonly DType[] = ['float', 'float16', 'double'];
export const SIGNED: readonly DType[] = ['int8', 'int16', 'int32', 'int64'];
export const UNSIGNED: readonly DType[] = ['uint8', 'uint16', 'uint32', 'uint64'];
export const INTEGERS: readonly DType[] = [...SIGNED, ...UNSIGNED];
export const NUMBERS: readonly DType[] = [...FLOATS, ...INTEGERS];
export const ALL: readonly DType[] = [...NUMBERS, 'bool'];

/** Seeded choices of what a node is made of. */
export class Draw {
  readonly next: () => number;

  constructor(seed: number) {
    this.next = random(seed);
  }

  /** An integer in lo..hi. */
  int(lo: number, hi: number): number {
    return lo + Math.floor(this.next() * (hi - lo + 1));
  }

  chance(p = 0.5): boolean {
    return this.next() < p;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.int(0, from.length - 1)]!;
  }

  real(lo: number, hi: number): number {
    return lo + this.next() * (hi - lo);
  }

  /** `make()` or nothing. */
  maybe<T>(make: () => T, p = 0.5): T | undefined {
    return this.chance(p) ? make() : undefined;
  }

  /** A type, float more often than the others. */
  dtype(from: readonly DType[]): DType {
    return from.includes('float') && this.chance(0.3) ? 'float' : this.pick(from);
  }

  shuffle<T>(list: readonly T[]): T[] {
    const out = [...list];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.int(0, i);
      [out[i], out[j]] = [out[j]!, out[i]!];
    }
    return out;
  }

  /** A dimension: 1 and small odd ones often, 0 now and then where `zero`. */
  dim(max = 7, zero = false): number {
    if (zero && this.chance(0.06)) return 0;
    return this.chance(0.2) ? 1 : this.int(1, max);
  }

  dims(lo = 0, hi = 4, max = 7, zero = false): number[] {
    return Array.from({ length: this.int(lo, hi) }, () => this.dim(max, zero));
  }

  /** An axis of that rank, negative half of the time. */
  axis(rank: number): number {
    const a = this.int(0, rank - 1);
    return this.chance() ? a - rank : a;
  }

  /** Some distinct axes in any order, negative ones among them. */
  axes(rank: number, count = this.int(1, rank)): number[] {
    return this.shuffle(Array.from({ length: rank }, (_, i) => i))
      .slice(0, count)
      .map((a) => (this.chance() ? a - rank : a));
  }

  /** A shape that broadcasts to `dims`: leading axes dropped, others set to 1. */
  narrowed(dims: readonly number[]): number[] {
    return dims.slice(this.chance(0.3) ? this.int(0, dims.length) : 0).map((n) => (this.chance(0.25) ? 1 : n));
  }

  /** Two shapes that broadcast together. */
  pair(rank = 4, zero = false): [number[], number[]] {
    const dims = this.dims(0, rank, 6, zero);
    const a = this.narrowed(dims);
    const b = this.narrowed(dims);
    return [a, b];
  }

  /** Numbers lo..hi of a type: whole ones for integers, rounded to the type for floats. */
  tensor(dtype: DType, dims: readonly number[], lo = -4, hi = 4): Tensor {
    const n = sizeOf(dims);
    if (dtype === 'bool')
      return tensor(
        dtype,
        dims,
        Uint8Array.from({ length: n }, () => this.int(0, 1)),
      );
    if (dtype.startsWith('u')) lo = Math.max(lo, 0);
    const big = dtype === 'int64' || dtype === 'uint64';
    const real = dtype === 'float' || dtype === 'double' || dtype === 'float16';
    const draw = () => (real ? this.real(lo, hi) : this.int(Math.ceil(lo), Math.floor(hi)));
    const values = Array.from({ length: n }, draw);
    if (dtype === 'float16') return tensor(dtype, dims, Uint16Array.from(values, halfBits));
    const type = arrayOf(dtype) as Float32ArrayConstructor;
    return tensor(
      dtype,
      dims,
      big ? (type as unknown as BigInt64ArrayConstructor).from(values, BigInt) : type.from(values),
    );
  }

  /** Whole numbers lo..hi of a type, floats too: ties are likely. */
  whole(dtype: DType, dims: readonly number[], lo = -3, hi = 3): Tensor {
    return this.values(
      dtype,
      dims,
      Array.from({ length: sizeOf(dims) }, () => this.int(dtype.startsWith('u') ? Math.max(lo, 0) : lo, hi)),
    );
  }

  /** Distinct whole numbers in any order: an order among them is an order among all. */
  distinct(dtype: DType, dims: readonly number[]): Tensor {
    const n = sizeOf(dims);
    return this.values(dtype, dims, this.shuffle(Array.from({ length: n }, (_, i) => i)));
  }

  /** A tensor of these values. */
  values(dtype: DType, dims: readonly number[], values: readonly number[]): Tensor {
    if (dtype === 'float16') return tensor(dtype, dims, Uint16Array.from(values, halfBits));
    const big = dtype === 'int64' || dtype === 'uint64';
    const type = arrayOf(dtype) as Float32ArrayConstructor;
    return tensor(
      dtype,
      dims,
      big ? (type as unknown as BigInt64ArrayConstructor).from(values, BigInt) : type.from(values),
    );
  }
}

/** Nearest float16 of a number of moderate size, as bits: ties to even. */
export function halfBits(v: number): number {
  const sign = v < 0 || Object.is(v, -0) ? 0x8000 : 0;
  const a = Math.abs(v);
  if (Number.isNaN(v)) return 0x7e00;
  if (a >= 65520) return sign | 0x7c00;
  const e = Math.max(-14, Math.floor(Math.log2(a || 2 ** -24)));
  const m = a / 2 ** (e - 10);
  let r = Math.floor(m);
  if (m - r > 0.5 || (m - r === 0.5 && r % 2 === 1)) r++;
  // r counts steps of 2^(e-10); a subnormal has the exponent of the smallest normal number
  return sign | (((e + 14) << 10) + r);
}
