import type { Tensor } from '../tensor.ts';
import { elementwise } from './map.ts';
import type { Op, Runtime } from './op.ts';
import { apply } from './unary.ts';

/** Circular and hyperbolic functions and their inverses; arguments in radians. */

/** Up to here the kernels reduce their argument well; what lies beyond is computed here. */
const REDUCED = 2 ** 20;

function circular(kernel: 'sin' | 'cos', real: (v: number) => number): Op {
  const float = (x: Tensor, rt: Runtime) => {
    const y = apply(kernel, x, rt);
    const a = x.data as Float32Array;
    const out = y.data as Float32Array;
    for (let i = 0; i < a.length; i++) if (Math.abs(a[i]!) > REDUCED) out[i] = real(a[i]!);
    return y;
  };
  return elementwise(7, () => ({ float, real }));
}

export const Sin = circular('sin', Math.sin);
export const Cos = circular('cos', Math.cos);

function plain(real: (v: number) => number, version: number): Op {
  return elementwise(version, () => ({ real }));
}

export const Tan = plain(Math.tan, 7);
export const Asin = plain(Math.asin, 7);
export const Acos = plain(Math.acos, 7);
export const Atan = plain(Math.atan, 7);
export const Sinh = plain(Math.sinh, 9);
export const Cosh = plain(Math.cosh, 9);
export const Asinh = plain(Math.asinh, 9);
export const Acosh = plain(Math.acosh, 9);
export const Atanh = plain(Math.atanh, 9);
