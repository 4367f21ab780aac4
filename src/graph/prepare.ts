import type { Model } from '../onnx/model.ts';
import { exposeWeights } from './expose.ts';
import { foldBatchNormalization } from './fold.ts';
import { hoistConstants } from './hoist.ts';
import { foldKernels } from './kernels.ts';

/**
 * The form of a model in which its weights are looked for, measured and replaced: functions that weights take part in inlined,
 * weights of Constant nodes and of bodies as initializers of the main graph, kernels as convolutions read them, BatchNormalization folded into the convolutions
 * before it. Runs the same, up to rounding.
 */
export function prepareModel(model: Model): Model {
  return foldBatchNormalization(foldKernels(hoistConstants(exposeWeights(model))));
}
