import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { UnsupportedError } from '../../src/errors.ts';
import { analyzeModel } from '../../src/jobs/analyze.ts';
import { quantize } from '../../src/jobs/quantize.ts';
import { readModel, writeModel } from '../../src/onnx/index.ts';
import { quantizeText } from '../../src/report/quantize.ts';
import { sizeOf, tensor } from '../../src/tensor.ts';
import { graph, modelOf, node } from '../graph/build.ts';
import { loadWasm, normals, random } from '../helpers.ts';

const test = suite('jobs/unsupported');
const wasm = await loadWasm();

const weights = (seed: number, ...dims: number[]) => tensor('float', dims, normals(sizeOf(dims), random(seed), 0.2));

/** Two layers with an operator between them that nobody has. */
const BYTES = writeModel(
  modelOf(
    graph(
      ['x:float[N,16]'],
      ['y'],
      [node('MatMul', 'x,w', 'a'), node('com.example.Magic', 'a', 'b', {}, 'magic'), node('Gemm', 'b,v', 'y')],
      { w: weights(1, 16, 32), v: weights(2, 32, 24) },
    ),
    { opsets: { 'com.example': 2 } },
  ),
);

test('weights alone: a model that cannot be run is quantized, and what was not measured is said', async () => {
  const before = wasm.arena.used;
  const { bytes, report } = await quantize(wasm, BYTES, { name: 'm', bits: 5 });
  assert.is(report.metric, 'spectral');
  assert.ok(report.averageBits <= 5 && bytes.length < BYTES.length);
  assert.match(report.cannotRun!, /operators that are not supported: com\.example\.Magic \(opset 2\) at "magic"/);
  assert.equal(report.calibration, null);
  assert.ok(report.guarantees.every((g) => g.label !== 'measured'));
  const text = quantizeText(report);
  assert.match(text, /the model cannot be run here: .*com\.example\.Magic/);
  assert.match(text, /not measured: activations, damage, accuracy, the error of the outputs/);
  assert.ok(readModel(bytes).graph.nodes.some((n) => n.opType === 'Magic'));
  assert.is(wasm.arena.used, before);
});

test('analysis of the weights alone', async () => {
  const found = await analyzeModel(wasm, BYTES, {});
  assert.is(found.layers.length, 2);
});

test('with data it says what stands in the way, all at once', async () => {
  const dataset = await import('../demonstration.ts').then((d) => d.dataset('mnist-calib', 4));
  for (const options of [{ calibration: dataset }, { evaluation: dataset }]) {
    const error = await quantize(wasm, BYTES, { bits: 5, ...options }).then(
      () => undefined,
      (e: unknown) => e,
    );
    assert.instance(error, UnsupportedError);
    assert.match(
      (error as Error).message,
      /the model cannot be run, which data needs: operators that are not supported/,
    );
  }
});

test.run();
