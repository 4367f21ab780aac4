import type { Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import type { Runtime } from './op.ts';

/** Products of floats with weights that stay in codes of 2, 4 or 8 bits. */

export type PackedBits = 2 | 4 | 8;

/** A weight matrix [k, n] in codes, in wasm memory: element = (code - zero) scale, both of its block of `block` rows. */
export interface PackedMatrix {
  readonly k: number;
  readonly n: number;
  readonly bits: PackedBits;
  /** A multiple of 16, or at least k. */
  readonly block: number;
  /** Panels of signed codes (assembly/panels.ts). */
  readonly panels: number;
  /** float [ceil(n / 8), ceil(k / block), 8]. */
  readonly scales: number;
  /** As many, or 0 where there is none. */
  readonly zeros: number;
}

/** Rows up to which the codes are multiplied row by row: with rounded activations, with exact ones. */
const FEW_ROUNDED = 2;
const FEW = 8;
/** Most rows of one sum of words: what 32 bits hold. */
const MOST_GROUP = 256;
/** Bound on decoded weights at one time, in bytes: some columns at a time, which stay in the cache. */
const DECODED_BYTES = 2 ** 20;

/** Rows that share a scale of their words: a multiple of 16 that divides the block. */
function groupOf({ k, block }: PackedMatrix): number {
  if (block >= k) return Math.min(MOST_GROUP, 16 * Math.ceil(k / 16));
  for (let group = Math.min(block, MOST_GROUP); group > 16; group -= 16) if (block % group === 0) return group;
  return 16;
}

/**
 * Y [m, n] = A [m, k] W, floats at those addresses.
 * @param rounded rounds A to 8 bits with a scale for every block, or 256 of its rows
 */
export function multiplyPacked(rt: Runtime, m: number, a: number, w: PackedMatrix, y: number, rounded: boolean): void {
  if (m === 0 || w.n === 0) return;
  if (w.k === 0) {
    rt.wasm.arena.f32(y, m * w.n).fill(0);
    return;
  }
  if (rounded && m > FEW_ROUNDED ? roundedRows(rt, m, a, w, y) : m <= FEW && fewRows(rt, m, a, w, y, rounded)) return;
  decodedProduct(rt, m, a, w, y);
}

/** False where A is not finite: nothing was written that counts then. */
function fewRows(rt: Runtime, m: number, a: number, w: PackedMatrix, y: number, rounded: boolean): boolean {
  const { k } = rt.wasm;
  const group = groupOf(w);
  const groups = Math.ceil(w.k / group);
  const wide = rounded ? 0 : 1;
  const step = 16 * Math.ceil(w.k / 16) * (rounded ? 2 : 4);
  const words = rt.scratch(m * step);
  const scales = rt.scratch(8 * m * groups);
  const sums = scales + 4 * m * groups;
  for (let r = 0; r < m; r++) {
    const at = 4 * r * groups;
    if (k.code_words(a + 4 * r * w.k, w.k, group, wide, words + r * step, 4, scales + at, sums + at) === 0)
      return false;
  }
  const per = perOf(w, group);
  const edge = rt.scratch(32);
  const { panels, bits, zeros } = w;
  k.code_rows(m, w.n, w.k, group, per, wide, words, step, scales, sums, panels, bits, w.scales, zeros, y, w.n, edge);
  return true;
}

function roundedRows(rt: Runtime, m: number, a: number, w: PackedMatrix, y: number): boolean {
  const { k } = rt.wasm;
  const group = groupOf(w);
  const groups = Math.ceil(w.k / group);
  const panel = 16 * Math.ceil(w.k / 16) * 8;
  const m4 = 4 * Math.ceil(m / 4);
  const words = rt.scratch((m4 / 4) * panel);
  const scales = rt.scratch(8 * m4 * groups);
  const sums = scales + 4 * m4 * groups;
  for (let r = 0; r < m; r++) {
    const to = words + (r >> 2) * panel + 4 * (r & 3);
    const at = 4 * r * groups;
    if (k.code_words(a + 4 * r * w.k, w.k, group, 0, to, 16, scales + at, sums + at) === 0) return false;
  }
  const per = perOf(w, group);
  const scratch = rt.scratch(k.code_gemm_scratch());
  const { panels, bits, zeros } = w;
  k.code_gemm(m, w.n, w.k, group, per, words, scales, sums, panels, bits, w.scales, zeros, y, w.n, scratch);
  return true;
}

/** Groups of a block. */
function perOf(w: PackedMatrix, group: number): number {
  return w.block >= w.k ? Math.ceil(w.k / group) : w.block / group;
}

/** Decodes some columns at a time into panels of the float product. */
function decodedProduct(rt: Runtime, m: number, a: number, w: PackedMatrix, y: number): void {
  const { k } = rt.wasm;
  const count = Math.ceil(w.n / 8);
  const portion = Math.max(1, Math.min(count, Math.floor(DECODED_BYTES / (32 * w.k))));
  const decoded = rt.scratch(32 * w.k * portion);
  const scratch = rt.scratch(k.gemm_scratch());
  // Rows are put in panels once, not once a portion.
  const again = portion < count && m > 4;
  const left = again ? rt.scratch(k.gemm_packed_a(m, w.k)) : a;
  if (again) k.gemm_pack_a(0, m, w.k, a, w.k, left);
  const panel = k.panels_bytes(w.k, 8, w.bits);
  const block = 16 * Math.ceil(Math.min(w.block, w.k) / 16);
  const scaled = 32 * Math.ceil(w.k / w.block);
  for (let from = 0; from < count; from += portion) {
    const panels = Math.min(portion, count - from);
    const n = Math.min(8 * panels, w.n - 8 * from);
    const zeros = w.zeros && w.zeros + scaled * from;
    k.decode_panels(w.panels + panel * from, panels, w.k, w.bits, block, w.scales + scaled * from, zeros, decoded);
    const to = y + 32 * from;
    k.gemm_fused(
      again ? 2 : 0,
      2,
      m,
      n,
      w.k,
      1,
      left,
      w.k,
      decoded,
      n,
      0,
      to,
      w.n,
      0,
      0,
      0,
      0,
      -Infinity,
      Infinity,
      scratch,
    );
  }
}

/** Where a matrix in codes is kept. */
export interface PackedHome {
  readonly matrix: PackedMatrix;
}

/**
 * A constant float matrix kept in codes. Products with it on the right read the codes (`packedOf`); to all else it is a tensor
 * whose elements are decoded whenever they are asked for.
 */
export class PackedTensor implements Tensor {
  readonly dtype = 'float' as const;

  /** @param transposed true where the tensor is [n, k] */
  constructor(
    readonly dims: readonly number[],
    readonly home: PackedHome,
    readonly transposed: boolean,
    readonly wasm: Wasm,
  ) {}

  get matrix(): PackedMatrix {
    return this.home.matrix;
  }

  /** A new array at every call. */
  get data(): Float32Array {
    const { matrix } = this;
    const { k, n } = matrix;
    const [row, column] = this.transposed ? [1, k] : [n, 1];
    const out = new Float32Array(k * n);
    decodePacked(this.wasm, matrix, (i, j, v) => {
      out[i * row + j * column] = v;
    });
    return out;
  }
}

/** The codes of op(B), where B is kept in codes that way round. */
export function packedOf(b: Tensor | undefined, transposed: boolean): PackedMatrix | undefined {
  return b instanceof PackedTensor && b.transposed === transposed ? b.matrix : undefined;
}

/** Every element of the matrix, decoded. */
function decodePacked(wasm: Wasm, w: PackedMatrix, put: (row: number, column: number, value: number) => void): void {
  const { k, arena } = wasm;
  const panel = k.panels_bytes(w.k, 8, w.bits);
  const block = 16 * Math.ceil(Math.min(w.block, w.k) / 16);
  const scaled = 32 * Math.ceil(w.k / w.block);
  const room = arena.alloc(32 * w.k);
  try {
    for (let j = 0; j < w.n; j += 8) {
      const q = j / 8;
      const zeros = w.zeros && w.zeros + scaled * q;
      k.decode_panels(w.panels + panel * q, 1, w.k, w.bits, block, w.scales + scaled * q, zeros, room);
      const floats = arena.f32(room, 8 * w.k);
      const cols = Math.min(8, w.n - j);
      for (let i = 0; i < w.k; i++) for (let c = 0; c < cols; c++) put(i, j + c, floats[8 * i + c]!);
    }
  } finally {
    arena.free(room);
  }
}

/** A matrix [k, n] of whole numbers with scale and zero point of every element. */
export interface CodedMatrix {
  readonly k: number;
  readonly n: number;
  /** Elements between neighbours in a column, in a row. */
  readonly steps: readonly [row: number, column: number];
  readonly codes: ArrayLike<number>;
  readonly scales: ArrayLike<number>;
  /** Undefined where all are 0. */
  readonly zeros: ArrayLike<number> | undefined;
}

/** Codes in wasm memory, and what frees them. */
export interface Kept {
  readonly matrix: PackedMatrix;
  free(): void;
}

/**
 * The matrix in codes of 2, 4 or 8 bits and blocks of scales; undefined where its codes span more than 8 bits, are not whole, or
 * where scales change more often than every 16 rows.
 */
export function packMatrix(wasm: Wasm, m: CodedMatrix): Kept | undefined {
  const span = spanOf(m.codes);
  const bits = span && ([2, 4, 8] as const).find((b) => span.hi - span.lo < 2 ** b);
  const block = span && blockOf(m);
  if (span === undefined || bits === undefined || block === undefined) return undefined;
  const half = 2 ** (bits - 1);
  const { k, n } = m;
  const [row, column] = m.steps;
  const blocks = Math.ceil(k / block);
  const element = (j: number, b: number) => b * block * row + j * column;
  // Codes as they are where they are signed numbers of that many bits; else what is taken from them goes into the zero points.
  const signed = span.lo >= -half && span.hi < half;
  const common = m.zeros === undefined ? 0 : Number(m.zeros[0]);
  const inRange = (o: number) => span.lo - o >= -half && span.hi - o < half;
  const offset = inRange(common) ? common : signed ? 0 : span.lo + half;
  const zeros = byPanels(n, blocks, (j, b) => Number(m.zeros?.[element(j, b)] ?? 0) - offset);
  const codes = new Int8Array(k * n);
  for (let i = 0; i < k; i++) for (let j = 0; j < n; j++) codes[i * n + j] = m.codes[i * row + j * column]! - offset;
  const scales = byPanels(n, blocks, (j, b) => Number(m.scales[element(j, b)]));
  const { arena } = wasm;
  const held: number[] = [];
  const put = (bytes: number): number => {
    const ptr = arena.alloc(bytes, true);
    held.push(ptr);
    return ptr;
  };
  const free = () => {
    for (const ptr of held) arena.free(ptr);
  };
  try {
    const panels = put(wasm.k.panels_bytes(k, n, bits));
    const from = arena.alloc(codes.length);
    try {
      arena.put(from, codes);
      wasm.k.pack_panels(from, n, 1, k, n, bits, 0, panels);
    } finally {
      arena.free(from);
    }
    const matrix = { k, n, bits, block, panels, scales: put(scales.byteLength), zeros: 0 };
    arena.put(matrix.scales, scales);
    if (valuesOf(zeros, n, blocks).every((z) => z === 0)) return { matrix, free };
    const at = put(zeros.byteLength);
    arena.put(at, zeros);
    return { matrix: { ...matrix, zeros: at }, free };
  } catch (error) {
    free();
    throw error;
  }
}

/** What byPanels took in, without what it filled up. */
function valuesOf(panels: Float32Array, n: number, blocks: number): Float32Array {
  return panels.filter((_, i) => 8 * Math.floor(i / (8 * blocks)) + (i % 8) < n);
}

/** Smallest and largest of whole numbers; undefined where one is not, or there is none. */
function spanOf(codes: ArrayLike<number>): { lo: number; hi: number } | undefined {
  let lo = Number.POSITIVE_INFINITY;
  let hi = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < codes.length; i++) {
    const c = codes[i]!;
    if (!Number.isInteger(c)) return undefined;
    if (c < lo) lo = c;
    if (c > hi) hi = c;
  }
  return lo <= hi ? { lo, hi } : undefined;
}

/** Rows under one scale and zero point, a multiple of 16 or all of them; undefined where they are fewer. */
function blockOf({ k, n, steps: [row, column], scales, zeros }: CodedMatrix): number | undefined {
  let block = 0;
  for (let i = 1; i < k; i++)
    for (let j = 0; j < n; j++) {
      const at = i * row + j * column;
      if (scales[at] === scales[at - row] && zeros?.[at] === zeros?.[at - row]) continue;
      block = gcd(block, i);
      if (block % 16 !== 0) return undefined;
      break;
    }
  return block === 0 ? k : block;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** Values [n, blocks] (or, by `at`, from anywhere) as the panels have them: [ceil(n / 8), blocks, 8], zeros past n. */
export function byPanels(n: number, blocks: number, at: (column: number, block: number) => number): Float32Array {
  const out = new Float32Array(8 * Math.ceil(n / 8) * blocks);
  for (let j = 0; j < n; j++) for (let b = 0; b < blocks; b++) out[((j >> 3) * blocks + b) * 8 + (j & 7)] = at(j, b);
  return out;
}
