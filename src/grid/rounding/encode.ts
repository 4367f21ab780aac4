import type { Wasm } from '../../wasm/wasm.ts';
import type { Coded, Slice } from '../coded.ts';
import type { LayerGram } from '../gram.ts';
import { fitGrid, type Grid, type GridSpec } from '../grid.ts';
import { affineOf, partsOf, putCodes } from './groups.ts';
import { type Method, METHODS, type Rounding, ROUNDINGS, start, suits } from './roundings.ts';

/**
 * A matrix in codes, its grids fitted: clip gram becomes mse where there is no Gram matrix.
 * @param widths one width, or one for each row
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
  return [...new Set(widths)]
    .sort((a, b) => a - b)
    .map((bits): Slice => {
      const some = widths.flatMap((b, r) => (b === bits ? [r] : []));
      const part = new Float32Array(some.length * cols);
      some.forEach((r, i) => {
        part.set(w.subarray(r * cols, (r + 1) * cols), i * cols);
      });
      const counts = gram && countsOf(some, rows, gram);
      const made = encodeRows(wasm, part, some.length, cols, specOf(bits), rounding, gram && { ...gram, counts });
      return { rows: some, ...made };
    });
}

/** How many of these rows are in each group. */
function countsOf(some: readonly number[], rows: number, { groups, counts }: LayerGram): number[] {
  const ends: number[] = [];
  for (let g = 0; g < groups; g++) ends.push((ends.at(-1) ?? 0) + (counts?.[g] ?? rows / groups));
  const found = new Array<number>(groups).fill(0);
  for (const r of some) found[ends.findIndex((end) => r < end)]!++;
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
  const grid = fit(clip);
  const method = typeof rounding === 'string' ? METHODS[rounding] : undefined;
  const choose = typeof rounding === 'string' ? ROUNDINGS[rounding]! : rounding;
  if (!gram || !method?.descend || clip !== 'gram' || !suits(grid)) return { grid, codes: choose(wasm, w, grid, gram) };
  const codes = choose(wasm, w, grid);
  return searched(wasm, w, [grid, fit('mse'), fit('max')], codes, method, gram);
}

/** The best of several grids for each row after rounding, scales refitted. Rows without a factor keep the first grid's nearest codes. */
function searched(
  wasm: Wasm,
  w: Float32Array,
  grids: readonly Grid[],
  codes: Uint8Array | Uint16Array,
  method: Method,
  gram: LayerGram,
): Pick<Slice, 'grid' | 'codes'> {
  const first = grids[0]!;
  const { rows, cols } = first;
  const whole = first.block > cols;
  const scales = first.scales.slice();
  const zeros = first.zeros?.slice();
  wasm.arena.scope((alloc) => {
    for (const part of partsOf(wasm, alloc, w, rows, cols, gram)) {
      const { work } = part;
      if (!work) continue;
      const best = new Float64Array(part.rows).fill(Number.POSITIVE_INFINITY);
      for (const grid of whole ? grids.slice(0, 1) : grids) {
        const affine = affineOf(grid, part.first, part.rows);
        const found = work.descend(affine, start(work, method, affine), !whole);
        const own = new (codes.constructor as new (n: number) => typeof codes)(part.rows * cols);
        putCodes(own, 0, cols, affine, found.levels);
        for (let r = 0; r < part.rows; r++) {
          if (!(found.errors[r]! < best[r]!)) continue;
          best[r] = found.errors[r]!;
          const row = part.first + r;
          codes.set(own.subarray(r * cols, (r + 1) * cols), row * cols);
          if (whole) continue;
          const { perRow } = affine;
          for (let b = 0; b < perRow; b++) {
            scales[row * perRow + b] = found.scales[r * perRow + b]!;
            if (zeros) zeros[row * perRow + b] = affine.zeros[r * perRow + b]!;
          }
        }
      }
    }
  });
  return { grid: { ...first, scales, zeros }, codes };
}
