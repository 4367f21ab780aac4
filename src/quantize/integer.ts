import { DATA_TYPES, tensor } from '../tensor.ts';
import { gridBytes, toHalf } from '../grid/index.ts';
import type { Coded } from '../grid/coded.ts';
import { signedCodes } from './codes.ts';
import { dense } from './dense.ts';
import type { ValueFormat } from './format.ts';
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
  mixedBytes(cols, parts) {
    const stored = dense.mixedBytes!(cols, parts);
    // The row of zeros.
    const more = parts.some((p) => p.spec.bits === 0 && p.rows > 0) ? cols : 0;
    return { ...stored, codes: stored.codes + more };
  },
  write(wasm, b, weight) {
    const { name, coded, dims, rowAxis } = weight;
    const { cols, block, scaleType } = coded[0]!.grid;
    if (whyNotInteger(coded) !== undefined) return dense.write(wasm, b, weight);
    const layout = layoutOf({ rows: dims[rowAxis]!, cols, block }, dims, rowAxis);
    const codes = signedCodes(wasm, b, weight, layout, 'zeros');
    let { value, float } = codes;
    const zeros = mergedZeros(wasm, coded);
    let zeroBytes = 0;
    if (zeros) {
      const stored = tensor('int8', layout.scaleDims, zeros as Int8Array);
      zeroBytes = stored.data.byteLength;
      const whole = float ? value : b.cast(value, DATA_TYPES.float);
      value = b.node('Sub', [whole, b.cast(b.initializer('', stored), DATA_TYPES.float)]);
      float = true;
    }
    if (float) value = b.cast(value, DATA_TYPES.int8);
    const scales = mergedScales(coded);
    const scaleDims = layout.scaleDims.length === 0 ? [] : [scales.length];
    const half = scaleType === 'float16';
    const scale = half ? tensor('float16', scaleDims, toHalf(wasm, scales)) : tensor('float', scaleDims, scales);
    const stored = b.initializer('', scale);
    const factor = half ? b.cast(stored, DATA_TYPES.float) : stored;
    const axis = scaleDims.length === 0 ? {} : { axis: { type: 'int', value: rowAxis } as const };
    // Zero points that are there, though 0: onnxruntime makes a product of integers of a Gemm where they are alone.
    const none = b.shared(`int8 0 [${scaleDims}]`, () =>
      b.initializer('', tensor('int8', scaleDims, new Int8Array(scales.length))),
    );
    b.node('DequantizeLinear', [value, factor, none], axis, name);
    return { codes: codes.bytes, scales: scale.data.byteLength, zeros: zeroBytes, order: codes.order };
  },
};

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
