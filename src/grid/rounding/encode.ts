import type { Wasm } from '../../wasm/wasm.ts';
import { type Coded, rowsLeftOut, type Slice } from '../coded.ts';
import type { LayerGram } from '../gram.ts';
import { blockOf, fitGrid, type GridSpec } from '../grid.ts';
import { METHODS, type Rounding, ROUNDINGS, WIDEST_METHOD } from './roundings.ts';
import { searchGrids } from './search.ts';

/**
 * A matrix in codes, its grids fitted: clip gram becomes mse where there is no Gram matrix.
 * @param widths one width, or one for each row, some of which may be 0: rows that are left out
 * @param specOf the grid of a width
 * @param rounding a name in ROUNDINGS, or a rounding of the caller's
 * @throws TypeError, RangeError for arguments that do not fit together, RangeError naming the first weight that is not finite
 */
export function encode(
  wasm: Wasm,
  w: Float32Array,
  rows: number,
  cols: number,
  widths: number | readonly number[],
  specOf: (bits: number) => GridSpec,
  rounding: string | Rounding,
  gram?: LayerGram,
): Coded {
  if (typeof widths !== 'number' && widths.length !== rows)
    throw new RangeError(`widths: expected ${rows}, one for each row, found ${widths.length}`);
  const own = typeof rounding === 'string' && !Object.hasOwn(ROUNDINGS, rounding);
  if (own) throw new RangeError(`rounding: expected one of ${Object.keys(ROUNDINGS).join(', ')}, found ${rounding}`);
  const [first] = typeof widths === 'number' ? [widths] : widths;
  if (typeof widths === 'number' || widths.every((b) => b === first))
    return [{ rows: undefined, ...encodeRows(wasm, w, rows, cols, specOf(first!), rounding, gram) }];
  const widest = widths.reduce((a, b) => Math.max(a, b));
  return [...new Set(widths)]
    .sort((a, b) => a - b)
    .map((bits): Slice => {
      const some = widths.flatMap((b, r) => (b === bits ? [r] : []));
      if (bits === 0) {
        const { granularity, scaleType } = specOf(widest);
        return rowsLeftOut(some, { cols, block: blockOf(some.length, cols, granularity), scaleType });
      }
      const part = new Float32Array(some.length * cols);
      some.forEach((r, i) => {
        part.set(w.subarray(r * cols, (r + 1) * cols), i * cols);
      });
      const counts = gram && countsOf(some, rows, gram);
      const under = gram && { ...gram, counts };
      const made = encodeRows(wasm, part, some.length, cols, specOf(bits), rounding, under);
      return { rows: some, ...made };
    });
}

/** How many of these rows, which ascend, are in each group. */
function countsOf(some: readonly number[], rows: number, { groups, counts }: LayerGram): number[] {
  const found = new Array<number>(groups).fill(0);
  const size = (g: number) => counts?.[g] ?? rows / groups;
  let g = 0;
  let end = size(0);
  for (const r of some) {
    while (r >= end) end += size(++g);
    found[g]!++;
  }
  return found;
}

function encodeRows(
  wasm: Wasm,
  w: Float32Array,
  rows: number,
  cols: number,
  spec: GridSpec,
  rounding: string | Rounding,
  gram: LayerGram | undefined,
): Pick<Slice, 'grid' | 'codes'> {
  const clip = spec.clip === 'gram' && !gram ? 'mse' : spec.clip;
  const fit = (by: GridSpec['clip']) =>
    fitGrid(wasm, w, rows, cols, { ...spec, clip: by }, gram?.gram, gram?.groups, gram?.counts);
  const method = typeof rounding === 'string' ? METHODS[rounding] : undefined;
  const search = gram !== undefined && method?.descend === true && clip === 'gram' && spec.bits <= WIDEST_METHOD;
  if (search && blockOf(rows, cols, spec.granularity) <= cols)
    return searchGrids(wasm, w, fit('mse'), fit('max'), method, gram);
  const grid = fit(clip);
  const choose = typeof rounding === 'string' ? ROUNDINGS[rounding]! : rounding;
  return { grid, codes: choose(wasm, w, grid, gram) };
}
