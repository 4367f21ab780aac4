import type { Slice } from '../grid/coded.ts';
import { packDense, planesOf, splitPlanes, toInt16, toInt8 } from '../grid/index.ts';
import { DATA_TYPES, type Tensor, tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import type { Builder } from './builder.ts';
import type { QuantizedWeight } from './format.ts';
import { concatenated } from './joined.ts';
import { type Layout, layoutOf } from './layout.ts';
import { planeTable } from './tables.ts';

/** Codes of a weight, decoded by the model itself. */
export interface Codes {
  /** A value of the layout's view: code - 2^(bits-1), of int8 (of 16 bits int16) or, where `float`, of float. */
  readonly value: string;
  readonly float: boolean;
  readonly bytes: number;
  readonly order: number;
}

/** The codes of a weight as one value. Rows left out read any other. */
export function signedCodes(wasm: Wasm, b: Builder, weight: QuantizedWeight, layout: Layout): Codes {
  const { coded } = weight;
  return coded.length === 1 ? wholeCodes(wasm, b, coded[0]!, layout) : rowCodes(wasm, b, weight, layout);
}

function wholeCodes(wasm: Wasm, b: Builder, slice: Slice, layout: Layout): Codes {
  if (slice.grid.bits > 7) {
    const t = wideTensor(wasm, slice, layout);
    return { value: b.initializer('', t), float: false, bytes: t.data.byteLength, order: 0 };
  }
  const planes = packedPlanes(wasm, slice, layout);
  const indices = planes.map((bytes) =>
    b.cast(b.initializer('', tensor('uint8', [bytes.length], bytes)), DATA_TYPES.int32),
  );
  const bytes = planes.reduce((n, plane) => n + plane.length, 0);
  return { ...joined(b, slice.grid.bits, layout, indices), bytes, order: 0 };
}

/**
 * The slices of a weight as one int8 value, rows in order: each is decoded to int8, all are joined, widths ascending, and a Gather
 * puts the rows in their order. The planes of all slices are one tensor, cut by one Split.
 */
function rowCodes(wasm: Wasm, b: Builder, { coded: all, dims, rowAxis }: QuantizedWeight, layout: Layout): Codes {
  const coded = all.filter(({ grid }) => grid.bits > 0).map(reversed);
  const layouts = coded.map(({ grid }) =>
    layoutOf(
      grid,
      dims.map((d, i) => (i === rowAxis ? grid.rows : d)),
      rowAxis,
    ),
  );
  const planes = coded.map((slice, i) => (slice.grid.bits === 8 ? [] : packedPlanes(wasm, slice, layouts[i]!)));
  const classes = signedPlanes(wasm, rowClasses(all), CLASS_BITS);
  const flat = [...planes.flat(), ...classes];
  const packed = concatenated(flat);
  const stored = b.cast(b.initializer('', tensor('uint8', [packed.length], packed)), DATA_TYPES.int32);
  const cut = [
    ...b.split(
      stored,
      flat.map((plane) => plane.length),
    ),
  ];
  const take = (n: number) => cut.splice(0, n);
  let bytes = planes.flat().reduce((n, plane) => n + plane.length, 0);
  const whole = (bits: number, at: Layout, indices: readonly string[]): string => {
    const { value, float } = joined(b, bits, at, indices);
    return float ? b.cast(value, DATA_TYPES.int8) : value;
  };
  const parts = coded.map((slice, i) => {
    if (slice.grid.bits !== 8) return whole(slice.grid.bits, layouts[i]!, take(planes[i]!.length));
    const t = wideTensor(wasm, slice, layouts[i]!);
    bytes += t.data.byteLength;
    return b.initializer('', t);
  });
  const gone = all.reduce((n, { grid }) => n + (grid.bits === 0 ? grid.rows : 0), 0);
  const rows = dims[rowAxis]!;
  const told = joined(b, CLASS_BITS, { view: [rows], rowAxis: 0 }, take(classes.length));
  const floats = told.float ? told.value : b.cast(told.value, DATA_TYPES.float);
  const index = rowPlaces(b, floats, rows, gone, false);
  const axis = { axis: { type: 'int', value: layout.rowAxis } } as const;
  const joinedParts = parts.length === 1 ? parts[0]! : b.node('Concat', parts, axis);
  const value = b.node('Gather', [joinedParts, index], layout.rowAxis === 0 ? {} : axis);
  return { value, float: false, bytes, order: classBytes(dims[rowAxis]!) };
}

function reversed(slice: Slice): Slice {
  return { ...slice, codes: lastFirst(slice.codes as Uint8Array, slice.grid.rows) };
}

/** Of each row, the last first, is stored which of the widths 0 and 2..8 it has: 8 less the width, 7 for 0. */
export const CLASS_BITS = 3;

/** Bytes that tell where each of so many rows of different widths is to be found. */
export function classBytes(rows: number): number {
  return CLASS_BITS * Math.ceil(rows / 8);
}

export function rowClasses(coded: QuantizedWeight['coded']): Uint8Array {
  const out = new Uint8Array(coded.reduce((n, s) => n + s.grid.rows, 0));
  for (const { rows, grid } of coded)
    for (let i = 0; i < grid.rows; i++) out[out.length - 1 - (rows?.[i] ?? i)] = 8 - Math.max(1, grid.bits);
  return out;
}

/**
 * Where each row lies among those joined by width, from the rows' classes as floats. TopK puts the rows in order of their widths, of
 * equal ones the first first (ONNX "TopK": the lower index breaks ties); the order of that order is each row's place, told of the last
 * row first: that is why classes, and rows within a width, are stored last first.
 * @param gone rows left out, which come first in that order
 * @param zeroRow whether a row of zeros comes first among those joined, for all of them
 */
export function rowPlaces(b: Builder, classes: string, rows: number, gone: number, zeroRow: boolean): string {
  const order = b.largest(classes, rows);
  const rank = b.largest(b.opset < 11 ? b.cast(order, DATA_TYPES.float) : order, rows);
  const skipped = zeroRow ? gone - 1 : gone;
  if (skipped <= 0) return rank;
  // Rows left out may read any other: those at the end, if there are as many.
  if (!zeroRow && b.opset >= 11 && 2 * gone <= rows) return b.node('Sub', [rank, b.int64s([gone])]);
  const moved = b.node('Sub', [b.cast(rank, DATA_TYPES.float), b.floats([skipped])]);
  return b.cast(b.node('Relu', [moved]), DATA_TYPES.int32);
}

/** Codes of 8 or 16 bits less 2^(bits-1), in the layout's view. */
export function wideTensor(wasm: Wasm, { grid, codes }: Slice, layout: Layout): Tensor {
  const ordered = layout.codes(codes);
  return ordered instanceof Uint16Array
    ? tensor('int16', layout.view, toInt16(wasm, ordered))
    : tensor('int8', layout.view, toInt8(wasm, ordered, grid.bits));
}

/** The bit planes of codes below 8 bits in the layout's order. */
function packedPlanes(wasm: Wasm, { grid, codes }: Slice, layout: Layout): Uint8Array[] {
  return signedPlanes(wasm, layout.codes(codes as Uint8Array), grid.bits);
}

/** The bit planes of code - 2^(bits-1) in two's complement, low bits first. */
export function signedPlanes(wasm: Wasm, codes: Uint8Array, bits: number): Uint8Array[] {
  const highest = 2 ** (bits - 1);
  const signed = codes.map((c) => c ^ highest);
  return splitPlanes(packDense(wasm, signed, bits), codes.length, bits);
}

/** Rows of a slice's codes, or what is said of each row, the last first. */
export function lastFirst(values: Uint8Array, rows: number): Uint8Array {
  const each = values.length / rows;
  const out = new Uint8Array(values.length);
  for (let r = 0; r < rows; r++) out.set(values.subarray(r * each, (r + 1) * each), (rows - 1 - r) * each);
  return out;
}

/**
 * Codes less 2^(bits-1) in the layout's view, or flat where there is none, from the values of their planes' bytes: int8, or float
 * where the opset can join planes only so.
 */
export function joined(
  b: Builder,
  bits: number,
  layout: Pick<Layout, 'view' | 'rowAxis'> | undefined,
  indices: readonly string[],
): { value: string; float: boolean } {
  const planes = planesOf(bits);
  const n = layout?.view.reduce((size, d) => size * d, 1) ?? 0;
  // The number of rows is left open: weights and slices that differ in it alone share the constant.
  const shape = layout?.view.map((d, i) => (i === layout.rowAxis ? -1 : d)) ?? [-1];
  const float = b.opset < 18 && planes.length > 1;
  const parts = indices.map((index, i) => {
    const top = i === planes.length - 1;
    const table = planeTable(b, planes[i]!, top, float);
    const shares = b.node('Gather', [table, index]);
    return b.reshape(n % 8 === 0 ? shares : b.slice(b.reshape(shares, [-1]), 0, n), shape);
  });
  return { value: parts.reduce((a, c) => b.node(float ? 'Add' : 'BitwiseOr', [a, c])), float };
}
