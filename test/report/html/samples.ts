/** Pages of every kind, of small real jobs and of models that are hard to draw: for tests that look at them. */
import { analyzeModel } from '../../../src/jobs/analyze.ts';
import { demonstrateLayers } from '../../../src/jobs/demo-layers.ts';
import { quantize } from '../../../src/jobs/quantize.ts';
import { sweep } from '../../../src/jobs/sweep.ts';
import { makeInitializer, makeNode, makeValueInfo, writeModel } from '../../../src/onnx/index.ts';
import type { DemoReport, DemoRow } from '../../../src/report/demo.ts';
import { analyzeHtml } from '../../../src/report/html/analyze.ts';
import { demoHtml, layerDemoHtml } from '../../../src/report/html/demo.ts';
import { quantizeHtml } from '../../../src/report/html/quantize.ts';
import { sweepHtml } from '../../../src/report/html/sweep.ts';
import type { Made } from '../../../src/report/types.ts';
import { tensor } from '../../../src/tensor.ts';
import type { Wasm } from '../../../src/wasm/wasm.ts';
import { normals, random } from '../../helpers.ts';
import { smallData, smallModel } from '../../jobs/small.ts';
import { model } from '../../quantize/models.ts';

const LONG = 'backbone/a_block_with_a_name_that_goes_on_and_on/attention/query_projection_of_the_encoder/MatMul';

const MADE: Made = {
  command: 'kappa quantize net.onnx --bits 5 --calib calib.npz',
  versions: { node: '20.0.0' },
  files: [{ role: 'model', name: 'net.onnx', bytes: 1234, sha256: 'ab'.repeat(32) }],
};

/** A chain of square layers without data: as many as asked for, with long names. */
export function deepModel(layers: number): Uint8Array {
  const size = 16;
  const names = Array.from({ length: layers }, (_, i) => `${LONG}.${i}`);
  return writeModel(
    model(
      {
        nodes: names.map((name, i) =>
          makeNode(
            'MatMul',
            [i === 0 ? 'x' : `h${i - 1}`, `${name}.weight`],
            [i === layers - 1 ? 'y' : `h${i}`],
            {},
            { name },
          ),
        ),
        initializers: names.map((name, i) =>
          makeInitializer(`${name}.weight`, tensor('float', [size, size], normals(size * size, random(i + 1), 0.2))),
        ),
        inputs: [makeValueInfo('x', 'float', ['N', size])],
        outputs: [makeValueInfo('y', 'float', ['N', size])],
      },
      17,
      8,
    ),
  );
}

function mnistReport(): DemoReport {
  const row = (kind: DemoRow['kind'], bits: number, kl: number): DemoRow => ({
    configuration: kind === 'fp32' ? 'Baseline (FP32)' : `${kind} ${bits}-bit`,
    kind,
    nominalBits: bits,
    averageBits: bits,
    bytes: bits * 30_000,
    granularity: kind === 'fp32' ? null : 'channel',
    bits: [bits, bits],
    accuracy: 0.98 - kl,
    loss: kl,
    kl,
  });
  const models = ['a.onnx', 'b.onnx'].map((name) => ({
    name,
    layers: ['fc1', 'fc2'].map((layer) => ({
      name: layer,
      opType: 'Gemm',
      params: 9,
      sigmaMax: 2,
      lossCurvature: 0.1,
    })),
    rows: [
      row('fp32', 32, 0),
      ...[8, 6, 4].flatMap((b) => [row('uniform', b, 1 / 2 ** b), row('guided', b, 1 / 4 ** b)]),
    ],
  }));
  return { kappa: '0.1.0', calibration: 64, samples: 128, models, seconds: 1 };
}

/** HTML by a name that says what is on it. */
export async function samplePages(wasm: Wasm): Promise<Map<string, string>> {
  const bytes = writeModel(smallModel());
  const [calibration, evaluation] = [smallData(48), smallData(32, 5)];
  const settings = { name: 'net.onnx', calibration, batch: 16 };
  const command = MADE.command;
  const quantized = async (name: string, from: Uint8Array, more: Partial<Parameters<typeof quantize>[2]>) => {
    const { report, pictures } = await quantize(wasm, from, { name, bits: 5, batch: 16, pictures: true, ...more });
    return quantizeHtml({ report, pictures: pictures!, command, made: MADE });
  };
  const deep = await demonstrateLayers(
    wasm,
    { demo: 'transformer', model: { name: 'net.onnx', bytes }, calibration, evaluation },
    { budgets: [6, 5] },
  );
  return new Map([
    ['quantize', await quantized('net.onnx', bytes, { calibration, evaluation })],
    ['quantize, activations rounded', await quantized('net.onnx', bytes, { calibration, activations: 8 })],
    ['quantize, one layer, no data', await quantized('one.onnx', deepModel(1), {})],
    ['quantize, 120 layers, long names', await quantized(`${LONG}.onnx`, deepModel(120), {})],
    ['analyze', analyzeHtml({ report: await analyzeModel(wasm, bytes, settings), command, made: MADE })],
    [
      'analyze, 120 layers, no data',
      analyzeHtml({ report: await analyzeModel(wasm, deepModel(120), { name: 'deep.onnx' }), command }),
    ],
    ['sweep', sweepHtml({ report: await sweep(wasm, bytes, { ...settings, evaluation, bits: [3, 5] }), command })],
    ['demo mnist', demoHtml({ report: mnistReport(), command, made: MADE })],
    ['demo of layers', layerDemoHtml({ report: deep.report, command })],
  ]);
}
