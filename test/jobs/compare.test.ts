import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError, ModelError } from '../../src/errors.ts';
import { foldBatchNormalization, Session } from '../../src/graph/index.ts';
import { compareModels } from '../../src/jobs/compare.ts';
import { makeInitializer, makeNode, makeValueInfo, readModel, withGraph, writeModel } from '../../src/onnx/index.ts';
import type { Model } from '../../src/onnx/model.ts';
import { PrecisionAwareQuantizer } from '../../src/quantize/index.ts';
import { tensor } from '../../src/tensor.ts';
import { dataset, feeds, floats, model as demonstration } from '../demonstration.ts';
import { loadWasm } from '../helpers.ts';
import { planFor } from '../quantize/models.ts';
import { smallData, smallFeeds, smallModel } from './small.ts';

const test = suite('jobs/compare');
const wasm = await loadWasm();

function quantized(m: Model, bits: number): Model {
  const plan = planFor(m, () => ({ bits }));
  return readModel(writeModel(new PrecisionAwareQuantizer(wasm, { clip: 'mse' }).quantizeModel(m, plan).model));
}

/** max |d|, squared error / squared norm of two runs' values, in f64. */
function difference(x: Float32Array, y: Float32Array) {
  let [most, error, norm] = [0, 0, 0];
  x.forEach((v, i) => {
    const d = y[i]! - v;
    most = Math.max(most, Math.abs(d));
    error += d * d;
    norm += v * v;
  });
  return { most, relative: error / norm };
}

test('every value that both make, against two traces', async () => {
  const m = smallModel();
  const small = quantized(m, 4);
  const found = await compareModels(wasm, m, small, smallData(30), { batch: 8 });
  assert.is(found.samples, 30);
  assert.equal(
    found.tensors.map((t) => t.name),
    ['h0', 'r0', 'h1', 'r1', 'logits'],
  );
  assert.is(found.onlyInA, 0);
  assert.ok(found.onlyInB > 0, 'the nodes that decode');
  const [first, second] = [new Session(m, wasm), new Session(small, wasm)];
  const [a, b] = [first.trace(smallFeeds(30)), second.trace(smallFeeds(30))];
  for (const t of found.tensors) {
    const { most, relative } = difference(floats(a.values.get(t.name)), floats(b.values.get(t.name)));
    assert.ok(Math.abs(t.maxError - most) < 1e-5 * most, t.name);
    assert.ok(Math.abs(t.relativeSquaredError - relative) < 1e-4 * relative, t.name);
    assert.ok(Math.abs(t.sqnr! + 10 * Math.log10(relative)) < 1e-2, t.name);
  }
  assert.equal(found.outputs, [
    {
      name: 'logits',
      maxError: found.tensors[4]!.maxError,
      relativeSquaredError: found.tensors[4]!.relativeSquaredError,
    },
  ]);
  first.dispose();
  second.dispose();
});

test('BatchNormalization: the original beside a quantized form that comes without it', async () => {
  const m = demonstration('resnet18-fashion');
  const small = quantized(foldBatchNormalization(m), 8);
  const before = wasm.arena.used;
  const found = await compareModels(wasm, m, small, dataset('fashion-calib', 6));
  assert.is(wasm.arena.used, before);
  assert.ok(found.tensors.length > 40);
  assert.is(found.onlyInA, 0);
  for (const t of found.tensors) assert.ok(t.relativeSquaredError < 0.01, `${t.name}: ${t.relativeSquaredError}`);
  const [logits] = found.outputs;
  const [first, second] = [new Session(m, wasm), new Session(small, wasm)];
  const given = feeds('fashion-calib', 6);
  const { most } = difference(floats(first.run(given).logits), floats(second.run(given).logits));
  assert.ok(Math.abs(logits!.maxError - most) < 1e-3 * most + 1e-5, `${logits!.maxError} ${most}`);
  first.dispose();
  second.dispose();
});

test('a model beside itself: no error, no ratio', async () => {
  const m = smallModel();
  const found = await compareModels(wasm, m, m, smallData(5), { samples: 3 });
  assert.is(found.samples, 3);
  for (const t of found.tensors) assert.equal([t.maxError, t.relativeSquaredError, t.sqnr], [0, 0, null]);
});

test('values that are not finite are as wrong as can be, in numbers that JSON can hold', async () => {
  const m = smallModel();
  const bias = makeInitializer('2.bias', tensor('float', [32], new Float32Array(32).fill(Number.NaN)));
  const broken = withGraph(m, { initializers: m.graph.initializers.map((t) => (t.name === '2.bias' ? bias : t)) });
  const found = await compareModels(wasm, m, broken, smallData(5));
  const h1 = found.tensors.find((t) => t.name === 'h1')!;
  assert.equal([h1.maxError, h1.relativeSquaredError, h1.sqnr], [Number.MAX_VALUE, Number.MAX_VALUE, null]);
  assert.equal(JSON.parse(JSON.stringify(found)), found);
});

test('a model that takes a fixed number of samples', async () => {
  const fixed = withGraph(smallModel(), { inputs: [makeValueInfo('image', 'float', [4, 24])] });
  assert.is((await compareModels(wasm, fixed, fixed, smallData(11))).samples, 8);
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
  const other = withGraph(m, {
    nodes: [...m.graph.nodes, makeNode('Relu', ['logits'], ['y'])],
    outputs: [makeValueInfo('y', 'float', ['N', 12])],
  });
  await rejects(
    ModelError,
    /compare: the second model has no output 'logits'/,
    compareModels(wasm, m, other, smallData(2)),
  );
  await rejects(DataError, /no array for the model's input/, compareModels(wasm, m, m, dataset('text-calib', 1)));
});

test.run();
