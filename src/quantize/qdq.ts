import { UsageError } from '../errors.ts';
import type { Slice } from '../grid/coded.ts';
import { type Grid, codesFromRows, rowShape, toInt16, toInt8 } from '../grid/index.ts';
import { blockOf, kernelShape } from '../grid/spec.ts';
import type { Attribute } from '../onnx/model.ts';
import { type DType, type Tensor, tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import type { QuantizedWeight, ValueFormat, WrittenSpec } from './format.ts';
import { rowsBack } from './layout.ts';

/**
 * DequantizeLinear on integer weights of 2, 4, 8 or 16 bits: signed codes less 2^(bits-1) where symmetric, else unsigned ones
 * with zero points; fp32 scales. ONNX "DequantizeLinear": 8 bits from opset 10 with one scale, from 13 with one a row, 4 and
 * 16 bits and blocks from 21, 2 bits from 25.
 */
export const qdq: ValueFormat = {
  name: 'qdq',
  widths: [2, 4, 8, 16],
  scaleTypes: ['float'],
  opset({ bits, granularity }) {
    if (bits === 2) return 25;
    if (bits !== 8 || typeof granularity === 'number') return 21;
    return granularity === 'tensor' ? 10 : 13;
  },
  bytes: qdqBytes,
  // onnxruntime 1.30 turns DequantizeLinear and MatMul into a product of codes, and transposes such 2-bit codes wrongly.
  refuses: ({ dims }, { bits }) =>
    bits === 2 && (dims.at(-1) ?? 0) % 4 !== 0
      ? 'onnxruntime misreads 2-bit codes whose rows end within a byte'
      : undefined,
  write(wasm, b, weight) {
    const { name, dims, rowAxis } = weight;
    const { grid, codes: rowCodes } = onlySlice(weight);
    const { rows, cols, block } = grid;
    const { before } = rowShape(dims, rowAxis);
    const blocked = block < cols;
    // Blocks run along one axis: where a row's weights lie along several, the matrix of rows is stored and put back in shape.
    const others = dims.flatMap((d, i) => (i !== rowAxis && d !== 1 ? [i] : []));
    const rowForm = blocked && others.length > 1;
    const stored = rowForm ? [rows, cols] : dims;
    const axis = rowForm ? 1 : blocked ? others[0]! : rowAxis;
    const blocks = Math.ceil(cols / block);
    const scaleDims = blocked
      ? stored.map((d, i) => (i === axis ? blocks : d))
      : block > cols || rows === 1
        ? []
        : [rows];
    const inOrder = <T extends Uint8Array | Uint16Array | Float32Array>(x: T): T =>
      rowForm || !blocked ? x : codesFromRows(x, scaleDims, rowAxis);
    const codes = rowForm ? rowCodes : codesFromRows(rowCodes, dims, rowAxis);
    const tensors = [integers(wasm, codes, grid, stored), tensor('float', scaleDims, inOrder(grid.scales))];
    if (grid.zeros) tensors.push(integers(wasm, inOrder(grid.zeros), grid, scaleDims));
    const names = tensors.map((t, i) => b.initializer(`${name}${['.q', '.s', '.z'][i]}`, t));
    const attributes: Record<string, Attribute> = {};
    if (scaleDims.length) attributes.axis = { type: 'int', value: axis };
    if (blocked) attributes.block_size = { type: 'int', value: block };
    if (!rowForm) b.node('DequantizeLinear', names, attributes, name);
    else {
      const value = b.node('DequantizeLinear', names, attributes);
      if (before === 1) b.reshape(value, dims, name);
      else {
        const outer = [rows, ...dims.slice(0, rowAxis), ...dims.slice(rowAxis + 1)];
        const perm: Attribute = { type: 'ints', value: rowsBack(dims.length, rowAxis) };
        b.node('Transpose', [b.reshape(value, outer)], { perm }, name);
      }
    }
    const bytes = (count: number): number => Math.ceil((count * grid.bits) / 8);
    const scales = grid.scales.length;
    return { codes: bytes(rows * cols), scales: 4 * scales, zeros: grid.zeros ? bytes(scales) : 0, order: 0 };
  },
};

/** @throws UsageError for a weight whose rows have different widths */
function onlySlice({ name, coded }: QuantizedWeight): Slice {
  const [slice] = coded;
  if (coded.length !== 1 || !slice || slice.rows !== undefined)
    throw new UsageError(
      `weight '${name}': format qdq has one width for all rows, found ${coded.length} slices; use format dense`,
    );
  return slice;
}

function qdqBytes(rows: number, cols: number, { bits, granularity, symmetric }: WrittenSpec): number {
  const { count } = kernelShape(rows, cols, blockOf(rows, cols, granularity));
  return Math.ceil((rows * cols * bits) / 8) + 4 * count + (symmetric ? 0 : Math.ceil((count * bits) / 8));
}

/** Codes as the integers DequantizeLinear reads. */
function integers(wasm: Wasm, codes: Uint8Array | Uint16Array, grid: Grid, dims: readonly number[]): Tensor {
  const dtype = `${grid.symmetric ? '' : 'u'}int${grid.bits}` as DType;
  if (!grid.symmetric) return tensor(dtype, dims, codes);
  return tensor(dtype, dims, codes instanceof Uint16Array ? toInt16(wasm, codes) : toInt8(wasm, codes, grid.bits));
}
