import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { OperatorCurvature } from '../../src/curvature/operators.ts';
import { random } from '../helpers.ts';
import { near, of } from './constants.ts';
import { added, climb, jacobian, type Mapping, norm, secondDifference, spectralNorm, type Vector } from './numeric.ts';

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

test('Pad: 1 with a constant, unbounded where elements are repeated', () => {
  assert.is(of('Pad', { attributes: { mode: 'constant' } }).lipschitz, 1);
  for (const mode of ['reflect', 'edge', 'wrap'])
    assert.is(of('Pad', { attributes: { mode } }).lipschitz, Number.POSITIVE_INFINITY);
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

test.run();
