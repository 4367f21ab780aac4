import type { Tensor } from '../tensor.ts';

/** The first element that is NaN or infinite, undefined where there is none; integers have none. */
export function findNonFinite(t: Tensor): { index: number; value: string } | undefined {
  if (t.dtype === 'float16') {
    const bits = t.data as Uint16Array;
    for (let i = 0; i < bits.length; i++)
      if ((bits[i]! & 0x7c00) === 0x7c00)
        return { index: i, value: bits[i]! & 0x3ff ? 'NaN' : bits[i]! & 0x8000 ? '-Infinity' : 'Infinity' };
    return undefined;
  }
  if (t.dtype !== 'float' && t.dtype !== 'double') return undefined;
  const data = t.data as Float32Array;
  // x - x is 0 for every finite x and NaN for all others.
  for (let i = 0; i < data.length; i++) if (data[i]! - data[i]! !== 0) return { index: i, value: String(data[i]) };
  return undefined;
}
