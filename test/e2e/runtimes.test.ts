import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Plan } from '../../src/allocate/types.ts';
import { CurvatureQuantizationAnalyzer } from '../../src/analyzer.ts';
import { foldBatchNormalization, Session } from '../../src/graph/index.ts';
import { type QuantizeResult, quantize } from '../../src/jobs/quantize.ts';
import { readModel, writeModel } from '../../src/onnx/index.ts';
import type { Tensor } from '../../src/tensor.ts';
import { feeds, floats, type DataName, type ModelName, model, modelBytes } from '../demonstration.ts';
import { loadWasm } from '../helpers.ts';
import { relativeDifference, RUNTIMES, runIn } from '../quantize/run.ts';

const test = suite('e2e/runtimes');
const wasm = await loadWasm();

const MODELS: readonly [ModelName, DataName, samples: number][] = [
  ['mnist-mlp', 'mnist-eval', 8],
  ['resnet18-fashion', 'fashion-eval', 4],
  ['transformer-text', 'text-eval', 2],
];

/**
 * Bytes that a layer's names, shapes and decoding nodes may take beside codes, scales and zero points, and a model's tables. Names of
 * 21 characters (the residual network's, the longest), zero points at all widths but 16. Dense: about 235 a bit plane (initializer,
 * Cast, Gather, Reshape, joining) and 205 for the rest (Cast, Sub, Mul; scales and zero points with a Cast each), 300 where nothing is
 * in planes: 440 to 905, 585 on average over 2 to 8 bits. QDQ: 207 for three initializers and a node, 146 without zero points, 187 on
 * average over 4, 8 and 16 bits.
 */
const OVERHEAD = { dense: { layer: 590, model: 1500 }, qdq: { layer: 190, model: 100 } };

/** The job without data and with the spectral plan, then every width of `widths` in turn over the layers. */
async function mixed(name: ModelName, format: 'dense' | 'qdq', widths: readonly number[]): Promise<QuantizeResult> {
  const bytes = modelBytes(name);
  const analyzer = new CurvatureQuantizationAnalyzer(model(name), wasm, { format, widths, metric: 'spectral' });
  await analyzer.computeCurvature();
  const table = await analyzer.costTable();
  // From the widest for the largest curvature a weight down: every width is used where there are layers enough.
  const order = analyzer.layers.map((_, i) => i);
  const damage = (i: number) => table.layers[i]!.choices[0]!.damage;
  order.sort((a, b) => damage(b) - damage(a));
  const bits = new Map(
    order.map((i, rank) => [analyzer.layers[i]!.name, [...widths].reverse()[rank % widths.length]!]),
  );
  const plan: Plan = analyzer.optimizer().planOf(bits);
  analyzer.dispose();
  return quantize(wasm, bytes, { name, plan, table, format, widths });
}

for (const [name, data, samples] of MODELS)
  for (const [format, sets] of [
    [
      'dense',
      name === 'mnist-mlp'
        ? [
            [2, 3, 5],
            [4, 6, 7],
            [7, 8, 16],
          ]
        : [[2, 3, 4, 5, 6, 7, 8]],
    ],
    ['qdq', [[4, 8, 16]]],
  ] as const)
    for (const widths of sets)
      test(`${name}, ${format} at ${widths} bits: onnxruntime in node and in wasm agree with our executor`, async () => {
        const original = modelBytes(name);
        const { bytes, plan, report } = await mixed(name, format, widths);
        assert.equal(
          [...new Set(plan.layers.map((l) => l.bits))].sort((a, b) => a - b),
          widths,
          'every width is used',
        );
        const written = readModel(bytes);
        const opset = model(name).opsets.get('')!;
        if (format === 'dense') assert.is(written.opsets.get(''), opset, 'dense keeps the opset');
        else assert.is(written.opsets.get(''), 21);
        for (const [domain] of written.opsets) assert.is(domain, '', 'standard operators only');

        const given = feeds(data, samples);
        const session = new Session(written, wasm);
        const ours = session.run(given);
        session.dispose();
        for (const runtime of RUNTIMES) {
          const theirs = await runIn(runtime, bytes, given);
          for (const [output, values] of Object.entries(theirs)) {
            const difference = relativeDifference(floats(ours[output] as Tensor), values);
            assert.ok(difference < 1e-4, `${runtime}, output ${output}: ${difference}`);
          }
        }
        // The quantized network is another one, but not by much at these widths.
        const reference = new Session(model(name), wasm);
        const exact = reference.run(given);
        reference.dispose();
        const moved = relativeDifference(floats(ours.logits), floats(exact.logits));
        assert.ok(moved > 1e-4 && moved < 3, `moved by ${moved}`);

        // The file is codes, scales and zero points, what was not quantized, and little else.
        const quantized = new Set(plan.layers.map((l) => l.weight));
        const folded = foldBatchNormalization(model(name));
        const weights = folded.graph.initializers.filter((t) => quantized.has(t.name));
        const rest = writeModel(folded).length - weights.reduce((sum, t) => sum + t.tensor().data.byteLength, 0);
        const payload = report.layers.reduce((sum, l) => sum + l.bytes, 0);
        assert.is(payload, plan.bytes);
        const beside = bytes.length - payload - rest;
        const room = OVERHEAD[format].layer * plan.layers.length + OVERHEAD[format].model;
        assert.ok(
          Math.abs(beside) <= room,
          `${beside} bytes beside codes, scales, zero points and what stayed; ${room} allowed`,
        );
        assert.ok(bytes.length < original.length * (Math.max(...widths) / 32 + 0.15));
      });

test.run();
