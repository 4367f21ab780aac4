import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { datasetFromArrays } from '../../src/data/index.ts';
import { CurvatureQuantizationAnalyzer } from '../../src/analyzer.ts';
import { quantize } from '../../src/jobs/quantize.ts';
import { readModel, writeModel } from '../../src/onnx/index.ts';
import { sizeOf, tensor } from '../../src/tensor.ts';
import { body, fn, graph, held, modelOf, node } from '../graph/build.ts';
import { normals, random } from '../helpers.ts';
import { runOrt, wasm } from '../ops/compare.ts';
import { Session } from '../../src/graph/index.ts';

/** Whole jobs on models whose weights lie in bodies and functions, are tied, turned around and recurrent. */
const test = suite('jobs/places');

const weight = (seed: number, ...dims: number[]) => tensor('float', dims, normals(sizeOf(dims), random(seed), 0.25));
const int = (value: number) => ({ type: 'int', value }) as const;

const step = graph(
  ['i:int64[]', 'go:bool[]', 'a:float[N,16]'],
  ['on:bool[]', 'b:float[N,16]'],
  [node('Identity', 'go', 'on'), node('MatMul', 'a,w', 'm'), node('Add', 'm,h', 'n'), node('Tanh', 'n', 'b')],
  { w: weight(1, 16, 16) },
);
const dense = fn('Dense', 'a', 'r', [
  node('Constant', '', 'k', { value: held(weight(2, 16, 24)) }),
  node('MatMul', 'a,k', 'm'),
  node('Relu', 'm', 'r'),
]);
const MODEL = modelOf(
  graph(
    ['x:float[N,16]'],
    ['logits:float[N,24]'],
    [
      node('Gemm', 'x,v', 'h', { transB: int(1) }),
      node('Loop', 'three,,x', 'l', { body: body(step) }),
      node('my.Dense', 'l', 'd'),
      node('Unsqueeze', 'd,zero', 'steps'),
      node('LSTM', 'steps,lw,lr', ',last', { hidden_size: int(8) }),
      node('Squeeze', 'last,zero', 's'),
      node('MatMul', 's,out', 'o'),
      node('Transpose', 'v', 'vt'),
      node('MatMul', 'l,vt', 'back'),
      node('Concat', 'o,back', 'logits', { axis: int(1) }),
    ],
    {
      three: tensor('int64', [], BigInt64Array.of(3n)),
      zero: tensor('int64', [1], BigInt64Array.of(0n)),
      v: weight(3, 16, 16),
      lw: weight(4, 1, 32, 24),
      lr: weight(5, 1, 32, 8),
      out: weight(6, 8, 8),
    },
  ),
  { opsets: { my: 1 }, functions: [dense] },
);
const BYTES = writeModel(MODEL);
const N = 12;
const x = tensor('float', [N, 16], normals(N * 16, random(7), 1));
const data = () => datasetFromArrays(new Map([['x', x]]), 'data');

test('calibrated, measured, allocated, written: the file does in onnxruntime what was measured', async () => {
  const before = wasm.arena.used;
  for (const metric of ['kl', 'gram']) {
    const { bytes, report } = await quantize(wasm, BYTES, {
      name: 'm',
      bits: 5.5,
      metric,
      calibration: data(),
      evaluation: data(),
    });
    assert.equal(
      report.layers.map((l) => [l.opType, l.params]),
      [
        ['Gemm', 256],
        ['MatMul', 256],
        ['MatMul', 384],
        ['LSTM', 768],
        ['LSTM', 256],
      ],
    );
    assert.equal(report.calibration, { samples: 9, measured: 9, judged: 3 }, `a fifth of ${N} held back`);
    assert.ok(report.layers.every((l) => l.bits === 32 || l.maxError > 0));
    assert.ok(report.evaluation!.reference!.relativeSquaredError < 0.2);
    const want = await runOrt(BYTES, { x });
    const got = await runOrt(bytes, { x });
    const session = new Session(readModel(bytes), wasm);
    const here = session.run({ x });
    session.dispose();
    let [error, square, apart] = [0, 0, 0];
    want.logits!.data.forEach((v, i) => {
      error += (Number(got.logits!.data[i]) - Number(v)) ** 2;
      square += Number(v) ** 2;
      apart = Math.max(apart, Math.abs(Number(got.logits!.data[i]) - Number(here.logits!.data[i])));
    });
    assert.ok(apart < 1e-4, `${metric}: ours and theirs are ${apart} apart`);
    assert.ok(error / square < 0.2 && error > 0, `${metric}: ${error / square}`);
  }
  assert.is(wasm.arena.used, before);
});

test('no bound is claimed for weights in bodies and recurrent operators', async () => {
  const analyzer = new CurvatureQuantizationAnalyzer(MODEL, wasm, {});
  await analyzer.calibrate(data());
  await analyzer.computeCurvature();
  const estimate = await analyzer.estimateTotalError(analyzer.optimizeBitAllocation(6));
  assert.is(estimate.total, Number.POSITIVE_INFINITY);
  assert.is(estimate.label, 'proxy');
  for (const op of ['Loop', 'LSTM']) assert.ok(estimate.conditional.includes(op), op);
  analyzer.dispose();
});

test.run();
