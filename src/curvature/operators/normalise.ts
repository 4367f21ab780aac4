import { exp } from './exp.ts';
import {
  attribute,
  count,
  maxAbs,
  type OperatorCurvature,
  type OperatorFacts,
  registerCurvature,
  single,
  unbounded,
} from './registry.ts';

/**
 * Softmax over n >= 2 elements: the Jacobian diag(p) - p p' is a variance, at most 1/4 of the squared range of h, which is at
 * most 2; the second derivative p ((h - E h)^2 - Var h) is at most sqrt 6 / 9, approached for every n by two equal logits far
 * above the others (docs/theory.md, "Softmax"). In every l_p norm the Lipschitz constant is 1/2 too (arXiv 2510.23012).
 */
export const SOFTMAX_SECOND_DERIVATIVE = Math.sqrt(6) / 9;

registerCurvature('Softmax', () =>
  single(0.5, SOFTMAX_SECOND_DERIVATIVE, true, 'proved for any number of classes, attained at two'),
);

/**
 * The seed document's estimate of the curvature of softmax, exp(2 max x) (its Example 4.4). It grows without bound where the
 * curvature never exceeds sqrt 6 / 18 = 0.136: shown beside the exact value as the document's estimate, used for nothing.
 */
export function documentSoftmaxEstimate(maxLogit: number): number {
  return exp(2 * maxLogit);
}

/** The axis an operator works over and the number of elements along it (`from`: along it and all that follow). */
function axisSize(facts: OperatorFacts, axis: number, following: boolean): number | undefined {
  const dims = facts.dims?.[0] ?? facts.outputDims;
  if (!dims || dims.length === 0) return undefined;
  const at = axis < 0 ? axis + dims.length : axis;
  return following ? count(dims.slice(at)) : dims[at];
}

registerCurvature('LogSoftmax', (facts) => {
  const n = axisSize(facts, attribute(facts, 'axis', -1), false);
  if (!n) return unbounded('the number of classes is not known');
  // J = I - 1 p' with |J| <= |1| |p| <= sqrt n (an oblique projection); D^2(h, h) = -Var_p(h) 1, Var <= 1/2.
  return single(Math.sqrt(n), Math.sqrt(n) / 2, false, `upper bound for ${n} classes in l2`);
});

/**
 * y -> y / s, s^2 = |y|^2 / n + eps, has the Jacobian (I - theta u u') / s, theta = |y|^2 / (n s^2) <= 1, and a second derivative
 * of at most (2/sqrt 3) / (sqrt n s^2), reached where theta >= 1/3 (docs/theory.md, "Normalisations"). Centring
 * (LayerNormalization) is a projection before it, gamma a diagonal map after it.
 */
function normalisation(facts: OperatorFacts, n: number | undefined, gamma: number, epsilon: number): OperatorCurvature {
  const inputs = Math.max(1, facts.constants?.length ?? 1);
  if (facts.minVariance === undefined) return unbounded('the smallest variance was not calibrated', inputs);
  const v = facts.minVariance + epsilon;
  const l = gamma / Math.sqrt(v);
  const d = n ? (gamma * 2) / (Math.sqrt(3) * Math.sqrt(n) * v) : Number.POSITIVE_INFINITY;
  const perInput = new Array<number>(inputs).fill(0);
  perInput[0] = l;
  return { ...single(l, d, false, `at variance >= ${facts.minVariance}, seen on the calibration set`), perInput };
}

const gammaOf = (facts: OperatorFacts): number => {
  const gamma = facts.constants?.[1];
  return gamma && gamma.length > 0 ? maxAbs(gamma) : 1;
};

for (const op of ['LayerNormalization', 'RMSNormalization', 'SimplifiedLayerNormalization']) {
  registerCurvature(op, (facts) =>
    normalisation(
      facts,
      axisSize(facts, attribute(facts, 'axis', -1), true),
      gammaOf(facts),
      attribute(facts, 'epsilon', 1e-5),
    ),
  );
}

/** One group is a channel's plane; dims are one sample's, [N, C, ...]. */
registerCurvature('InstanceNormalization', (facts) =>
  normalisation(facts, axisSize(facts, 2, true), gammaOf(facts), attribute(facts, 'epsilon', 1e-5)),
);

registerCurvature('GroupNormalization', (facts) => {
  const n = axisSize(facts, 1, true);
  const groups = attribute(facts, 'num_groups', 1);
  return normalisation(facts, n && n / groups, gammaOf(facts), attribute(facts, 'epsilon', 1e-5));
});

/** At inference an affine map a channel: the largest |scale| / sqrt(var + epsilon). */
registerCurvature('BatchNormalization', (facts) => {
  const [, scale, , , variance] = facts.constants ?? [];
  if (!scale || !variance || scale.length !== variance.length)
    return unbounded('scale and variance are no constants', 5);
  const epsilon = attribute(facts, 'epsilon', 1e-5);
  let l = 0;
  for (let c = 0; c < scale.length; c++) l = Math.max(l, Math.abs(scale[c]!) / Math.sqrt(variance[c]! + epsilon));
  return { ...single(l, 0, true, 'linear a channel'), perInput: [l, 0, 0, 0, 0] };
});
