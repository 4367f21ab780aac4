import type { Tensor } from '../tensor.ts';

/** The first element that is NaN or infinite, undefined where there is none; integers have none. */
export function findNonFinite(t: Tensor): { index: number; value: string } | undefined {
  if (t.dtype === 'float16' || t.dtype === 'bfloat16') {
    const bits = t.data as Uint16Array;
    const exponent = t.dtype === 'float16' ? 0x7c00 : 0x7f80;
    for (let i = 0; i < bits.length; i++)
      if ((bits[i]! & exponent) === exponent) {
        const nan = (bits[i]! & 0x7fff) > exponent;
        return { index: i, value: nan ? 'NaN' : bits[i]! & 0x8000 ? '-Infinity' : 'Infinity' };
      }
    return undefined;
  }
  if (t.dtype !== 'float' && t.dtype !== 'double') return undefined;
  const data = t.data as Float32Array;
  // x - x is 0 for every finite x and NaN for all others.
  for (let i = 0; i < data.length; i++) if (data[i]! - data[i]! !== 0) return { index: i, value: String(data[i]) };
  return undefined;
}
