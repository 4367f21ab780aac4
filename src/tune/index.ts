/** Label-free tuning of a quantized model against the one in float. */
export { tunableInitializers } from './initializers.ts';
export { distributionSeeds, seedsOf, squareSeeds } from './loss.ts';
export { Samples, shuffled } from './samples.ts';
export type { TuneRates } from './state.ts';
export { checkTunable, TUNE_RATES, tune, type Tuned, type TuneInput, type TuneReport } from './tune.ts';
