import type { Wasm } from '../../wasm/wasm.ts';
import type { LayerGram } from '../gram.ts';
import { type Grid, quantize } from '../grid.ts';
import { affineOf, type Part, partsOf, putCodes } from './groups.ts';
import type { Affine } from './work.ts';

/** Chooses the codes of a matrix w [rows, cols] on a grid: any code is legal, the nearest is one choice. */
export type Rounding = (wasm: Wasm, w: Float32Array, grid: Grid, gram?: LayerGram) => Uint8Array | Uint16Array;

/** How a rounding that looks at the Gram matrix goes about it. */
export interface Method {
  /** Where the codes start. */
  readonly start: 'nearest' | 'gptq';
  /** Whether coordinate descent follows. */
  readonly descend: boolean;
  /** Whether pairs of codes are moved at the end. */
  readonly pairs: boolean;
}

/** Those roundings by name. Where there is no Gram matrix, or no factor of it, they take the nearest code. */
export const METHODS: Readonly<Record<string, Method>> = {
  gptq: { start: 'gptq', descend: false, pairs: false },
  cd: { start: 'nearest', descend: true, pairs: false },
  'gptq+cd': { start: 'gptq', descend: true, pairs: false },
  'gptq+cd+pairs': { start: 'gptq', descend: true, pairs: true },
};

/** Wider codes are rounded to the nearest: their errors are below what single precision resolves in the products. */
export const WIDEST_METHOD = 8;

/** Roundings by the name a plan gives them: a new one is one line here. */
export const ROUNDINGS: Readonly<Record<string, Rounding>> = {
  nearest: quantize,
  ...Object.fromEntries(Object.entries(METHODS).map(([name, method]) => [name, byMethod(method)])),
};

function byMethod(method: Method): Rounding {
  return (wasm, w, grid, gram) => {
    const codes = quantize(wasm, w, grid);
    if (!gram || !suits(grid)) return codes;
    wasm.arena.scope((alloc) => {
      for (const part of partsOf(wasm, alloc, w, grid.rows, grid.cols, gram)) {
        if (!part.work) continue;
        const affine = affineOf(grid, part.first, part.rows);
        const levels = start(part.work, method, affine);
        putCodes(
          codes,
          part.first,
          grid.cols,
          affine,
          method.descend ? part.work.descend(affine, levels, false, method.pairs).levels : levels,
        );
      }
    });
    return codes;
  };
}

/** The levels a method starts from on a grid. */
export function start(work: NonNullable<Part['work']>, method: Method, affine: Affine): Float32Array {
  return method.start === 'gptq' ? work.gptq([affine])[0]!.levels : work.nearest(affine);
}

/** Whether codes on that grid can be chosen by a method. */
export function suits(grid: Pick<Grid, 'bits' | 'scales'>): boolean {
  return grid.bits <= WIDEST_METHOD && grid.scales.every((s) => s > 0);
}
