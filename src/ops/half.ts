import type { Tensor } from '../tensor.ts';
import type { Op, Run, Runtime } from './op.ts';

/** float16 is storage here, not arithmetic: operators on it widen to float, run, and round their float results back. */

/** The float tensor of a float16 tensor's values, exactly. */
export function widen(t: Tensor, rt: Runtime): Tensor {
  const y = rt.empty('float', t.dims);
  const n = t.data.length;
  if (n > 0) rt.wasm.k.f16_to_f32(rt.ptr(t), n, rt.ptr(y));
  return y;
}

/** A float tensor rounded to float16, ties to even. */
export function narrow(t: Tensor, rt: Runtime): Tensor {
  const y = rt.empty('float16', t.dims);
  const n = t.data.length;
  if (n > 0) {
    const out = rt.scratch(2 * n);
    rt.wasm.k.f32_to_f16(rt.ptr(t), n, out);
    (y.data as Uint16Array).set(rt.wasm.arena.u16(out, n));
  }
  return y;
}

/** `run` with float16 inputs widened; its float results become float16 then. */
export function halves(run: Run): Run {
  return (inputs, rt) => {
    if (!inputs.some((t) => t?.dtype === 'float16')) return run(inputs, rt);
    const wide = inputs.map((t) => (t?.dtype === 'float16' ? widen(t, rt) : t));
    return run(wide, rt).map((t) => (t.dtype === 'float' ? narrow(t, rt) : t));
  };
}

/** An operator that also takes float16. */
export function withHalf(op: Op): Op {
  return op.map((v) => ({ since: v.since, build: (node) => halves(v.build(node)) }));
}
