import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Plan, PlanLayer } from '../../src/allocate/types.ts';
import { ModelError, UnsupportedError, UsageError } from '../../src/errors.ts';
import { allGraphs } from '../../src/graph/bodies.ts';
import { findLayers, Session } from '../../src/graph/index.ts';
import { fakeQuantize, fitGrid, fromRows, toRows } from '../../src/grid/index.ts';
import { makeInitializer, makeNode, makeValueInfo, readModel, withGraph, writeModel } from '../../src/onnx/index.ts';
import type { Graph, Model } from '../../src/onnx/model.ts';
import { PrecisionAwareQuantizer, ROUNDINGS } from '../../src/quantize/index.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { body, flag, fn, graph } from '../graph/build.ts';
import { loadWasm, modelPath, normals, random } from '../helpers.ts';
import { CASES, model, planFor, separateLayers, weights } from './models.ts';
import { relativeDifference, RUNTIMES, runIn } from './run.ts';

const wasm = await loadWasm();
const quantizer = new PrecisionAwareQuantizer(wasm);

const only = (m: Model, change: Partial<PlanLayer> = {}): Plan => planFor(m, () => change);
const output = (m: Model, feeds: Readonly<Record<string, Tensor>>): Tensor => {
  const session = new Session(m, wasm);
  try {
    return Object.values(session.run(feeds))[0]!;
  } finally {
    session.dispose();
  }
};

/** Names that a graph itself gives a value. */
const madeIn = ({ initializers, inputs, nodes }: Graph): string[] => [
  ...[...initializers, ...inputs].map(({ name }) => name),
  ...nodes.flatMap((n) => n.outputs),
];

/** x [2, 16] -> MatMul with `w` [16, 20] -> y. */
function oneLayer(opset = 17, irVersion = 8): Model {
  return model(
    {
      nodes: [makeNode('MatMul', ['x', 'w'], ['y'], {}, { name: 'only' })],
      initializers: [makeInitializer('w', weights([16, 20], 5))],
      inputs: [makeValueInfo('x', 'float', [2, 16])],
      outputs: [makeValueInfo('y', 'float', [2, 20])],
    },
    opset,
    irVersion,
  );
}
const feeds = { x: tensor('float', [2, 16], normals(32, random(9))) };

test('mnist-mlp at mixed widths agrees with our executor in node and web, in both formats', async () => {
  const mlp = readModel(new Uint8Array(readFileSync(modelPath('mnist-mlp.onnx'))));
  const name = mlp.graph.inputs[0]!.name;
  const image = {
    [name]: tensor(
      'float',
      [8, 784],
      normals(8 * 784, random(4), 0.3).map((v) => Math.abs(v)),
    ),
  };
  for (const [format, widths] of [
    ['dense', [3, 5, 2]],
    ['dense', [16, 7, 6]],
    ['qdq', [4, 8, 16]],
  ] as const) {
    const plan = planFor(mlp, (i) => ({ format, bits: widths[i % 3]!, symmetric: i !== 1 }));
    const result = quantizer.quantizeModel(mlp, plan);
    const bytes = writeModel(result.model);
    const ours = output(readModel(bytes), image).data as Float32Array;
    for (const runtime of RUNTIMES) {
      const theirs = Object.values(await runIn(runtime, bytes, image))[0]!;
      const difference = relativeDifference(ours, theirs);
      assert.ok(difference < 1e-4, `${format} ${widths} in ${runtime}: ${difference}`);
    }
  }
});

test('our executor decodes every operator’s weights exactly as reported', () => {
  const runnable = CASES.flatMap((c, i) => (c.opType === 'ConvTranspose' ? [] : [i]));
  for (const opset of [7, 13, 18, 21]) {
    const widths = [2, 3, 4, 5, 6, 7, 8, 16];
    const which = [...runnable, ...runnable, ...runnable];
    const { model: m, feeds: x } = separateLayers(which, opset);
    const plan = planFor(m, (i) => ({
      bits: widths[i % 8]!,
      granularity: (['channel', 5, 'tensor'] as const)[i % 3]!,
      symmetric: i % 2 === 0,
    }));
    const result = quantizer.quantizeModel(m, plan);
    const session = new Session(result.model, wasm);
    const plain = new Session(m, wasm);
    const found = session.run(x);
    const expected = plain.run(x, { weights: new Map(result.layers.map((l) => [l.weight, l.values])) });
    for (const name of Object.keys(expected))
      assert.equal(found[name]!.data, expected[name]!.data, `${name}, opset ${opset}`);
    session.dispose();
    plain.dispose();
  }
});

test('what is reported is what the grid gives', () => {
  const m = oneLayer();
  const result = quantizer.quantizeModel(m, only(m, { bits: 3, granularity: 'channel' }));
  const layer = result.layers[0]!;
  const w = toRows(wasm, m.graph.initializers[0]!.tensor().data as Float32Array, [16, 20], 1);
  const spec = { bits: 3, granularity: 'channel', symmetric: true, clip: 'mse', scaleType: 'float16' } as const;
  const v = fakeQuantize(wasm, w, fitGrid(wasm, w, 20, 16, spec));
  assert.equal(layer.values.data, fromRows(wasm, v, [16, 20], 1));
  assert.equal(layer.grid, { ...spec, scales: 20 });
  const squares = v.reduce((s, x, i) => s + (x - w[i]!) ** 2, 0);
  const norm = w.reduce((s, x) => s + x * x, 0);
  assert.ok(Math.abs(layer.mse - squares / 320) < 1e-9);
  assert.ok(Math.abs(layer.relativeError - squares / norm) < 1e-6);
  assert.is(
    layer.maxError,
    v.reduce((s, x, i) => Math.max(s, Math.abs(Math.fround(x - w[i]!))), 0),
  );
  assert.is(layer.gramError, undefined);
});

test('a Gram matrix chooses the ranges and is reported against', () => {
  const m = oneLayer();
  const gram = new Float32Array(256);
  for (let i = 0; i < 16; i++)
    for (let j = 0; j < 16; j++) gram[i * 16 + j] = (i === j ? 1 : 0) + (i < 4 && j < 4 ? 5 : 0);
  const grams = new Map([['w', { gram, groups: 1 }]]);
  const plan = only(m, { bits: 2 });
  const error = (clip: 'auto' | 'mse' | 'max'): number =>
    new PrecisionAwareQuantizer(wasm, { clip }).quantizeModel(m, plan, grams).layers[0]!.gramError!;
  assert.ok(error('auto') < error('mse'));
  assert.ok(error('auto') < error('max'));
  assert.is(quantizer.quantizeModel(m, plan, grams).layers[0]!.grid!.clip, 'gram');
});

test('a weight that several nodes share is decoded once', () => {
  const m = model(
    {
      nodes: [
        makeNode('MatMul', ['x', 'w'], ['a']),
        makeNode('MatMul', ['a', 'w'], ['b']),
        makeNode('Add', ['a', 'b'], ['y']),
      ],
      initializers: [makeInitializer('w', weights([16, 16], 2))],
      inputs: [makeValueInfo('x', 'float', [2, 16])],
      outputs: [makeValueInfo('y', 'float', [2, 16])],
    },
    13,
  );
  const result = quantizer.quantizeModel(m, only(m));
  assert.is(result.model.graph.nodes.filter((n) => n.outputs.includes('w')).length, 1);
  assert.is(result.layers.length, 1);
  const plain = new Session(m, wasm);
  const expected = plain.run(feeds, { weights: new Map([['w', result.layers[0]!.values]]) }).y!;
  assert.equal(output(result.model, feeds).data, expected.data);
});

test('a layer at 32 bits stays as it is, and a plan of such layers leaves the file alone', () => {
  const { model: m } = separateLayers([0, 2], 13);
  const half = quantizer.quantizeModel(
    m,
    planFor(m, (i) => ({ bits: i === 0 ? 32 : 4 })),
  );
  assert.ok(half.model.graph.initializers.includes(m.graph.initializers[0]!));
  assert.is(half.layers[0]!.bytes, 24 * 11 * 4);
  assert.is(half.layers[0]!.grid, undefined);
  assert.is(half.layers[0]!.mse, 0);
  const bytes = new Uint8Array(readFileSync(modelPath('mnist-mlp.onnx')));
  const whole = readModel(bytes);
  assert.equal(writeModel(quantizer.quantizeModel(whole, only(whole, { bits: 32 })).model), bytes);
});

test('names of the model are never taken again: of values, in bodies, in functions', async () => {
  const plain = oneLayer();
  for (const format of ['dense', 'integer', 'qdq'] as const) {
    const plan = (m: Model) => only(m, { bits: 4, format, symmetric: false });
    const { model: alone } = quantizer.quantizeModel(plain, plan(plain));
    const taken = madeIn(alone.graph).filter((name) => !['x', 'w', 'y'].includes(name));
    const [a, b, c = 'c', d = 'd', e = 'e'] = taken;
    const branch = (op: string, to: string) => body(graph([], [to], [makeNode(op, [a!], [to])]));
    const m: Model = {
      ...plain,
      opsets: new Map([...plain.opsets, ['my', 1]]),
      functions: [fn('F', 'in', 'out', [makeNode('Neg', ['in'], [e]), makeNode('Neg', [e], ['out'])])],
      graph: {
        ...plain.graph,
        initializers: [...plain.graph.initializers, makeInitializer('yes', flag(true))],
        nodes: [
          makeNode('Identity', ['x'], [a!]),
          makeNode('If', ['yes'], [b!], {
            then_branch: branch('Identity', c),
            else_branch: branch('Neg', d),
          }),
          makeNode('F', [b!], ['last'], {}, { domain: 'my' }),
          makeNode('MatMul', ['last', 'w'], ['y']),
        ],
      },
    };
    const { model: written } = quantizer.quantizeModel(m, plan(m));
    const made = [...allGraphs(written.graph)].flatMap(madeIn);
    assert.is(new Set(made).size, made.length, `${made}`);
    const expected = output(alone, feeds);
    for (const runtime of RUNTIMES) {
      const found = (await runIn(runtime, writeModel(written), feeds)).y!;
      assert.ok(relativeDifference(found, expected.data as Float32Array) < 1e-6, `${format} in ${runtime}`);
    }
  }
});

test('a weight listed among the inputs is listed no more; old IR versions become 4', async () => {
  const m3 = oneLayer(7, 3);
  const listed = withGraph(m3, { inputs: [...m3.graph.inputs, makeValueInfo('w', 'float', [16, 20])] });
  const result = quantizer.quantizeModel(listed, only(listed, { bits: 5 }));
  assert.is(result.model.irVersion, 4);
  assert.equal(
    result.model.graph.inputs.map((v) => v.name),
    ['x'],
  );
  for (const runtime of RUNTIMES)
    assert.ok(
      relativeDifference(
        (await runIn(runtime, writeModel(result.model), feeds)).y!,
        output(result.model, feeds).data as Float32Array,
      ) < 1e-6,
    );
});

test('qdq raises the opset where every operator means the same there', () => {
  const m = oneLayer(13);
  const { model: raised } = quantizer.quantizeModel(m, only(m, { format: 'qdq' }));
  assert.is(raised.opsets.get(''), 21);
  assert.ok(raised.irVersion >= 10);
  const old = withGraph(m, {
    nodes: [
      makeNode('ReduceMean', ['x'], ['mean'], { axes: { type: 'ints', value: [1] } }, { name: 'middle' }),
      makeNode('Sub', ['x', 'mean'], ['centred']),
      makeNode('MatMul', ['centred', 'w'], ['y']),
    ],
  });
  assert.throws(
    () => quantizer.quantizeModel(old, only(old, { format: 'qdq' })),
    (e: Error) =>
      e instanceof UnsupportedError &&
      /needs opset 21, the model has 13 and ReduceMean 'middle'.*dense/.test(e.message),
  );
  assert.is(quantizer.quantizeModel(old, only(old, { format: 'qdq', bits: 8 })).model.opsets.get(''), 13);
});

test('plans that do not fit are usage errors naming the layer', () => {
  const m = oneLayer();
  const fails = (change: Partial<PlanLayer>, pattern: RegExp): void =>
    assert.throws(
      () => quantizer.quantizeModel(m, only(m, change)),
      (e: Error) => e instanceof UsageError && pattern.test(e.message) && !e.message.includes('\n'),
    );
  fails({ bits: 3, format: 'qdq' }, /layer 'w': bits: format qdq has widths 2, 4, 8, 16 and 32, found 3/);
  fails({ bits: 9 }, /bits: format dense has widths 2, 3, 4, 5, 6, 7, 8, 16 and 32, found 9/);
  fails({ format: 'gguf' }, /format: expected one of dense, .*qdq, found 'gguf'/);
  fails({ format: 'toString' }, /format: expected one of/);
  fails({ rounding: 'up' }, /rounding: expected one of nearest, .*, found 'up'/);
  fails({ granularity: -1 }, /granularity/);
  fails({ symmetric: 1 as unknown as boolean }, /symmetric/);
  fails({ weight: 'v' }, /no quantizable weight 'v'/);
  const twice = { ...only(m), layers: [...only(m).layers, ...only(m).layers] };
  assert.throws(() => quantizer.quantizeModel(m, twice), /weight 'w' is listed twice/);
  assert.throws(
    () => new PrecisionAwareQuantizer(wasm, { clip: 'median' as 'mse' }),
    /clip: expected auto, max, mse or gram, found median/,
  );
});

test('a weight that is not finite is a model error naming it', () => {
  const bad = weights([16, 20], 1);
  (bad.data as Float32Array)[7] = Number.NaN;
  const m = withGraph(oneLayer(), { initializers: [makeInitializer('w', bad)] });
  assert.throws(
    () => quantizer.quantizeModel(m, only(m)),
    (e: Error) => e instanceof ModelError && /weight 'w': expected finite numbers, found NaN/.test(e.message),
  );
});

test('a new rounding is one entry of a table', () => {
  const m = oneLayer();
  const own = new PrecisionAwareQuantizer(wasm, {
    roundings: { down: (k, w, grid) => ROUNDINGS.nearest!(k, w, grid).map((c) => Math.max(0, c - 1)) },
  });
  const layer = own.quantizeModel(m, only(m, { rounding: 'down' })).layers[0]!;
  assert.ok(layer.mse > quantizer.quantizeModel(m, only(m)).layers[0]!.mse);
});

test('the same call gives the same file, layers are announced, nothing stays allocated', () => {
  const { model: m } = separateLayers([0, 1, 2, 4], 17);
  const seen: string[] = [];
  const telling = new PrecisionAwareQuantizer(wasm, {
    onLayer: (done, total, name) => void seen.push(`${done}/${total} ${name}`),
  });
  const plan = planFor(m, (i) => ({ bits: 2 + i }));
  const used = wasm.arena.used;
  assert.equal(writeModel(telling.quantizeModel(m, plan).model), writeModel(quantizer.quantizeModel(m, plan).model));
  assert.equal(seen, ['0/4 w0', '1/4 w1', '2/4 w2', '3/4 w3']);
  assert.is(wasm.arena.used, used);
  assert.is(findLayers(m).layers.length, 4);
});

test.run();
