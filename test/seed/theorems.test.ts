import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { layerSpectrum } from '../../src/curvature/spectra.ts';
import { PrecisionRequirement } from '../../src/verify/requirement.ts';
import { composeError } from '../../src/verify/theorem34.ts';
import { leastError, recommendedBits, requiredBits, wholeBits } from '../../src/verify/theorem47.ts';
import { added, norm } from '../curvature/numeric.ts';
import { loadWasm, normals, random } from '../helpers.ts';
import { bestError, minSecondDerivative, SEGMENTS, sampleSlack, samples } from '../verify/evaluations.ts';
import { apply, minus, operatorNorm, pointInBall, quantizeTensor, randomDense } from '../verify/networks.ts';

const wasm = await loadWasm();

test('Test 1: lower bound of Theorem 4.7 on a layer of known curvature', () => {
  // A 10 x 10 layer with singular values 1 ... 100: rotations of a diagonal matrix, as the document sets its weights.
  const n = 10;
  const next = random(1);
  const rows = new Float32Array(n * n);
  for (let i = 0; i < n; i++) rows[i * n + i] = 100 ** (i / (n - 1));
  for (let turn = 0; turn < 40; turn++) {
    const [i, j] = [Math.floor(next() * n), Math.floor(next() * n)];
    if (i === j) continue;
    const [c, s] = [Math.cos(turn), Math.sin(turn)];
    for (let k = 0; k < n; k++) {
      const [a, b] = [rows[i * n + k]!, rows[j * n + k]!];
      rows[i * n + k] = c * a - s * b;
      rows[j * n + k] = s * a + c * b;
    }
  }
  const layer = { opType: 'Gemm', dims: [n, n], rows: n, cols: n, groups: 1, nodes: [] };
  const { sigmaMax, condition } = layerSpectrum(wasm, layer, () => rows);
  assert.ok(Math.abs(sigmaMax - 100) < 1e-3 && Math.abs(condition - 100) < 1e-2);

  // The document's formula: kappa = 100, D = 2, eps = 1e-6 gives log2(4e8) = 28.6 bits ("about 27" there); fp64 has 52.
  const recommended = recommendedBits(sigmaMax, 2, 1e-6);
  assert.ok(Math.abs(recommended - 28.575) < 1e-3, `${recommended}`);
  assert.ok(recommended <= 52);
  // What is proved necessary: the bilinear layer has second derivative 2 kappa along its diagonal, so 25.6 bits, 26 in whole.
  const required = requiredBits(2 * sigmaMax, 2, 1e-6);
  assert.ok(Math.abs(required - 25.575) < 1e-3, `${required}`);
  assert.is(wholeBits((2 * sigmaMax * 4) / 16e-6), 26);
  const requirement = new PrecisionRequirement('linear', sigmaMax, 1, 1e-6);
  assert.equal([requirement.computeMinBits(), requirement.recommendedBits()], [26, 29]);

  // Verified on the map itself, t -> sigma t^2 on [-1, 1], at a width where all evaluations can be tried: none beats the bound.
  const f = { name: 'layer', f: (t: number) => sigmaMax * t * t, secondDerivative: () => 2 * sigmaMax, lo: -1, hi: 1 };
  const values = samples(f, 8001);
  for (const p of [2, 5, 8])
    assert.ok(bestError(values, 2 ** p) + sampleSlack(values) >= leastError(2 * sigmaMax, 2, p));
});

test('Test 6: compositional error of Theorem 3.4, by hand and as a bound never violated', () => {
  const next = random(6);
  let closest = 0;
  for (let network = 0; network < 20; network++) {
    const sizes = [12, 9, 7, 4];
    const layers = [0, 1, 2].map((i) => randomDense(sizes[i + 1]!, sizes[i]!, next));
    const bits = [4, 6, 3];
    const quantized = layers.map((l, i) => quantizeTensor(l.weight, bits[i]!));
    const radius = 1.5;
    const bounds = layers.map((l, i) => operatorNorm(wasm, quantized[i]!, l.rows, l.cols));
    // Errors over the whole ball: |dW| times the largest norm of the exact network's input to the layer; ReLU does not add.
    let reach = radius;
    const errors = layers.map((l, i) => {
      const error = operatorNorm(wasm, minus(quantized[i]!, l.weight), l.rows, l.cols) * reach;
      reach = operatorNorm(wasm, l.weight, l.rows, l.cols) * reach + norm(l.bias);
      return error;
    });
    const { total, contributions } = composeError(layers.map((_, i) => ({ lipschitz: bounds[i]!, error: errors[i]! })));
    const [, l2, l3] = bounds as [number, number, number];
    const [e1, e2, e3] = errors as [number, number, number];
    assert.ok(Math.abs(total - (l3 * l2 * e1 + l3 * e2 + e3)) <= 1e-12 * total);
    assert.ok(Math.abs(contributions[0]! - l3 * l2 * e1) <= 1e-12 * total);
    const run = (weights: readonly Float64Array[], x: readonly number[]): number[] =>
      layers.reduce<number[]>((v, l, i) => apply(l, weights[i]!, v).map((y) => (i < 2 ? Math.max(0, y) : y)), [...x]);
    for (let trial = 0; trial < 200; trial++) {
      const x = pointInBall(12, radius, next);
      const measured = norm(
        added(
          run(quantized, x),
          run(
            layers.map((l) => l.weight),
            x,
          ),
          -1,
        ),
      );
      assert.ok(measured <= total, `${measured} exceeds ${total}`);
      closest = Math.max(closest, measured / total);
    }
  }
  assert.ok(closest > 0.02, `${closest}`);
});

test('Test 12: below the proved bound every evaluation misses the target, above it enough bits reach it', () => {
  for (const s of SEGMENTS) {
    const kappa = minSecondDerivative(s);
    const diameter = s.hi - s.lo;
    const values = samples(s, 8001);
    const slack = sampleSlack(values);
    const spreadOf = Math.max(...values) - Math.min(...values);
    for (const target of [0.02, 0.005, 0.001]) {
      const least = Math.max(0, Math.ceil(requiredBits(kappa, diameter, target) - 1e-9));
      for (let bits = Math.max(0, least - 2); bits <= least + 2; bits++) {
        const best = bestError(values, 2 ** bits);
        if (bits < least)
          assert.ok(
            best + slack > target,
            `${s.name}: ${bits} bits reach ${best}, ${least} are required for ${target}`,
          );
      }
      // Enough is osc f / 2^(p+1) <= target: for a quadratic through its vertex that is the bound itself, within a bit elsewhere.
      const enough = Math.max(0, Math.ceil(Math.log2(spreadOf / (2 * target)) - 1e-9));
      assert.ok(enough >= least);
      assert.ok(bestError(values, 2 ** enough) <= target * (1 + 1e-9), s.name);
      if (s.name.startsWith('x^2')) assert.is(enough, least, 'tight for a quadratic');
    }
  }
});

test("Test 12: the document's own loop, a quantized weight, misses its target below the width that the grid's step sets and meets it from there", () => {
  const weight = Float64Array.from(normals(4096, random(12), 0.05));
  const largest = weight.reduce((m, w) => Math.max(m, Math.abs(w)), 0);
  for (const target of [0.02, 0.004, 0.0007]) {
    // Half a step, max|w| / (2 (2^(b-1) - 1)), is the most a rounded weight can be off.
    let enough = 2;
    while (largest / (2 * (2 ** (enough - 1) - 1)) > target) enough++;
    // Any 2^b values leave an error of at least the range they must cover / 2^(b+1): the necessary width.
    const range = weight.reduce((m, w) => Math.max(m, w), 0) - weight.reduce((m, w) => Math.min(m, w), 0);
    let error = Number.POSITIVE_INFINITY;
    for (let bits = 2; bits <= enough + 2; bits++) {
      const quantized = quantizeTensor(weight, bits);
      const now = minus(quantized, weight).reduce((m, d) => Math.max(m, Math.abs(d)), 0);
      assert.ok(now < error, `${bits} bits: ${now} is no better than ${error}`);
      error = now;
      if (bits >= enough) assert.ok(error <= target * (1 + 1e-12), `${bits} bits: ${error} misses ${target}`);
      if (largest / (2 * (2 ** (bits - 1) - 1)) > 1.1 * target)
        assert.ok(error > target, `${bits} bits: ${error} meets ${target}`);
    }
    assert.ok(range <= 2 * largest);
  }
});

test.run();
