import { gridBytes, toHalf, type Coded } from '../grid/index.ts';
import { blockOf, kernelShape, storedSize } from '../grid/spec.ts';
import { DATA_TYPES, type Tensor, tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import type { Builder } from './builder.ts';
import { classBytes, signedCodes } from './codes.ts';
import type { Part, QuantizedWeight, StoredBytes, ValueFormat } from './format.ts';
import { type Layout, layoutOf } from './layout.ts';
import { joinedWeight } from './joined.ts';
import { mergedScales, mergedZeros } from './slices.ts';

/**
 * Any width, with standard operators only, at every opset from 7; runtimes that fold constants decode once, at load.
 *
 * Codes of 8 and 16 bits are stored as integers less 2^(bits-1). Others are stored as bit planes (grid/pack.ts): each byte
 * of a plane picks a row of a table, which yields 8 / p codes' shares; the top plane's table carries the -2^(bits-1), so
 * that shares have disjoint bits in two's complement and both adding and OR-ing them gives the signed code. From opset 18
 * they are joined by BitwiseOr in int8, before it as floats. Then one Cast, one Sub where there are zero points, one Mul:
 * in fp32 exactly (code - zero) * scale.
 *
 * Rows of different widths are decoded to int8 slice by slice, joined, and put in their order by a Gather, all in int8. Of rows
 * left out nothing is stored but a place, any, and a scale of 0.
 *
 * Weights alike but for their number of rows are decoded as one, and cut apart then: nodes and names are paid for once.
 */
export const dense: ValueFormat = {
  name: 'dense',
  widths: [2, 3, 4, 5, 6, 7, 8, 16],
  scaleTypes: ['float16', 'float'],
  opset: () => 7,
  bytes: gridBytes,
  mixedBytes,
  write: (wasm, b, weight) => writeTogether(wasm, b, [weight])[0]!,
  together: { key: groupKey, write: writeTogether },
};

/**
 * Codes of each part padded as a weight of its own; a scale, and a zero point where any part has them, for every row; the
 * width of every row.
 */
function mixedBytes(cols: number, parts: readonly Part[]): StoredBytes {
  const rows = parts.reduce((n, p) => n + p.rows, 0);
  if (parts.length === 0 || rows === 0) return { codes: 0, scales: 0, zeros: 0, order: 0 };
  const { granularity, scaleType } = parts[0]!.spec;
  const block = blockOf(rows, cols, granularity);
  const { count } = kernelShape(rows, cols, block);
  const codes = (p: Part): number => {
    const stored = storedSize(p.rows, cols, block);
    return p.spec.bits >= 8 ? (stored * p.spec.bits) / 8 : Math.ceil(stored / 8) * p.spec.bits;
  };
  const zeros = parts.every((p) => p.spec.symmetric) ? 0 : count;
  return {
    codes: parts.reduce((n, p) => n + codes(p), 0),
    scales: count * (scaleType === 'float16' ? 2 : 4),
    zeros: parts[0]!.spec.bits > 8 ? 2 * zeros : zeros,
    order: parts.length === 1 ? 0 : classBytes(rows),
  };
}

/** What `mixedBytes` says of the slices of a weight. */
function bytesOf(coded: Coded): StoredBytes {
  const { cols, block, scaleType } = coded[0]!.grid;
  const parts = coded.map(({ grid }): Part => {
    const granularity = block > cols ? 'tensor' : block;
    return { rows: grid.rows, spec: { bits: grid.bits, granularity, symmetric: grid.symmetric, scaleType } };
  });
  return mixedBytes(cols, parts);
}

/**
 * What weights that are written together have in common: all but the number of rows; undefined for one that is not, since its
 * codes, or its rows, would not end on a byte.
 */
function groupKey({ dims, rowAxis, coded }: QuantizedWeight): string | undefined {
  const { cols, block, scaleType } = coded[0]!.grid;
  const rows = dims[rowAxis]!;
  const mixed = coded.length > 1;
  const width = storedSize(1, cols, Math.min(block, cols));
  if (block > cols || (mixed ? width % 8 !== 0 || rows % 8 !== 0 : (rows * width) % 8 !== 0)) return undefined;
  const others = dims.map((d, i) => (i === rowAxis ? 'rows' : d));
  const zeros = coded.some(({ grid }) => !grid.symmetric);
  return [mixed ? 'mixed' : coded[0]!.grid.bits, others, block, scaleType, zeros].join(' ');
}

function writeTogether(wasm: Wasm, b: Builder, weights: readonly QuantizedWeight[]): StoredBytes[] {
  const whole = joinedWeight(weights);
  const { coded, dims, rowAxis } = whole;
  const { cols, block, scaleType } = coded[0]!.grid;
  const layout = layoutOf({ rows: dims[rowAxis]!, cols, block }, dims, rowAxis);
  const sizes = weights.map((w) => w.dims[w.rowAxis]!);
  const codes = signedCodes(wasm, b, whole, layout);
  let value = codes.float ? codes.value : b.cast(codes.value, DATA_TYPES.float);
  const zeros = zeroTensor(wasm, coded, layout);
  if (zeros) value = b.node('Sub', [value, b.cast(b.initializer('', zeros), DATA_TYPES.float)]);
  const scales = layout.scales(mergedScales(coded));
  const half = scaleType === 'float16';
  const stored = b.initializer(
    '',
    half ? tensor('float16', layout.scaleDims, toHalf(wasm, scales)) : tensor('float', layout.scaleDims, scales),
  );
  const factor = half ? b.cast(stored, DATA_TYPES.float) : stored;
  const restores = weights.map((w, i) => layoutOf({ rows: sizes[i]!, cols, block }, w.dims, rowAxis).restore);
  const names = weights.map((w, i) => (restores[i] ? undefined : w.name));
  const product = b.node('Mul', [value, factor], {}, weights.length === 1 ? names[0] : undefined);
  const values = b.split(product, sizes, layout.rowAxis, names);
  return weights.map(({ name, coded: own }, i) => {
    restores[i]?.(b, values[i]!, name);
    return bytesOf(own);
  });
}

/** Zero points less 2^(bits-1), in the order of the scales; undefined where there are none. */
function zeroTensor(wasm: Wasm, coded: QuantizedWeight['coded'], layout: Layout): Tensor | undefined {
  const zeros = mergedZeros(wasm, coded);
  if (!zeros) return undefined;
  return zeros instanceof Int16Array
    ? tensor('int16', layout.scaleDims, layout.scales(zeros))
    : tensor('int8', layout.scaleDims, layout.scales(zeros));
}
