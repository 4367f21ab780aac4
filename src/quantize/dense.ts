import type { Slice } from '../grid/coded.ts';
import { gridBytes, packDense, planesOf, splitPlanes, toHalf, toInt16, toInt8 } from '../grid/index.ts';
import { blockOf, kernelShape, storedSize } from '../grid/spec.ts';
import { DATA_TYPES, type Tensor, tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import type { Builder } from './builder.ts';
import type { Part, QuantizedWeight, StoredBytes, WeightFormat } from './format.ts';
import { type Layout, layoutOf } from './layout.ts';
import { mergedScales, mergedZeros, rowOrder } from './slices.ts';
import { planeTable } from './tables.ts';

/**
 * Any width, with standard operators only, at every opset from 7; runtimes that fold constants decode once, at load.
 *
 * Codes of 8 and 16 bits are stored as integers less 2^(bits-1). Others are stored as bit planes (grid/pack.ts): each byte
 * of a plane picks a row of a table, which yields 8 / p codes' shares; the top plane's table carries the -2^(bits-1), so
 * that shares have disjoint bits in two's complement and both adding and OR-ing them gives the signed code. From opset 18
 * they are joined by BitwiseOr in int8, before it as floats. Then one Cast, one Sub where there are zero points, one Mul:
 * in fp32 exactly (code - zero) * scale.
 *
 * Rows of different widths are decoded to int8 slice by slice, joined, and put in their order by a Gather, all in int8; Cast,
 * Sub and Mul are those of the whole weight, scales and zero points stored in the order of its rows. The planes of all slices
 * are one tensor, cut by one Split: a tensor of its own for each would take longer names than some rows take codes. Of rows
 * left out nothing is stored but a place, any, and a scale of 0.
 */
export const dense: WeightFormat = {
  name: 'dense',
  widths: [2, 3, 4, 5, 6, 7, 8, 16],
  scaleTypes: ['float16', 'float'],
  opset: () => 7,
  bytes: gridBytes,
  mixedBytes,
  write(wasm, b, weight) {
    const { name, coded, dims, rowAxis } = weight;
    const first = coded[0]!;
    const { cols, block, scaleType } = first.grid;
    const layout = layoutOf({ rows: dims[rowAxis]!, cols, block }, dims, rowAxis);
    const codes = coded.length === 1 ? wholeCodes(wasm, b, name, first, layout) : rowCodes(wasm, b, weight, layout);
    let value = codes.value;
    let zeroBytes = 0;
    const zeros = zeroTensor(wasm, coded, layout);
    if (zeros) {
      zeroBytes = zeros.data.byteLength;
      value = b.node('Sub', [value, b.cast(b.initializer(`${name}.z`, zeros), DATA_TYPES.float)]);
    }
    const scales = layout.scales(mergedScales(coded));
    const half = scaleType === 'float16';
    const scale = half
      ? tensor('float16', layout.scaleDims, toHalf(wasm, scales))
      : tensor('float', layout.scaleDims, scales);
    const stored = b.initializer(`${name}.s`, scale);
    const factor = half ? b.cast(stored, DATA_TYPES.float) : stored;
    const product = b.node('Mul', [value, factor], {}, layout.restore ? undefined : name);
    layout.restore?.(b, product, name);
    return { codes: codes.bytes, scales: scale.data.byteLength, zeros: zeroBytes, order: codes.order };
  },
};

/**
 * Codes of each part padded as a weight of its own; a scale, and a zero point where any part has them, for every row; the
 * place of every row in the fewest whole bytes.
 */
function mixedBytes(cols: number, parts: readonly Part[]): StoredBytes {
  const rows = parts.reduce((n, p) => n + p.rows, 0);
  if (parts.length === 0 || rows === 0) return { codes: 0, scales: 0, zeros: 0, order: 0 };
  const { granularity, scaleType } = parts[0]!.spec;
  const block = blockOf(rows, cols, granularity);
  const { count } = kernelShape(rows, cols, block);
  const codes = (p: Part): number => {
    const stored = storedSize(p.rows, cols, block);
    return p.spec.bits === 8 ? stored : Math.ceil(stored / 8) * p.spec.bits;
  };
  return {
    codes: parts.reduce((n, p) => n + codes(p), 0),
    scales: count * (scaleType === 'float16' ? 2 : 4),
    zeros: parts.every((p) => p.spec.symmetric) ? 0 : count,
    order: parts.length === 1 ? 0 : rows * orderBytes(rows),
  };
}

/** Bytes of one row's place among that many. */
function orderBytes(rows: number): number {
  return rows <= 256 ? 1 : rows <= 65536 ? 2 : 4;
}

interface Codes {
  /** A float value of the layout's view: code - 2^(bits-1). */
  readonly value: string;
  readonly bytes: number;
  readonly order: number;
}

function wholeCodes(wasm: Wasm, b: Builder, name: string, slice: Slice, layout: Layout): Codes {
  if (slice.grid.bits > 7) {
    const t = wideTensor(wasm, slice, layout);
    return { value: b.cast(b.initializer(`${name}.q`, t), DATA_TYPES.float), bytes: t.data.byteLength, order: 0 };
  }
  const planes = packedPlanes(wasm, slice, layout);
  const indices = planes.map((bytes, i) => {
    const t = tensor('uint8', [bytes.length], bytes);
    return b.cast(b.initializer(planes.length === 1 ? `${name}.q` : `${name}.q${i}`, t), DATA_TYPES.int32);
  });
  const { value, float } = joined(b, slice, layout, indices);
  const bytes = planes.reduce((n, plane) => n + plane.length, 0);
  return { value: float ? value : b.cast(value, DATA_TYPES.float), bytes, order: 0 };
}

/** The slices of a weight as one float value, rows in order. */
function rowCodes(wasm: Wasm, b: Builder, { name, coded: all, dims, rowAxis }: QuantizedWeight, layout: Layout): Codes {
  // Rows left out are any others times a scale of 0.
  const coded = all.filter(({ grid }) => grid.bits > 0);
  const layouts = coded.map(({ grid }) =>
    layoutOf(
      grid,
      dims.map((d, i) => (i === rowAxis ? grid.rows : d)),
      rowAxis,
    ),
  );
  const planes = coded.map((slice, i) => (slice.grid.bits === 8 ? [] : packedPlanes(wasm, slice, layouts[i]!)));
  const flat = planes.flat();
  const packed = concatenated(flat);
  const stored = b.cast(b.initializer(`${name}.q`, tensor('uint8', [packed.length], packed)), DATA_TYPES.int32);
  const cut = b.split(
    stored,
    flat.map((plane) => plane.length),
  );
  let bytes = packed.length;
  let next = 0;
  const parts = coded.map((slice, i) => {
    if (slice.grid.bits === 8) {
      const t = wideTensor(wasm, slice, layouts[i]!);
      bytes += t.data.byteLength;
      return b.initializer(`${name}.q8`, t);
    }
    const own = cut.slice(next, next + planes[i]!.length);
    next += own.length;
    const { value, float } = joined(b, slice, layouts[i]!, own);
    return float ? b.cast(value, DATA_TYPES.int8) : value;
  });
  const axis = { axis: { type: 'int', value: layout.rowAxis } } as const;
  const order = orderTensor(rowOrder(all));
  const at = b.initializer(`${name}.o`, order);
  const index = order.dtype === 'int32' ? at : b.cast(at, DATA_TYPES.int32);
  const rows = b.node('Gather', [b.node('Concat', parts, axis), index], axis);
  return { value: b.cast(rows, DATA_TYPES.float), bytes, order: order.data.byteLength };
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

function orderTensor(order: readonly number[]): Tensor {
  const size = orderBytes(order.length);
  if (size === 1) return tensor('uint8', [order.length], Uint8Array.from(order));
  return size === 2
    ? tensor('uint16', [order.length], Uint16Array.from(order))
    : tensor('int32', [order.length], Int32Array.from(order));
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
  { grid }: Slice,
  layout: Layout,
  indices: readonly string[],
): { value: string; float: boolean } {
  const planes = planesOf(grid.bits);
  const n = layout.view.reduce((size, d) => size * d, 1);
  // The number of rows is left open: weights and slices that differ in it alone share the constant.
  const shape = layout.view.map((d, i) => (i === layout.rowAxis ? -1 : d));
  const parts = indices.map((index, i) => {
    const top = i === planes.length - 1;
    const shares = b.node('Gather', [planeTable(b, planes[i]!, top ? -(2 ** (grid.bits - 1)) : 0), index]);
    return b.reshape(n % 8 === 0 ? shares : b.slice(b.reshape(shares, [-1]), 0, n), shape);
  });
  const float = b.opset < 18 && parts.length > 1;
  const shares = float ? parts.map((part) => b.cast(part, DATA_TYPES.float)) : parts;
  return { value: shares.reduce((a, c) => b.node(float ? 'Add' : 'BitwiseOr', [a, c])), float };
}

/** Zero points less 2^(bits-1), in the order of the scales; undefined where there are none. */
function zeroTensor(wasm: Wasm, coded: QuantizedWeight['coded'], layout: Layout): Tensor | undefined {
  const zeros = mergedZeros(wasm, coded);
  if (!zeros) return undefined;
  return zeros instanceof Int16Array
    ? tensor('int16', layout.scaleDims, layout.scales(zeros))
    : tensor('int8', layout.scaleDims, layout.scales(zeros));
}
