import type { Wasm } from '../wasm/wasm.ts';
import { checkShape } from './spec.ts';

/** Floats of one chunk of rows in the products below. */
const CHUNK = 1 << 20;

/** Gram matrices of a matrix's inputs. */
export interface LayerGram {
  /** E[x x'] of each group's inputs, [groups, cols, cols]. */
  readonly gram: Float32Array;
  readonly groups: number;
  /** Rows of each group, in the matrix's order; rows / groups each where absent. */
  readonly counts?: readonly number[] | undefined;
}

/** A matrix w [rows, cols] in wasm memory with the Gram matrices of its inputs. Addresses, but for sizes. */
export interface GramForm {
  readonly rows: number;
  readonly cols: number;
  /** Rows of each group. */
  readonly counts: readonly number[];
  readonly w: number;
  /** [groups, cols, cols] */
  readonly gram: number;
  /** Floats [rows, cols]: values to compare with w. */
  readonly values: number;
  /** Room for the products of a chunk of rows. */
  readonly left: number;
  readonly right: number;
  readonly scratch: number;
  readonly out: number;
}

/** Rows of each group. @throws TypeError, RangeError where gram, groups and matrix do not fit together */
export function checkGram(rows: number, cols: number, { gram, groups, counts }: LayerGram): readonly number[] {
  if (!Number.isSafeInteger(groups) || groups < 1 || (!counts && rows % groups !== 0))
    throw new RangeError(`groups: expected a divisor of ${rows} rows, found ${groups}`);
  if (!(gram instanceof Float32Array) || gram.length !== groups * cols * cols)
    throw new RangeError(
      `gram [${groups}, ${cols}, ${cols}]: expected ${groups * cols * cols} floats, found ${gram?.length}`,
    );
  if (counts && (counts.length !== groups || counts.reduce((a, b) => a + b, 0) !== rows))
    throw new RangeError(`counts: expected ${groups} numbers of rows, ${rows} together, found ${counts}`);
  return counts ?? new Array<number>(groups).fill(rows / groups);
}

/** Runs `body` with w and gram in wasm memory, freed afterwards. @throws TypeError, RangeError where they do not fit together */
export function withGram<T>(
  wasm: Wasm,
  w: Float32Array,
  rows: number,
  cols: number,
  gram: LayerGram,
  body: (form: GramForm, alloc: (bytes: number) => number) => T,
): T {
  checkShape(rows, cols);
  if (!(w instanceof Float32Array) || w.length !== rows * cols)
    throw new RangeError(`weights of [${rows}, ${cols}]: expected ${rows * cols} floats, found ${w?.length}`);
  const counts = checkGram(rows, cols, gram);
  const { k, arena } = wasm;
  return arena.scope((alloc) => {
    const chunk = chunkRows(rows, cols) * cols * 4;
    const form: GramForm = {
      rows,
      cols,
      counts,
      w: alloc(w.byteLength),
      gram: alloc(gram.gram.byteLength),
      values: alloc(w.byteLength),
      left: alloc(chunk),
      right: alloc(chunk),
      scratch: alloc(k.gemm_scratch()),
      out: alloc(8),
    };
    arena.put(form.w, w);
    arena.put(form.gram, gram.gram);
    return body(form, alloc);
  });
}

function chunkRows(rows: number, cols: number): number {
  return Math.min(rows, Math.max(1, Math.floor(CHUNK / cols)));
}

/** Calls `each` for every chunk of rows of one group: first row, number of rows, address of the group's Gram matrix. */
function forChunks(form: GramForm, each: (first: number, count: number, gram: number) => void): void {
  const { rows, cols, counts } = form;
  const step = chunkRows(rows, cols);
  let first = 0;
  counts.forEach((count, g) => {
    const end = first + count;
    for (; first < end; first += step) each(first, Math.min(step, end - first), form.gram + g * cols * cols * 4);
    first = end;
  });
}

/** d H d' of each row's d = w - values. */
export function errorRows(wasm: Wasm, form: GramForm): Float64Array {
  const { k, arena } = wasm;
  const { cols } = form;
  const errors = new Float64Array(form.rows);
  forChunks(form, (first, count, gram) => {
    const at = first * cols * 4;
    k.sub(form.w + at, form.values + at, form.left, count * cols);
    k.gemm(0, 0, count, cols, cols, 1, form.left, cols, gram, cols, 0, form.right, cols, form.scratch);
    for (let r = 0; r < count; r++) {
      k.dot(form.left + r * cols * 4, form.right + r * cols * 4, cols, form.out);
      errors[first + r] = Math.max(0, arena.f64(form.out, 1)[0]!);
    }
  });
  return errors;
}

/** w H v' and v H v' of each row's values v: their quotient is what v must be multiplied with to be nearest to w under H. */
export function projectionRows(wasm: Wasm, form: GramForm): { wv: Float64Array; vv: Float64Array } {
  const { k, arena } = wasm;
  const { cols } = form;
  const wv = new Float64Array(form.rows);
  const vv = new Float64Array(form.rows);
  forChunks(form, (first, count, gram) => {
    const at = first * cols * 4;
    k.gemm(0, 0, count, cols, cols, 1, form.values + at, cols, gram, cols, 0, form.right, cols, form.scratch);
    for (let r = 0; r < count; r++) {
      const row = at + r * cols * 4;
      k.dot(form.w + row, form.right + r * cols * 4, cols, form.out);
      wv[first + r] = arena.f64(form.out, 1)[0]!;
      k.dot(form.values + row, form.right + r * cols * 4, cols, form.out);
      vv[first + r] = arena.f64(form.out, 1)[0]!;
    }
  });
  return { wv, vv };
}

/**
 * dw H dw' of each row, dw = w - values: both [rows, cols]; gram is H = E[x x'] [groups, cols, cols], row r in group
 * floor(r / (rows / groups)). The sum over rows is the mean squared change of the layer's outputs, summed over them.
 * @throws TypeError, RangeError for arguments that do not fit together
 */
export function gramErrorRows(
  wasm: Wasm,
  w: Float32Array,
  values: Float32Array,
  rows: number,
  cols: number,
  gram: Float32Array,
  groups = 1,
): Float64Array {
  if (!(values instanceof Float32Array) || values.length !== rows * cols)
    throw new RangeError(`values of [${rows}, ${cols}]: expected ${rows * cols} floats, found ${values?.length}`);
  return withGram(wasm, w, rows, cols, { gram, groups }, (form) => {
    wasm.arena.put(form.values, values);
    return errorRows(wasm, form);
  });
}

/** The sum of `gramErrorRows`. */
export function gramError(
  wasm: Wasm,
  w: Float32Array,
  values: Float32Array,
  rows: number,
  cols: number,
  gram: Float32Array,
  groups = 1,
): number {
  let total = 0;
  for (const e of gramErrorRows(wasm, w, values, rows, cols, gram, groups)) total += e;
  return total;
}
