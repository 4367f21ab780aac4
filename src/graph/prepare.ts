import type { Model } from '../onnx/model.ts';
import { foldBatchNormalization } from './fold.ts';
import { hoistConstants } from './hoist.ts';

/**
 * The form of a model in which its weights are looked for, measured and replaced: weights of Constant nodes as initializers,
 * BatchNormalization folded into the convolutions before it. Runs the same, up to rounding.
 */
export function prepareModel(model: Model): Model {
  return foldBatchNormalization(hoistConstants(model));
}
