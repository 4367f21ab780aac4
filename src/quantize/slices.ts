import { type Coded, rowsLeftOut } from '../grid/coded.ts';
import { blockOf, type GridSpec, toInt16, toInt8 } from '../grid/index.ts';
import { kernelShape } from '../grid/spec.ts';
import type { Wasm } from '../wasm/wasm.ts';

/**
 * What slices of a weight [rows, cols] must be to be written as one: every row in exactly one, grids alike but for width and
 * symmetry, a scale a row or a block, at most 8 bits where there are several.
 * @throws RangeError naming what is wrong
 */
export function checkCoded(coded: Coded, rows: number, cols: number): void {
  const [first] = coded;
  if (!first) throw new RangeError('coded weight: expected at least one slice, found none');
  const seen = new Uint8Array(rows);
  for (const { grid, codes, rows: own } of coded) {
    const at = `coded weight, slice of ${grid.bits} bits`;
    if (grid.cols !== cols || codes.length !== grid.rows * cols)
      throw new RangeError(
        `${at}: expected ${grid.rows} rows of ${cols}, found ${codes.length} codes for ${grid.cols}`,
      );
    if (own === undefined && (coded.length > 1 || grid.rows !== rows))
      throw new RangeError(`${at}: expected all ${rows} rows, found ${grid.rows}`);
    if (grid.block !== first.grid.block || grid.scaleType !== first.grid.scaleType)
      throw new RangeError(`${at}: expected blocks and scales like those of the other slices`);
    if (coded.length > 1 && (grid.block > cols || grid.bits > 8))
      throw new RangeError(`${at}: expected at most 8 bits and a scale for every row, found ${grid.scales.length}`);
    if (own && own.length !== grid.rows) throw new RangeError(`${at}: expected ${grid.rows} rows, found ${own.length}`);
    for (const r of own ?? []) {
      if (!Number.isInteger(r) || r < 0 || r >= rows || seen[r])
        throw new RangeError(`${at}: row ${r} is none, or twice`);
      seen[r] = 1;
    }
  }
  if (first.rows && seen.includes(0)) throw new RangeError(`coded weight: row ${seen.indexOf(0)} is in no slice`);
}

/** Codes of those widths, all 0: what is written of them has the size of any others. */
export function blankCodes(
  rows: number,
  cols: number,
  widths: number | readonly number[],
  specOf: (bits: number) => GridSpec,
): Coded {
  const used = typeof widths === 'number' ? [widths] : [...new Set(widths)].sort((a, b) => a - b);
  return used.map((bits) => {
    const own =
      typeof widths === 'number' || used.length === 1 ? undefined : widths.flatMap((b, r) => (b === bits ? [r] : []));
    const n = own?.length ?? rows;
    const { granularity, symmetric, scaleType } = specOf(bits || used.at(-1)!);
    const block = blockOf(n, cols, granularity);
    if (bits === 0) return rowsLeftOut(own!, { cols, block, scaleType });
    const { count } = kernelShape(n, cols, block);
    const wide = bits > 8 ? Uint16Array : Uint8Array;
    const zeros = symmetric ? undefined : new wide(count);
    const grid = { bits, rows: n, cols, block, symmetric, scales: new Float32Array(count).fill(1), zeros, scaleType };
    return { rows: own, grid, codes: new wide(n * cols) };
  });
}

/** The scales of all rows in order. */
export function mergedScales(coded: Coded): Float32Array {
  const [first] = coded;
  if (first!.rows === undefined) return first!.grid.scales;
  return merged(
    coded,
    (n) => new Float32Array(n),
    (slice) => slice.grid.scales,
  );
}

/** The zero points of all rows in order, less 2^(bits-1) of each row's width: 0 in symmetric rows; undefined where all are symmetric. */
export function mergedZeros(wasm: Wasm, coded: Coded): Int8Array | Int16Array | undefined {
  if (coded.every((s) => s.grid.symmetric)) return undefined;
  const signed = ({ grid }: Coded[number]): Int8Array | Int16Array => {
    if (!grid.zeros) return new Int8Array(grid.scales.length);
    return grid.zeros instanceof Uint16Array ? toInt16(wasm, grid.zeros) : toInt8(wasm, grid.zeros, grid.bits);
  };
  const [first] = coded;
  if (first!.rows === undefined) return signed(first!);
  return merged(coded, (n) => new Int8Array(n), signed);
}

/** 2^(bits-1) of every row or block in order: 0 of rows that are left out. */
export function mergedMiddles(coded: Coded): Uint8Array {
  const middles = ({ grid }: Coded[number]) =>
    new Uint8Array(grid.scales.length).fill(grid.bits === 0 ? 0 : 2 ** (grid.bits - 1));
  const [first] = coded;
  return first!.rows === undefined ? middles(first!) : merged(coded, (n) => new Uint8Array(n), middles);
}

function merged<T extends Float32Array | Int8Array | Int16Array | Uint8Array>(
  coded: Coded,
  make: (n: number) => T,
  of: (slice: Coded[number]) => ArrayLike<number>,
): T {
  const out = make(coded.reduce((n, s) => n + s.grid.scales.length, 0));
  for (const slice of coded) {
    const values = of(slice);
    const perRow = values.length / slice.grid.rows;
    slice.rows!.forEach((row, i) => {
      for (let j = 0; j < perRow; j++) out[row * perRow + j] = values[i * perRow + j]!;
    });
  }
  return out;
}
