import * as math from '../math.ts';
import { ModelError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { choice, has, int, since } from './attributes.ts';
import { withHalf } from './half.ts';
import type { NodeSpec, Op, Runtime } from './op.ts';
import { elements, isFloating, need, product, sameType } from './shape.ts';

/** Negative log likelihood and cross entropy of class scores [N, C, d1, ..., dk] against targets [N, d1, ..., dk]. */

interface Options {
  readonly reduction: 'none' | 'sum' | 'mean';
  /** Targets of this class do not count; undefined where none is ignored. */
  readonly ignore: number | undefined;
}

function optionsOf(node: NodeSpec): Options {
  return {
    reduction: choice(node, 'reduction', ['none', 'sum', 'mean'] as const, 'mean'),
    ignore: has(node, 'ignore_index') ? int(node, 'ignore_index') : undefined,
  };
}

function show(dims: readonly number[]): string {
  return `[${dims}]`;
}

/** Scores and targets that fit together. @throws ModelError for all others */
function checkShapes(x: Tensor, target: Tensor, weight: Tensor | undefined): void {
  if (!isFloating(x.dtype)) throw new ModelError(`input: expected a floating type, found ${x.dtype}`);
  if (x.dims.length < 2) throw new ModelError(`input: expected rank >= 2, found shape ${show(x.dims)}`);
  if (target.dtype !== 'int64' && target.dtype !== 'int32')
    throw new ModelError(`target: expected type int64 or int32, found ${target.dtype}`);
  const want = show([x.dims[0]!, ...x.dims.slice(2)]);
  if (show(target.dims) !== want) throw new ModelError(`target: expected shape ${want}, found ${show(target.dims)}`);
  if (weight === undefined) return;
  sameType(x, weight);
  if (show(weight.dims) !== show([x.dims[1]!]))
    throw new ModelError(`weight: expected shape [${x.dims[1]}], found ${show(weight.dims)}`);
}

/**
 * -weight[target] logs[target] for every target, 0 where it is ignored; their sum; or that over the sum of the weights.
 * @param logs logarithms of probabilities, [N, C, inner]
 */
function likelihood(logs: Tensor, target: Tensor, weight: Tensor | undefined, o: Options, rt: Runtime): Tensor {
  const classes = logs.dims[1]!;
  const inner = product(logs.dims, 2);
  const y = rt.empty(logs.dtype, o.reduction === 'none' ? target.dims : []);
  const out = elements(y);
  const a = elements(logs);
  const w = weight && elements(weight);
  let sum = 0;
  let total = 0;
  for (let i = 0; i < target.data.length; i++) {
    const c = Number(target.data[i]);
    let loss = 0;
    if (c !== o.ignore) {
      if (!(c >= 0 && c < classes))
        throw new ModelError(`target: element ${i} is class ${c}, expected 0..${classes - 1}`);
      const factor = w?.[c] ?? 1;
      loss = -factor * a[(Math.floor(i / inner) * classes + c) * inner + (i % inner)]!;
      total += factor;
    }
    if (o.reduction === 'none') out[i] = loss;
    else sum += loss;
  }
  if (o.reduction !== 'none') out[0] = o.reduction === 'sum' ? sum : sum / total;
  return y;
}

export const NegativeLogLikelihoodLoss: Op = withHalf(
  since(12, (node) => {
    const options = optionsOf(node);
    return (inputs, rt) => {
      const x = need(inputs, 0, 'input');
      const target = need(inputs, 1, 'target');
      checkShapes(x, target, inputs[2]);
      return [likelihood(x, target, inputs[2], options, rt)];
    };
  }),
);

/** log(softmax(x)) over axis 1, from differences to the largest score. */
function logSoftmax(x: Tensor, rt: Runtime): Tensor {
  const [n, classes] = x.dims as [number, number];
  const inner = product(x.dims, 2);
  const y = rt.empty(x.dtype, x.dims);
  const a = elements(x);
  const out = elements(y);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < inner; j++) {
      const at = i * classes * inner + j;
      const end = at + classes * inner;
      let top = Number.NEGATIVE_INFINITY;
      for (let q = at; q < end; q += inner) top = Math.max(top, a[q]!);
      let sum = 0;
      for (let q = at; q < end; q += inner) sum += math.exp(a[q]! - top);
      const shift = math.log(sum);
      for (let q = at; q < end; q += inner) out[q] = a[q]! - top - shift;
    }
  return y;
}

/** Outputs the loss and, on request, the logarithms of the probabilities. */
export const SoftmaxCrossEntropyLoss: Op = withHalf(
  since(12, (node) => {
    const options = optionsOf(node);
    return (inputs, rt) => {
      const x = need(inputs, 0, 'scores');
      const target = need(inputs, 1, 'labels');
      checkShapes(x, target, inputs[2]);
      const logs = logSoftmax(x, rt);
      const loss = likelihood(logs, target, inputs[2], options, rt);
      return node.outputs > 1 ? [loss, logs] : [loss];
    };
  }),
);
