import type { Wasm } from '../wasm/wasm.ts';
import { errorRows, type GramForm, type LayerGram, projectionRows, withGram } from './gram.ts';
import { roundToHalf } from './half.ts';
import { blockOf, type Grid, type GridSpec, kernelShape } from './spec.ts';

/** Factors tried on the scales of a row, in turn, each from the best so far. */
const FACTORS: readonly number[] = [0.78, 0.87, 0.94, 1.07, 1.15, 0.97, 1.03];

/** Scales and zero points that cover the range of w, or, with `search`, those of least sum (w - q(w))^2, each block by itself. */
export function fitByError(
  wasm: Wasm,
  w: Float32Array,
  rows: number,
  cols: number,
  spec: GridSpec,
  search: boolean,
): Grid {
  return wasm.arena.scope((alloc) => {
    const at = alloc(w.byteLength);
    wasm.arena.put(at, w);
    return fit(wasm, alloc, at, rows, cols, spec, search, 0);
  });
}

/**
 * Scales and zero points of small dw H dw'. Starts from the best of three grids for each row (range, least error, least
 * error weighted by H's diagonal), then multiplies the row's scales by what lowers its error. Never above mse's or max's.
 */
export function fitByGram(
  wasm: Wasm,
  w: Float32Array,
  rows: number,
  cols: number,
  spec: GridSpec,
  gram: LayerGram,
): Grid {
  return withGram(wasm, w, rows, cols, gram, (form, alloc) => {
    const starts = [
      fit(wasm, alloc, form.w, rows, cols, spec, true, 0),
      fit(wasm, alloc, form.w, rows, cols, spec, false, 0),
      fitWeighted(wasm, alloc, form, spec, gram.gram),
    ];
    const search = new GramSearch(wasm, form, starts[0]!);
    for (const start of starts.slice(1)) search.offer(start.scales, start.zeros);
    const tryFactors = (factor: (row: number) => number): void => {
      const { scales, zeros } = search.grid;
      const perUnit = scales.length / search.units;
      const scaled = scales.map((s, i) => s * factor(Math.floor(i / perUnit)));
      const kept = scaled.map((s, i) => (s > 0 && Number.isFinite(s) ? s : scales[i]!));
      search.offer(spec.scaleType === 'float16' ? roundToHalf(wasm, kept) : kept, zeros);
    };
    for (const f of FACTORS) tryFactors(() => f);
    for (let i = 0; i < 2; i++) {
      search.load();
      const factors = search.factors();
      tryFactors((unit) => factors[unit]!);
    }
    return search.grid;
  });
}

/** The best grid so far under the Gram error, unit by unit: a unit is a row, or everything where there is one scale. */
class GramSearch {
  grid: Grid;
  readonly units: number;
  readonly #errors: Float64Array;

  constructor(
    readonly wasm: Wasm,
    readonly form: GramForm,
    start: Grid,
  ) {
    this.grid = start;
    this.units = start.block > start.cols ? 1 : start.rows;
    this.load();
    this.#errors = this.#measure();
  }

  /** Takes over the scales and zero points of every unit whose error they lower. */
  offer(scales: Float32Array, zeros: Grid['zeros']): void {
    const before = this.grid;
    this.grid = { ...before, scales, zeros };
    this.load();
    const errors = this.#measure();
    const perUnit = scales.length / this.units;
    const merged = { scales: before.scales.slice(), zeros: before.zeros?.slice() };
    for (let u = 0; u < this.units; u++) {
      if (!(errors[u]! < this.#errors[u]!)) continue;
      this.#errors[u] = errors[u]!;
      for (let i = u * perUnit; i < (u + 1) * perUnit; i++) {
        merged.scales[i] = scales[i]!;
        if (merged.zeros) merged.zeros[i] = zeros![i]!;
      }
    }
    this.grid = { ...before, ...merged };
  }

  /** Writes the weights as the grid has them to the form's values. */
  load(): void {
    const { k, arena } = this.wasm;
    const { rows, cols, block, bits, symmetric, scales, zeros } = this.grid;
    const shape = kernelShape(rows, cols, block);
    arena.scope((alloc) => {
      const s = alloc(scales.byteLength);
      const z = zeros ? alloc(zeros.byteLength) : 0;
      arena.put(s, scales);
      if (zeros) arena.put(z, zeros);
      const { w, values } = this.form;
      k.fake_quantize_rows(w, shape.rows, shape.cols, shape.block, s, z, bits, symmetric ? 1 : 0, values);
    });
  }

  /** Factors of least error for the codes loaded. */
  factors(): Float64Array {
    const { wv, vv } = projectionRows(this.wasm, this.form);
    const over = this.#byUnit(wv);
    const under = this.#byUnit(vv);
    return over.map((x, u) => (x > 0 && under[u]! > 0 ? x / under[u]! : 1));
  }

  #measure(): Float64Array {
    return this.#byUnit(errorRows(this.wasm, this.form));
  }

  #byUnit(rows: Float64Array): Float64Array {
    return this.units === rows.length ? rows : Float64Array.of(rows.reduce((a, b) => a + b, 0));
  }
}

/** The search with each column's squared error weighted by the diagonal of H. One scale for everything is not weighted. */
function fitWeighted(
  wasm: Wasm,
  alloc: (bytes: number) => number,
  form: GramForm,
  spec: GridSpec,
  gram: Float32Array,
): Grid {
  const { rows, cols, counts } = form;
  const whole = fit(wasm, alloc, form.w, rows, cols, spec, false, 0);
  if (whole.block > cols) return whole;
  const diagonal = alloc(cols * 4);
  const perRow = whole.scales.length / rows;
  let first = 0;
  for (const [g, count] of counts.entries()) {
    if (count === 0) continue;
    const h = new Float32Array(cols);
    for (let c = 0; c < cols; c++) h[c] = Math.max(0, gram[(g * cols + c) * cols + c]!);
    wasm.arena.put(diagonal, h);
    const part = fit(wasm, alloc, form.w + first * cols * 4, count, cols, spec, true, diagonal);
    whole.scales.set(part.scales, first * perRow);
    if (whole.zeros && part.zeros) whole.zeros.set(part.zeros, first * perRow);
    first += count;
  }
  return whole;
}

function fit(
  wasm: Wasm,
  alloc: (bytes: number) => number,
  w: number,
  rows: number,
  cols: number,
  spec: GridSpec,
  search: boolean,
  weights: number,
): Grid {
  const { k, arena } = wasm;
  const { bits, symmetric, scaleType } = spec;
  const block = blockOf(rows, cols, spec.granularity);
  const shape = kernelShape(rows, cols, block);
  const scales = alloc(shape.count * 4);
  const zeros = symmetric ? 0 : alloc(shape.count * 2);
  const half = scaleType === 'float16' ? 1 : 0;
  k.fit_rows(
    w,
    shape.rows,
    shape.cols,
    shape.block,
    bits,
    symmetric ? 1 : 0,
    search ? 1 : 0,
    half,
    weights,
    scales,
    zeros,
  );
  return {
    bits,
    rows,
    cols,
    block,
    symmetric,
    scales: arena.f32(scales, shape.count).slice(),
    zeros: symmetric ? undefined : (bits > 8 ? arena.u16(zeros, shape.count) : arena.u8(zeros, shape.count)).slice(),
    scaleType,
  };
}
