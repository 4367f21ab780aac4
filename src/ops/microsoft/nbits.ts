import { ModelError, UnsupportedError } from '../../errors.ts';
import type { Tensor } from '../../tensor.ts';
import { asFloats, needDims } from '../attention-inputs.ts';
import { has, int, since } from '../attributes.ts';
import { cast } from '../cast.ts';
import { scratchOf } from '../gemm.ts';
import { indicesOf } from '../indices.ts';
import type { NodeSpec, Op, Runtime } from '../op.ts';
import { axisOf, isFloating, need, product } from '../shape.ts';

/** Weights of 2, 4 or 8 bits, packed low bits first, in blocks of one scale and zero point. */

function bitsAttribute(node: NodeSpec): 2 | 4 | 8 {
  const bits = int(node, 'bits', 4);
  if (bits !== 2 && bits !== 4 && bits !== 8)
    throw new UnsupportedError(`attribute "bits": expected 2, 4 or 8, found ${bits}`);
  return bits;
}

function blockAttribute(node: NodeSpec, fallback?: number): number {
  const block = int(node, 'block_size', fallback);
  if (block < 16 || block > 2 ** 20 || (block & (block - 1)) !== 0)
    throw new ModelError(`attribute "block_size": expected a power of 2 from 16, found ${block}`);
  return block;
}

/** Bound on decoded weights at one time, in bytes: some rows at a time, which stay in the cache. */
const DECODED_BYTES = 2 ** 20;

interface Packed {
  readonly n: number;
  readonly blocks: number;
  readonly block: number;
  readonly bits: 2 | 4 | 8;
  /** Address of the packed codes, n rows of blocks * block. */
  readonly codes: number;
  /** Address of n * blocks floats. */
  readonly scales: number;
  /** Address of as many codes, one a byte; 0 for 2^(bits-1). */
  readonly zeros: number;
  /** Zero points that are numbers of their own, as many. */
  readonly points: Float32Array | undefined;
}

/** Decodes rows [from, from + rows) to `y`, in floats; `room` holds as many bytes. */
function decode(p: Packed, from: number, rows: number, room: number, y: number, rt: Runtime): void {
  const { k, arena } = rt.wasm;
  const width = p.blocks * p.block;
  arena.u8(room, rows * width).fill(0);
  k.unpack_plane(p.codes + (from * width * p.bits) / 8, rows * width, 0, p.bits, room);
  const zeros = p.zeros === 0 ? 0 : p.zeros + from * p.blocks;
  k.dequantize_rows(room, rows, width, p.block, p.scales + 4 * from * p.blocks, zeros, p.bits, y);
  if (p.points === undefined) return;
  const scales = arena.f32(p.scales, p.n * p.blocks);
  const middle = 2 ** (p.bits - 1);
  for (let i = 0; i < rows * p.blocks; i++) {
    const shift = (middle - p.points[from * p.blocks + i]!) * scales[from * p.blocks + i]!;
    if (shift !== 0) k.add_scalar(y + 4 * i * p.block, shift, y + 4 * i * p.block, p.block);
  }
}

function packedWeights(
  inputs: readonly (Tensor | undefined)[],
  n: number,
  K: number,
  bits: 2 | 4 | 8,
  block: number,
  rt: Runtime,
): Packed {
  const b = need(inputs, 1, 'B');
  if (b.dtype !== 'uint8') throw new UnsupportedError(`B: expected type uint8, found ${b.dtype}`);
  const blocks = Math.ceil(K / block);
  const bytes = (block * bits) / 8;
  if (b.dims[0] !== n || b.data.length !== n * blocks * bytes)
    throw new ModelError(`B: expected shape [${n},${blocks},${bytes}], found [${b.dims}]`);
  const scales = asFloats(need(inputs, 2, 'scales'), 'scales', rt);
  if (scales.data.length !== n * blocks)
    throw new ModelError(`scales: expected shape [${n},${blocks}], found [${scales.dims}]`);
  const zero = inputs[3];
  const p = { n, blocks, block, bits, codes: rt.ptr(b), scales: rt.ptr(scales), zeros: 0, points: undefined };
  if (zero === undefined) return p;
  if (isFloating(zero.dtype)) {
    if (zero.data.length !== n * blocks)
      throw new ModelError(`zero_points: expected shape [${n},${blocks}], found [${zero.dims}]`);
    return { ...p, points: Float32Array.from(cast(zero, 'float', rt).data as Float32Array) };
  }
  const row = Math.ceil((blocks * bits) / 8);
  if (zero.dtype !== 'uint8' || zero.data.length !== n * row)
    throw new ModelError(`zero_points: expected uint8 of shape [${n},${row}], found ${zero.dtype} [${zero.dims}]`);
  const zeros = rt.scratch(n * blocks);
  const from = rt.ptr(zero);
  rt.wasm.arena.u8(zeros, n * blocks).fill(0);
  for (let i = 0; i < n; i++) rt.wasm.k.unpack_plane(from + i * row, blocks, 0, bits, zeros + i * blocks);
  return { ...p, zeros };
}

/**
 * A [..., K] times the transpose of weights [N, K], plus a bias. The weights are decoded as they are used, some rows at a time:
 * the decoder is as fast as a copy of decoded weights would be, and these stay in the cache.
 * @throws UnsupportedError for `g_idx`, which runtimes read differently
 */
export const MatMulNBits: Op = since(1, (node) => {
  const [K, N] = [int(node, 'K'), int(node, 'N')];
  if (K < 1 || N < 1 || K > 2 ** 30 || N > 2 ** 30)
    throw new ModelError(`attributes "K" ${K} and "N" ${N}: expected sizes >= 1`);
  const bits = bitsAttribute(node);
  const block = blockAttribute(node);
  if (has(node, 'weight_prepacked') && int(node, 'weight_prepacked') !== 0)
    throw new UnsupportedError('attribute "weight_prepacked": only 0 is supported');
  return (inputs, rt) => {
    if (inputs[4] !== undefined) throw new UnsupportedError('g_idx is not supported');
    const given = need(inputs, 0, 'A');
    const a = asFloats(given, 'A', rt);
    if (a.dims[a.dims.length - 1] !== K) throw new ModelError(`A: expected a last axis of ${K}, found [${a.dims}]`);
    const p = packedWeights(inputs, N, K, bits, block, rt);
    const m = a.data.length / K;
    const y = rt.empty('float', [...a.dims.slice(0, -1), N]);
    const width = p.blocks * block;
    const rows = Math.min(N, Math.max(1, Math.floor(DECODED_BYTES / (4 * width))));
    const decoded = rt.scratch(4 * rows * width);
    const room = rt.scratch(rows * width);
    const scratch = scratchOf(rt);
    const [pa, py] = [rt.ptr(a), rt.ptr(y)];
    const bias = inputs[5] && rt.ptr(asFloats(needDims(inputs[5], [N], 'bias'), 'bias', rt));
    for (let from = 0; from < N && m > 0; from += rows) {
      const n = Math.min(rows, N - from);
      decode(p, from, n, room, decoded, rt);
      rt.wasm.k.gemm(0, 1, m, n, K, 1, pa, K, decoded, width, 0, py + 4 * from, N, scratch);
    }
    if (bias !== undefined) rt.wasm.k.add_row(py, bias, py, m, N);
    return [cast(y, given.dtype, rt)];
  };
});

/** Reads codes: as they are in 4-bit types and at 8 bits, else packed along the last axis. */
function codesOf(t: Tensor, bits: number): (i: number) => number {
  const data = t.data as Uint8Array;
  if (t.dtype !== 'uint8' || bits === 8) return (i) => data[i]!;
  const per = 8 / bits;
  const most = 2 ** bits - 1;
  return (i) => (data[Math.floor(i / per)]! >> ((i % per) * bits)) & most;
}

/**
 * Slices of block-quantized data along `gather_axis`, decoded: (code - zero point) scale, scales for blocks along
 * `quantize_axis`. uint8 data is packed along its last axis. Without zero points 2^(bits-1) for uint8, 0 for 4-bit types.
 */
export const GatherBlockQuantized: Op = since(1, (node) => {
  const bits = bitsAttribute(node);
  const block = blockAttribute(node, 128);
  const [gather, quantize] = [int(node, 'gather_axis', 0), int(node, 'quantize_axis', 1)];
  return (inputs, rt) => {
    const data = need(inputs, 0, 'data');
    const packed = data.dtype === 'uint8';
    if (!packed && data.dtype !== 'int4' && data.dtype !== 'uint4')
      throw new UnsupportedError(`data: expected type uint8, int4 or uint4, found ${data.dtype}`);
    const rank = data.dims.length;
    const per = packed ? 8 / bits : 1;
    const dims = data.dims.map((d, i) => (i === rank - 1 ? d * per : d));
    const g = axisOf(gather, rank, 'gather_axis');
    const q = axisOf(quantize, rank, 'quantize_axis');
    if (packed && (g !== 0 || q !== rank - 1))
      throw new UnsupportedError(`uint8 data [${data.dims}]: expected gather_axis 0 and quantize_axis last`);
    const indices = need(inputs, 1, 'indices');
    const index = indicesOf(indices, dims[g]!);
    const blocks = Math.ceil(dims[q]! / block);
    const given = need(inputs, 2, 'scales');
    const scaleDims = dims.map((d, i) => (i === q ? blocks : d));
    const scales = asFloats(needDims(given, scaleDims, 'scales'), 'scales', rt);
    const zero = inputs[3];
    const zeroRow = packed ? Math.ceil(blocks / per) * per : blocks;
    if (zero !== undefined) {
      if (zero.dtype !== data.dtype)
        throw new ModelError(`zero_points: expected type ${data.dtype}, found ${zero.dtype}`);
      needDims(
        zero,
        dims.map((d, i) => (i === q ? zeroRow / per : d)),
        'zero_points',
      );
    }
    const code = codesOf(data, bits);
    const point = zero && codesOf(zero, bits);
    const middle = packed ? 2 ** (bits - 1) : 0;
    const y = rt.empty('float', [...dims.slice(0, g), ...indices.dims, ...dims.slice(g + 1)]);
    const out = y.data as Float32Array;
    const source = scales.data as Float32Array;
    const [n, inner, outer] = [dims[g]!, product(dims, g + 1), product(dims, 0, g)];
    const [step, length] = [product(dims, q + 1), dims[q]!];
    let to = 0;
    for (let o = 0; o < outer; o++)
      for (const i of index) {
        const from = (o * n + i) * inner;
        for (let e = from; e < from + inner; e++) {
          const row = Math.floor(e / (length * step));
          const b = Math.floor((Math.floor(e / step) % length) / block);
          const rest = e % step;
          const z = point === undefined ? middle : point((row * zeroRow + b) * step + rest);
          out[to++] = (code(e) - z) * source[(row * blocks + b) * step + rest]!;
        }
      }
    return [cast(y, given.dtype, rt)];
  };
});
