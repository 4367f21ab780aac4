import { ModelError, UnsupportedError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import type { Kernels } from '../wasm/kernels.ts';
import { doubleKernels } from './doubles.ts';
import type { Runtime } from './op.ts';
import { need } from './shape.ts';

/** The kernels that exist for both float and double. Their signatures and meaning are those of `Kernels`, element sizes aside. */
export type RealKernels = Pick<
  Kernels,
  | 'gemm'
  | 'im2col'
  | 'col2im'
  | 'avgpool2d'
  | 'maxpool2d'
  | 'add'
  | 'sub'
  | 'mul'
  | 'add_row'
  | 'add_col'
  | 'mul_scalar'
  | 'add_scalar'
  | 'exp'
  | 'log'
  | 'abs'
  | 'relu'
  | 'sigmoid'
  | 'tanh'
  | 'clip'
  | 'permute4'
  | 'layer_norm'
  | 'rms_norm'
  | 'channel_affine'
  | 'reduce_rows_mean'
  | 'reduce_rows_max'
>;

/** A result while it is being made at an address. */
export interface Place {
  readonly ptr: number;
  readonly length: number;
  /** The finished tensor: call once everything is written. */
  done(): Tensor;
}

/**
 * Arithmetic of one run on float or double tensors, by addresses in wasm memory: what lets an operator be written once for both.
 * float runs in the wasm kernels, double in plain loops over the same memory.
 */
export class Real {
  readonly bytes: 4 | 8;
  readonly k: RealKernels;
  #gemmScratch: number | undefined;

  constructor(
    readonly rt: Runtime,
    readonly dtype: 'float' | 'double',
  ) {
    this.bytes = dtype === 'float' ? 4 : 8;
    this.k = dtype === 'float' ? rt.wasm.k : doubleKernels(rt.wasm);
  }

  /** Input `i`, which must be there and be of this type. */
  need(inputs: readonly (Tensor | undefined)[], i: number, what: string): Tensor {
    const t = need(inputs, i, what);
    if (t.dtype !== this.dtype) throw new ModelError(`${what}: expected type ${this.dtype}, found ${t.dtype}`);
    return t;
  }

  /** Input `i` of this type, or undefined where it is absent. */
  optional(inputs: readonly (Tensor | undefined)[], i: number, what: string): Tensor | undefined {
    return inputs[i] === undefined ? undefined : this.need(inputs, i, what);
  }

  /** Address of a tensor's elements. */
  ptr(t: Tensor): number {
    return this.rt.ptr(t);
  }

  /** Address of scratch for n elements. */
  scratch(n: number): number {
    return this.rt.scratch(this.bytes * n);
  }

  /** Room for a result; elements undefined. */
  empty(dims: readonly number[]): Place {
    const tensor = this.rt.empty(this.dtype, dims);
    const length = tensor.data.length;
    if (this.dtype === 'float') return { ptr: this.rt.ptr(tensor), length, done: () => tensor };
    const ptr = this.rt.scratch(8 * length);
    const done = () => {
      (tensor.data as Float64Array).set(this.rt.wasm.arena.f64(ptr, length));
      return tensor;
    };
    return { ptr, length, done };
  }

  /** View of n elements at an address, valid until the next allocation. */
  view(ptr: number, n: number): Float32Array | Float64Array {
    return this.dtype === 'float' ? this.rt.wasm.arena.f32(ptr, n) : this.rt.wasm.arena.f64(ptr, n);
  }

  /** Bytes of n elements: for addresses. */
  at(ptr: number, n: number): number {
    return ptr + this.bytes * n;
  }

  /** C [m, n] = alpha op(A) op(B) + beta C for operands without gaps, rows of C `ldc` apart; C is written without being read when beta is 0. */
  multiply(
    ta: number,
    tb: number,
    m: number,
    n: number,
    k: number,
    a: number,
    b: number,
    c: number,
    { alpha = 1, beta = 0, ldc = n }: { alpha?: number; beta?: number; ldc?: number } = {},
  ): void {
    this.#gemmScratch ??= this.rt.scratch(this.rt.wasm.k.gemm_scratch());
    this.k.gemm(ta, tb, m, n, k, alpha, a, ta ? m : k, b, tb ? k : n, beta, c, ldc, this.#gemmScratch);
  }
}

/** Arithmetic of the type of `t`. @throws UnsupportedError for any but float and double (float16 is widened before, see half.ts) */
export function realOf(t: Tensor, what: string, rt: Runtime): Real {
  if (t.dtype !== 'float' && t.dtype !== 'double')
    throw new UnsupportedError(`${what}: expected type float, float16 or double, found ${t.dtype}`);
  return new Real(rt, t.dtype);
}
