import type { Wasm } from '../../wasm/wasm.ts';
import { checkGram, type LayerGram } from '../gram.ts';
import { type Factor, factorsOf } from './factor.ts';

/** Columns solved between two products. */
const BLOCK = 32;

/**
 * The weights nearest to w in what they make of other inputs than w's own: with H = E[y y'] of these and P = E[(w x - w y) y'], w + s P
 * (H + damp I)^-1, which for s = 1 minimises E |w x - v y|^2 + damp |v - w|^2 over v [rows, cols] (the objective of Y. Li et al., "GPTAQ",
 * arXiv 2504.02692). Rows whose group has no factor stay.
 * @param gram H
 * @param pull P, [rows, cols]
 * @param share s: how far to go, 0..1
 * @throws TypeError, RangeError for arguments that do not fit together
 */
export function retarget(
  wasm: Wasm,
  w: Float32Array,
  rows: number,
  cols: number,
  gram: LayerGram,
  pull: Float32Array,
  share: number,
): Float32Array {
  if (!(pull instanceof Float32Array) || pull.length !== w.length)
    throw new RangeError(`pull: expected ${w.length} floats, found ${pull?.length}`);
  const out = w.slice();
  let first = 0;
  for (const [g, count] of checkGram(rows, cols, gram).entries()) {
    const factor = factorsOf(wasm, gram, cols)[g];
    const at = first * cols;
    first += count;
    if (!factor || count === 0) continue;
    const part = w.subarray(at, first * cols);
    const moved = solve(wasm, pull.subarray(at, first * cols), count, cols, factor);
    for (let i = 0; i < part.length; i++) {
      const v = part[i]! + share * moved[i]!;
      if (Number.isFinite(v)) out[at + i] = v;
    }
  }
  return out;
}

/** b (H + damp I)^-1 for b [rows, cols]. */
function solve(
  wasm: Wasm,
  b: Float32Array,
  rows: number,
  cols: number,
  { order, u, d: diagonal }: Factor,
): Float32Array {
  const { k, arena } = wasm;
  // Rows are lanes here: their number is brought to a multiple of 4 by rows of zeros.
  const lanes = Math.ceil(rows / 4) * 4;
  return arena.scope((alloc) => {
    const factor = alloc(u.byteLength);
    const t = alloc(4 * cols * lanes);
    const scratch = alloc(k.gemm_scratch());
    arena.put(factor, u);
    const x = arena.f32(t, cols * lanes).fill(0);
    for (let c = 0; c < cols; c++) for (let r = 0, i = order[c]!; r < rows; r++, i += cols) x[c * lanes + r] = b[i]!;
    const blocks = Array.from({ length: Math.ceil(cols / BLOCK) }, (_, i) => i * BLOCK);
    const row = (j: number) => t + 4 * j * lanes;
    for (const j of blocks.slice().reverse()) {
      const n = Math.min(BLOCK, cols - j);
      const end = j + n;
      // Y U' = B, last columns first.
      if (end < cols)
        k.gemm(
          0,
          0,
          n,
          lanes,
          cols - end,
          -1,
          factor + 4 * (j * cols + end),
          cols,
          row(end),
          lanes,
          1,
          row(j),
          lanes,
          scratch,
        );
      k.solve_unit(1, n, lanes, factor + 4 * j * (cols + 1), cols, row(j));
    }
    for (let c = 0; c < cols; c++) for (let r = 0; r < lanes; r++) x[c * lanes + r] = x[c * lanes + r]! / diagonal[c]!;
    for (const j of blocks) {
      const n = Math.min(BLOCK, cols - j);
      // X U = Y / diagonal, first columns first.
      if (j > 0) k.gemm(1, 0, n, lanes, j, -1, factor + 4 * j, cols, t, lanes, 1, row(j), lanes, scratch);
      k.solve_unit(0, n, lanes, factor + 4 * j * (cols + 1), cols, row(j));
    }
    const out = new Float32Array(rows * cols);
    for (let c = 0; c < cols; c++) for (let r = 0, i = order[c]!; r < rows; r++, i += cols) out[i] = x[c * lanes + r]!;
    return out;
  });
}
