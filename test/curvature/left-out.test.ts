import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CurvatureQuantizationAnalyzer } from '../../src/analyzer.ts';
import { DamageMeter } from '../../src/curvature/damage.ts';
import { tailOf } from '../../src/curvature/left-out.ts';
import { datasetFromArrays } from '../../src/data/index.ts';
import type { Layer } from '../../src/graph/layers.ts';
import { makeInitializer, makeNode, makeValueInfo, readModel, writeModel } from '../../src/onnx/index.ts';
import type { Model, Node } from '../../src/onnx/model.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { dataset, model as demonstration } from '../demonstration.ts';
import { loadWasm, normals, random } from '../helpers.ts';

const test = suite('curvature/left-out');
const wasm = await loadWasm();

function network(nodes: readonly Node[], cols: number, out: number, weights: Record<string, Tensor>): Model {
  const rest = new Uint8Array(0);
  const graph = {
    name: 'g',
    nodes,
    initializers: Object.entries(weights).map(([name, t]) => makeInitializer(name, t)),
    inputs: [makeValueInfo('x', 'float', ['N', cols])],
    outputs: [makeValueInfo('y', 'float', ['N', out])],
    valueInfo: [],
    rest,
  };
  const opsets = new Map([['', 17]]);
  return readModel(writeModel({ irVersion: 8, opsets, producer: 'test', functions: [], rest, graph }), 'network');
}

/** Predicted and measured damage of each of these rows left out, and what independent expectations say. */
async function damages(
  analyzer: CurvatureQuantizationAnalyzer,
  layer: Layer,
  rows: readonly number[],
  data: ReturnType<typeof dataset>,
) {
  const gains = (await analyzer.rowGains()).get(layer.weight)!;
  const errors = analyzer.rowErrors(layer, 0);
  const { session, candidates } = analyzer;
  const losses = [
    {
      output: session.outputs[0]!.name,
      loss: session.outputs[0]!.name === 'logits' ? 'kl' : 'nse',
      probabilities: false,
    } as const,
  ];
  const found: { predicted: number; independent: number; measured: number }[] = [];
  for (const row of rows) {
    const width = Array.from({ length: layer.rows }, (_, r) => (r === row ? 0 : 8));
    const bias = candidates.bias(layer, width)!;
    const values = candidates.float(layer).slice();
    values.fill(0, row * layer.cols, (row + 1) * layer.cols);
    const weights = new Map([
      [layer.weight, candidates.shaped(layer, values)],
      [bias.name, bias.tensor],
    ]);
    const meter = new DamageMeter(wasm, losses);
    for await (const { feeds } of data.batches(8, { limit: analyzer.calibrated!.samples }))
      meter.add(session.run(feeds), session.run(feeds, { weights }));
    found.push({
      predicted: gains[layer.rows + row]! * errors[row]!,
      independent: gains[row]! * errors[row]!,
      measured: meter.read(),
    });
  }
  return found;
}

test('rows left out before a ReLU: what is measured, to within what so few projections tell', async () => {
  const next = random(3);
  const w = tensor('float', [16, 24], normals(384, next));
  const head = tensor('float', [24, 20], normals(480, next));
  const bias = tensor('float', [24], normals(24, next, 2));
  const model = network(
    [
      makeNode('Gemm', ['x', 'w', 'bias'], ['a']),
      makeNode('Relu', ['a'], ['b']),
      makeNode('MatMul', ['b', 'head'], ['y']),
    ],
    16,
    20,
    { w, bias, head },
  );
  const data = datasetFromArrays(new Map([['x', tensor('float', [1500, 16], normals(24000, next))]]), 'x');
  const analyzer = new CurvatureQuantizationAnalyzer(model, wasm, { batch: 64, widths: [2, 4, 8] });
  await analyzer.calibrate(data);
  const rows = Array.from({ length: 24 }, (_, r) => r);
  let off = 0;
  for (const [r, { predicted, measured }] of (await damages(analyzer, analyzer.layers[0]!, rows, data)).entries()) {
    const ratio = predicted / measured;
    assert.ok(ratio > 0.6 && ratio < 1.6, `row ${r}: ${predicted}, measured ${measured}`);
    off += Math.abs(Math.log(ratio)) / 24;
  }
  assert.ok(off < Math.log(1.2), `off by ${Math.exp(off)}`);
  analyzer.dispose();
});

test('a row is followed through bias and activation, and no further', async () => {
  const next = random(5);
  const w = tensor('float', [16, 16], normals(256, next));
  const v = tensor('float', [16, 16], normals(256, next));
  const bias = tensor('float', [16], normals(16, next));
  const half = tensor('float', [], Float32Array.of(0.5));
  const ends: [string, Node[]][] = [
    [
      'g',
      [makeNode('Sigmoid', ['a'], ['s']), makeNode('Mul', ['a', 's'], ['g']), makeNode('MatMul', ['g', 'v'], ['y'])],
    ],
    ['h', [makeNode('Mul', ['a', 'half'], ['h']), makeNode('Softmax', ['h'], ['y'])]],
    ['a', [makeNode('Add', ['a', 'x'], ['r']), makeNode('Relu', ['r'], ['y'])]],
    // Two ways on from the sum, which do not meet in one value.
    ['a', [makeNode('Relu', ['a'], ['r']), makeNode('Tanh', ['a'], ['t']), makeNode('MatMul', ['r', 't'], ['y'])]],
  ];
  for (const [expected, after] of ends) {
    const nodes = [makeNode('MatMul', ['x', 'w'], ['m']), makeNode('Add', ['m', 'bias'], ['a']), ...after];
    const model = network(nodes, 16, 16, { w, v, bias, half });
    const analyzer = new CurvatureQuantizationAnalyzer(model, wasm);
    const { session } = analyzer;
    const trace = session.trace({ x: tensor('float', [16, 16], normals(256, next)) });
    const layer = analyzer.layers.find((l) => l.weight === 'w')!;
    assert.is(tailOf(session, trace, layer), expected);
    session.release(trace);
    analyzer.dispose();
  }
});

test('rows of a transformer left out: nearer to what is measured than if gradient and change were independent', async () => {
  const model = demonstration('transformer-text');
  const data = dataset('text-calib', 30);
  const analyzer = new CurvatureQuantizationAnalyzer(model, wasm, { batch: 8, widths: [2, 4, 8] });
  await analyzer.calibrate(data);
  const off = { predicted: 0, independent: 0 };
  const factor = (a: number, b: number) => Math.abs(Math.log(a / b));
  const layers = analyzer.layers.filter((l) => /layers\.[35]\/(attention\/k|up)/.test(l.name));
  assert.is(layers.length, 4);
  for (const layer of layers)
    for (const { predicted, independent, measured } of await damages(analyzer, layer, [5, 100], data)) {
      off.predicted += factor(predicted, measured) / 8;
      off.independent += factor(independent, measured) / 8;
    }
  assert.ok(off.predicted < Math.log(1.6), `off by ${Math.exp(off.predicted)}`);
  assert.ok(off.predicted < off.independent, `${off.predicted}, independent ${off.independent}`);
  analyzer.dispose();
});

test.run();
