import type { Granularity } from '../allocate/types.ts';

export type { Granularity };

/** Widths a grid can have. */
export const GRID_BITS: readonly number[] = [2, 3, 4, 5, 6, 7, 8, 16];

/** What a grid is to be like. */
export interface GridSpec {
  /** 2..8 or 16. */
  readonly bits: number;
  readonly granularity: Granularity;
  /** True: the zero point is 2^(bits-1). False: a whole number 0..2^bits-1 for each scale. */
  readonly symmetric: boolean;
  /** max: the range of the weights. mse: least sum of squared errors. gram: least dw H dw', H = E[x x'] of the layer's inputs. */
  readonly clip: 'max' | 'mse' | 'gram';
  /** Scales are rounded to this type before codes are computed. */
  readonly scaleType: 'float16' | 'float';
}

/**
 * Scales and zero points of a matrix [rows, cols]: value = (code - zero) * scale, code 0..2^bits-1.
 * Where block <= cols, every `block` consecutive weights of a row share a scale, the last block of a row shorter where cols
 * is no multiple, and scales are [rows, ceil(cols / block)]; where block is rows * cols there is one scale.
 */
export interface Grid {
  readonly bits: number;
  readonly rows: number;
  readonly cols: number;
  readonly block: number;
  readonly symmetric: boolean;
  readonly scales: Float32Array;
  /** As many as scales; undefined where symmetric. Uint16Array for 16 bits. */
  readonly zeros: Uint8Array | Uint16Array | undefined;
  readonly scaleType: 'float16' | 'float';
}

/** A matrix as the kernels take it: `rows` rows of `cols`, a scale for every `block`. */
export interface KernelShape {
  readonly rows: number;
  readonly cols: number;
  readonly block: number;
  /** Number of scales. */
  readonly count: number;
}

/** @throws TypeError, RangeError naming what is wrong */
export function checkSpec(spec: GridSpec): void {
  if (!GRID_BITS.includes(spec.bits))
    throw new RangeError(`bits: expected one of ${GRID_BITS.join(', ')}, found ${spec.bits}`);
  const g = spec.granularity;
  if (g !== 'tensor' && g !== 'channel' && !(Number.isSafeInteger(g) && g >= 1))
    throw new RangeError(`granularity: expected 'tensor', 'channel' or a block size >= 1, found ${g}`);
  if (typeof spec.symmetric !== 'boolean')
    throw new TypeError(`symmetric: expected a boolean, found ${typeof spec.symmetric}`);
  if (!['max', 'mse', 'gram'].includes(spec.clip))
    throw new RangeError(`clip: expected max, mse or gram, found ${spec.clip}`);
  if (!['float16', 'float'].includes(spec.scaleType))
    throw new RangeError(`scaleType: expected float16 or float, found ${spec.scaleType}`);
}

/** @throws RangeError unless both are whole numbers >= 1 whose product an array can hold */
export function checkShape(rows: number, cols: number): void {
  if (!Number.isSafeInteger(rows) || rows < 1)
    throw new RangeError(`rows: expected a whole number >= 1, found ${rows}`);
  if (!Number.isSafeInteger(cols) || cols < 1)
    throw new RangeError(`cols: expected a whole number >= 1, found ${cols}`);
  if (rows * cols > 2 ** 30) throw new RangeError(`a matrix of ${rows} x ${cols}: expected at most 2^30 weights`);
}

/** Weights that share a scale: the `block` of a Grid of that granularity. */
export function blockOf(rows: number, cols: number, granularity: Granularity): number {
  if (granularity === 'tensor') return rows * cols;
  return granularity === 'channel' ? cols : Math.min(granularity, cols);
}

/** How the kernels are told of a matrix with that block. */
export function kernelShape(rows: number, cols: number, block: number): KernelShape {
  if (block > cols) return { rows: 1, cols: rows * cols, block, count: 1 };
  return { rows, cols, block, count: rows * Math.ceil(cols / block) };
}

/** Weights stored for a matrix: where the last block of a row is shorter than the others, it is filled up. */
export function storedSize(rows: number, cols: number, block: number): number {
  return block > cols ? rows * cols : rows * Math.ceil(cols / block) * block;
}

/**
 * Bytes of codes, scales and zero points of a matrix in the `dense` format: codes below 8 bits padded to a multiple of 8 of them and the last
 * block of each row filled up; zero points one byte each, two for 16 bits.
 */
export function gridBytes(
  rows: number,
  cols: number,
  spec: Pick<GridSpec, 'bits' | 'granularity' | 'symmetric' | 'scaleType'>,
): number {
  checkShape(rows, cols);
  const { bits } = spec;
  const block = blockOf(rows, cols, spec.granularity);
  const { count } = kernelShape(rows, cols, block);
  const stored = storedSize(rows, cols, block);
  const codes = bits >= 8 ? (stored * bits) / 8 : Math.ceil(stored / 8) * bits;
  return codes + count * (spec.scaleType === 'float16' ? 2 : 4) + (spec.symmetric ? 0 : count * (bits > 8 ? 2 : 1));
}
