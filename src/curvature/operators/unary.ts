import { attribute, maxAbs, type OperatorCurvature, registerCurvature, single, unbounded } from './registry.ts';

/**
 * Elementwise functions of one variable. D^2 f(h, h) has elements f''(x_i) h_i^2, whose l2 norm over |h| = 1 is largest at a
 * unit vector: the constants are sup |f'| and sup |f''| over the reals. Digits beyond those a formula gives are the extrema
 * computed in 30-digit arithmetic; the tests find each again by a dense search.
 */
const SMOOTH: Readonly<Record<string, readonly [lipschitz: number, secondDerivative: number, note: string]>> = {
  Sigmoid: [0.25, 1 / (6 * Math.sqrt(3)), "f' = s(1-s); f'' = s(1-s)(1-2s), extreme at s = (1 - 1/sqrt 3)/2"],
  Tanh: [1, 4 / (3 * Math.sqrt(3)), "f'' = -2t(1-t^2), extreme at t = 1/sqrt 3"],
  Softplus: [1, 0.25, "f' is the sigmoid"],
  Mish: [1.0884981612517279, 0.6442046372369724, 'x tanh(softplus x); numerical extrema at 1.4906 and -0.0879'],
  Erf: [2 / Math.sqrt(Math.PI), 0.9678828980765737, "f'' = -4x exp(-x^2)/sqrt pi, extreme at 1/sqrt 2"],
  Softsign: [1, 2, "f'' = -2 sign(x)/(1+|x|)^3, approached at 0"],
  Sin: [1, 1, ''],
  Cos: [1, 1, ''],
  Atan: [1, (3 * Math.sqrt(3)) / 8, "f'' = -2x/(1+x^2)^2, extreme at 1/sqrt 3"],
  Asinh: [1, 2 / (3 * Math.sqrt(3)), "f'' = -x (1+x^2)^(-3/2), extreme at 1/sqrt 2"],
  QuickGelu: [1.099839320128867, 0.851, "x sigmoid(1.702 x); f''(0) = 1.702/2"],
};
for (const [op, [l, d, note]] of Object.entries(SMOOTH)) registerCurvature(op, () => single(l, d, true, note));

/** Lipschitz constant of x sigmoid(x), at x = 2.39936; scaling the argument does not change it. */
const SILU_LIPSCHITZ = 1.099839320128867;

registerCurvature('Swish', (facts) => {
  const alpha = attribute(facts, 'alpha', 1);
  return single(SILU_LIPSCHITZ, Math.abs(alpha) / 2, true, "x sigmoid(alpha x) (SiLU at alpha = 1); f''(0) = alpha/2");
});

registerCurvature('Gelu', (facts) => {
  const tanh = facts.attributes?.approximate === 'tanh';
  // erf form: f' = Phi(x) + x phi(x), extreme at sqrt 2; both forms: f''(0) = sqrt(2/pi).
  return single(
    tanh ? 1.1289930686587717 : 1.1289041451851547,
    Math.sqrt(2 / Math.PI),
    true,
    `${tanh ? 'tanh' : 'erf'} form; f''(0) = sqrt(2/pi)`,
  );
});

const kink = (
  lipschitz: number,
  note = 'piecewise linear: no second derivative at the kinks, where the Lipschitz bound holds',
): OperatorCurvature => single(lipschitz, 0, true, note);

for (const op of ['Relu', 'Abs', 'Clip']) registerCurvature(op, () => kink(1));
for (const op of ['Neg', 'Identity']) registerCurvature(op, () => single(1, 0, true, 'linear'));
registerCurvature('LeakyRelu', (facts) => kink(Math.max(1, Math.abs(attribute(facts, 'alpha', 0.01)))));
registerCurvature('PRelu', (facts) => {
  const slope = facts.constants?.[1];
  return slope ? kink(Math.max(1, maxAbs(slope))) : unbounded('the slope is no constant', 2);
});
registerCurvature('HardSigmoid', (facts) => kink(Math.abs(attribute(facts, 'alpha', 0.2))));
registerCurvature('HardSwish', () => single(1.5, 1 / 3, true, "x (x+3)/6 between -3 and 3: f' = x/3 + 1/2, f'' = 1/3"));
registerCurvature('Elu', (facts) => {
  const alpha = Math.abs(attribute(facts, 'alpha', 1));
  return single(Math.max(1, alpha), alpha, true, "alpha (e^x - 1) below 0: f' and f'' approach alpha at 0");
});
registerCurvature('Celu', (facts) =>
  single(
    1,
    1 / Math.abs(attribute(facts, 'alpha', 1)),
    true,
    "alpha (e^(x/alpha) - 1) below 0: f'' approaches 1/alpha",
  ),
);
registerCurvature('Selu', (facts) => {
  const alpha = attribute(facts, 'alpha', 1.6732632423543772);
  const gamma = attribute(facts, 'gamma', 1.0507009873554805);
  return single(
    gamma * Math.max(1, alpha),
    gamma * alpha,
    true,
    "gamma alpha (e^x - 1) below 0: f' and f'' approach gamma alpha",
  );
});
for (const op of ['ThresholdedRelu', 'Round', 'Floor', 'Ceil', 'Sign'])
  registerCurvature(op, () => unbounded('jumps: no Lipschitz constant'));
