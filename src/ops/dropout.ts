import { ModelError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { since } from './attributes.ts';
import { cast } from './cast.ts';
import { Generator, seedOf } from './generator.ts';
import { halves } from './half.ts';
import type { NodeSpec, Op, Runtime } from './op.ts';
import { elements, isFloating, need, scalar } from './shape.ts';

/** The tensor itself, and a mask of ones on request. */
function passed(x: Tensor, node: NodeSpec, rt: Runtime): Tensor[] {
  if (node.outputs < 2) return [rt.view(x, x.dims)];
  const mask = rt.empty(node.opset < 10 ? x.dtype : 'bool', x.dims);
  const one = cast({ dtype: 'float', dims: [], data: Float32Array.of(1) }, mask.dtype, rt);
  elements(mask).fill(elements(one)[0]!);
  return [rt.view(x, x.dims), mask];
}

/**
 * Inference: the input itself, and a mask of ones on request. Training (since opset 12, where `training_mode` is true): every
 * element is 0 with probability `ratio`, all others are divided by 1 - ratio.
 */
export const Dropout: Op = since(7, (node) => {
  const seed = seedOf(node, 'int');
  return (inputs, rt) => {
    const x = need(inputs, 0, 'data');
    if (!isFloating(x.dtype)) throw new ModelError(`data: expected a floating type, found ${x.dtype}`);
    if (!inputs[2]?.data[0]) return passed(x, node, rt);
    const given = inputs[1];
    const ratio = given === undefined ? 0.5 : scalar(cast(given, 'double', rt), 'ratio');
    if (!(ratio >= 0 && ratio < 1)) throw new ModelError(`ratio: expected 0 <= ratio < 1, found ${ratio}`);
    if (ratio === 0) return passed(x, node, rt);
    const g = new Generator(seed);
    const mask = rt.empty('bool', x.dims);
    for (let i = 0; i < mask.data.length; i++) mask.data[i] = g.uniform() >= ratio ? 1 : 0;
    const scale = 1 / (1 - ratio);
    const drop = halves(([wide], rt2) => {
      const a = elements(wide!);
      const y = rt2.empty(wide!.dtype, x.dims);
      const out = elements(y);
      for (let i = 0; i < out.length; i++) out[i] = mask.data[i] ? a[i]! * scale : 0;
      return [y];
    });
    const y = drop([x], rt);
    return node.outputs > 1 ? [...y, mask] : y;
  };
});
