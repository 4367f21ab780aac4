import type { Wasm } from '../wasm/wasm.ts';
import { fitByError, fitByGram } from './clip.ts';
import { blockOf, checkShape, checkSpec, type Grid, type GridSpec, kernelShape } from './spec.ts';

export { gramError, gramErrorRows } from './gram.ts';
export * from './spec.ts';

/**
 * The grid for w [rows, cols] that `spec` asks for. A block of zeros has scale 1.
 *
 * clip max, symmetric: scale max|w| / (2^(bits-1) - 1), code 0 unused; asymmetric: the range of w and 0. With half scales
 * the scale is rounded up, so that no weight falls outside. mse and gram may use every code and clip; neither has a larger
 * error, each by its own measure, than max.
 * @param gram [groups, cols, cols], E[x x'] of the inputs of each group of rows / groups consecutive rows; for clip gram
 * @param counts rows of each group, where they are not rows / groups each
 * @throws TypeError, RangeError for arguments that do not fit together; RangeError naming the first weight that is not finite
 */
export function fitGrid(
  wasm: Wasm,
  w: Float32Array,
  rows: number,
  cols: number,
  spec: GridSpec,
  gram?: Float32Array,
  groups = 1,
  counts?: readonly number[],
): Grid {
  checkSpec(spec);
  checkWeights(w, rows, cols);
  checkFinite(wasm, w);
  if (spec.clip !== 'gram') return fitByError(wasm, w, rows, cols, spec, spec.clip === 'mse');
  if (!(gram instanceof Float32Array))
    throw new TypeError("gram: clip 'gram' expects a Float32Array [groups, cols, cols], found none");
  return fitByGram(wasm, w, rows, cols, spec, { gram, groups, counts });
}

/** The code of each weight: clamp(roundeven(w / scale) + zero, 0, 2^bits - 1). Uint16Array for 16 bits. */
export function quantize(wasm: Wasm, w: Float32Array, grid: Grid): Uint8Array | Uint16Array {
  checkWeights(w, grid.rows, grid.cols);
  const { k, arena } = wasm;
  const wide = grid.bits > 8;
  return withGrid(wasm, grid, (alloc, scales, zeros) => {
    const from = alloc(w.byteLength);
    const to = alloc(wide ? w.length * 2 : w.length);
    arena.put(from, w);
    const shape = kernelShape(grid.rows, grid.cols, grid.block);
    k.quantize_rows(from, shape.rows, shape.cols, shape.block, scales, zeros, grid.bits, grid.symmetric ? 1 : 0, to);
    return wide ? arena.u16(to, w.length).slice() : arena.u8(to, w.length).slice();
  });
}

/** (code - zero) * scale of each code. */
export function dequantize(wasm: Wasm, codes: Uint8Array | Uint16Array, grid: Grid): Float32Array {
  const n = grid.rows * grid.cols;
  return wasm.arena.scope((alloc) => {
    const to = alloc(n * 4);
    dequantizeTo(wasm, codes, grid, to);
    return wasm.arena.f32(to, n).slice();
  });
}

/** The same to that address. */
export function dequantizeTo(wasm: Wasm, codes: Uint8Array | Uint16Array, grid: Grid, to: number): void {
  const n = grid.rows * grid.cols;
  const want = grid.bits > 8 ? Uint16Array : Uint8Array;
  if (!(codes instanceof want))
    throw new TypeError(`codes of ${grid.bits} bits: expected ${want.name}, found ${typeof codes}`);
  if (codes.length !== n)
    throw new RangeError(`codes of [${grid.rows}, ${grid.cols}]: expected ${n}, found ${codes.length}`);
  const { k, arena } = wasm;
  withGrid(wasm, grid, (alloc, scales, zeros) => {
    const from = alloc(codes.byteLength);
    arena.put(from, codes);
    const shape = kernelShape(grid.rows, grid.cols, grid.block);
    k.dequantize_rows(from, shape.rows, shape.cols, shape.block, scales, zeros, grid.bits, to);
  });
}

/** dequantize(quantize(w)). */
export function fakeQuantize(wasm: Wasm, w: Float32Array, grid: Grid): Float32Array {
  checkWeights(w, grid.rows, grid.cols);
  const { k, arena } = wasm;
  return withGrid(wasm, grid, (alloc, scales, zeros) => {
    const at = alloc(w.byteLength);
    arena.put(at, w);
    const shape = kernelShape(grid.rows, grid.cols, grid.block);
    k.fake_quantize_rows(at, shape.rows, shape.cols, shape.block, scales, zeros, grid.bits, grid.symmetric ? 1 : 0, at);
    return arena.f32(at, w.length).slice();
  });
}

/** Runs `body` with the grid's scales and zero points in wasm memory; the address of zero points is 0 where symmetric. */
function withGrid<T>(
  wasm: Wasm,
  grid: Grid,
  body: (alloc: (bytes: number) => number, scales: number, zeros: number) => T,
): T {
  const { arena } = wasm;
  const { count } = kernelShape(grid.rows, grid.cols, blockOfGrid(grid));
  if (grid.scales.length !== count) throw new RangeError(`grid: expected ${count} scales, found ${grid.scales.length}`);
  if (grid.symmetric !== (grid.zeros === undefined) || (grid.zeros && grid.zeros.length !== count))
    throw new RangeError(
      `grid: expected ${grid.symmetric ? 'no' : count} zero points, found ${grid.zeros?.length ?? 'none'}`,
    );
  return arena.scope((alloc) => {
    const scales = alloc(grid.scales.byteLength);
    const zeros = grid.zeros ? alloc(grid.zeros.byteLength) : 0;
    arena.put(scales, grid.scales);
    if (grid.zeros) arena.put(zeros, grid.zeros);
    return body(alloc, scales, zeros);
  });
}

function blockOfGrid(grid: Grid): number {
  const { rows, cols, block } = grid;
  checkShape(rows, cols);
  if (Number.isSafeInteger(block) && block >= 1 && (block <= cols || block === blockOf(rows, cols, 'tensor')))
    return block;
  throw new RangeError(`grid: expected a block of 1..${cols} or ${rows * cols}, found ${block}`);
}

function checkWeights(w: Float32Array, rows: number, cols: number): void {
  checkShape(rows, cols);
  if (!(w instanceof Float32Array)) throw new TypeError(`weights: expected a Float32Array, found ${typeof w}`);
  if (w.length !== rows * cols)
    throw new RangeError(`weights of [${rows}, ${cols}]: expected ${rows * cols}, found ${w.length}`);
}

function checkFinite(wasm: Wasm, w: Float32Array): void {
  const { k, arena } = wasm;
  const finite = arena.scope((alloc) => {
    const at = alloc(w.byteLength);
    const out = alloc(8);
    arena.put(at, w);
    k.min_max(at, w.length, out);
    return arena.f32(out, 2).every(Number.isFinite);
  });
  if (finite) return;
  const i = w.findIndex((v) => !Number.isFinite(v));
  throw new RangeError(`weights: expected finite numbers, found ${w[i]} at index ${i}`);
}
