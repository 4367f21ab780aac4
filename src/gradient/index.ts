/** Gradients of what the executor ran. */
export { type Backward, type BackwardOptions, backward, type Visit, weightGradient } from './backward.ts';
export { distil, type Distilled, type DistilOptions } from './distil.ts';
export type { Call, Gradient } from './gradient.ts';
export { findGradient, GRADIENTS } from './operators/index.ts';
export { response } from './response.ts';
