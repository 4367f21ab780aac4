import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  composeCurvature,
  curvatureOf,
  curvatureOperators,
  documentSoftmaxEstimate,
  type OperatorCurvature,
  type OperatorFacts,
  registerCurvature,
  SOFTMAX_SECOND_DERIVATIVE,
} from '../../src/curvature/operators.ts';
import { throws } from '../allocate/throws.ts';
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

const of = (op: string, facts?: OperatorFacts): OperatorCurvature => {
  const found = curvatureOf(op, facts);
  assert.ok(found, op);
  assert.is(found!.kappa, found!.secondDerivative / 2);
  return found!;
};
const near = (a: number, b: number, tolerance: number, what: string): void =>
  assert.ok(Math.abs(a - b) <= tolerance, `${what}: ${a} against ${b}`);

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

/** Checks an operator of several inputs, concatenated, at random points: the bounds hold, and are reached where `exact`. */
function checkJoint(
  what: string,
  c: OperatorCurvature,
  f: Mapping,
  sizes: readonly number[],
  point: () => number[],
  reach = 0.8,
): void {
  const next = random(what.length);
  let [slope, bend] = [0, 0];
  const alone = sizes.map(() => 0);
  for (let trial = 0; trial < 60; trial++) {
    const x = point();
    const jac = jacobian(f, x);
    slope = Math.max(slope, spectralNorm(jac));
    let at = 0;
    sizes.forEach((size, i) => {
      alone[i] = Math.max(alone[i]!, spectralNorm(jac.map((row) => row.slice(at, at + size))));
      at += size;
    });
    bend = Math.max(
      bend,
      climb(
        (h) => secondDifference(f, x, h),
        () => x.map(() => next() - 0.5),
        next,
        1,
        20,
      ),
    );
  }
  assert.ok(slope <= c.lipschitz * (1 + 1e-6) + 1e-9, `${what}: ${slope} of ${c.lipschitz}`);
  assert.ok(bend <= c.secondDerivative * (1 + 1e-3) + 1e-3, `${what}: second ${bend} of ${c.secondDerivative}`);
  sizes.forEach((_, i) => {
    assert.ok(alone[i]! <= c.perInput[i]! * (1 + 1e-6) + 1e-9, `${what}, input ${i}: ${alone[i]} of ${c.perInput[i]}`);
  });
  if (c.exact) assert.ok(slope >= reach * c.lipschitz, `${what}: ${slope} should be near ${c.lipschitz}`);
}

test('operators of two activations: bounds hold at random points, kappa of a product is 1/2', () => {
  const next = random(31);
  const within = (lo: number, hi: number) => (): number => lo + (hi - lo) * next();
  const three =
    (g: () => number, k = 6) =>
    (): number[] =>
      Array.from({ length: k }, g);
  const dims = { dims: [[3], [3]], outputDims: [3] };
  const pairs =
    (g: (a: number, b: number) => number): Mapping =>
    (x) =>
      [0, 1, 2].map((i) => g(x[i]!, x[i + 3]!));
  checkJoint(
    'Add',
    of('Add', dims),
    pairs((a, b) => a + b),
    [3, 3],
    three(within(-1, 1)),
    0.999,
  );
  checkJoint(
    'Sub',
    of('Sub', dims),
    pairs((a, b) => a - b),
    [3, 3],
    three(within(-1, 1)),
    0.999,
  );
  checkJoint('Max', of('Max', dims), pairs(Math.max), [3, 3], three(within(100, 200)), 0.999);
  checkJoint(
    'Mean',
    of('Mean', dims),
    pairs((a, b) => (a + b) / 2),
    [3, 3],
    three(within(-1, 1)),
    0.999,
  );
  const ranges = [
    { min: -2, max: 1 },
    { min: 0.5, max: 3 },
  ];
  const inRanges = (): number[] => [...three(within(-2, 1), 3)(), ...three(within(0.5, 3), 3)()];
  checkJoint(
    'Mul',
    of('Mul', { ...dims, ranges }),
    pairs((a, b) => a * b),
    [3, 3],
    inRanges,
    0.75,
  );
  checkJoint(
    'Div',
    of('Div', { ...dims, ranges }),
    pairs((a, b) => a / b),
    [3, 3],
    inRanges,
    0.5,
  );
  assert.is(of('Mul', dims).kappa, 0.5);
  const product = pairs((a, b) => a * b);
  near(secondDifference(product, [1, 2, 3, 4, 5, 6], [1, 0, 0, 1, 0, 0]), 1, 1e-6, 'Mul reached');
  // A second input of one element, broadcast three times.
  const wide: Mapping = (x) => [x[0]! * x[3]!, x[1]! * x[3]!, x[2]! * x[3]!];
  const broadcast = of('Mul', { dims: [[3], [1]], outputDims: [3], ranges });
  checkJoint('Mul broadcast', broadcast, wide, [3, 1], () => [...three(within(-2, 1), 3)(), within(0.5, 3)()]);
  const scaleBy = of('Mul', { constants: [undefined, [1, -4, 2]] });
  assert.equal([scaleBy.lipschitz, scaleBy.secondDerivative, scaleBy.perInput[1]], [4, 0, 0]);
  assert.is(of('Div', { constants: [undefined, [2, -0.5]] }).lipschitz, 2);
  const over = of('Div', { constants: [[3]], ranges: [undefined, { min: 2, max: 5 }] });
  assert.equal([over.lipschitz, over.secondDerivative], [3 / 4, 6 / 8]);
  assert.is(
    of('Div', {
      ...dims,
      ranges: [
        { min: 0, max: 1 },
        { min: -1, max: 1 },
      ],
    }).lipschitz,
    Number.POSITIVE_INFINITY,
  );
});

test('matrix products: bilinear in two activations, the norm of a constant one', () => {
  const next = random(8);
  const f: Mapping = (x) => {
    const out: number[] = [];
    for (let i = 0; i < 2; i++)
      for (let j = 0; j < 2; j++) out.push([0, 1, 2].reduce((s, k) => s + x[i * 3 + k]! * x[6 + k * 2 + j]!, 0));
    return out;
  };
  const point = (): number[] => Array.from({ length: 12 }, () => 2 * next() - 1);
  const norms = [Math.sqrt(6), Math.sqrt(6)];
  const c = of('MatMul', {
    dims: [
      [2, 3],
      [3, 2],
    ],
    outputDims: [2, 2],
    norms,
  });
  checkJoint('MatMul', c, f, [6, 6], point);
  assert.is(c.kappa, 0.5);
  near(secondDifference(f, point(), [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]), 1, 1e-5, 'MatMul reached');
  assert.equal(of('MatMul', { constants: [undefined, [1]], operatorNorm: 7 }).perInput, [7, 0]);
  assert.equal(of('MatMul', { constants: [[1], undefined], operatorNorm: 7 }).perInput, [0, 7]);
  assert.is(of('Gemm', { attributes: { alpha: -2 }, constants: [undefined, [1]], operatorNorm: 7 }).lipschitz, 14);
  assert.is(of('Conv', { operatorNorm: 3 }).lipschitz, 3);
  assert.is(of('Conv').lipschitz, Number.POSITIVE_INFINITY);
});

test('structure: copies, selections and reductions', () => {
  for (const op of ['Reshape', 'Transpose', 'Slice', 'Concat', 'Pad', 'Squeeze', 'Split', 'Flatten'])
    assert.equal([of(op).lipschitz, of(op).kappa], [1, 0]);
  assert.is(of('Expand', { dims: [[1, 3]], outputDims: [4, 3] }).lipschitz, 2);
  assert.is(of('Gather', { constants: [undefined, [0, 2, 2, 2, 2]] }).lipschitz, 2);
  assert.is(of('ReduceSum', { dims: [[4, 9]], outputDims: [4] }).lipschitz, 3);
  assert.is(of('ReduceMean', { dims: [[4, 9]], outputDims: [4] }).lipschitz, 1 / 3);
  assert.is(of('GlobalAveragePool', { dims: [[5, 4, 4]], outputDims: [5, 1, 1] }).lipschitz, 1 / 4);
  assert.equal(of('Concat', { constants: [undefined, [1]] }).perInput, [1, 0]);
  assert.equal(of('Add', { dims: [[3, 4], [4]], outputDims: [3, 4] }).perInput, [1, Math.sqrt(3)]);
  assert.equal(of('Add', { dims: [[4], [4]], outputDims: [4], constants: [undefined, [1]] }).perInput, [1, 0]);
  assert.is(of('Add', { dims: [[4], [4]], outputDims: [4], constants: [undefined, [1]] }).lipschitz, 1);
});

/** Pooling of one plane [h, w]. */
function pool(h: number, w: number, k: Vector, s: Vector, p: Vector, average: boolean, includePad: boolean): Mapping {
  const [oh, ow] = [0, 1].map((a) => Math.floor(([h, w][a]! + p[a]! + p[a + 2]! - k[a]!) / s[a]!) + 1);
  return (x) => {
    const out: number[] = [];
    for (let i = 0; i < oh!; i++)
      for (let j = 0; j < ow!; j++) {
        const inside: number[] = [];
        for (let a = 0; a < k[0]!; a++)
          for (let b = 0; b < k[1]!; b++) {
            const [y, z] = [i * s[0]! + a - p[0]!, j * s[1]! + b - p[1]!];
            if (y >= 0 && y < h && z >= 0 && z < w) inside.push(x[y * w + z]!);
          }
        out.push(
          average
            ? inside.reduce((u, v) => u + v, 0) / (includePad ? k[0]! * k[1]! : inside.length)
            : Math.max(...inside),
        );
      }
    return out;
  };
}

test('MaxPool: sqrt of the most windows an element lies in, never exceeded and reached', () => {
  const next = random(44);
  for (const [k, s, want] of [
    [[3, 3], [1, 1], 3],
    [[3, 3], [2, 2], 2],
    [[2, 2], [2, 2], 1],
    [[3, 2], [2, 1], 2],
    [[5, 1], [2, 1], Math.sqrt(3)],
  ] as const) {
    const c = of('MaxPool', { attributes: { kernel_shape: [...k], strides: [...s] } });
    near(c.lipschitz, want, 1e-15, `${k} / ${s}`);
    const f = pool(11, 5, k, s, [0, 0, 0, 0], false, false);
    let most = 0;
    for (let trial = 0; trial < 200; trial++) {
      const x = Array.from({ length: 55 }, () => next());
      const y = trial % 2 ? x.map(() => next()) : x.map((v) => v + 0.1 * (next() - 0.5));
      most = Math.max(most, norm(added(f(x), f(y), -1)) / norm(added(x, y, -1)));
    }
    assert.ok(most <= c.lipschitz * (1 + 1e-12));
    const reached = Math.max(
      ...Array.from({ length: 55 }, (_, i) => norm(f(Array.from({ length: 55 }, (_, j) => (i === j ? 1 : 0))))),
    );
    near(reached, want, 1e-12, 'one element alone');
  }
});

test('AveragePool: the bound holds, with and without counting the padding', () => {
  for (const [k, s, p] of [
    [
      [3, 3],
      [1, 1],
      [0, 0, 0, 0],
    ],
    [
      [3, 3],
      [1, 1],
      [1, 1, 1, 1],
    ],
    [
      [3, 2],
      [2, 1],
      [1, 0, 1, 1],
    ],
    [
      [2, 2],
      [2, 2],
      [0, 0, 0, 0],
    ],
    [
      [4, 3],
      [3, 2],
      [2, 1, 1, 1],
    ],
  ] as const) {
    for (const include of [0, 1]) {
      const facts = { attributes: { kernel_shape: [...k], strides: [...s], pads: [...p], count_include_pad: include } };
      const norm2 = spectralNorm(
        jacobian(
          pool(7, 6, k, s, p, true, include === 1),
          Array.from({ length: 42 }, () => 0),
        ),
      );
      const sized = of('AveragePool', { ...facts, dims: [[1, 1, 7, 6]] }).lipschitz;
      const unsized = of('AveragePool', facts).lipschitz;
      assert.ok(
        norm2 <= sized * (1 + 1e-9) && sized <= unsized * (1 + 1e-12),
        `${k} / ${s} + ${p}: ${norm2} ${sized} ${unsized}`,
      );
      assert.ok(sized < 1.6 * norm2, `${k} / ${s} + ${p}: ${sized} is far above ${norm2}`);
    }
  }
  assert.is(of('MaxPool').lipschitz, Number.POSITIVE_INFINITY);
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
