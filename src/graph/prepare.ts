import type { Model } from '../onnx/model.ts';
import { exposeWeights } from './expose.ts';
import { foldBatchNormalization } from './fold.ts';
import { hoistConstants } from './hoist.ts';
import { foldMoves } from './moves.ts';

/**
 * The form of a model in which its weights are looked for, measured and replaced: functions that weights take part in inlined,
 * weights of Constant nodes and of bodies as initializers of the main graph, weights put together as they are used, BatchNormalization folded into the convolutions
 * before it. Runs the same, up to rounding.
 */
export function prepareModel(model: Model): Model {
  return foldBatchNormalization(foldMoves(hoistConstants(exposeWeights(model))));
}
