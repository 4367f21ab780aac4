import * as ort from 'onnxruntime-node';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { datasetFromArrays } from '../../src/data/index.ts';
import { DataError, ModelError } from '../../src/errors.ts';
import { evaluateModels } from '../../src/jobs/evaluate.ts';
import { makeInitializer, makeNode, makeValueInfo, readModel, withGraph, writeModel } from '../../src/onnx/index.ts';
import type { Model } from '../../src/onnx/model.ts';
import { PrecisionAwareQuantizer } from '../../src/quantize/index.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { arrays, dataset, floats, type ModelName, model as demonstration } from '../demonstration.ts';
import { loadWasm } from '../helpers.ts';
import { planFor } from '../quantize/models.ts';
import { smallData, smallFeeds, smallModel } from './small.ts';

const test = suite('jobs/evaluate');
const wasm = await loadWasm();

/** Scores of a model in onnxruntime-node. */
async function scores(m: Model, given: ReadonlyMap<string, Tensor>): Promise<Float32Array> {
  const session = await ort.InferenceSession.create(writeModel(m), { logSeverityLevel: 3 });
  const feeds = Object.fromEntries(
    [...given].flatMap(([name, t]) => {
      if (name === 'labels') return [];
      const type = t.dtype === 'float' ? 'float32' : 'int64';
      return [[name, new ort.Tensor(type, t.data as Float32Array, [...t.dims])]];
    }),
  );
  const out = await session.run(feeds);
  await session.release();
  return out.logits!.data as Float32Array;
}

const rows = (x: Float32Array, cols: number) =>
  Array.from({ length: x.length / cols }, (_, r) => [...x.subarray(r * cols, (r + 1) * cols)]);
const argmax = (row: readonly number[]) => row.indexOf(Math.max(...row));
const logs = (row: readonly number[]) => {
  const max = Math.max(...row);
  const sum = row.reduce((s, v) => s + Math.exp(v - max), 0);
  return row.map((v) => v - max - Math.log(sum));
};

function quantized(m: Model, bits: number): Model {
  const plan = planFor(m, () => ({ bits, symmetric: false }));
  return new PrecisionAwareQuantizer(wasm, { clip: 'mse' }).quantizeModel(m, plan).model;
}

/** Everything in the report by hand from onnxruntime's scores. */
async function against(
  name: ModelName,
  data: 'mnist-eval' | 'fashion-eval' | 'text-eval',
  samples: number,
  bits: number,
) {
  const m = demonstration(name);
  const small = quantized(m, bits);
  const given = arrays(data, samples);
  const report = await evaluateModels(wasm, readModel(writeModel(small)), m, dataset(data, samples), { batch: 100 });
  const labels = [...(given.get('labels')!.data as BigInt64Array)].map(Number);
  const cols = (await scores(m, new Map([...arrays(data, 1)]))).length / (labels.length / samples);
  const [p, q] = [rows(await scores(m, given), cols), rows(await scores(small, given), cols)];
  const accuracy = (x: number[][]) => x.filter((row, r) => argmax(row) === labels[r]).length / labels.length;
  const entropy = (x: number[][]) => -x.reduce((s, row, r) => s + logs(row)[labels[r]!]!, 0) / labels.length;
  const kl =
    p.reduce((s, row, r) => {
      const [a, b] = [logs(row), logs(q[r]!)];
      return s + a.reduce((t, v, c) => t + Math.exp(v) * (v - b[c]!), 0);
    }, 0) / p.length;
  const near = (found: number | null, expected: number, what: string, tolerance = 1e-4) =>
    assert.ok(Math.abs(found! - expected) <= tolerance * Math.abs(expected) + 1e-9, `${what}: ${found} ${expected}`);
  const r = report.reference!;
  // One prediction in a thousand may sit on the fence between two runtimes' rounding.
  const fence = 1.001 / p.length;
  assert.ok(Math.abs(report.accuracy! - accuracy(q)) <= fence, `accuracy ${report.accuracy} ${accuracy(q)}`);
  assert.ok(Math.abs(r.accuracy! - accuracy(p)) <= fence, `reference ${r.accuracy} ${accuracy(p)}`);
  const flips = p.filter((row, i) => argmax(row) !== argmax(q[i]!)).length / p.length;
  assert.ok(Math.abs(r.flips! - flips) <= fence, `flips ${r.flips} ${flips}`);
  near(report.crossEntropy, entropy(q), 'cross-entropy');
  near(r.crossEntropy, entropy(p), 'reference cross-entropy');
  near(r.kl, kl, 'KL', 1e-3);
  const error = p.reduce((s, row, i) => s + row.reduce((t, v, c) => t + (v - q[i]![c]!) ** 2, 0), 0);
  const norm = p.reduce((s, row) => s + row.reduce((t, v) => t + v * v, 0), 0);
  near(r.relativeSquaredError, error / norm, 'relative error', 1e-3);
  assert.is(report.samples, samples);
  assert.is(report.predictions, p.length);
  return report;
}

test('the MLP on 1,000 images: every figure agrees with onnxruntime’s scores', async () => {
  const report = await against('mnist-mlp', 'mnist-eval', 1000, 3);
  assert.ok(report.accuracy! > 0.9 && report.reference!.kl! > 1e-4);
});

test('the ResNet on 120 images', async () => {
  await against('resnet18-fashion', 'fashion-eval', 120, 5);
});

test('the transformer on 4 sequences: predictions are tokens, samples are sequences', async () => {
  const report = await against('transformer-text', 'text-eval', 4, 5);
  assert.is(report.predictions, 512);
  const bound = report.reference!.guarantees.find((g) => /Clopper-Pearson/.test(g.statement))!;
  assert.is(bound.samples, 4);
});

test('guarantees hold what they say', async () => {
  const m = smallModel();
  const report = await evaluateModels(wasm, quantized(m, 4), m, smallData(400), {});
  const r = report.reference!;
  const value = (pattern: RegExp) => {
    const found = r.guarantees.filter((g) => pattern.test(g.statement));
    assert.is(found.length, 1, `${pattern}`);
    assert.is(found[0]!.label, 'proved');
    return found[0]!.value!;
  };
  assert.ok(value(/Clopper-Pearson/) > r.flips! && value(/Clopper-Pearson/) < 1);
  assert.ok(value(/Bernstein/) > r.kl!);
  assert.ok(value(/max d - min d/) >= r.kl!);
  assert.ok(value(/margin/) <= 1 - r.flips!);
});

test('without labels there is no accuracy, without a reference nothing beside it', async () => {
  const m = smallModel();
  const bare = datasetFromArrays(new Map(Object.entries(smallFeeds(9))));
  const found = await evaluateModels(wasm, m, null, bare, { loss: 'kl' });
  assert.equal(found, { samples: 9, predictions: 9, accuracy: null, crossEntropy: null, reference: null });
  const same = await evaluateModels(wasm, m, m, smallData(9), {});
  assert.is(same.reference!.kl, 0);
  assert.is(same.reference!.flips, 0);
  assert.is(same.reference!.maxError, 0);
  assert.is(same.accuracy, same.reference!.accuracy);
});

test('negative labels are left out', async () => {
  const m = smallModel();
  const data = smallData(60);
  const labels = [...(data.columns!.get('labels')!.all!.data as BigInt64Array)].map(Number);
  assert.ok(labels.some((l) => l < 0));
  const found = await evaluateModels(wasm, m, null, data, { batch: 7 });
  const p = rows(await scores(m, new Map(Object.entries(smallFeeds(60)))), 12);
  const kept = p.flatMap((row, r) => (labels[r]! >= 0 ? [argmax(row) === labels[r]! ? 1 : 0] : []));
  assert.is(found.accuracy, kept.reduce((a: number, b) => a + b, 0) / kept.length);
});

test('values rather than distributions: squared error, no flips', async () => {
  const m = smallModel();
  const found = (await evaluateModels(wasm, quantized(m, 4), m, smallData(30), { loss: 'mse' })).reference!;
  assert.is(found.kl, null);
  assert.is(found.flips, null);
  assert.ok(found.relativeSquaredError > 0 && found.maxError > 0);
  assert.equal(found.guarantees, []);
});

test('a model that takes a fixed number of samples, a limit, batches of any size', async () => {
  const m = smallModel();
  const whole = await evaluateModels(wasm, quantized(m, 3), m, smallData(42), { batch: 42 });
  for (const batch of [1, 5, 100]) {
    const found = await evaluateModels(wasm, quantized(m, 3), m, smallData(42), { batch });
    assert.equal(
      [found.samples, found.accuracy, found.reference!.flips],
      [whole.samples, whole.accuracy, whole.reference!.flips],
    );
    assert.ok(Math.abs(found.reference!.kl! / whole.reference!.kl! - 1) < 1e-5);
  }
  assert.is((await evaluateModels(wasm, m, null, smallData(42), { samples: 10 })).samples, 10);
  const fixed = withGraph(m, { inputs: [makeValueInfo('image', 'float', [4, 24])] });
  const found = await evaluateModels(wasm, fixed, null, smallData(42), { batch: 16 });
  assert.is(found.samples, 40);
});

test('a model whose outputs are not finite is infinitely wrong, and nothing breaks', async () => {
  const m = smallModel();
  const data = new Float32Array(12).fill(Number.NaN);
  const broken = withGraph(m, {
    initializers: m.graph.initializers.map((t) =>
      t.name === '4.bias' ? makeInitializer('4.bias', tensor('float', [12], data)) : t,
    ),
  });
  const r = (await evaluateModels(wasm, broken, m, smallData(20), {})).reference!;
  assert.is(r.flips, 1);
  assert.not.ok(r.kl! < Number.POSITIVE_INFINITY);
  assert.is(r.guarantees.find((g) => /margin/.test(g.statement))!.value, 0, 'nothing is certified');
});

test('outputs that are probabilities: the bound on KL is that of their logarithms', async () => {
  const m = smallModel();
  const outputs = [makeValueInfo('probabilities', 'float', ['N', 12])];
  const soft = (of: Model) =>
    withGraph(of, { nodes: [...of.graph.nodes, makeNode('Softmax', ['logits'], ['probabilities'])], outputs });
  const scoresReport = (await evaluateModels(wasm, quantized(m, 3), m, smallData(50), {})).reference!;
  const found = (await evaluateModels(wasm, soft(quantized(m, 3)), soft(m), smallData(50), {})).reference!;
  assert.ok(Math.abs(found.kl! - scoresReport.kl!) < 1e-4 * found.kl!);
  const bound = found.guarantees.find((g) => /max d - min d/.test(g.statement))!.value!;
  const other = scoresReport.guarantees.find((g) => /max d - min d/.test(g.statement))!.value!;
  assert.ok(Math.abs(bound - other) < 1e-3 * other, `${bound} ${other}`);
});

test('what does not fit is said', async () => {
  const m = smallModel();
  const rejects = async (type: abstract new (...args: never[]) => Error, pattern: RegExp, work: Promise<unknown>) => {
    const error: unknown = await work.then(
      () => undefined,
      (e: unknown) => e,
    );
    assert.instance(error, type);
    assert.match((error as Error).message, pattern);
  };
  const renamed = withGraph(m, {
    nodes: m.graph.nodes.map((n) =>
      n.outputs[0] === 'logits' ? makeNode('Gemm', n.inputs, ['scores'], { transB: { type: 'int', value: 1 } }) : n,
    ),
    outputs: [makeValueInfo('scores', 'float', ['N', 12])],
  });
  await rejects(
    ModelError,
    /reference: expected an output 'logits', found 'scores'/,
    evaluateModels(wasm, m, renamed, smallData(5)),
  );
  const given = (labels: bigint[], dims: number[]) =>
    datasetFromArrays(
      new Map(Object.entries({ ...smallFeeds(2), labels: tensor('int64', dims, BigInt64Array.from(labels)) })),
    );
  await rejects(DataError, /label 12: expected a class below 12/, evaluateModels(wasm, m, null, given([0n, 12n], [2])));
  await rejects(
    DataError,
    /labels \[2,2\]: expected 2, one for each prediction, found 4/,
    evaluateModels(wasm, m, null, given([0n, 1n, 1n, 1n], [2, 2])),
  );
  await rejects(DataError, /no array for the model's input/, evaluateModels(wasm, m, null, dataset('text-eval', 1)));
  const controller = new AbortController();
  controller.abort(new Error('enough'));
  await rejects(Error, /enough/, evaluateModels(wasm, m, null, smallData(5), { signal: controller.signal }));
});

test('nothing is left in wasm memory', async () => {
  const before = wasm.arena.used;
  await evaluateModels(wasm, smallModel(), smallModel(), smallData(5));
  assert.is(wasm.arena.used, before);
});

test('the reference’s outputs are kept for later runs over the same data', async () => {
  const m = smallModel();
  const known = new Map<number, Tensor>();
  const one = await evaluateModels(wasm, quantized(m, 3), m, smallData(20), { batch: 8, known });
  assert.is(known.size, 3);
  assert.ok(floats(known.get(0)).length === 96);
  assert.equal(await evaluateModels(wasm, quantized(m, 3), m, smallData(20), { batch: 8, known }), one);
});

test.run();
