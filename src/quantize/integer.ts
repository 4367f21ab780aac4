import type { Coded } from '../grid/coded.ts';
import { gridBytes, toHalf } from '../grid/index.ts';
import { DATA_TYPES, tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import type { Builder } from './builder.ts';
import { signedCodes } from './codes.ts';
import { dense } from './dense.ts';
import type { Part, QuantizedWeight, StoredBytes, ValueFormat } from './format.ts';
import { joinedWeight } from './joined.ts';
import { layoutOf } from './layout.ts';
import { mergedScales, mergedZeros } from './slices.ts';

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
  write: (wasm, b, weight) => writeTogether(wasm, b, [weight])[0]!,
  together: {
    key: (weight) => (whyNotInteger(weight.coded) === undefined ? dense.together!.key(weight) : undefined),
    write: writeTogether,
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

function writeTogether(wasm: Wasm, b: Builder, weights: readonly QuantizedWeight[]): StoredBytes[] {
  const whole = joinedWeight(weights);
  const { coded, dims, rowAxis } = whole;
  if (whyNotInteger(coded) !== undefined) return weights.map((w) => dense.write(wasm, b, w));
  const { cols, block, scaleType } = coded[0]!.grid;
  const layout = layoutOf({ rows: dims[rowAxis]!, cols, block }, dims, rowAxis);
  const sizes = weights.map((w) => w.dims[w.rowAxis]!);
  let { value, float } = signedCodes(wasm, b, whole, layout, 'zeros');
  const zeros = mergedZeros(wasm, coded);
  if (zeros) {
    const stored = b.initializer('', tensor('int8', layout.scaleDims, zeros as Int8Array));
    const codes = float ? value : b.cast(value, DATA_TYPES.float);
    value = b.node('Sub', [codes, b.cast(stored, DATA_TYPES.float)]);
    float = true;
  }
  if (float) value = b.cast(value, DATA_TYPES.int8);
  const scales = mergedScales(coded);
  const one = layout.scaleDims.length === 0;
  const scaleDims = one ? [] : [scales.length];
  const half = scaleType === 'float16';
  const stored = b.initializer(
    '',
    half ? tensor('float16', scaleDims, toHalf(wasm, scales)) : tensor('float', scaleDims, scales),
  );
  const values = b.split(value, sizes, rowAxis);
  const factors = b.split(half ? b.cast(stored, DATA_TYPES.float) : stored, sizes, 0);
  return weights.map(({ name, coded: own }, i) => {
    const count = one ? [] : [sizes[i]!];
    // Zero points that are there, though 0: onnxruntime makes a product of integers of a Gemm where they are alone.
    const none = b.shared(`int8 0 [${count}]`, () =>
      b.initializer('', tensor('int8', count, new Int8Array(one ? 1 : sizes[i]!))),
    );
    const axis = one ? {} : { axis: { type: 'int', value: rowAxis } as const };
    b.node('DequantizeLinear', [values[i]!, factors[i]!, none], axis, name);
    const stored = bytesOf(own);
    // The row of zeros is the first weight's.
    return i === 0 && coded.some(({ grid }) => grid.bits === 0) ? { ...stored, codes: stored.codes + cols } : stored;
  });
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
