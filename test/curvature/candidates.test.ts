import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Granularity } from '../../src/allocate/types.ts';
import { DEFAULT_ROUNDING } from '../../src/analyzer.ts';
import { calibrate } from '../../src/calibrate/calibrate.ts';
import { Candidates, type Price, type RoundingSettings, specFor } from '../../src/curvature/candidates.ts';
import { leftOutErrorRows } from '../../src/curvature/rows.ts';
import { biasesOf } from '../../src/graph/biases.ts';
import { findLayers, type Layer, Session } from '../../src/graph/index.ts';
import { gramError } from '../../src/grid/index.ts';
import type { Node } from '../../src/onnx/model.ts';
import { FORMATS, PrecisionAwareQuantizer } from '../../src/quantize/index.ts';
import type { Tensor } from '../../src/tensor.ts';
import { dataset, floats, model as demonstration } from '../demonstration.ts';
import { loadWasm } from '../helpers.ts';
import { planFor } from '../quantize/models.ts';

const test = suite('curvature/candidates');
const wasm = await loadWasm();

const priceIn =
  (format: string): Price =>
  ({ rows, cols }, spec) =>
    FORMATS[format]!.bytes(rows, cols, spec);
const mlp = demonstration('mnist-mlp');
const { layers } = findLayers(mlp);
const initializers = new Map(mlp.graph.initializers.map((t) => [t.name, t]));
const stored = (layer: Layer) => initializers.get(layer.weight)!.tensor();
const weights = (layer: Layer) => floats(stored(layer));
const session = new Session(mlp, wasm);
const calibration = await calibrate(wasm, session, layers, dataset('mnist-calib', 64), { batch: 64 });
session.dispose();
const grams = new Map(layers.map((l) => [l.weight, { gram: calibration.layers.get(l.weight)!.gram!, groups: 1 }]));

const candidates = (format: string, settings: Partial<RoundingSettings> = {}) =>
  new Candidates(wasm, stored, { ...DEFAULT_ROUNDING, ...settings }, priceIn(format), calibration);

test('values and bytes are those that the quantizer writes, for both formats and every granularity', () => {
  for (const [format, scaleType, widths] of [
    ['dense', 'float16', [2, 3, 5, 16]],
    ['qdq', 'float', [4, 8, 16]],
  ] as const)
    for (const granularity of ['channel', 'tensor', 32] as Granularity[])
      for (const clip of granularity === 'channel' ? (['gram', 'mse', 'max'] as const) : (['mse'] as const)) {
        const rounding = granularity === 'channel' && clip === 'gram' ? 'gptq+cd' : 'nearest';
        const settings: RoundingSettings = { granularity, clip, scaleType, asymmetricBits: [2, 3, 4], rounding };
        const made = candidates(format, settings);
        const quantizer = new PrecisionAwareQuantizer(wasm, { clip, scaleType });
        // the small layers: the large one takes seconds at every width
        const some = layers.slice(1);
        for (const bits of widths) {
          const plan = planFor(mlp, () => ({ bits, format, granularity, symmetric: bits > 4, rounding }));
          const own = { ...plan, layers: plan.layers.slice(1) };
          const written = quantizer.quantizeModel(mlp, own, grams);
          some.forEach((layer, i) => {
            const what = `${layer.name} at ${bits} bits, ${format} ${granularity} ${clip}`;
            assert.equal(made.tensor(layer, bits), written.layers[i]!.values, what);
            assert.is(made.bytes(layer, bits), written.layers[i]!.bytes, what);
          });
        }
      }
});

test('specFor: asymmetric where the settings say so', () => {
  const settings: RoundingSettings = { ...DEFAULT_ROUNDING, asymmetricBits: [3] };
  assert.equal(specFor(settings, 3), {
    bits: 3,
    granularity: 'channel',
    symmetric: false,
    clip: 'gram',
    scaleType: 'float16',
  });
  assert.is(specFor(settings, 4).symmetric, true);
});

test('row form and back: a Gemm with transB keeps its rows', () => {
  const made = candidates('dense');
  for (const layer of layers) {
    assert.equal(made.float(layer), weights(layer));
    assert.is(made.float(layer), made.float(layer), 'brought to row form once');
    assert.equal(made.shaped(layer, made.float(layer)).data, weights(layer));
    assert.equal(made.shaped(layer, made.float(layer)).dims, layer.dims);
  }
});

test('without calibration the clip falls back to the weights’ own error', () => {
  const [, layer] = layers as [Layer, Layer];
  const blind = new Candidates(wasm, stored, DEFAULT_ROUNDING, priceIn('dense'));
  const mse = candidates('dense', { clip: 'mse', rounding: 'nearest' });
  assert.equal(blind.values(layer, 3), mse.values(layer, 3));
});

test('codes of rows of several widths hold every row at its width, and are made once', () => {
  const layer = layers[1]!;
  const made = candidates('dense');
  const widths = Array.from({ length: layer.rows }, (_, r) => [2, 3, 8][r % 3]!);
  const coded = made.coded(layer, widths);
  assert.equal(
    coded.map((s) => [s.grid.bits, s.rows?.length]),
    [2, 3, 8].map((bits) => [bits, widths.filter((b) => b === bits).length]),
  );
  assert.is(made.coded(layer, [...widths]), coded);
  assert.is(made.coded(layer, 3), made.coded(layer, 3));
  const error = (width: number | readonly number[]) => {
    const gram = calibration.layers.get(layer.weight)!.gram!;
    return gramError(wasm, made.float(layer), made.values(layer, width), layer.rows, layer.cols, gram);
  };
  assert.ok(error(8) < error(widths) && error(widths) < error(2));
});

test('more bits, less error at the layer’s output; the Gram clip is no worse there than the others', () => {
  const layer = layers[1]!;
  const gram = calibration.layers.get(layer.weight)!.gram!;
  const error = (made: Candidates, bits: number) =>
    gramError(wasm, made.float(layer), made.values(layer, bits), layer.rows, layer.cols, gram);
  const made = candidates('dense');
  let last = Number.POSITIVE_INFINITY;
  for (const bits of [2, 3, 4, 6, 8, 16]) {
    const now = error(made, bits);
    assert.ok(now < last, `${bits} bits: ${now} after ${last}`);
    for (const clip of ['max', 'mse'] as const)
      assert.ok(now <= error(candidates('dense', { clip }), bits) * (1 + 1e-6));
    last = now;
  }
});

test('a row left out goes to the bias: the layer gives the same on average, and its error is the variance of what it gave', async () => {
  const biases = biasesOf(mlp, layers);
  const own = new Candidates(wasm, stored, DEFAULT_ROUNDING, priceIn('dense'), calibration, biases);
  const layer = layers[1]!;
  assert.ok(own.omits(layer));
  assert.not(candidates('dense').omits(layer));
  const rowBits = Array.from({ length: layer.rows }, (_, r) => (r % 5 === 2 ? 0 : 8));
  assert.is(own.bias(layer, 8), undefined);
  const { name, tensor } = own.bias(layer, rowBits)!;
  const before = initializers.get(name)!.tensor().data as Float32Array;
  const session = new Session(mlp, wasm);
  const y: Float64Array[] = [];
  const feeds = {
    observe: (n: Node, inputs: readonly (Tensor | undefined)[]) => n === layer.nodes[0] && products(inputs[0]!),
  };
  const w = weights(layer);
  const products = (x: Tensor) => {
    const data = x.data as Float32Array;
    for (let s = 0; s < x.dims[0]!; s++)
      y.push(
        Float64Array.from({ length: layer.rows }, (_, r) => {
          let sum = 0;
          for (let c = 0; c < layer.cols; c++) sum += w[r * layer.cols + c]! * data[s * layer.cols + c]!;
          return sum;
        }),
      );
  };
  for await (const batch of dataset('mnist-calib', 64).batches(64)) session.run(batch.feeds, feeds);
  session.dispose();
  assert.is(y.length, 64);
  const errors = leftOutErrorRows({ wasm, candidates: own }, { calibration }, layer);
  rowBits.forEach((bits, r) => {
    const mean = y.reduce((sum, row) => sum + row[r]!, 0) / y.length;
    const variance = y.reduce((sum, row) => sum + (row[r]! - mean) ** 2, 0) / y.length;
    const moved = (tensor.data as Float32Array)[r]! - before[r]!;
    const scale = Math.abs(mean) + Math.sqrt(variance) + 1e-3;
    assert.ok(Math.abs(moved - (bits === 0 ? mean : 0)) < 1e-5 * scale + 1e-6, `row ${r}: ${moved}, mean ${mean}`);
    assert.ok(Math.abs(errors[r]! - variance) < 1e-4 * scale * scale, `row ${r}: ${errors[r]}, variance ${variance}`);
  });
});

test.run();
