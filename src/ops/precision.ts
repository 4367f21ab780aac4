import { ModelError, UnsupportedError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import type { Kernels } from '../wasm/kernels.ts';
import { doubleKernels } from './doubles.ts';
import type { Runtime } from './op.ts';
import { multiplyPacked, packedOf, type PackedMatrix } from './packed.ts';
import { need, product } from './shape.ts';

/** The kernels that exist for both float and double. Their signatures and meaning are those of `Kernels`, element sizes aside. */
export type RealKernels = Pick<
  Kernels,
  | 'gemm'
  | 'gemm_fused'
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

/** Products of as many rows or columns read their operands where they lie. */
const FEW = 4;

/** What `Real.multiply` is told beyond the operands. Addresses are 0 for none. */
export interface ProductOptions {
  readonly alpha?: number;
  readonly beta?: number;
  /** Elements from one row of C to the next; n unless told. */
  readonly ldc?: number;
  /** The tensor that B lies in, where it may be a constant: it is then packed once, not at every run. */
  readonly constant?: Tensor | undefined;
  /** Address of one number a column of C, or a row. */
  readonly bias?: number;
  readonly biasOf?: 'column' | 'row';
  /** Address of [m, n] numbers to be added, without gaps. */
  readonly residual?: number;
  readonly low?: number;
  readonly high?: number;
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

  /** Address of the right operand of products; 0 for one in codes, which `multiply` is told of as `constant`. */
  right(b: Tensor, trans: number): number {
    return packedOf(b, trans === 1) === undefined ? this.ptr(b) : 0;
  }

  /** Room for a result; elements undefined. */
  empty(dims: readonly number[]): Place {
    const tensor = this.rt.empty(this.dtype, dims);
    const length = product(dims);
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

  /**
   * C [m, n] = clamp(alpha op(A) op(B) + beta C + bias + residual, low, high) for operands without gaps, rows of C `ldc` apart; C is
   * written without being read when beta is 0.
   */
  multiply(
    ta: number,
    tb: number,
    m: number,
    n: number,
    k: number,
    a: number,
    b: number,
    c: number,
    options: ProductOptions = {},
  ): void {
    const { alpha = 1, beta = 0, ldc = n, bias = 0, biasOf = 'column', residual = 0 } = options;
    const { low = Number.NEGATIVE_INFINITY, high = Number.POSITIVE_INFINITY } = options;
    const codes = b === 0 ? packedOf(options.constant, tb === 1) : undefined;
    if (codes !== undefined) {
      this.#codes(ta, m, a, codes, c, options);
      return;
    }
    this.#gemmScratch ??= this.rt.scratch(this.rt.wasm.k.gemm_scratch());
    const kind = bias === 0 ? 0 : biasOf === 'column' ? 1 : 2;
    const lda = ta ? m : k;
    const ldb = tb ? k : n;
    const packed = m > FEW && n > FEW ? this.#packed(tb, n, k, b, ldb, options) : undefined;
    const at = packed ?? b;
    const form = packed === undefined ? tb : 2;
    const scratch = this.#gemmScratch;
    const end = [beta, c, ldc, bias, kind, residual, n, low, high, scratch] as const;
    this.k.gemm_fused(ta, form, m, n, k, alpha, a, lda, at, ldb, ...end);
  }

  /** Float: `count` products C [m, n] = alpha A op(B), the matrices A `stepA` and B `stepB` elements apart, those of C without gaps. */
  multiplyBatch(
    count: number,
    tb: number,
    m: number,
    n: number,
    k: number,
    a: number,
    stepA: number,
    b: number,
    stepB: number,
    c: number,
    alpha: number,
  ): void {
    const { k: kernels } = this.rt.wasm;
    this.#gemmScratch ??= this.rt.scratch(kernels.gemm_scratch());
    const ldb = tb ? k : n;
    kernels.gemm_batch(count, 0, tb, m, n, k, alpha, a, k, stepA, b, ldb, stepB, 0, c, n, m * n, this.#gemmScratch);
  }

  /** `multiply` by a matrix in codes; beta 0 and C without gaps. */
  #codes(ta: number, m: number, a: number, w: PackedMatrix, c: number, o: ProductOptions): void {
    const { k } = this.rt.wasm;
    const n = w.n;
    let rows = a;
    if (ta) {
      rows = this.scratch(m * w.k);
      k.transpose(a, w.k, m, rows);
    }
    multiplyPacked(this.rt, m, rows, w, c, false);
    if (o.alpha !== undefined && o.alpha !== 1) k.mul_scalar(c, o.alpha, c, m * n);
    if (o.bias) {
      if (o.biasOf === 'row') k.add_col(c, o.bias, c, m, n);
      else k.add_row(c, o.bias, c, m, n);
    }
    if (o.residual) k.add(c, o.residual, c, m * n);
    const { low = Number.NEGATIVE_INFINITY, high = Number.POSITIVE_INFINITY } = o;
    if (low !== Number.NEGATIVE_INFINITY || high !== Number.POSITIVE_INFINITY) k.clip(c, c, m * n, low, high);
  }

  /** Address of B in panels, where it is part of a constant. */
  #packed(tb: number, n: number, k: number, b: number, ldb: number, o: ProductOptions): number | undefined {
    if (o.constant === undefined || this.dtype === 'double') return undefined;
    const { k: kernels } = this.rt.wasm;
    const key = `gemm B ${tb ? 'transposed ' : ''}[${k},${n}] at ${b - this.ptr(o.constant)}`;
    const pack = (ptr: number) => kernels.gemm_pack_b(tb, k, n, b, ldb, ptr);
    return this.rt.derived(o.constant, key, kernels.gemm_packed_b(k, n), pack);
  }
}

/** Arithmetic of the type of `t`. @throws UnsupportedError for any but float and double (float16 is widened before, see half.ts) */
export function realOf(t: Tensor, what: string, rt: Runtime): Real {
  if (t.dtype !== 'float' && t.dtype !== 'double')
    throw new UnsupportedError(`${what}: expected type float, float16 or double, found ${t.dtype}`);
  return new Real(rt, t.dtype);
}
