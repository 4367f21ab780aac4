import { gridBytes, toHalf, type Coded } from '../grid/index.ts';
import { blockOf, kernelShape, storedSize } from '../grid/spec.ts';
import { DATA_TYPES, type Tensor, tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import type { Builder } from './builder.ts';
import { classBytes, signedCodes, wideTensor } from './codes.ts';
import type { Part, QuantizedWeight, StoredBytes, ValueFormat } from './format.ts';
import { type Layout, layoutOf } from './layout.ts';
import { joinedWeight } from './joined.ts';
import { poolKey, pooledCodes, pools, rowBroadcast, rowValues, storedScales, storedZeros } from './pool.ts';
import { mergedScales, mergedZeros } from './slices.ts';

/**
 * Any width, with standard operators only, at every opset from 7; runtimes that fold constants decode once, at load.
 *
 * Codes of 8 and 16 bits are stored as integers. Others are stored as bit planes (grid/pack.ts), which shifts of bytes take apart
 * (streams.ts), or, before opset 11, without zero points, and where a scale is not a row's, tables: each byte of a plane picks a row of
 * a table, which yields 8 / p codes' shares, in two's complement (codes.ts). Shares have disjoint bits: from opset 18 they are joined by BitwiseOr,
 * before it they are added as int32 or floats. Then one Cast, one Sub where there are zero points, one Mul: in fp32 exactly
 * (code - zero) * scale.
 *
 * Rows of different widths are decoded width by width, joined, and put in their order by a Gather, all in 8 bits. Of rows left out
 * nothing is stored but a place, any, and a scale of 0.
 *
 * Weights with a scale a row are decoded together (pool.ts); others that are alike but for their number of rows are decoded as one,
 * and cut apart then: nodes and names are paid for once.
 */
export const dense: ValueFormat = {
  name: 'dense',
  widths: [2, 3, 4, 5, 6, 7, 8, 16],
  scaleTypes: ['float16', 'float'],
  opset: () => 7,
  bytes: gridBytes,
  mixedBytes,
  write: (wasm, b, weight) => writeTogether(wasm, b, [weight])[0]!,
  together: {
    key: (weight) => (pools(weight) ? poolKey(weight) : groupKey(weight)),
    write: (wasm, b, weights) => (weights.every(pools) ? writePool(wasm, b, weights) : writeTogether(wasm, b, weights)),
  },
};

/**
 * 16 bits as in `dense`, for runtimes that have no Cast from integers of 16 bits: the high bytes of codes, and of zero points, are one
 * tensor, the low ones another, as many bytes in all. 256 * high + low is exact in fp32.
 */
export const denseBytes: ValueFormat = {
  name: 'dense-bytes',
  widths: [16],
  scaleTypes: dense.scaleTypes,
  opset: dense.opset,
  bytes: gridBytes,
  write: (wasm, b, weight) => writeTogether(wasm, b, [weight], asBytes)[0]!,
  together: { key: groupKey, write: (wasm, b, weights) => writeTogether(wasm, b, weights, asBytes) },
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

function writePool(wasm: Wasm, b: Builder, weights: readonly QuantizedWeight[]): StoredBytes[] {
  const groups = pooledCodes(wasm, b, weights);
  const factors = rowValues(b, groups, rowBroadcast, ({ whole }) => storedScales(wasm, whole.coded));
  const zeros = rowValues(b, groups, rowBroadcast, (group) => storedZeros(wasm, group));
  const stored = new Array<StoredBytes>(weights.length);
  groups.forEach(({ value: codes, members, sizes, whole, ordered }, g) => {
    let value = b.cast(codes, DATA_TYPES.float);
    if (zeros[g] !== undefined) value = b.node('Sub', [value, zeros[g]]);
    const names = members.map((i) => weights[i]!.name);
    const product = b.node('Mul', [value, factors[g]!], {}, names.length === 1 ? names[0] : undefined);
    b.split(product, sizes, whole.rowAxis, names);
    members.forEach((i, at) => {
      const order = ordered ? classBytes(sizes[at]!) : 0;
      stored[i] = { ...bytesOf(weights[i]!.coded), order };
    });
  });
  return stored;
}

/** Adds a tensor of integers and returns their value as floats. */
type Floats = (b: Builder, t: Tensor) => string;

const asTheyAre: Floats = (b, t) => b.cast(b.initializer('', t), DATA_TYPES.float);

const asBytes: Floats = (b, { dims, data }) => {
  const codes = data as Int16Array;
  const high = asTheyAre(
    b,
    tensor(
      'int8',
      dims,
      Int8Array.from(codes, (v) => v >> 8),
    ),
  );
  const low = asTheyAre(
    b,
    tensor(
      'uint8',
      dims,
      Uint8Array.from(codes, (v) => v & 255),
    ),
  );
  return b.node('Add', [b.node('Mul', [high, b.floats([256])]), low]);
};

/** @param wide how codes and zero points of 16 bits are stored, where not as `dense` does */
function writeTogether(wasm: Wasm, b: Builder, weights: readonly QuantizedWeight[], wide?: Floats): StoredBytes[] {
  const whole = joinedWeight(weights);
  const { coded, dims, rowAxis } = whole;
  const { cols, block, scaleType } = coded[0]!.grid;
  const layout = layoutOf({ rows: dims[rowAxis]!, cols, block }, dims, rowAxis);
  const sizes = weights.map((w) => w.dims[w.rowAxis]!);
  let value = wide ? wide(b, wideTensor(wasm, coded[0]!, layout)) : floatCodes(wasm, b, whole, layout);
  const zeros = zeroTensor(wasm, coded, layout);
  if (zeros) value = b.node('Sub', [value, (wide ?? asTheyAre)(b, zeros)]);
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

function floatCodes(wasm: Wasm, b: Builder, weight: QuantizedWeight, layout: Layout): string {
  const { value, float } = signedCodes(wasm, b, weight, layout);
  return float ? value : b.cast(value, DATA_TYPES.float);
}

/** Zero points less 2^(bits-1), in the order of the scales; undefined where there are none. */
function zeroTensor(wasm: Wasm, coded: QuantizedWeight['coded'], layout: Layout): Tensor | undefined {
  const zeros = mergedZeros(wasm, coded);
  if (!zeros) return undefined;
  return zeros instanceof Int16Array
    ? tensor('int16', layout.scaleDims, layout.scales(zeros))
    : tensor('int8', layout.scaleDims, layout.scales(zeros));
}
