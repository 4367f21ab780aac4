import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { curvatureOf } from '../../src/curvature/operators.ts';
import { composeError, composeGraph, type GraphStage } from '../../src/verify/theorem34.ts';
import { throws } from '../throws.ts';
import { added, norm } from '../curvature/numeric.ts';
import { loadWasm, random } from '../helpers.ts';
import { apply, type Dense, minus, operatorNorm, pointInBall, quantizeTensor, randomDense } from './networks.ts';

const wasm = await loadWasm();

test('three stages against the formula written out', () => {
  const [l1, l2, l3, e1, e2, e3] = [1.7, 0.3, 2.9, 0.011, 0.5, 0.0007];
  const { total, contributions, amplifications } = composeError([
    { lipschitz: l1, error: e1 },
    { lipschitz: l2, error: e2 },
    { lipschitz: l3, error: e3 },
  ]);
  assert.ok(Math.abs(total - (l3 * l2 * e1 + l3 * e2 + e3)) < 1e-12);
  assert.equal(amplifications, [l3 * l2, l3, 1]);
  assert.equal(contributions, [l3 * l2 * e1, l3 * e2, e3]);
  assert.is(composeError([]).total, 0);
});

test('no error stays none whatever the amplification', () => {
  assert.is(
    composeError([
      { lipschitz: 1, error: 0 },
      { lipschitz: Number.POSITIVE_INFINITY, error: 2 },
    ]).total,
    2,
  );
  assert.is(
    composeError([
      { lipschitz: 1, error: 1 },
      { lipschitz: Number.POSITIVE_INFINITY, error: 2 },
    ]).total,
    Number.POSITIVE_INFINITY,
  );
});

/** Sum over all paths from a node to an output of the products of constants, by walking every path. */
function paths(nodes: readonly GraphStage[], outputs: readonly string[], from: string): number {
  let sum = outputs.includes(from) ? 1 : 0;
  for (const node of nodes) {
    node.inputs.forEach((input, k) => {
      if (input === from)
        sum +=
          (typeof node.lipschitz === 'number' ? node.lipschitz : node.lipschitz[k]!) * paths(nodes, outputs, node.name);
    });
  }
  return sum;
}

test('graphs: the amplification is the sum over all paths', () => {
  for (let seed = 0; seed < 40; seed++) {
    const next = random(seed);
    const nodes: GraphStage[] = [];
    for (let i = 0; i < 9; i++) {
      const inputs = Array.from({ length: 1 + Math.floor(next() * 3) }, () =>
        i === 0 || next() < 0.2 ? 'x' : `n${Math.floor(next() * i)}`,
      );
      nodes.push({
        name: `n${i}`,
        inputs,
        lipschitz: next() < 0.5 ? 2 * next() : inputs.map(() => 2 * next()),
        error: next(),
      });
    }
    const outputs = ['n8', 'n5'];
    const { total, contributions } = composeGraph(nodes, outputs);
    let sum = 0;
    contributions.forEach((c, i) => {
      const want = paths(nodes, outputs, `n${i}`);
      assert.ok(Math.abs(c.amplification - want) <= 1e-12 * Math.max(1, want), `seed ${seed}, n${i}`);
      sum += want * nodes[i]!.error;
    });
    assert.ok(Math.abs(total - sum) <= 1e-12 * sum);
  }
});

test('a chain as a graph gives the same', () => {
  const next = random(5);
  const chain = Array.from({ length: 7 }, () => ({ lipschitz: 2 * next(), error: next() }));
  const nodes = chain.map((s, i) => ({ ...s, name: `n${i}`, inputs: [i === 0 ? 'x' : `n${i - 1}`] }));
  assert.is(composeGraph(nodes, ['n6']).total, composeError(chain).total);
});

const ACTIVATIONS: readonly [string, (x: number) => number][] = [
  ['Relu', (x) => Math.max(0, x)],
  ['Tanh', Math.tanh],
  ['Sigmoid', (x) => 1 / (1 + Math.exp(-x))],
  ['Softplus', (x) => Math.log1p(Math.exp(x))],
];

/**
 * A bound for every input of the ball: a layer's own error is |dW| times the largest norm its input can have in the exact
 * network, amplified by the norms of the quantized layers after it.
 */
test('property: the proved bound is never exceeded on random networks, residual branches included', () => {
  let closest = 0;
  for (let seed = 0; seed < 60; seed++) {
    const next = random(1000 + seed);
    const [opType, activation] = ACTIVATIONS[seed % ACTIVATIONS.length]!;
    const slope = curvatureOf(opType)!.lipschitz;
    const width = 4 + Math.floor(next() * 6);
    const depth = 1 + Math.floor(next() * 4);
    const residual = seed % 2 === 1;
    const layers: Dense[] = Array.from({ length: depth }, () => randomDense(width, width, next));
    const bits = layers.map(() => 2 + Math.floor(next() * 7));
    const quantized = layers.map((l, i) => quantizeTensor(l.weight, bits[i]!));
    const radius = 0.5 + 2 * next();

    const nodes: GraphStage[] = [];
    let reach = radius;
    let value = 'x';
    layers.forEach((layer, i) => {
      const exact = operatorNorm(wasm, layer.weight, width, width);
      const error = operatorNorm(wasm, minus(quantized[i]!, layer.weight), width, width) * reach;
      nodes.push({
        name: `linear${i}`,
        inputs: [value],
        lipschitz: operatorNorm(wasm, quantized[i]!, width, width),
        error,
      });
      nodes.push({ name: `act${i}`, inputs: [`linear${i}`], lipschitz: slope, error: 0 });
      // |act(y)| <= |act(0)| sqrt(width) + slope |y|
      const out = Math.abs(activation(0)) * Math.sqrt(width) + slope * (exact * reach + norm(layer.bias));
      if (residual) {
        nodes.push({ name: `add${i}`, inputs: [`act${i}`, value], lipschitz: 1, error: 0 });
        reach += out;
      } else reach = out;
      value = residual ? `add${i}` : `act${i}`;
    });
    const { total } = composeGraph(nodes, [value]);
    const run = (weights: readonly Float64Array[], x: readonly number[]): number[] =>
      layers.reduce<number[]>(
        (v, layer, i) => {
          const y = apply(layer, weights[i]!, v).map(activation);
          return residual ? added(y, v) : y;
        },
        [...x],
      );
    for (let trial = 0; trial < 50; trial++) {
      const x = pointInBall(width, radius, next);
      const error = norm(
        added(
          run(quantized, x),
          run(
            layers.map((l) => l.weight),
            x,
          ),
          -1,
        ),
      );
      assert.ok(error <= total * (1 + 1e-12), `seed ${seed}: error ${error} exceeds the bound ${total}`);
      closest = Math.max(closest, error / total);
    }
  }
  // A bound far above everything would prove nothing about this test.
  assert.ok(closest > 0.2, `${closest}`);
});

test('property: the per-sample bound, with the exact error of each layer on the sample, is never exceeded and is nearer', () => {
  for (let seed = 0; seed < 40; seed++) {
    const next = random(seed);
    const width = 6;
    const layers = Array.from({ length: 3 }, () => randomDense(width, width, next));
    const quantized = layers.map((l) => quantizeTensor(l.weight, 4));
    const x = pointInBall(width, 2, next);
    let exact = x;
    const stages = layers.map((layer, i) => {
      const error = norm(added(apply(layer, quantized[i]!, exact), apply(layer, layer.weight, exact), -1));
      const global = operatorNorm(wasm, minus(quantized[i]!, layer.weight), width, width) * norm(exact);
      assert.ok(error <= global * (1 + 1e-12));
      exact = apply(layer, layer.weight, exact).map(Math.tanh);
      return { lipschitz: operatorNorm(wasm, quantized[i]!, width, width), error };
    });
    const bound = composeError(stages).total;
    const wrong = layers.reduce((v, layer, i) => apply(layer, quantized[i]!, v).map(Math.tanh), x);
    assert.ok(norm(added(wrong, exact, -1)) <= bound * (1 + 1e-12));
  }
});

test('wrong graphs are named', () => {
  const node = (name: string, inputs: string[], lipschitz: number | number[] = 1): GraphStage => ({
    name,
    inputs,
    lipschitz,
    error: 0,
  });
  throws(() => composeGraph([node('a', ['x']), node('a', ['x'])], ['a']), RangeError, /'a': named twice/);
  throws(() => composeGraph([node('a', ['b']), node('b', ['x'])], ['b']), RangeError, /input 'b' is made later/);
  throws(() => composeGraph([node('a', ['a'])], ['a']), RangeError, /made later/);
  throws(() => composeGraph([node('a', ['x'])], ['z']), RangeError, /output 'z': no such node/);
  throws(() => composeGraph([node('a', ['x'], [1, 2])], ['a']), RangeError, /expected 1 Lipschitz constants, got 2/);
  throws(() => composeGraph([node('a', ['x'], -1)], ['a']), RangeError, />= 0/);
  throws(() => composeError([{ lipschitz: 1, error: Number.NaN }]), RangeError, /stage 0, error/);
});

test.run();
