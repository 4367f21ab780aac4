import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { distil } from '../../src/gradient/index.ts';
import { Session } from '../../src/graph/index.ts';
import type { Model } from '../../src/onnx/model.ts';
import { sizeOf, type Tensor, tensor } from '../../src/tensor.ts';
import { graph, modelOf, node } from '../graph/build.ts';
import { loadWasm, normals, random } from '../helpers.ts';

const wasm = await loadWasm();
const floats = (dims: readonly number[], seed: number, scale = 1): Tensor =>
  tensor('float', dims, normals(sizeOf(dims), random(seed), scale));
const filled = (n: number, value: number): Tensor => tensor('float', [n], new Float32Array(n).fill(value));

type Statistics = Readonly<Record<string, Tensor>>;
const START: Statistics = { m1: filled(6, 0), v1: filled(6, 1), m2: filled(5, 0), v2: filled(5, 1) };

/** Conv, BatchNormalization, an operator, Conv, BatchNormalization; outputs what the two normalise as well. */
function net(statistics: Statistics, between = 'Relu', inner: readonly string[] = []): Model {
  return modelOf(
    graph(
      ['x:float[N,2,8,8]'],
      ['y', ...inner],
      [
        node('Conv', 'x,w1', 'a'),
        node('BatchNormalization', 'a,s1,o1,m1,v1', 'b'),
        node(between, 'b', 'c'),
        node('Conv', 'c,w2', 'd'),
        node('BatchNormalization', 'd,s2,o2,m2,v2', 'y'),
      ],
      {
        w1: floats([6, 2, 3, 3], 1, 0.5),
        w2: floats([5, 6, 3, 3], 2, 0.3),
        s1: floats([6], 3),
        o1: floats([6], 4),
        s2: filled(5, 1),
        o2: filled(5, 0),
        ...statistics,
      },
    ),
  );
}

/** Mean and variance of every channel of a value over a batch. */
function channels(t: Tensor): { mean: Tensor; variance: Tensor } {
  const [n, c] = t.dims as [number, number];
  const inner = sizeOf(t.dims.slice(2));
  const mean = new Float32Array(c);
  const variance = new Float32Array(c);
  for (let ch = 0; ch < c; ch++) {
    const own: number[] = [];
    for (let s = 0; s < n; s++) for (let i = 0; i < inner; i++) own.push(Number(t.data[(s * c + ch) * inner + i]));
    mean[ch] = own.reduce((a, b) => a + b, 0) / own.length;
    variance[ch] = own.reduce((a, b) => a + (b - mean[ch]!) ** 2, 0) / own.length;
  }
  return { mean: tensor('float', [c], mean), variance: tensor('float', [c], variance) };
}

function values(model: Model, x: Tensor): { a: Tensor; d: Tensor } {
  const session = new Session(model, wasm);
  try {
    const { a, d } = session.run({ x }, { fetch: ['a', 'd'] });
    return { a: a!, d: d! };
  } finally {
    session.dispose();
  }
}

/** The statistics that some data leaves: those of `d` come behind the first, normalised by its own. */
function remembered(x: Tensor): Statistics {
  const one = channels(values(net(START), x).a);
  const first = { ...START, m1: one.mean, v1: one.variance };
  const two = channels(values(net(first), x).d);
  return { ...first, m2: two.mean, v2: two.variance };
}

const REAL = tensor(
  'float',
  [16, 2, 8, 8],
  normals(2048, random(8)).map((v) => 2 + 0.5 * Math.abs(v)),
);
const statistics = remembered(REAL);

/** The loss by its definition, in f64. */
function lossOf(x: Tensor): number {
  const { a, d } = values(net(statistics), x);
  let loss = 0;
  for (const [value, m, v] of [
    [a, statistics.m1!, statistics.v1!],
    [d, statistics.m2!, statistics.v2!],
  ] as const) {
    const { mean, variance } = channels(value);
    for (let c = 0; c < mean.data.length; c++) {
      const off = Number(mean.data[c]) - Number(m.data[c]);
      const offDeviation = Math.sqrt(Number(variance.data[c])) - Math.sqrt(Number(v.data[c]));
      loss += (off ** 2 + offDeviation ** 2) / Number(v.data[c]) / mean.data.length;
    }
  }
  return loss;
}

const starts = [floats([16, 2, 8, 8], 20), floats([16, 2, 8, 8], 21)];

test('inputs come to have the statistics of the data that the model remembers', async () => {
  const found = await distil(
    wasm,
    net(statistics),
    'x',
    starts.map((x) => ({ x })),
    { steps: 80 },
  );
  assert.ok(found.ok, JSON.stringify(found));
  if (!found.ok) return;
  assert.is(found.nodes, 2);
  assert.is(found.inputs.length, 2);
  const mean = (list: readonly Tensor[]) => list.reduce((sum, x) => sum + lossOf(x), 0) / list.length;
  assert.ok(Math.abs(found.before / mean(starts) - 1) < 1e-3, `${found.before}, ${mean(starts)}`);
  assert.ok(Math.abs(found.after / mean(found.inputs) - 1) < 1e-2, `${found.after}, ${mean(found.inputs)}`);
  assert.ok(found.after < found.before / 50, `${found.before} to ${found.after}`);
  const drawn = (starts[0]!.data as Float32Array).reduce((s, v) => s + v, 0);
  assert.ok(Math.abs(drawn / starts[0]!.data.length) < 0.2, 'what was given is not written to');
  assert.is(wasm.arena.used, 0, 'memory was not freed');
});

test('the same start gives the same inputs', async () => {
  const run = async () => {
    const found = await distil(wasm, net(statistics), 'x', [{ x: starts[0]! }], { steps: 5 });
    return found.ok ? [...(found.inputs[0]!.data as Float32Array)] : [];
  };
  const once = await run();
  assert.is(once.length, 2048);
  assert.equal(await run(), once);
});

test('the data itself is left where it is', async () => {
  const found = await distil(wasm, net(statistics), 'x', [{ x: REAL }], { steps: 2 });
  assert.ok(found.ok ? found.before < 1e-6 : /no step came nearer/.test(found.obstacle), JSON.stringify(found));
});

test('no statistics, no gradient: an obstacle that says so', async () => {
  const bare = modelOf(graph(['x:float[N,2,8,8]'], ['y'], [node('Conv', 'x,w', 'y')], { w: floats([3, 2, 1, 1], 1) }));
  const none = await distil(wasm, bare, 'x', [{ x: starts[0]! }]);
  assert.equal(none, { ok: false, obstacle: 'no BatchNormalization node with statistics' });
  const integer = modelOf(
    graph(
      ['x:float[N,2,8,8]'],
      ['y'],
      [
        node('Cast', 'x,', 'i', { to: { type: 'int', value: 7 } }),
        node('Cast', 'i', 'f', { to: { type: 'int', value: 1 } }),
        node('BatchNormalization', 'f,s,o,m,v', 'y'),
      ].map((n) => (n.inputs[1] === '' ? { ...n, inputs: ['x'] } : n)),
      { s: filled(2, 1), o: filled(2, 0), m: filled(2, 3), v: filled(2, 1) },
    ),
  );
  const stuck = await distil(wasm, integer, 'x', [{ x: starts[0]! }], { steps: 3 });
  assert.not.ok(stuck.ok, JSON.stringify(stuck));
  assert.is(wasm.arena.used, 0, 'memory was not freed');
});

test('statistics that are no numbers, and dead channels, do no harm', async () => {
  const dead = { ...statistics, v1: tensor('float', [6], Float32Array.of(0, 1e-20, 1, 1, 1, 1)) };
  const found = await distil(wasm, net(dead), 'x', [{ x: starts[0]! }], { steps: 10 });
  assert.ok(found.ok, JSON.stringify(found));
  if (found.ok) assert.ok([...(found.inputs[0]!.data as Float32Array)].every(Number.isFinite));
  const broken = { ...statistics, m1: filled(6, Number.NaN) };
  const left = await distil(wasm, net(broken), 'x', [{ x: starts[0]! }], { steps: 2 });
  assert.not.ok(left.ok && left.nodes > 1, 'a node without finite statistics has no say');
});

test.run();
