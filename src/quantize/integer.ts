import type { Coded } from '../grid/coded.ts';
import { gridBytes } from '../grid/index.ts';
import { DATA_TYPES, tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import type { Builder } from './builder.ts';
import { classBytes, signedCodes } from './codes.ts';
import { dense } from './dense.ts';
import type { Part, QuantizedWeight, StoredBytes, ValueFormat } from './format.ts';
import { layoutOf } from './layout.ts';
import { pooledCodes, pools, rowBroadcast, rowValues, storedScales, storedZeros } from './pool.ts';
import { mergedZeros } from './slices.ts';

/**
 * Weights that runtimes multiply as integers: codes are stored and decoded as in `dense`, but to int8, zero points already
 * subtracted, and DequantizeLinear with one scale a row stands before the operator. Runtimes fold everything before that into one
 * int8 constant at load, so that small codes give a small file and products of int8 alike. ONNX "DequantizeLinear": one scale
 * from opset 10, one a row from 13.
 *
 * Weights that this cannot say (blocks, codes whose distance from the zero point is no int8) are written as `dense` writes them.
 */
export const integer: ValueFormat = {
  name: 'integer',
  widths: [2, 3, 4, 5, 6, 7, 8],
  scaleTypes: ['float16', 'float'],
  opset: ({ granularity }) => (granularity === 'tensor' ? 10 : 13),
  bytes: gridBytes,
  mixedBytes,
  write: writeAlone,
  together: {
    key: (weight) =>
      pools(weight) && whyNotInteger(weight.coded) === undefined ? dense.together!.key(weight) : undefined,
    write: writePool,
  },
};

/** As `dense` counts them, and the row of zeros that rows left out read. */
function mixedBytes(cols: number, parts: readonly Part[]): StoredBytes {
  const stored = dense.mixedBytes!(cols, parts);
  const more = parts.some((p) => p.spec.bits === 0 && p.rows > 0) ? cols : 0;
  return { ...stored, codes: stored.codes + more };
}

/** What `dense` counts of the slices of a weight. */
function bytesOf(coded: Coded): StoredBytes {
  const { cols, block, scaleType } = coded[0]!.grid;
  const parts = coded.map(({ grid }): Part => {
    const granularity = block > cols ? 'tensor' : block;
    return { rows: grid.rows, spec: { bits: grid.bits, granularity, symmetric: grid.symmetric, scaleType } };
  });
  return dense.mixedBytes!(cols, parts);
}

function writeAlone(wasm: Wasm, b: Builder, weight: QuantizedWeight): StoredBytes {
  const { coded, dims, rowAxis } = weight;
  if (whyNotInteger(coded) !== undefined) return dense.write(wasm, b, weight);
  if (pools(weight)) return writePool(wasm, b, [weight])[0]!;
  const { cols, block, scaleType } = coded[0]!.grid;
  const layout = layoutOf({ rows: dims[rowAxis]!, cols, block }, dims, rowAxis);
  const { value, float } = signedCodes(wasm, b, weight, layout);
  const zeros = mergedZeros(wasm, coded) as Int8Array | undefined;
  const taken = zeros && b.cast(b.initializer('', tensor('int8', [], zeros)), DATA_TYPES.float);
  const scales = storedScales(wasm, coded);
  const factor = b.initializer('', tensor(scales.dtype, [], scales.data));
  const whole = scaleType === 'float16' ? b.cast(factor, DATA_TYPES.float) : factor;
  dequantized(b, weight, lessZeros(b, value, float, taken), whole, []);
  return bytesOf(coded);
}

function writePool(wasm: Wasm, b: Builder, weights: readonly QuantizedWeight[]): StoredBytes[] {
  const groups = pooledCodes(wasm, b, weights, 'zeros');
  const zeros = rowValues(b, groups, rowBroadcast, (group) => storedZeros(wasm, group));
  const factors = rowValues(
    b,
    groups,
    () => 0,
    ({ whole }) => storedScales(wasm, whole.coded),
  );
  const stored = new Array<StoredBytes>(weights.length);
  groups.forEach(({ value, members, sizes, whole, ordered }, g) => {
    const values = b.split(lessZeros(b, value, false, zeros[g]), sizes, whole.rowAxis);
    const own = b.split(factors[g]!, sizes);
    const zeroRow = whole.coded.some(({ grid }) => grid.bits === 0) ? whole.coded[0]!.grid.cols : 0;
    members.forEach((i, at) => {
      const weight = weights[i]!;
      dequantized(b, weight, values[at]!, own[at]!, [sizes[at]!]);
      const { codes, ...rest } = bytesOf(weight.coded);
      // The row of zeros is the first weight's.
      stored[i] = { ...rest, codes: codes + (at === 0 ? zeroRow : 0), order: ordered ? classBytes(sizes[at]!) : 0 };
    });
  });
  return stored;
}

/** Codes, less zero points where there are any, as int8. */
function lessZeros(b: Builder, codes: string, float: boolean, zeros: string | undefined): string {
  if (zeros === undefined) return float ? b.cast(codes, DATA_TYPES.int8) : codes;
  return b.cast(b.node('Sub', [float ? codes : b.cast(codes, DATA_TYPES.float), zeros]), DATA_TYPES.int8);
}

/** @param dims of the scale: those of one, or of one a row */
function dequantized(b: Builder, { name, rowAxis }: QuantizedWeight, codes: string, scale: string, dims: number[]) {
  // Zero points that are there, though 0: onnxruntime makes a product of integers of a Gemm where they are alone.
  const none = b.shared(`int8 0 [${dims}]`, () => b.initializer('', tensor('int8', dims, new Int8Array(dims[0] ?? 1))));
  const axis = dims.length === 0 ? {} : { axis: { type: 'int', value: rowAxis } as const };
  b.node('DequantizeLinear', [codes, scale, none], axis, name);
}

/** Why codes cannot be written as int8 with a scale a row or one in all; undefined where they can. */
export function whyNotInteger(coded: Coded): string | undefined {
  for (const { grid, codes } of coded) {
    const { bits, rows, cols, block, zeros } = grid;
    if (bits > 8) return `weights of ${bits} bits`;
    if (block < cols) return `scales of blocks of ${block}`;
    if (bits < 8 || zeros === undefined) continue;
    for (let r = 0; r < rows; r++) {
      const zero = zeros[block > cols ? 0 : r]!;
      for (let i = r * cols; i < (r + 1) * cols; i++) {
        const distance = codes[i]! - zero;
        if (distance < -128 || distance > 127) return 'zero points of 8-bit weights: their codes are no int8';
      }
    }
  }
  return undefined;
}
