/** How codes are chosen: what plans name, and what the quantizer is given. */
export type { LayerGram } from '../grid/gram.ts';
export { type Rounding, ROUNDINGS } from '../grid/rounding/roundings.ts';
