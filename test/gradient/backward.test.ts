import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { backward, response, weightGradient } from '../../src/gradient/index.ts';
import { findLayers, prepareModel, Session } from '../../src/graph/index.ts';
import { makeInitializer, makeNode, readModel, writeModel } from '../../src/onnx/index.ts';
import type { Model, Node } from '../../src/onnx/model.ts';
import { DATA_TYPES, sizeOf, type Tensor, tensor } from '../../src/tensor.ts';
import { feeds, load, NAMES } from '../graph/models.ts';
import { float, floats, int, of, wasm } from '../ops/compare.ts';
import { throws } from '../throws.ts';
import { seedOf } from './check.ts';

const NONE = new Uint8Array(0);

/** A model of these nodes, fed with x, its outputs named. */
function network(
  nodes: readonly Node[],
  x: Tensor,
  weights: Readonly<Record<string, Tensor>>,
  outputs: string[],
): Model {
  const model: Model = {
    irVersion: 8,
    opsets: new Map([['', 17]]),
    producer: 'test',
    functions: [],
    rest: NONE,
    graph: {
      name: 'g',
      nodes,
      initializers: Object.entries(weights).map(([name, t]) => makeInitializer(name, t)),
      inputs: [{ name: 'x', elemType: DATA_TYPES[x.dtype], dims: x.dims.map(() => null) }],
      outputs: outputs.map((name) => ({ name, elemType: undefined, dims: undefined })),
      valueInfo: [],
      rest: NONE,
    },
  };
  return readModel(writeModel(model), 'network');
}

/** Runs and differentiates; the seed of every output is 1 throughout. */
function differentiate(model: Model, x: Tensor, wanted?: readonly string[]) {
  const before = wasm.arena.used;
  const session = new Session(model, wasm);
  const trace = session.trace({ x });
  const seeds = new Map(
    session.outputs.map(({ name }) => [name, new Float32Array(sizeOf(session.value(trace, name).dims)).fill(1)]),
  );
  const visited: string[] = [];
  const visit = ({ node }: { node: Node }) => visited.push(node.opType);
  const made = backward(wasm, session, trace, seeds, visit, wanted ? { wanted: new Set(wanted) } : {});
  session.release(trace);
  session.dispose();
  assert.is(wasm.arena.used, before, 'memory was not freed');
  return { made, visited };
}

function gradientOf(model: Model, x: Tensor, name: string): number[] {
  const { made } = differentiate(model, x, [name]);
  if (!made.ok) throw new Error(made.obstacle);
  return Array.from(made.gradients.get(name) ?? []);
}

const x = of([3], 1, -2, 3);

test('a value that is used several times, and put out as well, gathers all its gradients', () => {
  const nodes = [
    makeNode('Mul', ['x', 'x'], ['a']),
    makeNode('Add', ['a', 'x'], ['b']),
    makeNode('Identity', ['a'], ['c']),
    makeNode('Neg', ['c'], ['d']),
  ];
  // b = x^2 + x, d = -x^2, a = x^2: the sum is x^2 + x.
  assert.equal(gradientOf(network(nodes, x, {}, ['b', 'd', 'a']), x, 'x'), [3, -3, 7]);
});

test('nodes are visited from the end, and only those between what is wanted and the outputs', () => {
  const w = of([3, 2], 1, 2, 3, 4, 5, 6);
  const nodes = [
    makeNode('QuantizeLinear', ['x', 's'], ['q']),
    makeNode('DequantizeLinear', ['q', 's'], ['a']),
    makeNode('MatMul', ['a', 'w'], ['b']),
    makeNode('Relu', ['b'], ['c']),
    makeNode('Exp', ['x'], ['unused']),
  ];
  const model = network(nodes, x, { w, s: of([], 0.5) }, ['c']);
  const { made, visited } = differentiate(model, x, ['b']);
  assert.is(made.ok, true);
  assert.equal(visited, ['Relu', 'MatMul']);
  assert.equal(gradientOf(model, x, 'w'), [1, 1, 0, 0, 3, 3]);
});

test('an operator without a gradient is named, with its node, and memory is given back', () => {
  const scale = of([], 0.5);
  const nodes = [
    makeNode('Exp', ['x'], ['a']),
    makeNode('QuantizeLinear', ['a', 's'], ['b']),
    makeNode('DequantizeLinear', ['b', 's'], ['c'], {}, { name: 'back' }),
  ];
  const { made } = differentiate(network(nodes, x, { s: scale }, ['c']), x, ['x']);
  assert.is(made.ok, false);
  assert.match(made.ok ? '' : made.obstacle, /back.*DequantizeLinear has no gradient/);
});

test('half precision is an obstacle; integers that come of floats pass nothing on', () => {
  const half = [
    makeNode('Cast', ['x'], ['a'], { to: int(10) }),
    makeNode('Exp', ['a'], ['b']),
    makeNode('Cast', ['b'], ['c'], { to: int(1) }),
  ];
  const { made } = differentiate(network(half, x, {}, ['c']), x, ['x']);
  assert.match(made.ok ? '' : made.obstacle, /Cast.*no gradient for type float16/);
  const whole = [
    makeNode('Cast', ['x'], ['a'], { to: int(7) }),
    makeNode('Cast', ['a'], ['b'], { to: int(1) }),
    makeNode('Add', ['b', 'x'], ['c']),
  ];
  assert.equal(gradientOf(network(whole, x, {}, ['c']), x, 'x'), [1, 1, 1]);
});

test('seeds that are no output, or have another length, are refused', () => {
  const session = new Session(network([makeNode('Exp', ['x'], ['y'])], x, {}, ['y']), wasm);
  const trace = session.trace({ x });
  const seeded = (name: string, n: number) => () =>
    backward(wasm, session, trace, new Map([[name, new Float32Array(n)]]), () => {});
  throws(seeded('z', 3), RangeError, /no output "z"/);
  throws(seeded('y', 2), RangeError, /output "y" is float \[3\], the seed has 2/);
  session.dispose();
});

test('weightGradient and response of a visited node: the gradient of its weight, and what a change of that does', () => {
  const w = floats([4, 3]);
  const bias = floats([3]);
  const input = floats([5, 4]);
  const model = network([makeNode('Gemm', ['x', 'w', 'c'], ['y'], { alpha: float(0.5) })], input, { w, c: bias }, [
    'y',
  ]);
  const session = new Session(model, wasm);
  const trace = session.trace({ x: input });
  const used = wasm.arena.used;
  const seed = seedOf(15);
  const change = floats([4, 3]);
  let seen = 0;
  const made = backward(
    wasm,
    session,
    trace,
    new Map([['y', seed]]),
    (call) => {
      const gradient = weightGradient(wasm, call, 1)!;
      const slope = gradient.reduce((s, g, i) => s + g * Number(change.data[i]), 0);
      const moved = response(wasm, call, 1, change, (dy) => Float32Array.from(dy.data as Float32Array));
      const expected = moved.reduce((s, d, i) => s + d * seed[i]!, 0);
      assert.ok(Math.abs(slope - expected) < 1e-4, `${slope}, ${expected}`);
      assert.is(moved.length, 15);
      assert.equal(Array.from(weightGradient(wasm, call, 2)!).length, 3);
      seen++;
    },
    { wanted: new Set(['w']) },
  );
  assert.is(seen, 1);
  assert.is(made.ok, true);
  assert.is(wasm.arena.used, used);
  session.dispose();
});

/** The slope of the score along the gradient in a weight, by the gradient and by a difference, the weight's size as the unit. */
function slopes(session: Session, model: Model, given: Record<string, Tensor>, weight: string) {
  const trace = session.trace(given);
  const output = session.outputs[0]!.name;
  const seed = seedOf(sizeOf(session.value(trace, output).dims));
  const made = backward(wasm, session, trace, new Map([[output, seed]]), () => {}, { wanted: new Set([weight]) });
  session.release(trace);
  if (!made.ok) throw new Error(made.obstacle);
  const w = model.graph.initializers.find((i) => i.name === weight)!.tensor().data as Float32Array;
  const gradient = made.gradients.get(weight)!;
  const norm = (t: Float32Array) => Math.sqrt(t.reduce((s, v) => s + v * v, 0));
  const unit = norm(w) / norm(gradient);
  // Small: ReLU networks are straight only between their kinks.
  const h = 3e-5;
  const at = (step: number) => {
    const data = w.map((v, i) => v + step * unit * gradient[i]!);
    const { dims } = model.graph.initializers.find((i) => i.name === weight)!;
    const y = session.run(given, { weights: new Map([[weight, tensor('float', dims, data)]]) })[output]!;
    return (y.data as Float32Array).reduce((s, v, i) => s + v * seed[i]!, 0);
  };
  return { slope: norm(gradient) * norm(w), difference: (at(h) - at(-h)) / (2 * h) };
}

for (const name of NAMES)
  test(`${name}: the slope along each layer's gradient is what differences say`, () => {
    const model = prepareModel(load(name));
    const { layers } = findLayers(model);
    const session = new Session(model, wasm);
    const given = feeds(name, 2, 9);
    const some = layers.filter((_, i) => i % Math.ceil(layers.length / 8) === 0 || i === layers.length - 1);
    for (const layer of some) {
      const { slope, difference } = slopes(session, model, given, layer.weight);
      assert.ok(
        Math.abs(slope - difference) <= 0.02 * Math.abs(difference),
        `${layer.name}: ${slope}, difference ${difference}`,
      );
    }
    session.dispose();
  });

test.run();
