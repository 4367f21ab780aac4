import { type Grid, quantize } from '../grid/index.ts';
import type { Wasm } from '../wasm/wasm.ts';

/** E[x x'] of a weight's inputs, [groups, cols, cols]. */
export interface LayerGram {
  readonly gram: Float32Array;
  readonly groups: number;
}

/** Chooses the codes of a matrix w [rows, cols] on a grid: any code is legal, the nearest is one choice. */
export type Rounding = (wasm: Wasm, w: Float32Array, grid: Grid, gram?: LayerGram) => Uint8Array | Uint16Array;

/** Roundings by the name a plan gives them: a new one is one line here. */
export const ROUNDINGS: Readonly<Record<string, Rounding>> = {
  nearest: quantize,
};
