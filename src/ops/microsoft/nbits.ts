import { ModelError, UnsupportedError } from '../../errors.ts';
import type { Tensor } from '../../tensor.ts';
import { asFloats, needDims } from '../attention-inputs.ts';
import { has, int, since } from '../attributes.ts';
import { cast } from '../cast.ts';
import { indicesOf } from '../indices.ts';
import type { NodeSpec, Op, Runtime } from '../op.ts';
import { byPanels, multiplyPacked, type PackedBits, type PackedMatrix } from '../packed.ts';
import { axisOf, elements, isFloating, need, product } from '../shape.ts';

/** Weights of 2, 4 or 8 bits, packed low bits first, in blocks of one scale and zero point. */

function bitsAttribute(node: NodeSpec): PackedBits {
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

/** Bound on unpacked codes at one time, in bytes. */
const UNPACKED_BYTES = 2 ** 22;

/** Where `make` put that many bytes: once for a constant, else for this run. */
function made(rt: Runtime, t: Tensor, key: string, bytes: number, make: (ptr: number) => void): number {
  const known = rt.derived(t, key, bytes, make);
  if (known !== undefined) return known;
  const ptr = rt.scratch(bytes);
  make(ptr);
  return ptr;
}

/** Panels of codes [n, blocks * block], each row in whole bytes. */
function panelsOf(b: Tensor, n: number, K: number, bits: PackedBits, block: number, rt: Runtime): number {
  const { k, arena } = rt.wasm;
  const width = Math.ceil(K / block) * block;
  return made(rt, b, `nbits ${n} ${K} ${bits} ${block}`, k.panels_bytes(K, n, bits), (out) => {
    const from = rt.ptr(b);
    const rows = Math.min(n, 8 * Math.max(1, Math.floor(UNPACKED_BYTES / (8 * width))));
    const room = rt.scratch(rows * width);
    for (let i = 0; i < n; i += rows) {
      const count = Math.min(rows, n - i);
      arena.u8(room, count * width).fill(0);
      k.unpack_plane(from + (i * width * bits) / 8, count * width, 0, bits, room);
      k.pack_panels(room, 1, width, K, count, bits, 2 ** (bits - 1), out + k.panels_bytes(K, i, bits));
    }
  });
}

function packedWeights(
  inputs: readonly (Tensor | undefined)[],
  n: number,
  K: number,
  bits: PackedBits,
  block: number,
  rt: Runtime,
): PackedMatrix {
  const b = need(inputs, 1, 'B');
  if (b.dtype !== 'uint8') throw new UnsupportedError(`B: expected type uint8, found ${b.dtype}`);
  const blocks = Math.ceil(K / block);
  const bytes = (block * bits) / 8;
  if (b.dims[0] !== n || b.data.length !== n * blocks * bytes)
    throw new ModelError(`B: expected shape [${n},${blocks},${bytes}], found [${b.dims}]`);
  const given = need(inputs, 2, 'scales');
  if (given.data.length !== n * blocks)
    throw new ModelError(`scales: expected shape [${n},${blocks}], found [${given.dims}]`);
  const zero = inputs[3];
  const row = Math.ceil((blocks * bits) / 8);
  if (zero !== undefined && isFloating(zero.dtype)) {
    if (zero.data.length !== n * blocks)
      throw new ModelError(`zero_points: expected shape [${n},${blocks}], found [${zero.dims}]`);
  } else if (zero !== undefined && (zero.dtype !== 'uint8' || zero.data.length !== n * row))
    throw new ModelError(`zero_points: expected uint8 of shape [${n},${row}], found ${zero.dtype} [${zero.dims}]`);
  const put = (values: Float32Array) => (ptr: number) => rt.wasm.arena.put(ptr, values);
  const size = 4 * 8 * Math.ceil(n / 8) * blocks;
  const key = `nbits ${n} ${blocks}`;
  const p = { k: K, n, bits, block, panels: panelsOf(b, n, K, bits, block, rt) };
  const scales = made(rt, given, key, size, (ptr) => {
    const s = elements(asFloats(given, 'scales', rt));
    put(byPanels(n, blocks, (j, i) => s[j * blocks + i]!))(ptr);
  });
  if (zero === undefined) return { ...p, scales, zeros: 0 };
  const zeros = made(rt, zero, `${key} ${bits}`, size, (ptr) => {
    const points = pointsOf(zero, blocks, row, bits, rt);
    put(byPanels(n, blocks, (j, i) => points(j, i) - 2 ** (bits - 1)))(ptr);
  });
  return { ...p, scales, zeros };
}

/** Zero points by row and block: numbers of their own, or codes, each row in whole bytes. */
function pointsOf(zero: Tensor, blocks: number, row: number, bits: PackedBits, rt: Runtime) {
  if (isFloating(zero.dtype)) {
    const points = Float32Array.from(cast(zero, 'float', rt).data as Float32Array);
    return (j: number, i: number): number => points[j * blocks + i]!;
  }
  const code = codesOf(zero, bits);
  return (j: number, i: number): number => code((j * row * 8) / bits + i);
}

/**
 * A [..., K] times the transpose of weights [N, K], plus a bias, straight from the codes. Attribute accuracy_level 4 lets A be
 * rounded to 8 bits in blocks; at every other level it is not.
 * @throws UnsupportedError for `g_idx`, which runtimes read differently
 */
export const MatMulNBits: Op = since(1, (node) => {
  const [K, N] = [int(node, 'K'), int(node, 'N')];
  if (K < 1 || N < 1 || K > 2 ** 30 || N > 2 ** 30)
    throw new ModelError(`attributes "K" ${K} and "N" ${N}: expected sizes >= 1`);
  const bits = bitsAttribute(node);
  const block = blockAttribute(node);
  const rounded = int(node, 'accuracy_level', 0) === 4;
  if (has(node, 'weight_prepacked') && int(node, 'weight_prepacked') !== 0)
    throw new UnsupportedError('attribute "weight_prepacked": only 0 is supported');
  return (inputs, rt) => {
    if (inputs[4] !== undefined) throw new UnsupportedError('g_idx is not supported');
    const given = need(inputs, 0, 'A');
    const a = asFloats(given, 'A', rt);
    if (a.dims[a.dims.length - 1] !== K) throw new ModelError(`A: expected a last axis of ${K}, found [${a.dims}]`);
    const w = packedWeights(inputs, N, K, bits, block, rt);
    const m = a.data.length / K;
    const y = rt.empty('float', [...a.dims.slice(0, -1), N]);
    const py = rt.ptr(y);
    multiplyPacked(rt, m, rt.ptr(a), w, py, rounded);
    if (inputs[5] !== undefined)
      rt.wasm.k.add_row(py, rt.ptr(asFloats(needDims(inputs[5], [N], 'bias'), 'bias', rt)), py, m, N);
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

interface Rows {
  /** Codes of several rows of `cols` an index, packed. */
  readonly data: Tensor;
  readonly index: ArrayLike<number>;
  /** float, `blocks` a row. */
  readonly scales: Tensor;
  /** Codes, each row in whole bytes. */
  readonly zero: Tensor | undefined;
  readonly bits: PackedBits;
  readonly block: number;
  readonly cols: number;
  readonly blocks: number;
}

/** Decodes the rows of every index to y. */
function gatherRows(r: Rows, y: number, rt: Runtime): void {
  const { k, arena } = rt.wasm;
  const { data, bits, block, cols, blocks } = r;
  const n = data.dims[0]!;
  if (r.index.length === 0 || n === 0 || data.data.length === 0) return;
  const bytes = data.data.length / n;
  const size = (bytes * 8) / bits;
  const rows = size / cols;
  const zeroRow = Math.ceil((blocks * bits) / 8);
  const codes = rt.scratch(size);
  const source = data.data as Uint8Array;
  // Only the rows asked for are copied in.
  const [packed, points, zeros] = [rt.scratch(bytes), rt.scratch(rows * zeroRow), rt.scratch(rows * blocks)];
  const scales = rt.ptr(r.scales);
  for (let p = 0; p < r.index.length; p++, y += 4 * size) {
    const i = r.index[p]!;
    arena.put(packed, source.subarray(i * bytes, (i + 1) * bytes));
    arena.u8(codes, size).fill(0);
    k.unpack_plane(packed, size, 0, bits, codes);
    if (r.zero !== undefined) {
      arena.put(points, (r.zero.data as Uint8Array).subarray(i * rows * zeroRow, (i + 1) * rows * zeroRow));
      arena.u8(zeros, rows * blocks).fill(0);
      for (let j = 0; j < rows; j++) k.unpack_plane(points + j * zeroRow, blocks, 0, bits, zeros + j * blocks);
    }
    const from = scales + 4 * i * rows * blocks;
    k.dequantize_rows(codes, rows, cols, block, from, r.zero === undefined ? 0 : zeros, bits, y);
  }
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
    const gathered = [...dims.slice(0, g), ...indices.dims, ...dims.slice(g + 1)];
    if (packed) {
      const y = rt.empty('float', gathered);
      gatherRows({ data, index, scales, zero, bits, block, cols: dims[q]!, blocks }, rt.ptr(y), rt);
      return [cast(y, given.dtype, rt)];
    }
    const code = codesOf(data, bits);
    const point = zero && codesOf(zero, bits);
    const y = rt.empty('float', gathered);
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
          const z = point === undefined ? 0 : point((row * zeroRow + b) * step + rest);
          out[to++] = (code(e) - z) * source[(row * blocks + b) * step + rest]!;
        }
      }
    return [cast(y, given.dtype, rt)];
  };
});
