/** Quantization grids: scales, zero points, codes, and how codes are packed. */
export { fitGrid, dequantize, fakeQuantize, quantize } from './grid.ts';
export { gramError, gramErrorRows } from './gram.ts';
export type { LayerGram } from './gram.ts';
export { encode } from './rounding/encode.ts';
export { ROUNDINGS } from './rounding/roundings.ts';
export type { Rounding } from './rounding/roundings.ts';
export { fromHalf, toHalf } from './half.ts';
export {
  packDense,
  packInt4,
  planeBytes,
  planesOf,
  splitPlanes,
  toInt16,
  toInt8,
  unpackDense,
  unpackInt4,
} from './pack.ts';
export type { Plane } from './pack.ts';
export { codesFromRows, fromRows, rowShape, toRows } from './rows.ts';
export { blockOf, GRID_BITS, gridBytes } from './spec.ts';
export type { Granularity, Grid, GridSpec } from './spec.ts';
export { type Coded, decode, type Slice } from './coded.ts';
