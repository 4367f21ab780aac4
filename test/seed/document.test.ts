import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { CostTable, Plan } from '../../src/allocate/types.ts';
import { CurvatureQuantizationAnalyzer } from '../../src/analyzer.ts';
import type { RoundingSettings } from '../../src/curvature/candidates.ts';
import { foldBatchNormalization, Session } from '../../src/graph/index.ts';
import { dequantize, fitGrid, quantize as codesOf } from '../../src/grid/index.ts';
import { evaluateModels } from '../../src/jobs/evaluate.ts';
import { quantize } from '../../src/jobs/quantize.ts';
import { readModel, writeModel } from '../../src/onnx/index.ts';
import { PrecisionAwareQuantizer } from '../../src/quantize/index.ts';
import type { Tensor } from '../../src/tensor.ts';
import { QuantizationValidator } from '../../src/verify/validator.ts';
import { svd } from '../../src/wasm/svd.ts';
import { arrays, dataset, feeds, floats, model as demonstration, modelBytes } from '../demonstration.ts';
import { loadWasm, normals, random } from '../helpers.ts';
import { planFor } from '../quantize/models.ts';
import { runIn } from '../quantize/run.ts';

const test = suite('seed/document');
const wasm = await loadWasm();
const mlp = demonstration('mnist-mlp');

/** One scale a tensor, max|w| at the end of the range: the document's Q(x) = round(x / s) s, s = max|x| / (2^(b-1) - 1). */
const DOCUMENT: RoundingSettings = {
  granularity: 'tensor',
  clip: 'max',
  scaleType: 'float',
  asymmetricBits: [],
  rounding: 'nearest',
};

const weightOf = (name: string) => floats(mlp.graph.initializers.find((t) => t.name === name)!.tensor());
const length = (x: ArrayLike<number>) => Math.sqrt(Array.from(x).reduce((s, v) => s + v * v, 0));
const unit = (x: Float32Array) => Float64Array.from(x, (v) => v / length(x));

/** The MLP analysed on 256 images: shared by the tests that need a table. */
const analyzer = new CurvatureQuantizationAnalyzer(mlp, wasm, { targetAccuracy: 0.005, minBits: 2, maxBits: 8 });
await analyzer.calibrate(dataset('mnist-calib', 256));
const curvatures = await analyzer.computeCurvature();

test('Test 2: linear curvature', () => {
  // The document computes a condition number and calls it curvature; Definition 4.1 of the layer (E, x) -> sigma_max E x, E the
  // weight error relative to the operator, is sigma_max itself, and sigma_max / sigma_min is reported as what it is.
  for (const { layer, spectrum } of curvatures) {
    const [rows, cols] = layer.dims as [number, number];
    const { sigma } = svd(wasm, Float64Array.from(weightOf(layer.weight)), rows, cols);
    assert.ok(Math.abs(spectrum.sigmaMax - sigma[0]!) < 1e-9 * sigma[0]!);
    assert.ok(Math.abs(spectrum.condition - sigma[0]! / sigma.at(-1)!) < 1e-6 * spectrum.condition);

    // 1/2 |D^2 f(h, h)| by second differences of f(E, x) = sigma_max E x along h = (E, x) with |E|_2 = |x| = 1: at most the
    // curvature in any direction, and equal to it where E maps x to a vector of length 1.
    const next = random(rows);
    const evaluate = (e: Float64Array, x: Float64Array): Float64Array =>
      Float64Array.from({ length: rows }, (_, r) => {
        let sum = 0;
        for (let c = 0; c < cols; c++) sum += e[r * cols + c]! * x[c]!;
        return spectrum.sigmaMax * sum;
      });
    let most = 0;
    for (let draw = 0; draw < 4; draw++) {
      const [u, v] = [unit(normals(rows, next)), unit(normals(cols, next))];
      const x = draw === 0 ? v : unit(normals(cols, next));
      const along = (t: number) =>
        evaluate(
          Float64Array.from({ length: rows * cols }, (_, i) => t * u[Math.floor(i / cols)]! * v[i % cols]!),
          x.map((a) => t * a),
        );
      const [plus, none, minus] = [along(1), along(0), along(-1)];
      const second = plus.map((a, i) => a - 2 * none[i]! + minus[i]!);
      most = Math.max(most, length(second) / 2);
      assert.ok(length(second) / 2 <= spectrum.sigmaMax * (1 + 1e-9));
    }
    assert.ok(Math.abs(most - spectrum.sigmaMax) < 1e-9 * spectrum.sigmaMax);
  }
});

test('Test 3: conv curvature', async () => {
  // The document takes the singular values of the reshaped kernel. They do not bound the convolution: its norm is up to
  // sqrt(kh kw) times larger. The curvature told is a proved upper bound on the norm of the convolution itself.
  const resnet = foldBatchNormalization(demonstration('resnet18-fashion'));
  const spectral = new CurvatureQuantizationAnalyzer(resnet, wasm, { metric: 'spectral' });
  const spectra = await spectral.computeSpectra();
  const trace = spectral.session.trace(feeds('fashion-calib', 4));
  const biases = new Map(resnet.graph.initializers.map((t) => [t.name, t]));
  let beyond = 0;
  let convolutions = 0;
  for (const layer of spectral.layers) {
    if (layer.opType !== 'Conv') continue;
    convolutions++;
    const spectrum = spectra.get(layer.weight)!;
    assert.is(spectrum.exact, false);
    const reshaped = spectrum.sigma[0]!;
    assert.ok(spectrum.sigmaMax <= Math.sqrt(layer.dims[2]! * layer.dims[3]!) * reshaped * (1 + 1e-6));
    // Real inputs, the layer's own output less its bias.
    const node = layer.nodes[0]!;
    const [x, y] = [trace.values.get(layer.input)!, trace.values.get(node.outputs[0]!)!];
    const bias = floats(biases.get(node.inputs[2]!)!.tensor());
    const plane = y.dims[2]! * y.dims[3]!;
    const linear = floats(y).map((v, i) => v - bias[Math.floor(i / plane) % y.dims[1]!]!);
    const [nx, ny] = [x.data.length / 4, linear.length / 4];
    for (let s = 0; s < 4; s++) {
      const gain = length(linear.subarray(s * ny, (s + 1) * ny)) / length(floats(x).subarray(s * nx, (s + 1) * nx));
      assert.ok(gain <= spectrum.sigmaMax, `${layer.name}: ${gain} above ${spectrum.sigmaMax}`);
    }
    // Inputs that power iteration finds, of the layers where it is quick.
    if (layer.dims[0]! > 32) continue;
    const reached = spectrum.lowerEstimate({ size: [8, 8], iterations: 12 });
    assert.ok(reached <= spectrum.sigmaMax * (1 + 1e-6), `${layer.name}: ${reached} above ${spectrum.sigmaMax}`);
    assert.ok(spectrum.sigmaMax < 2.5 * reached, `${layer.name}: ${spectrum.sigmaMax} for ${reached}`);
    if (reached > 1.05 * reshaped) beyond++;
  }
  assert.is(convolutions, 19);
  assert.ok(beyond >= 3, `the reshaped kernel is exceeded by ${beyond} layers`);
  spectral.dispose();
});

test('Test 4: calibration and statistics', async () => {
  const images = feeds('mnist-calib', 72);
  const fresh = () => new CurvatureQuantizationAnalyzer(mlp, wasm, { batch: 16 });
  const [a, b] = [fresh(), fresh()];
  const many = await a.calibrate(dataset('mnist-calib', 90));
  // The last fifth, 18 of 90, judges plans and is not calibrated on.
  assert.equal([many.batches, many.samples], [5, 72], 'more than one batch, the last one smaller');
  assert.is(a.calibrated?.judged, 18);
  const few = await b.calibrate(dataset('mnist-calib', 90), 2);
  assert.equal([few.batches, few.samples], [2, 25], 'as many batches as asked for, the last fifth held back');
  assert.is(b.calibrated?.judged, 7);

  // Real forward passes: the statistics are those of the values themselves, whatever the batches.
  const trace = a.session.trace(images);
  for (const [name, s] of many.values) {
    const x = floats(trace.values.get(name));
    let [sum, least, most] = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const v of x) {
      sum += v;
      least = Math.min(least, v);
      most = Math.max(most, v);
    }
    const mean = sum / x.length;
    const variance = x.reduce((t, v) => t + (v - mean) ** 2, 0) / x.length;
    assert.is(s.count, x.length);
    assert.ok(Math.abs(s.min - least) <= 1e-5 * most && Math.abs(s.max - most) <= 1e-5 * most, name);
    assert.ok(Math.abs(s.mean - mean) < 1e-5 * Math.sqrt(variance), name);
    assert.ok(Math.abs(s.variance - variance) < 1e-4 * variance, name);
    // More batches widen ranges, never narrow them.
    const before = few.values.get(name)!;
    assert.ok(before.min >= s.min && before.max <= s.max && before.maxRowNorm <= s.maxRowNorm);
  }
  a.dispose();
  b.dispose();
});

const damageAt = (t: CostTable, plan: Plan) =>
  plan.layers.reduce((sum, l, i) => sum + t.layers[i]!.choices.find((c) => c.bits === l.bits)!.damage, 0);

test('Test 5: bit allocation under budget', async () => {
  // The document's objective sum kappa_l 2^-b_l on its own table, and the measured damage on ours.
  const spectral = new CurvatureQuantizationAnalyzer(mlp, wasm, { metric: 'spectral', rounding: DOCUMENT });
  await spectral.computeCurvature();
  for (const [name, a] of [
    ['spectral', spectral],
    ['kl', analyzer],
  ] as const) {
    const costs = await a.costTable();
    let last = Number.POSITIVE_INFINITY;
    for (const averageBits of [2.5, 3, 4, 5, 6, 7.5]) {
      const exact = a.optimizeBitAllocation(averageBits, 'exact');
      assert.is(exact.gap, 0, 'proved optimal on the table');
      assert.ok(exact.predicted <= last, 'more bits, less damage');
      last = exact.predicted;
      for (const strategy of ['proportional', 'gradient', 'greedy'] as const) {
        const plan = a.optimizeBitAllocation(averageBits, strategy);
        // The document's budget: sum of b_l |theta_l| <= B; here the scales count too.
        const bits = plan.layers.reduce((sum, l, i) => sum + l.bits * a.layers[i]!.params, 0);
        assert.ok(bits <= averageBits * a.quantizable && plan.averageBits <= averageBits, `${name} ${strategy}`);
        assert.ok(plan.layers.every((l) => l.bits >= 2 && l.bits <= 8));
        assert.ok(damageAt(costs, plan) >= exact.predicted - 1e-12);
      }
      const uniform = a.optimizer().uniform({ averageBits });
      assert.ok(exact.predicted <= damageAt(costs, uniform));
    }
  }
  spectral.dispose();
});

test('Test 7: quantize/dequantize accuracy by width', () => {
  const w = weightOf('2.weight');
  const [rows, cols] = [128, 256];
  const largest = w.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  let last = Number.POSITIVE_INFINITY;
  for (const bits of [2, 3, 4, 5, 6, 7, 8, 16]) {
    const grid = fitGrid(wasm, w, rows, cols, {
      bits,
      granularity: 'tensor',
      symmetric: true,
      clip: 'max',
      scaleType: 'float',
    });
    const step = largest / (2 ** (bits - 1) - 1);
    assert.ok(Math.abs(grid.scales[0]! - step) <= 1e-6 * step, `${bits} bits`);
    const codes = codesOf(wasm, w, grid);
    const back = dequantize(wasm, codes, grid);
    let [most, square] = [0, 0];
    w.forEach((v, i) => {
      assert.ok(codes[i]! <= 2 ** bits - 1);
      most = Math.max(most, Math.abs(back[i]! - v));
      square += (back[i]! - v) ** 2;
    });
    // Nothing is clipped, so no weight moves by more than half a step, and the rounding of fp32.
    assert.ok(most <= step / 2 + largest * 2 ** -23, `${bits} bits: ${most} of ${step / 2}`);
    const error = Math.sqrt(square / w.length);
    assert.ok(error < last / 1.5, `${bits} bits: ${error} after ${last}`);
    // Once steps are small beside the weights' spread, errors are uniform: step / sqrt 12, halved by every bit.
    if (bits >= 6) assert.ok(Math.abs(error / (step / Math.sqrt(12)) - 1) < 0.05, `${bits} bits: ${error}`);
    last = error;
    // Quantizing what was dequantized changes nothing.
    assert.equal(codesOf(wasm, back, grid), codes);
  }
});

test('Test 8: hardware-constrained widths', async () => {
  const hardware = new CurvatureQuantizationAnalyzer(mlp, wasm, { widths: [4, 8, 16], metric: 'spectral' });
  await hardware.computeCurvature();
  let exceeded = 0;
  for (const averageBits of [4.5, 5, 6, 7, 9, 12]) {
    const plan = hardware.optimizeBitAllocation(averageBits);
    assert.ok(plan.layers.every((l) => [4, 8, 16].includes(l.bits)));
    assert.ok(plan.averageBits <= averageBits);
    // The document rounds each width of a free allocation to the nearest one supported. That breaks the budget.
    if (averageBits > 8) continue;
    const free = analyzer.optimizeBitAllocation(averageBits);
    const nearest = (bits: number) => [4, 8, 16].reduce((a, b) => (Math.abs(b - bits) < Math.abs(a - bits) ? b : a));
    const rounded = hardware.optimizer().planOf(new Map(free.layers.map((l) => [l.name, nearest(l.bits)])));
    if (rounded.averageBits > averageBits) exceeded++;
  }
  assert.ok(exceeded > 0, 'rounding to the nearest width went over at some budget');
  const { bytes, plan } = await quantize(wasm, modelBytes('mnist-mlp'), { bits: 5, widths: 'hardware', format: 'qdq' });
  const stored = readModel(bytes).graph.initializers.filter((t) => t.name.endsWith('.weight.q'));
  assert.equal(
    stored.map((t) => t.dataType).sort((a, b) => a - b),
    // UINT8 2, INT16 5, UINT4 21: up to 8 bits are asymmetric unless told
    plan.layers.map((l) => ({ 4: 21, 8: 2, 16: 5 })[l.bits]!).sort((a, b) => a - b),
  );
  hardware.dispose();
});

const EVALUATED = 2000;
const heldOut = dataset('mnist-eval', EVALUATED);

test('Test 9: forward accuracy degradation', async () => {
  const known = new Map<number, Tensor>();
  const of = async (bits: number) => {
    const plan = planFor(mlp, () => ({ bits, granularity: 'tensor' }));
    const small = new PrecisionAwareQuantizer(wasm, { clip: 'max', scaleType: 'float' }).quantizeModel(mlp, plan);
    return evaluateModels(wasm, readModel(writeModel(small.model)), mlp, heldOut, { batch: 250, known });
  };
  let last = Number.POSITIVE_INFINITY;
  const drops: number[] = [];
  for (const bits of [2, 3, 4, 6, 8]) {
    const { accuracy, reference } = await of(bits);
    assert.ok(reference!.kl! < last, `${bits} bits: KL ${reference!.kl} after ${last}`);
    last = reference!.kl!;
    drops.push(reference!.accuracy! - accuracy!);
    // An accuracy cannot change by more than the share of predictions that did.
    assert.ok(Math.abs(drops.at(-1)!) <= reference!.flips! + 1e-12);
  }
  assert.ok(drops[0]! > 0.02, `2 bits cost ${drops[0]}`);
  assert.ok(Math.abs(drops.at(-1)!) < 0.002, `8 bits cost ${drops.at(-1)}`);
});

test('Test 10: validator', async () => {
  const { labels, image } = Object.fromEntries(arrays('mnist-eval', 500)) as Record<'labels' | 'image', Tensor>;
  const plan = analyzer.optimizeBitAllocation(4.1);
  const reference = floats(analyzer.session.run({ image }).logits);
  const quantized = floats(analyzer.session.run({ image }, { weights: analyzer.weightsOf(plan) }).logits);
  const classes = Array.from(labels.data as BigInt64Array, Number);
  const validate = (requirements: ConstructorParameters<typeof QuantizationValidator>[0]) =>
    new QuantizationValidator(requirements).add({ reference, quantized, cols: 10, labels: classes }).report();

  const easy = validate({ maxError: 50, kl: 0.05, accuracyDrop: 0.02, flips: 0.05 });
  assert.is(easy.met, true);
  assert.ok(easy.requirements.every((r) => r.met && r.found! <= r.limit));
  const hard = validate({ kl: 0.05, maxError: 1e-6 });
  assert.is(hard.met, false);
  assert.equal(
    hard.requirements.map((r) => [r.name, r.met]),
    [
      ['maxError', false],
      ['kl', true],
    ],
  );
  // What it reports is what there is.
  const found = (name: string) => easy.figures.find((f) => f.name === name)!;
  assert.is(
    found('maxError').value,
    reference.reduce((m, v, i) => Math.max(m, Math.abs(quantized[i]! - v)), 0),
  );
  const argmax = (x: Float32Array, r: number) => {
    const row = [...x.subarray(10 * r, 10 * r + 10)];
    return row.indexOf(Math.max(...row));
  };
  const right = (x: Float32Array) => classes.filter((c, r) => argmax(x, r) === c).length / 500;
  assert.ok(Math.abs(found('accuracyDrop').value! - (right(reference) - right(quantized))) < 1e-12);
  assert.is(found('accuracy').value, right(quantized));
  assert.is(found('kl').label, 'measured');
  assert.is(found('klUpperBound').label, 'proved');
  assert.ok(found('klUpperBound').value! > found('kl').value!);
  assert.is(easy.samples, 500);
});

test('Test 11: end-to-end MNIST', async () => {
  const original = modelBytes('mnist-mlp');
  const calibration = dataset('mnist-calib', 512);
  const { bytes, plan, report } = await quantize(wasm, original, { bits: 4.1, calibration, evaluation: heldOut });
  assert.ok(plan.averageBits <= 4.1);
  assert.ok(bytes.length < original.length / 7, `${bytes.length} of ${original.length}`);
  const { accuracy, reference } = report.evaluation!;
  assert.ok(reference!.accuracy! > 0.97, `fp32: ${reference!.accuracy}`);
  assert.ok(reference!.accuracy! - accuracy! < 0.005, `${reference!.accuracy} to ${accuracy}`);
  assert.ok(reference!.kl! <= 4e-3, `held-out KL ${reference!.kl}`);

  // Uniform as the document has it, at the same bytes: at least twice the damage.
  const document = new CurvatureQuantizationAnalyzer(mlp, wasm, { metric: 'spectral', rounding: DOCUMENT });
  await document.computeCurvature();
  const uniform = document.optimizer().uniform({ bytes: plan.bytes });
  document.dispose();
  assert.ok(uniform.bytes <= plan.bytes);
  const plain = new PrecisionAwareQuantizer(wasm, { clip: 'max', scaleType: 'float' }).quantizeModel(mlp, uniform);
  const other = await evaluateModels(wasm, readModel(writeModel(plain.model)), mlp, heldOut, { batch: 250 });
  assert.ok(reference!.kl! <= 0.5 * other.reference!.kl!, `${reference!.kl} ${other.reference!.kl}`);

  // The file is an ordinary ONNX model: onnxruntime's predictions on it are ours.
  const image = feeds('mnist-eval', 200);
  const theirs = (await runIn('node', bytes, image)).logits!;
  const session = new Session(readModel(bytes), wasm);
  const ours = floats(session.run(image).logits);
  session.dispose();
  const size = ours.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  assert.ok(ours.every((v, i) => Math.abs(v - theirs[i]!) < 1e-4 * size));
});

test.run();
