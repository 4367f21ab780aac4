import { DATA_TYPES, tensor } from '../tensor.ts';
import type { Plane } from '../grid/index.ts';
import type { Builder } from './builder.ts';

/**
 * Name of an int8 or float [256, 8 / p] table: row v holds the 8 / p fields of p bits in a byte v, low bits first, each times
 * 2^shift plus `offset`. Computed in the model, by operators every opset from 7 has, out of one ramp of 256 bytes, and
 * shared by all weights: a stored table would be up to 2 KB for each plane, shift and offset.
 */
export function planeTable(b: Builder, { p, shift }: Plane, offset: number, float: boolean): string {
  return b.shared(`table ${p} ${shift} ${offset} ${float}`, () => {
    const moved = shift === 0 ? fields(b, p) : b.node('Mul', [fields(b, p), b.floats([2 ** shift])]);
    const table = offset === 0 ? moved : b.node('Add', [moved, b.floats([offset])]);
    return float ? table : b.cast(table, DATA_TYPES.int8);
  });
}

/** floor(v / 2^(p t)) mod 2^p as floats [256, 8 / p]: every number here is exact in fp32. */
function fields(b: Builder, p: number): string {
  return b.shared(`fields ${p}`, () => {
    const count = 8 / p;
    const powers = Array.from({ length: count }, (_, t) => 2 ** (-p * t));
    const shifted = b.node('Floor', [b.node('Mul', [ramp(b), b.floats(powers, [count])])]);
    const above = b.node('Floor', [b.node('Mul', [shifted, b.floats([2 ** -p])])]);
    return b.node('Sub', [shifted, b.node('Mul', [above, b.floats([2 ** p])])]);
  });
}

/** 0, 1, ... 255 as floats [256, 1]. */
function ramp(b: Builder): string {
  return b.shared('ramp', () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, v) => v);
    return b.cast(b.initializer('kq_bytes', tensor('uint8', [256, 1], bytes)), DATA_TYPES.float);
  });
}
