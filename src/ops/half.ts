import type { DType, Tensor } from '../tensor.ts';
import type { Op, Run, Runtime } from './op.ts';

/**
 * float16 and bfloat16 are storage here, not arithmetic: operators on them widen to float, run, and round their float results
 * back.
 */

export type Half = 'float16' | 'bfloat16';

export function isHalf(dtype: DType): dtype is Half {
  return dtype === 'float16' || dtype === 'bfloat16';
}

/** The float tensor of a float16 or bfloat16 tensor's values, exactly. */
export function widen(t: Tensor, rt: Runtime): Tensor {
  const y = rt.empty('float', t.dims);
  const n = t.data.length;
  if (t.dtype === 'bfloat16') {
    const bits = t.data as Uint16Array;
    const out = new Uint32Array(y.data.buffer, y.data.byteOffset, n);
    for (let i = 0; i < n; i++) out[i] = bits[i]! << 16;
  } else if (n > 0) rt.wasm.k.f16_to_f32(rt.ptr(t), n, rt.ptr(y));
  return y;
}

/** A float tensor rounded to float16 or bfloat16, ties to even. */
export function narrow(t: Tensor, rt: Runtime, dtype: Half = 'float16'): Tensor {
  const y = rt.empty(dtype, t.dims);
  const n = t.data.length;
  if (n === 0) return y;
  const out = y.data as Uint16Array;
  if (dtype === 'bfloat16') {
    const x = t.data as Float32Array;
    const bits = new Uint32Array(x.buffer, x.byteOffset, n);
    for (let i = 0; i < n; i++) out[i] = topHalf(bits[i]!);
  } else {
    const at = rt.scratch(2 * n);
    rt.wasm.k.f32_to_f16(rt.ptr(t), n, at);
    out.set(rt.wasm.arena.u16(at, n));
  }
  return y;
}

/** Bits of a float to those of the nearest bfloat16; a NaN keeps its sign. */
function topHalf(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x7fc0;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** `run` with float16 and bfloat16 inputs widened; its float results take the first such input's type then. */
export function halves(run: Run): Run {
  return (inputs, rt) => {
    const dtype = inputs.find((t) => t !== undefined && isHalf(t.dtype))?.dtype as Half | undefined;
    if (dtype === undefined) return run(inputs, rt);
    const wide = inputs.map((t) => (t !== undefined && isHalf(t.dtype) ? widen(t, rt) : t));
    return run(wide, rt).map((t) => (t.dtype === 'float' ? narrow(t, rt, dtype) : t));
  };
}

/** An operator that also takes float16 and bfloat16. */
export function withHalf(op: Op): Op {
  return op.map((v) => ({ since: v.since, build: (node) => halves(v.build(node)) }));
}
