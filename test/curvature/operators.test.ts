import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  composeCurvature,
  curvatureOf,
  curvatureOperators,
  documentSoftmaxEstimate,
  type OperatorFacts,
  registerCurvature,
  SOFTMAX_SECOND_DERIVATIVE,
} from '../../src/curvature/operators.ts';
import { near, of } from './constants.ts';
import { throws } from '../throws.ts';
import { random } from '../helpers.ts';
import {
  added,
  climb,
  erf,
  jacobian,
  type Mapping,
  maximum,
  norm,
  secondDifference,
  spectralNorm,
  type Vector,
} from './numeric.ts';

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const softplus = (x: number): number => (x > 30 ? x : Math.log1p(Math.exp(x)));
const gelu = (x: number): number => (x * (1 + erf(x / Math.SQRT2))) / 2;
const geluTanh = (x: number): number => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

/** Function, facts, and the points where it has no second derivative. */
const UNARY: readonly [string, (x: number) => number, OperatorFacts?, Vector?][] = [
  ['Sigmoid', sigmoid],
  ['Tanh', Math.tanh],
  ['Softplus', softplus],
  ['Mish', (x) => x * Math.tanh(softplus(x))],
  ['Erf', erf],
  ['Softsign', (x) => x / (1 + Math.abs(x)), {}, [0]],
  ['Sin', Math.sin],
  ['Cos', Math.cos],
  ['Atan', Math.atan],
  ['Asinh', Math.asinh],
  ['QuickGelu', (x) => x * sigmoid(1.702 * x)],
  ['Swish', (x) => x * sigmoid(x)],
  ['Swish', (x) => x * sigmoid(3 * x), { attributes: { alpha: 3 } }],
  ['Gelu', gelu],
  ['Gelu', geluTanh, { attributes: { approximate: 'tanh' } }],
  ['Relu', (x) => Math.max(0, x), {}, [0]],
  ['Abs', Math.abs, {}, [0]],
  ['Clip', (x) => Math.min(2, Math.max(-1, x)), {}, [-1, 2]],
  ['Neg', (x) => -x],
  ['Identity', (x) => x],
  ['LeakyRelu', (x) => (x < 0 ? 0.01 * x : x), {}, [0]],
  ['LeakyRelu', (x) => (x < 0 ? -3 * x : x), { attributes: { alpha: -3 } }, [0]],
  ['PRelu', (x) => (x < 0 ? 1.5 * x : x), { constants: [undefined, [0.25, 1.5]] }, [0]],
  ['HardSigmoid', (x) => Math.max(0, Math.min(1, 0.2 * x + 0.5)), {}, [-2.5, 2.5]],
  ['HardSwish', (x) => x * Math.max(0, Math.min(1, x / 6 + 0.5)), {}, [-3, 3]],
  ['Elu', (x) => (x < 0 ? Math.exp(x) - 1 : x), {}, [0]],
  ['Elu', (x) => (x < 0 ? 2.5 * (Math.exp(x) - 1) : x), { attributes: { alpha: 2.5 } }, [0]],
  ['Celu', (x) => (x < 0 ? 0.5 * (Math.exp(x / 0.5) - 1) : x), { attributes: { alpha: 0.5 } }, [0]],
  ['Selu', (x) => 1.0507009873554805 * (x < 0 ? 1.6732632423543772 * (Math.exp(x) - 1) : x), {}, [0]],
];

test('elementwise functions: both constants are the extrema of the derivatives', () => {
  for (const [op, f, facts, kinks = []] of UNARY) {
    const c = of(op, facts);
    const [h1, h2] = [1e-5, 4e-4];
    const clear = (x: number, h: number): boolean => kinks.every((k) => Math.abs(x - k) > 1.01 * h);
    const slope = (x: number): number => (clear(x, h1) ? Math.abs(f(x + h1) - f(x - h1)) / (2 * h1) : 0);
    const bend = (x: number): number => (clear(x, h2) ? Math.abs(f(x + h2) - 2 * f(x) + f(x - h2)) / (h2 * h2) : 0);
    // Where an extremum is approached at a kink, only to within the step.
    const [loose1, loose2] = kinks.length > 0 ? [1e-4, 8e-3] : [1e-8, 3e-6];
    near(maximum(slope, -40, 40), c.lipschitz, loose1, `${op} Lipschitz`);
    near(maximum(bend, -40, 40), c.secondDerivative, loose2, `${op} second derivative`);
    assert.equal(c.perInput, [c.lipschitz]);
  }
});

test('figures of the theory table', () => {
  near(of('Sigmoid').secondDerivative, 0.096225, 1e-6, 'sigmoid');
  near(of('Tanh').secondDerivative, 0.7698, 1e-6, 'tanh');
  near(of('Swish').lipschitz, 1.09984, 1e-5, 'SiLU');
  near(of('Gelu').lipschitz, 1.1289, 1e-5, 'GELU');
  near(of('Gelu', { attributes: { approximate: 'tanh' } }).lipschitz, 1.12899, 1e-5, 'GELU tanh');
  near(of('Gelu').secondDerivative, 0.797885, 1e-6, 'GELU');
  near(of('Mish').secondDerivative, 0.6442, 1e-4, 'Mish');
  near(of('Erf').secondDerivative, 0.96788, 1e-5, 'erf');
  near(SOFTMAX_SECOND_DERIVATIVE, 0.27217, 1e-5, 'softmax');
  for (const op of ['ThresholdedRelu', 'Round', 'Floor', 'Ceil', 'Sign'])
    assert.is(of(op).lipschitz, Number.POSITIVE_INFINITY);
});

const softmax: Mapping = (x) => {
  const max = Math.max(...x);
  const e = x.map((v) => Math.exp(v - max));
  const sum = e.reduce((a, b) => a + b, 0);
  return e.map((v) => v / sum);
};

test('softmax: 1/2 and sqrt 6 / 9, never exceeded for 2 to 32 classes and reached for each', () => {
  const next = random(5);
  const { lipschitz, secondDerivative } = of('Softmax');
  // D^2(h, h) = p ((h - E h)^2 - Var h), checked against differences first.
  const second = (x: Vector, h: Vector): number => {
    const p = softmax(x);
    const length = norm(h);
    const u = h.map((v) => v / length);
    const mean = p.reduce((s, v, i) => s + v * u[i]!, 0);
    const variance = p.reduce((s, v, i) => s + v * (u[i]! - mean) ** 2, 0);
    return norm(p.map((v, i) => v * ((u[i]! - mean) ** 2 - variance)));
  };
  for (let n = 2; n <= 32; n++) {
    const point = (): number[] => Array.from({ length: 2 * n }, () => 4 * next() - 2);
    const x = point();
    near(second(x.slice(0, n), x.slice(n)), secondDifference(softmax, x.slice(0, n), x.slice(n)), 1e-5, 'formula');
    const most = climb((z) => second(z.slice(0, n), z.slice(n)), point, next, 3, 300);
    assert.ok(most <= secondDerivative * (1 + 1e-12), `n = ${n}: ${most}`);
    const jac = spectralNorm(jacobian(softmax, x.slice(0, n)));
    assert.ok(jac <= lipschitz + 1e-8, `n = ${n}: ${jac}`);
    // Two logits far above the others are the case of two classes: at probabilities (1 +- 1/sqrt 3)/2 both are reached.
    const t = Math.log((1 + 1 / Math.sqrt(3)) / (1 - 1 / Math.sqrt(3)));
    const two = [t, 0, ...new Array<number>(n - 2).fill(-60)];
    const h = [1, -1, ...new Array<number>(n - 2).fill(0)];
    near(second(two, h), secondDerivative, 1e-12, `n = ${n}, reached`);
    near(spectralNorm(jacobian(softmax, [0, ...two.slice(1)])), 0.5, 1e-8, `n = ${n}, Lipschitz reached`);
  }
});

test('the step of the softmax proof: E|(X - mu)^2 - var| <= R^2 / (3 sqrt 3) for every law on an interval of length R', () => {
  const next = random(17);
  const deviation = (z: Vector): number => {
    const k = z.length / 2;
    const weights = z.slice(0, k).map(Math.abs);
    const total = weights.reduce((a, b) => a + b, 0) || 1;
    const p = weights.map((w) => w / total);
    const x = z.slice(k).map((v) => Math.min(1, Math.max(0, v)));
    const mean = p.reduce((s, w, i) => s + w * x[i]!, 0);
    const variance = p.reduce((s, w, i) => s + w * (x[i]! - mean) ** 2, 0);
    return p.reduce((s, w, i) => s + w * Math.abs((x[i]! - mean) ** 2 - variance), 0);
  };
  const bound = 1 / (3 * Math.sqrt(3));
  let best = 0;
  for (const k of [2, 3, 4, 6])
    best = Math.max(
      best,
      climb(deviation, () => Array.from({ length: 2 * k }, () => next()), next, 20, 800),
    );
  assert.ok(best <= bound * (1 + 1e-12), `${best}`);
  near(best, bound, 1e-4, 'reached by two points');
});

test("the document's exp(2 max x) is far above the curvature of softmax", () => {
  near(documentSoftmaxEstimate(0.5), Math.E, 1e-14, 'exp 1');
  near(documentSoftmaxEstimate(10) / Math.exp(20), 1, 1e-14, 'exp 20');
  assert.ok(documentSoftmaxEstimate(10) > 1e9 * of('Softmax').kappa);
  assert.is(documentSoftmaxEstimate(1e4), Number.POSITIVE_INFINITY);
});

test('LogSoftmax: bounds hold for every class count tried', () => {
  const next = random(9);
  for (const n of [2, 3, 8, 20]) {
    const c = of('LogSoftmax', { dims: [[n]] });
    const f: Mapping = (x) => softmax(x).map(Math.log);
    for (let trial = 0; trial < 40; trial++) {
      const x = Array.from({ length: n }, () => 10 * next() - 5);
      assert.ok(spectralNorm(jacobian(f, x)) <= c.lipschitz + 1e-6);
      assert.ok(
        secondDifference(
          f,
          x,
          x.map(() => next() - 0.5),
        ) <=
          c.secondDerivative + 1e-4,
      );
    }
  }
  assert.is(of('LogSoftmax').lipschitz, Number.POSITIVE_INFINITY);
});

test('LayerNormalization and RMSNormalization at the smallest variance seen', () => {
  const next = random(3);
  for (const op of ['LayerNormalization', 'RMSNormalization']) {
    for (const n of [3, 8, 17]) {
      for (const [variance, epsilon] of [
        [0.25, 0],
        [1, 1e-5],
        [0.04, 0.01],
      ] as const) {
        const gamma = Array.from({ length: n }, () => 0.5 + next());
        const centre = op === 'LayerNormalization';
        const f: Mapping = (x) => {
          const mean = centre ? x.reduce((a, b) => a + b, 0) / n : 0;
          const v = x.reduce((s, e) => s + (e - mean) ** 2, 0) / n;
          return x.map((e, i) => (gamma[i]! * (e - mean)) / Math.sqrt(v + epsilon));
        };
        const c = of(op, {
          attributes: { epsilon },
          dims: [[4, n]],
          constants: [undefined, gamma],
          minVariance: variance,
        });
        let [slope, bend] = [0, 0];
        for (let trial = 0; trial < 60; trial++) {
          const raw = Array.from({ length: n }, () => next() - 0.5);
          const mean = centre ? raw.reduce((a, b) => a + b, 0) / n : 0;
          const s = Math.sqrt(raw.reduce((t, e) => t + (e - mean) ** 2, 0) / n);
          const x = raw.map((e) => ((e - mean) / s) * Math.sqrt(variance) * (trial % 2 ? 1 : 1 + next()));
          slope = Math.max(slope, spectralNorm(jacobian(f, x)));
          bend = Math.max(
            bend,
            secondDifference(
              f,
              x,
              x.map(() => next() - 0.5),
              1e-4,
            ),
          );
        }
        assert.ok(slope <= c.lipschitz * (1 + 1e-6), `${op} ${n}: ${slope} of ${c.lipschitz}`);
        assert.ok(bend <= c.secondDerivative * (1 + 1e-4), `${op} ${n}: ${bend} of ${c.secondDerivative}`);
        assert.ok(slope >= 0.8 * c.lipschitz, `${op} ${n}: the bound is near`);
      }
    }
    // Without epsilon and with equal gammas the second derivative is reached, along the right plane.
    const c = of(op, { attributes: { epsilon: 0 }, dims: [[4]], minVariance: 1 });
    const f: Mapping = (x) => {
      const mean = op === 'LayerNormalization' ? x.reduce((a, b) => a + b, 0) / 4 : 0;
      const v = x.reduce((s, e) => s + (e - mean) ** 2, 0) / 4;
      return x.map((e) => (e - mean) / Math.sqrt(v));
    };
    const h = added(
      [1, -1, 1, -1].map((v) => (v / 2) * Math.sqrt(1 / 3)),
      [1, 1, -1, -1].map((v) => (v / 2) * Math.sqrt(2 / 3)),
    );
    near(secondDifference(f, [1, -1, 1, -1], h), c.secondDerivative, 1e-5, `${op} reached`);
    assert.is(of(op, { dims: [[4]] }).lipschitz, Number.POSITIVE_INFINITY);
  }
  const group = of('GroupNormalization', {
    dims: [[1, 6, 2, 2]],
    attributes: { num_groups: 3, epsilon: 0 },
    minVariance: 4,
  });
  near(group.secondDerivative, 2 / Math.sqrt(3) / (Math.sqrt(8) * 4), 1e-15, 'group of 8');
  near(
    of('InstanceNormalization', { dims: [[1, 6, 2, 2]], attributes: { epsilon: 0 }, minVariance: 4 }).lipschitz,
    0.5,
    1e-15,
    'instance',
  );
});

test('BatchNormalization: the largest scale / deviation', () => {
  const c = of('BatchNormalization', {
    attributes: { epsilon: 0.5 },
    constants: [undefined, [1, -6, 2], [0, 0, 0], [9, 9, 9], [0.5, 8.5, 3.5]],
  });
  assert.equal([c.lipschitz, c.secondDerivative], [2, 0]);
  assert.is(of('BatchNormalization').lipschitz, Number.POSITIVE_INFINITY);
});

test('functions on a calibrated range', () => {
  const cases: [string, (x: number) => number, OperatorFacts][] = [
    ['Exp', Math.exp, { ranges: [{ min: -2, max: 1.5 }] }],
    ['Log', Math.log, { ranges: [{ min: 0.25, max: 3 }] }],
    ['Sqrt', Math.sqrt, { ranges: [{ min: 0.1, max: 3 }] }],
    ['Reciprocal', (x) => 1 / x, { ranges: [{ min: -3, max: -0.4 }] }],
    ['Pow', (x) => x ** 2, { constants: [undefined, [2]], ranges: [{ min: -2, max: 1 }] }],
    ['Pow', (x) => x ** 3, { constants: [undefined, [3]], ranges: [{ min: -1, max: 2 }] }],
    ['Pow', (x) => x ** 1.5, { constants: [undefined, [1.5]], ranges: [{ min: 0.2, max: 2 }] }],
    ['Pow', (x) => x ** -0.5, { constants: [undefined, [-0.5]], ranges: [{ min: 0.2, max: 2 }] }],
    ['Pow', (x) => x ** 0.5, { constants: [undefined, [0.5]], ranges: [{ min: 0.2, max: 2 }] }],
  ];
  for (const [op, f, facts] of cases) {
    const { min, max } = facts.ranges![0]!;
    const h = 1e-4;
    const c = of(op, facts);
    near(maximum((x) => Math.abs(f(x + h) - f(x - h)) / (2 * h), min, max) / c.lipschitz, 1, 1e-5, op);
    near(
      maximum((x) => Math.abs(f(x + h) - 2 * f(x) + f(x - h)) / (h * h), min, max) / c.secondDerivative,
      1,
      1e-4,
      op,
    );
    assert.ok(c.exact);
  }
  const odd = of('Pow', { constants: [undefined, [1.3]], ranges: [{ min: 0.2, max: 2 }] });
  assert.ok(!odd.exact && odd.lipschitz >= 1.3 * 2 ** 0.3 && odd.secondDerivative >= 1.3 * 0.3 * 0.2 ** -0.7);
  for (const op of ['Exp', 'Log', 'Sqrt', 'Reciprocal', 'Pow']) assert.is(of(op).lipschitz, Number.POSITIVE_INFINITY);
  for (const op of ['Log', 'Sqrt', 'Reciprocal'])
    assert.is(of(op, { ranges: [{ min: -1, max: 1 }] }).lipschitz, Number.POSITIVE_INFINITY);
});

test('composition: kappa of g after f is at most kappa_g L_f^2 + L_g kappa_f', () => {
  const functions: [string, (x: number) => number][] = [
    ['Sigmoid', sigmoid],
    ['Tanh', Math.tanh],
    ['Gelu', gelu],
    ['Softplus', softplus],
    ['Erf', erf],
  ];
  for (const [fn, f] of functions) {
    for (const [gn, g] of functions) {
      const c = composeCurvature(of(fn), of(gn));
      const h = 4e-4;
      const both = (x: number): number => g(f(x));
      const bend = maximum((x) => Math.abs(both(x + h) - 2 * both(x) + both(x - h)) / (h * h), -8, 8, 1001);
      assert.ok(bend / 2 <= c.kappa + 1e-6, `${gn} after ${fn}: ${bend / 2} of ${c.kappa}`);
      assert.ok(maximum((x) => Math.abs(both(x + h) - both(x - h)) / (2 * h), -8, 8, 1001) <= c.lipschitz + 1e-6);
    }
  }
  const linear = composeCurvature(of('Conv', { operatorNorm: 3 }), of('Tanh'));
  near(linear.kappa, of('Tanh').kappa * 9, 1e-15, 'Tanh after a layer of norm 3');
  assert.is(composeCurvature(of('Exp'), of('Conv', { operatorNorm: 0 })).lipschitz, 0);
});

test('a new operator is one registration', () => {
  registerCurvature('Cube01', () => ({
    lipschitz: 3,
    perInput: [3],
    secondDerivative: 6,
    kappa: 3,
    exact: true,
    note: 'x^3 on [0, 1]',
  }));
  assert.is(of('Cube01').kappa, 3);
  assert.ok(curvatureOperators().includes('Cube01'));
  throws(() => registerCurvature('Cube01', () => of('Relu')), RangeError, /already registered/);
  throws(() => registerCurvature('X', 3 as never), TypeError);
  throws(() => registerCurvature('', () => of('Relu')), TypeError);
  assert.is(curvatureOf('NoSuchOperator'), undefined);
});

test.run();
