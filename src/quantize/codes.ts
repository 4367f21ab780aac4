import type { Slice } from '../grid/coded.ts';
import { packDense, planesOf, splitPlanes, toInt16, toInt8 } from '../grid/index.ts';
import { DATA_TYPES, type Tensor, tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import type { Builder } from './builder.ts';
import type { QuantizedWeight } from './format.ts';
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

/**
 * The codes of a weight as one value.
 * @param leftOut what rows left out read: any other row, or one of zeros that is stored for them
 */
export function signedCodes(
  wasm: Wasm,
  b: Builder,
  weight: QuantizedWeight,
  layout: Layout,
  leftOut: 'any' | 'zeros' = 'any',
): Codes {
  const { coded } = weight;
  return coded.length === 1
    ? wholeCodes(wasm, b, coded[0]!, layout)
    : rowCodes(wasm, b, weight, layout, leftOut === 'zeros');
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
function rowCodes(
  wasm: Wasm,
  b: Builder,
  { coded: all, dims, rowAxis }: QuantizedWeight,
  layout: Layout,
  zeroRow: boolean,
): Codes {
  const coded = all.filter(({ grid }) => grid.bits > 0);
  const layouts = coded.map(({ grid }) =>
    layoutOf(
      grid,
      dims.map((d, i) => (i === rowAxis ? grid.rows : d)),
      rowAxis,
    ),
  );
  const planes = coded.map((slice, i) => (slice.grid.bits === 8 ? [] : packedPlanes(wasm, slice, layouts[i]!)));
  const classes = splitPlanes(packDense(wasm, rowClasses(all), CLASS_BITS), dims[rowAxis]!, CLASS_BITS);
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
  if (zeroRow && gone > 0) {
    const one = layout.view.map((d, i) => (i === layout.rowAxis ? 1 : d));
    const zeros = tensor('int8', one, new Int8Array(one.reduce((n, d) => n * d, 1)));
    parts.unshift(b.initializer('', zeros));
    bytes += zeros.data.byteLength;
  }
  const index = places(b, dims[rowAxis]!, take(classes.length), zeroRow ? gone - 1 : gone);
  const axis = { axis: { type: 'int', value: layout.rowAxis } } as const;
  const joinedParts = parts.length === 1 ? parts[0]! : b.node('Concat', parts, axis);
  const value = b.node('Gather', [joinedParts, index], axis);
  return { value, float: false, bytes, order: classBytes(dims[rowAxis]!) };
}

/** Of each row is stored which of the widths 0 and 2..8 it has: 8 less the width, 7 for 0. */
const CLASS_BITS = 3;

/** Bytes that tell where each of so many rows of different widths is to be found. */
export function classBytes(rows: number): number {
  return CLASS_BITS * Math.ceil(rows / 8);
}

function rowClasses(coded: QuantizedWeight['coded']): Uint8Array {
  const out = new Uint8Array(coded.reduce((n, s) => n + s.grid.rows, 0));
  for (const { rows, grid } of coded)
    for (let i = 0; i < grid.rows; i++) out[rows?.[i] ?? i] = 8 - Math.max(1, grid.bits);
  return out;
}

/**
 * Where each row lies among those joined by width, from the planes of the rows' classes. TopK puts the rows in order of their
 * widths, of equal ones the first first (ONNX "TopK": the lower index breaks ties); the order of that order is each row's place.
 * @param skipped rows that come first in that order and stand nowhere: they get place 0, as does the one behind them
 */
function places(b: Builder, rows: number, planes: readonly string[], skipped: number): string {
  const view = [rows];
  const { value, float } = joined(b, CLASS_BITS, { view, rowAxis: 0 }, planes);
  const rank = b.inverse(b.largest(float ? value : b.cast(value, DATA_TYPES.float), rows), rows);
  if (skipped <= 0) return rank;
  const moved = b.node('Sub', [b.cast(rank, DATA_TYPES.float), b.floats([skipped])]);
  return b.cast(b.node('Relu', [moved]), DATA_TYPES.int32);
}

function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Codes of 8 or 16 bits less 2^(bits-1), in the layout's view. */
function wideTensor(wasm: Wasm, { grid, codes }: Slice, layout: Layout): Tensor {
  const ordered = layout.codes(codes);
  return ordered instanceof Uint16Array
    ? tensor('int16', layout.view, toInt16(wasm, ordered))
    : tensor('int8', layout.view, toInt8(wasm, ordered, grid.bits));
}

/** The bit planes of codes below 8 bits in the layout's order, low bits first. */
function packedPlanes(wasm: Wasm, { grid, codes }: Slice, layout: Layout): Uint8Array[] {
  const ordered = layout.codes(codes as Uint8Array);
  return splitPlanes(packDense(wasm, ordered, grid.bits), ordered.length, grid.bits);
}

/**
 * Codes less 2^(bits-1) in the layout's view, from the values of their planes' bytes: int8, or float where the opset can join
 * planes only so.
 */
function joined(
  b: Builder,
  bits: number,
  { view, rowAxis }: Pick<Layout, 'view' | 'rowAxis'>,
  indices: readonly string[],
): { value: string; float: boolean } {
  const planes = planesOf(bits);
  const n = view.reduce((size, d) => size * d, 1);
  // The number of rows is left open: weights and slices that differ in it alone share the constant.
  const shape = view.map((d, i) => (i === rowAxis ? -1 : d));
  const float = b.opset < 18 && planes.length > 1;
  const parts = indices.map((index, i) => {
    const top = i === planes.length - 1;
    const table = planeTable(b, planes[i]!, top ? -(2 ** (bits - 1)) : 0, float);
    const shares = b.node('Gather', [table, index]);
    return b.reshape(n % 8 === 0 ? shares : b.slice(b.reshape(shares, [-1]), 0, n), shape);
  });
  return { value: parts.reduce((a, c) => b.node(float ? 'Add' : 'BitwiseOr', [a, c])), float };
}
