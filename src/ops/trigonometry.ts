import * as math from '../math.ts';
import type { Tensor } from '../tensor.ts';
import { elementwise } from './map.ts';
import type { Op, Runtime } from './op.ts';
import { apply } from './unary.ts';

/** Circular and hyperbolic functions and their inverses; arguments in radians. */

/** Up to here the kernels reduce their argument well; what lies beyond is computed here. */
const REDUCED = 2 ** 20;

function circular(kernel: 'sin' | 'cos', real: (v: number) => number): Op {
  const float = (x: Tensor, rt: Runtime) => {
    const y = apply(kernel, x, rt, rt.empty('float', x.dims));
    const a = x.data as Float32Array;
    const out = y.data as Float32Array;
    for (let i = 0; i < a.length; i++) if (Math.abs(a[i]!) > REDUCED) out[i] = real(a[i]!);
    return y;
  };
  return elementwise(7, () => ({ float, real }));
}

export const Sin = circular('sin', math.sin);
export const Cos = circular('cos', math.cos);

function plain(real: (v: number) => number, version: number): Op {
  return elementwise(version, () => ({ real }));
}

export const Tan = plain(math.tan, 7);
export const Asin = plain(math.asin, 7);
export const Acos = plain(math.acos, 7);
export const Atan = plain(math.atan, 7);
export const Sinh = plain(math.sinh, 9);
export const Cosh = plain(math.cosh, 9);
export const Asinh = plain(math.asinh, 9);
export const Acosh = plain(math.acosh, 9);
export const Atanh = plain(math.atanh, 9);
