import type { Layer, LayerUse } from '../graph/index.ts';
import { packDense } from '../grid/index.ts';
import type { Slice } from '../grid/coded.ts';
import { makeNode } from '../onnx/index.ts';
import type { Attribute, Node } from '../onnx/model.ts';
import { tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import type { Builder } from './builder.ts';
import type { Around, QuantizedWeight, ReplacingFormat, StoredBytes, WrittenSpec } from './format.ts';

const MICROSOFT = 'com.microsoft';

/** Sizes that blocks of MatMulNBits can have. */
const BLOCKS: readonly number[] = [16, 32, 64, 128, 256];

/**
 * MatMulNBits of com.microsoft in the place of MatMul and Gemm: products straight from codes of 2, 4 or 8 bits, packed along a
 * row, low bits first. Blocks of 16 to 256 weights share a scale, fp32, and a zero point, packed as the codes are; where there is none
 * it is 2^(bits-1). A grid with one scale a row, or one in all, is written with that scale in every block, in blocks of the size
 * that takes the fewest bytes. Never g_idx, which runtimes read differently.
 */
export const nbits: ReplacingFormat = {
  name: 'nbits',
  widths: [2, 4, 8],
  // Stored as fp32 either way: this is what they are rounded to.
  scaleTypes: ['float16', 'float'],
  domain: MICROSOFT,
  opset: () => 7,
  bytes(rows, cols, spec) {
    const block = productBlock(cols, spec);
    if (block === undefined) return Number.POSITIVE_INFINITY;
    return sum(bytesOf(rows, cols, block, block * Math.ceil(cols / block), spec));
  },
  refuses(layer, spec, around) {
    if (!nbits.widths.includes(spec.bits)) return `MatMulNBits has no ${spec.bits} bits`;
    if (layer.opType !== 'MatMul' && layer.opType !== 'Gemm') return `it serves MatMul and Gemm, not ${layer.opType}`;
    if (productBlock(layer.cols, spec) === undefined)
      return `blocks of ${spec.granularity} weights are no multiple of 16`;
    return reasonAgainst(layer, around, refusedProduct);
  },
  replace(wasm, b, weight, layer, around) {
    const slice = onlySlice(weight, layer, nbits, around);
    const { rows, cols, bits } = slice.grid;
    const block = productBlock(cols, specOf(slice))!;
    const width = block * Math.ceil(cols / block);
    const codes = tensor(
      'uint8',
      [rows, width / block, (block * bits) / 8],
      packedRows(wasm, slice.codes as Uint8Array, rows, cols, width, bits),
    );
    const names = [b.initializer('', codes), ...scalesAndZeros(wasm, b, slice, block)];
    const int = (value: number): Attribute => ({ type: 'int', value });
    const attributes = { K: int(cols), N: int(rows), bits: int(bits), block_size: int(block) };
    const nodes = new Map<Node, Node[]>();
    for (const { node } of layer.uses) {
      const [a, , c] = node.inputs as [string, string, string?];
      const [output] = node.outputs as [string];
      const bias = c !== undefined && c !== '' && isBias(around.constantDims(c), rows);
      const later = c !== undefined && c !== '' && !bias;
      const inputs = [a, ...names];
      if (bias) inputs.push(...new Array<string>(5 - inputs.length).fill(''), c);
      const product = later ? b.name(`${output}.p`) : output;
      const options = { name: node.name, domain: MICROSOFT };
      nodes.set(node, [
        makeNode('MatMulNBits', inputs, [product], attributes, options),
        ...(later ? [makeNode('Add', [product, c], [output], {}, { name: node.name && `${node.name}/bias` })] : []),
      ]);
    }
    return { stored: bytesOf(rows, cols, block, width, specOf(slice)), nodes };
  },
};

/**
 * GatherBlockQuantized of com.microsoft in the place of Gather: only the rows asked for are decoded. Codes of 4 or 8 bits in uint8,
 * packed along a row, low bits first; blocks of a power of 2 from 16 on; fp32 scales, zero points packed as the codes are.
 */
export const nbitsTable: ReplacingFormat = {
  name: 'nbits-table',
  widths: [4, 8],
  scaleTypes: ['float16', 'float'],
  domain: MICROSOFT,
  opset: () => 7,
  bytes(rows, cols, spec) {
    const block = tableBlock(cols, spec);
    return block === undefined ? Number.POSITIVE_INFINITY : sum(bytesOf(rows, cols, block, cols, spec));
  },
  refuses(layer, spec, around) {
    if (!nbitsTable.widths.includes(spec.bits)) return `GatherBlockQuantized has no ${spec.bits} bits`;
    if (layer.opType !== 'Gather') return `it serves Gather, not ${layer.opType}`;
    if ((layer.cols * spec.bits) % 8 !== 0)
      return `rows of ${layer.cols} weights at ${spec.bits} bits end within a byte`;
    if (tableBlock(layer.cols, spec) === undefined)
      return `blocks of ${spec.granularity} weights are no multiple of 16`;
    return reasonAgainst(layer, around, refusedTable);
  },
  replace(wasm, b, weight, layer, around) {
    const slice = onlySlice(weight, layer, nbitsTable, around);
    const { rows, cols, bits } = slice.grid;
    const block = tableBlock(cols, specOf(slice))!;
    const packed = packedRows(wasm, slice.codes as Uint8Array, rows, cols, cols, bits);
    const codes = b.initializer('', tensor('uint8', [rows, (cols * bits) / 8], packed));
    const [scales, ...zeros] = scalesAndZeros(wasm, b, slice, block) as [string, ...string[]];
    const int = (value: number): Attribute => ({ type: 'int', value });
    const attributes = { bits: int(bits), block_size: int(block), gather_axis: int(0), quantize_axis: int(1) };
    const nodes = new Map<Node, Node[]>();
    for (const { node } of layer.uses) {
      const inputs = [codes, node.inputs[1]!, scales, ...zeros];
      const options = { name: node.name, domain: MICROSOFT };
      nodes.set(node, [makeNode('GatherBlockQuantized', inputs, node.outputs, attributes, options)]);
    }
    return { stored: bytesOf(rows, cols, block, cols, specOf(slice)), nodes };
  },
};

/** Why one use of a layer rules its operator out. */
type Refusal = (use: LayerUse, layer: Layer) => string | undefined;

function reasonAgainst(layer: Layer, around: Around, refused: Refusal): string | undefined {
  if (layer.dtype !== 'float') return `weights of ${layer.dtype} stay of that type`;
  if (layer.lead > 0 || layer.dims.length !== 2) return `a weight [${layer.dims}] is no matrix`;
  for (const use of layer.uses) {
    if (!around.isMain(use.node)) return 'a node that reads it stands in a body';
    if (use.node.domain !== '' || !use.plain || use.node.inputs[use.index] !== layer.weight)
      return `${use.node.opType} does not read it as it is stored`;
    const reason = refused(use, layer);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

const refusedProduct: Refusal = ({ node, index, opType }) => {
  if (index !== 1) return `it is the left factor of ${node.opType}`;
  const number = (name: string, otherwise: number) => Number(node.attributes.get(name)?.value ?? otherwise);
  if (opType !== 'Gemm') return undefined;
  if (number('transA', 0) !== 0 || number('alpha', 1) !== 1) return 'Gemm with transA or alpha';
  return node.inputs[2] && number('beta', 1) !== 1 ? 'Gemm with beta' : undefined;
};

const refusedTable: Refusal = ({ node, index, opType }) =>
  opType !== 'Gather' || index !== 0 || Number(node.attributes.get('axis')?.value ?? 0) !== 0
    ? 'Gather of another axis'
    : undefined;

/** Whether a constant of that shape is what is added to every row of a product. */
function isBias(dims: readonly number[] | undefined, rows: number): boolean {
  return dims !== undefined && dims.length === 1 && dims[0] === rows;
}

function onlySlice({ name, coded }: QuantizedWeight, layer: Layer, format: ReplacingFormat, around: Around): Slice {
  const [slice] = coded;
  const reason =
    slice === undefined || coded.length > 1 || slice.rows !== undefined
      ? 'its rows have different widths'
      : format.refuses?.(layer, specOf(slice), around);
  if (slice === undefined || reason !== undefined)
    throw new RangeError(`weight '${name}': format ${format.name}: ${reason}; use format dense`);
  return slice;
}

function specOf({ grid: { bits, block, cols, symmetric, scaleType } }: Slice): WrittenSpec {
  const granularity = block > cols ? 'tensor' : block === cols ? 'channel' : block;
  return { bits, granularity, symmetric, scaleType };
}

/** Bytes of a matrix in rows of `width` codes, the first `cols` of which count. */
function bytesOf(rows: number, cols: number, block: number, width: number, spec: WrittenSpec): StoredBytes {
  const blocks = Math.ceil(cols / block);
  return {
    codes: (rows * width * spec.bits) / 8,
    scales: 4 * rows * blocks,
    zeros: spec.symmetric ? 0 : rows * Math.ceil((blocks * spec.bits) / 8),
    order: 0,
  };
}

function sum({ codes, scales, zeros }: StoredBytes): number {
  return codes + scales + zeros;
}

/** The block of a product: the largest in which a scale is good throughout, or the one of the fewest bytes; undefined: there is none. */
function productBlock(cols: number, spec: WrittenSpec): number | undefined {
  const { granularity } = spec;
  if (typeof granularity === 'number' && granularity < cols) return largestIn(granularity);
  const bytes = (block: number) => sum(bytesOf(1, cols, block, block * Math.ceil(cols / block), spec));
  return BLOCKS.reduce((a, b) => (bytes(b) <= bytes(a) ? b : a));
}

/** The largest block that divides those of a grid. */
function largestIn(granularity: number): number | undefined {
  return [...BLOCKS].reverse().find((b) => granularity % b === 0);
}

/** The block of a table: as for a product, but of any size, since rows are not filled up. */
function tableBlock(cols: number, { granularity }: WrittenSpec): number | undefined {
  if (typeof granularity === 'number' && granularity < cols) return largestIn(granularity);
  let block = 16;
  while (block < cols) block *= 2;
  return block;
}

/** Rows of codes, each filled up to `width` with 0, packed. */
function packedRows(
  wasm: Wasm,
  codes: Uint8Array,
  rows: number,
  cols: number,
  width: number,
  bits: number,
): Uint8Array {
  let filled = codes;
  if (width !== cols) {
    filled = new Uint8Array(rows * width);
    for (let r = 0; r < rows; r++) filled.set(codes.subarray(r * cols, (r + 1) * cols), r * width);
  }
  return packDense(wasm, filled, bits).subarray(0, (rows * width * bits) / 8);
}

/** Names of the scales, and of zero points where there are some, one for every block of a row. */
function scalesAndZeros(wasm: Wasm, b: Builder, { grid }: Slice, block: number): string[] {
  const { rows, cols, bits, zeros } = grid;
  const blocks = Math.ceil(cols / block);
  const perRow = grid.block > cols ? 0 : Math.ceil(cols / grid.block);
  const at = (r: number, i: number) => r * perRow + (perRow < 2 ? 0 : Math.floor((i * block) / grid.block));
  const scales = new Float32Array(rows * blocks);
  const points = zeros && new Uint8Array(rows * blocks);
  for (let r = 0; r < rows; r++)
    for (let i = 0; i < blocks; i++) {
      scales[r * blocks + i] = grid.scales[at(r, i)]!;
      if (points) points[r * blocks + i] = zeros[at(r, i)]!;
    }
  const names = [b.initializer('', tensor('float', [rows, blocks], scales))];
  if (points) {
    const bytes = Math.ceil((blocks * bits) / 8);
    const packed = packedRows(wasm, points, rows, blocks, (bytes * 8) / bits, bits);
    names.push(b.initializer('', tensor('uint8', [rows, bytes], packed)));
  }
  return names;
}
