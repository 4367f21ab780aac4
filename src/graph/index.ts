/** Models as graphs that run: execution, folding, layers, edits. */
export { freshNames, mapNodes, withInitializers, withoutUnused } from './edit.ts';
export { type EqualizedPair, equalize } from './equalize.ts';
export { foldBatchNormalization } from './fold.ts';
export { hoistConstants } from './hoist.ts';
export { findLayers, type Layer, type LayerUse, type LeftWeight, SMALLEST_LAYER } from './layers.ts';
export { prepareModel } from './prepare.ts';
export { canRaise } from './opset.ts';
export { loadOperators } from './load.ts';
export { describe, labelOf, orderedNodes } from './order.ts';
export { type Problem, problemsText } from './problems.ts';
export { type Observer, type RunOptions, Session, type SessionOptions, type Trace } from './session.ts';
export { unsupportedIn } from './steps.ts';
export { type BatchStatistics, batchStatistics } from './statistics.ts';
export { constantNames, type Uses, usesOf } from './uses.ts';
