import type { Wasm } from '../wasm/wasm.ts';
import { dequantizeTo, type Grid } from './grid.ts';

/** Rows of a weight [rows, cols] that share a width, as codes on one grid. Of 0 bits: rows that are left out. */
export interface Slice {
  /** The weight's rows the slice holds, ascending; undefined: all of them. */
  readonly rows: readonly number[] | undefined;
  /** Of a matrix of as many rows as the slice has. */
  readonly grid: Grid;
  /** [grid.rows, grid.cols] */
  readonly codes: Uint8Array | Uint16Array;
}

/** A weight in codes: its slices hold every row exactly once, widths ascending. */
export type Coded = readonly Slice[];

/** Rows that are left out: 0 bits a weight, a scale of 0 for every row or block. They stand for zeros. */
export function rowsLeftOut(
  rows: readonly number[],
  { cols, block, scaleType }: Pick<Grid, 'cols' | 'block' | 'scaleType'>,
): Slice {
  const scales = new Float32Array(rows.length * Math.ceil(cols / block));
  const grid: Grid = { bits: 0, rows: rows.length, cols, block, symmetric: true, scales, zeros: undefined, scaleType };
  return { rows, grid, codes: new Uint8Array(rows.length * cols) };
}

/** The matrix [rows, cols] that the codes stand for. */
export function decode(wasm: Wasm, coded: Coded): Float32Array {
  return wasm.arena.scope((alloc) => {
    const to = alloc(4 * elementsOf(coded));
    decodeTo(wasm, coded, to);
    return wasm.arena.f32(to, elementsOf(coded)).slice();
  });
}

/** The same to that address. */
export function decodeTo(wasm: Wasm, coded: Coded, to: number): void {
  const { arena } = wasm;
  const [first] = coded;
  if (first && first.rows === undefined) {
    dequantizeTo(wasm, first.codes, first.grid, to);
    return;
  }
  arena.u8(to, 4 * elementsOf(coded)).fill(0);
  for (const { rows, codes, grid } of coded) {
    if (grid.bits === 0) continue;
    const bytes = 4 * grid.cols;
    arena.scope((alloc) => {
      const from = alloc(grid.rows * bytes);
      dequantizeTo(wasm, codes, grid, from);
      rows!.forEach((row, i) => {
        arena.copy(to + row * bytes, from + i * bytes, bytes);
      });
    });
  }
}

function elementsOf(coded: Coded): number {
  return coded.reduce((n, { grid }) => n + grid.rows * grid.cols, 0);
}

/** Some rows, ascending, of a slice that holds all of a weight, with a scale for every row or block. */
export function pickRows({ grid, codes }: Slice, rows: readonly number[]): Slice {
  const perRow = grid.scales.length / grid.rows;
  const pick = <T extends Uint8Array | Uint16Array | Float32Array>(from: T, each: number): T => {
    const out = new (from.constructor as new (n: number) => T)(rows.length * each);
    rows.forEach((r, i) => {
      out.set(from.subarray(r * each, (r + 1) * each), i * each);
    });
    return out;
  };
  const zeros = grid.zeros && pick(grid.zeros, perRow);
  const own = { ...grid, rows: rows.length, scales: pick(grid.scales, perRow), zeros };
  return { rows, grid: own, codes: pick(codes, grid.cols) };
}
