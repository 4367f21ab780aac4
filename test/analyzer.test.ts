import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CurvatureQuantizationAnalyzer } from '../src/analyzer.ts';
import type { Plan } from '../src/allocate/types.ts';
import { datasetFromArrays } from '../src/data/index.ts';
import { DataError, TargetError, UnsupportedError, UsageError } from '../src/errors.ts';
import { makeInitializer, makeNode, makeValueInfo, withGraph } from '../src/onnx/index.ts';
import type { Model } from '../src/onnx/model.ts';
import { type Tensor, tensor } from '../src/tensor.ts';
import { dataset, feeds, floats, type ModelName, model as demonstration } from './demonstration.ts';
import { loadWasm, normals, random } from './helpers.ts';
import { model } from './quantize/models.ts';

const test = suite('analyzer');
const wasm = await loadWasm();
const mlp = demonstration('mnist-mlp');
const images = dataset('mnist-calib', 128);

const analyzer = new CurvatureQuantizationAnalyzer(mlp, wasm, { targetAccuracy: 0.005 });
await analyzer.calibrate(images);
const curvatures = await analyzer.computeCurvature();
const table = await analyzer.costTable();

async function thrown(work: () => unknown): Promise<unknown> {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

async function throws(type: abstract new (...args: never[]) => Error, pattern: RegExp, work: () => unknown) {
  const error = await thrown(work);
  assert.instance(error, type);
  assert.match((error as Error).message, pattern);
}

test('constructor: target, widths, format, operators', async () => {
  const make = (options: object) => () => new CurvatureQuantizationAnalyzer(mlp, wasm, options);
  for (const targetAccuracy of [0, -1, Number.NaN])
    await throws(RangeError, /targetAccuracy: expected a number above 0/, make({ targetAccuracy }));
  await throws(RangeError, /widths: expected some of 2, 3, .*16, got 9\.\.15/, make({ minBits: 9, maxBits: 15 }));
  await throws(RangeError, /widths: .*got 6\.\.4/, make({ minBits: 6, maxBits: 4 }));
  for (const widths of [[], [1, 2], [4, 9], [2.5]]) await throws(RangeError, /widths/, make({ widths }));
  for (const format of ['gguf', 'constructor', '__proto__'])
    await throws(UsageError, /format .*expected one of dense, .*qdq/, make({ format }));
  const before = wasm.arena.used;
  const odd = model(
    {
      nodes: [makeNode('Imaginary', ['x'], ['y'])],
      inputs: [makeValueInfo('x', 'float', ['N'])],
      outputs: [makeValueInfo('y', 'float', ['N'])],
    },
    17,
  );
  const blind = new CurvatureQuantizationAnalyzer(odd, wasm);
  assert.match(blind.unsupported!.message, /Imaginary/);
  await throws(UnsupportedError, /the model cannot be run, which data needs: .*Imaginary/, () => blind.session);
  await throws(UnsupportedError, /Imaginary/, () => blind.calibrate(images));
  blind.dispose();
  assert.is(wasm.arena.used, before);
  const chosen = make({ minBits: 3, maxBits: 16 })();
  assert.equal(chosen.widths, [3, 4, 5, 6, 7, 8, 16]);
  assert.equal(make({ widths: [8, 4, 8] })().widths, [4, 8]);
  assert.is(chosen.quantizable, 784 * 256 + 256 * 128 + 128 * 10);
});

test('what must come first is said', async () => {
  const fresh = new CurvatureQuantizationAnalyzer(mlp, wasm);
  const plan = analyzer.optimizeBitAllocation(4.5);
  await throws(RangeError, /call computeCurvature\(\) before/, () => fresh.optimizeBitAllocation(4));
  await throws(RangeError, /call computeCurvature\(\) before/, () => fresh.allocateByAccuracy());
  await throws(RangeError, /call computeCurvature\(\) before/, () => fresh.getPrecisionRequirements());
  await throws(RangeError, /call calibrate\(\) before/, () => fresh.estimateTotalError(plan));
  await throws(RangeError, /call calibrate\(\) before/, () => fresh.measure(plan));
  assert.is(fresh.calibrated, undefined);
  fresh.dispose();
});

test('calibrate: data that does not fit, batches', async () => {
  const fresh = new CurvatureQuantizationAnalyzer(mlp, wasm, { batch: 8 });
  const wrong = datasetFromArrays(new Map([['picture', tensor('float', [1, 784], new Float32Array(784))]]));
  await throws(DataError, /no array for the model's input "?'?image/, () => fresh.calibrate(wrong));
  for (const batches of [0, -1, 1.5, Number.NaN])
    await throws(RangeError, /batches: expected a whole number >= 1/, () => fresh.calibrate(images, batches));
  await fresh.calibrate(images, 3);
  assert.equal(fresh.calibrated, { samples: 19, measured: 19, judged: 5 });
  const calibration = await fresh.calibrate(images);
  assert.is(calibration.batches, 13);
  assert.is(calibration.samples, 102);
  fresh.dispose();
});

test('curvatures: sigma_max, and damage over squared weight error', () => {
  assert.equal(
    curvatures.map((c) => c.layer.name),
    ['0', '2', '4'],
  );
  for (const { layer, spectrum, lossCurvature } of curvatures) {
    assert.ok(spectrum.exact && spectrum.sigmaMax > 0 && spectrum.condition > 1);
    const damage = table.layers.find((l) => l.weight === layer.weight)!.choices[0]!.damage;
    assert.ok(lossCurvature! > 0 && lossCurvature! < damage * 1e3);
    assert.is(analyzer.lossCurvature(layer, 32), null);
    // More bits, another error: the curvature along it is of the same order.
    assert.ok(analyzer.lossCurvature(layer, 4)! / lossCurvature! > 0.02);
  }
});

test('allocations keep the budget, scales and zero points counted', async () => {
  for (const strategy of ['proportional', 'gradient', 'greedy', 'exact', 'best'] as const)
    for (const averageBits of [2.1, 3, 4.1, 5.5, 8]) {
      const plan = analyzer.optimizeBitAllocation(averageBits, strategy);
      assert.ok(plan.averageBits <= averageBits, `${strategy} ${averageBits}: ${plan.averageBits}`);
      const bytes = plan.layers.reduce(
        (sum, l, i) => sum + table.layers[i]!.choices.find((c) => c.bits === l.bits)!.bytes,
        0,
      );
      assert.is(plan.bytes, bytes);
      assert.is(plan.averageBits, (8 * bytes) / analyzer.quantizable);
      assert.ok(plan.layers.every((l) => l.bits >= 2 && l.bits <= 8 && l.granularity === 'channel'));
    }
  await throws(UsageError, /below the smallest/, () => analyzer.optimizeBitAllocation(1.9));
  await throws(UsageError, /unknown/, () => analyzer.optimizeBitAllocation(4, 'lucky' as never));
});

test('allocateByAccuracy: the smallest plan whose predicted damage meets the target', async () => {
  let last = 0;
  for (const eps of [0.1, 0.005, 1e-3, 1e-4]) {
    const plan = analyzer.allocateByAccuracy(eps);
    assert.ok(plan.predicted <= eps, `${eps}: ${plan.predicted}`);
    assert.ok(plan.bytes >= last);
    last = plan.bytes;
    // Of all 7^3 plans none is smaller and within the target.
    for (const a of table.layers[0]!.choices.slice(0, -1))
      for (const b of table.layers[1]!.choices.slice(0, -1))
        for (const c of table.layers[2]!.choices.slice(0, -1))
          if (a.damage + b.damage + c.damage <= eps) assert.ok(a.bytes + b.bytes + c.bytes >= plan.bytes);
    const measured = await analyzer.measure(plan);
    assert.ok(measured < 4 * eps, `${eps}: measured together ${measured}`);
  }
  assert.equal(analyzer.allocateByAccuracy(), analyzer.allocateByAccuracy(analyzer.targetAccuracy));
  await throws(TargetError, /out of reach/, () => analyzer.allocateByAccuracy(1e-12));
});

test('a cost table measured before is taken, another model’s or format’s is not', async () => {
  const second = new CurvatureQuantizationAnalyzer(mlp, wasm);
  second.useCostTable(table);
  assert.equal(second.optimizeBitAllocation(4.5), analyzer.optimizeBitAllocation(4.5));
  const layers = table.layers.slice(1);
  await throws(UsageError, /expected one of this model/, () => second.useCostTable({ ...table, layers }));
  second.dispose();
  const other = new CurvatureQuantizationAnalyzer(mlp, wasm, { format: 'qdq' });
  await throws(UsageError, /layer '0' at 2 bits: expected \d+ bytes as format qdq writes it/, () =>
    other.useCostTable(table),
  );
  other.dispose();
});

test('precision requirements: what the theorem asks for is below what the document recommends', () => {
  for (const r of analyzer.getPrecisionRequirements()) {
    const [required, recommended] = [r.computeMinBits()!, r.recommendedBits()!];
    assert.ok(required > 0 && required < recommended, `${r.layer}: ${required} ${recommended}`);
    // The document's formula with its D = 2 radius is 8 times kappa R^2 / (2 eps), whatever the layer: 3 bits and a half.
    const exactly = Math.log2((r.curvature * r.radius!) / (2 * r.targetAccuracy));
    assert.is(required, Math.ceil(exactly));
    assert.is(recommended, Math.ceil(Math.log2((r.curvature * r.diameter! ** 2) / r.targetAccuracy)));
    assert.is(r.computeMinBits(1e6), 0);
  }
});

test('precision requirements of convolutions are made of a lower bound and whole inputs', async () => {
  const resnet = new CurvatureQuantizationAnalyzer(demonstration('resnet18-fashion'), wasm, { metric: 'spectral' });
  await resnet.calibrate(dataset('fashion-calib', 20)); // the last 4 are held back
  await resnet.computeSpectra();
  const requirements = resnet.getPrecisionRequirements();
  const session = resnet.session;
  const trace = session.trace(feeds('fashion-calib', 16));
  for (const [i, layer] of resnet.layers.entries()) {
    const r = requirements[i]!;
    const x = trace.values.get(layer.input)!;
    const each = x.data.length / 16;
    let most = 0;
    for (let s = 0; s < 16; s++)
      most = Math.max(
        most,
        Math.sqrt(
          floats(x)
            .subarray(s * each, (s + 1) * each)
            .reduce((a, v) => a + v * v, 0),
        ),
      );
    assert.ok(Math.abs(r.radius! - most) < 1e-5 * most, layer.name);
    if (layer.opType !== 'Conv') {
      assert.is(r.leastCurvature, r.curvature);
      continue;
    }
    // |conv x| / |x| of any input is a lower bound too, so the upper one is above both.
    assert.ok(r.leastCurvature > 0 && r.leastCurvature <= r.curvature, layer.name);
    assert.ok(r.curvature <= 4 * r.leastCurvature, `${layer.name}: ${r.leastCurvature}..${r.curvature}`);
  }
  session.release(trace);
  resnet.dispose();
});

const planOf = (a: CurvatureQuantizationAnalyzer, bits: readonly number[]): Pick<Plan, 'layers'> => ({
  layers: a.layers.map((l, i) => ({
    name: l.name,
    weight: l.weight,
    bits: bits[i % bits.length]!,
    granularity: 'channel',
    symmetric: true,
    rounding: 'nearest',
    format: 'dense',
  })),
});

/** Largest l2 error of one sample's output, of the model with the plan's weights in place. */
function largestError(a: CurvatureQuantizationAnalyzer, plan: Pick<Plan, 'layers'>, given: Record<string, Tensor>) {
  const weights = a.weightsOf(plan);
  const exact = a.session.run(given);
  const moved = a.session.run(given, { weights });
  let most = 0;
  const [name] = Object.keys(exact) as [string];
  const [x, y] = [floats(exact[name]), floats(moved[name])];
  const each = x.length / exact[name]!.dims[0]!;
  for (let s = 0; s < x.length; s += each) {
    let square = 0;
    for (let i = s; i < s + each; i++) square += (x[i]! - y[i]!) ** 2;
    most = Math.max(most, Math.sqrt(square));
  }
  return most;
}

for (const [name, data, samples, allocations] of [
  ['mnist-mlp', 'mnist-calib', 50, [[2], [3, 5, 4], [8], [4, 32, 32], [32, 32, 3]]],
  ['resnet18-fashion', 'fashion-calib', 24, [[3], [8, 4, 6], [8]]],
] as [ModelName, 'mnist-calib' | 'fashion-calib', number, number[][]][])
  test(`${name}: the proved bound is never below a sample's error`, async () => {
    const a = new CurvatureQuantizationAnalyzer(demonstration(name), wasm, {
      metric: 'spectral',
      rounding: { clip: 'mse' },
    });
    const given = feeds(data, samples);
    await a.calibrate(datasetFromArrays(new Map(Object.entries(given))));
    let last = Number.POSITIVE_INFINITY;
    for (const bits of allocations) {
      const plan = planOf(a, bits);
      const estimate = await a.estimateTotalError(plan);
      assert.is(estimate.label, 'proved', `${estimate.conditional}`);
      assert.equal(estimate.conditional, []);
      const measured = largestError(a, plan, given);
      assert.ok(measured > 0 && measured <= estimate.total, `${bits}: ${measured} above ${estimate.total}`);
      const sum = estimate.layers.reduce((s, l) => s + l.contribution, 0);
      assert.is(estimate.total, sum);
      for (const [i, l] of estimate.layers.entries()) {
        assert.ok(Math.abs(l.contribution - l.local * l.amplification) <= 1e-12 * l.contribution);
        if (plan.layers[i]!.bits === 32) assert.is(l.contribution, 0);
      }
      if (bits.length === 1 && bits[0] !== 32) {
        assert.ok(estimate.total < last, 'more bits, a lower bound');
        last = estimate.total;
      }
    }
    assert.is((await a.estimateTotalError(planOf(a, [32]))).total, 0);
    a.dispose();
  });

test('the bound of the MLP is the formula written out', async () => {
  const plan = analyzer.optimizeBitAllocation(4.1);
  const { layers } = await analyzer.estimateTotalError(plan);
  const own = new CurvatureQuantizationAnalyzer(mlp, wasm, { metric: 'spectral' });
  await own.calibrate(images);
  // Amplifications are the products of the quantized norms downstream; ReLU has 1.
  const norms = await Promise.all(own.layers.map(async (_, i) => (await sigmaOf(analyzer, plan, i)) as number));
  assert.is(layers[2]!.amplification, 1);
  assert.ok(Math.abs(layers[1]!.amplification - norms[2]!) < 1e-9 * norms[2]!);
  assert.ok(Math.abs(layers[0]!.amplification - norms[2]! * norms[1]!) < 1e-9 * norms[2]! * norms[1]!);
  own.dispose();
});

async function sigmaOf(a: CurvatureQuantizationAnalyzer, plan: Pick<Plan, 'layers'>, i: number): Promise<number> {
  const layer = a.layers[i]!;
  const weight = a.weightsOf(plan).get(layer.weight)!;
  const replaced = withGraph(mlp, {
    initializers: mlp.graph.initializers.map((t) => (t.name === layer.weight ? makeInitializer(t.name, weight) : t)),
  });
  const moved = new CurvatureQuantizationAnalyzer(replaced, wasm, { metric: 'spectral' });
  const sigma = (await moved.computeSpectra()).get(layer.weight)!.sigmaMax;
  moved.dispose();
  return sigma;
}

/** A model of float input x [N, 16] and output y, layers of random weights. */
function network(nodes: Model['graph']['nodes'], weights: Record<string, number[]>, outputs = ['y']): Model {
  return model(
    {
      nodes,
      initializers: Object.entries(weights).map(([name, dims], i) => {
        const n = dims.reduce((a, b) => a * b, 1);
        return makeInitializer(name, tensor('float', dims, normals(n, random(i + 7), 0.3)));
      }),
      inputs: [makeValueInfo('x', 'float', ['N', 16])],
      outputs: outputs.map((o) => makeValueInfo(o, 'float', undefined)),
    },
    17,
  );
}

const vectors = { x: tensor('float', [40, 16], normals(640, random(1))) };

async function bound(m: Model, bits: readonly number[]) {
  const a = new CurvatureQuantizationAnalyzer(m, wasm, { metric: 'spectral', rounding: { clip: 'mse' } });
  await a.calibrate(datasetFromArrays(new Map(Object.entries(vectors))));
  const plan = planOf(a, bits);
  const estimate = await a.estimateTotalError(plan);
  const measured = largestError(a, plan, vectors);
  a.dispose();
  return { ...estimate, measured };
}

test('a weight used twice contributes by each of its own inputs', async () => {
  const m = network(
    [
      makeNode('MatMul', ['x', 'w'], ['a']),
      makeNode('Mul', ['a', 'ten'], ['b']),
      makeNode('MatMul', ['b', 'w'], ['y']),
    ],
    { w: [16, 16] },
  );
  const ten = makeInitializer('ten', tensor('float', [], Float32Array.from([10])));
  const { measured, total, label } = await bound(withGraph(m, { initializers: [...m.graph.initializers, ten] }), [3]);
  assert.is(label, 'proved');
  assert.ok(measured <= total && total < 40 * measured, `${measured} ${total}`);
});

test('a weight used on two inputs errs on the larger one by its size', async () => {
  const m = network(
    [
      makeNode('MatMul', ['x', 'w'], ['a']),
      makeNode('Mul', ['x', 'much'], ['b']),
      makeNode('MatMul', ['b', 'w'], ['c']),
      makeNode('Add', ['a', 'c'], ['y']),
    ],
    { w: [16, 16] },
  );
  const much = makeInitializer('much', tensor('float', [], Float32Array.from([1000])));
  const { measured, total } = await bound(withGraph(m, { initializers: [...m.graph.initializers, much] }), [3]);
  assert.ok(measured <= total && total < 10 * measured, `${measured} ${total}`);
});

test('a layer too small to be quantized passes errors on by its own norm', async () => {
  const m = network(
    [makeNode('MatMul', ['x', 'w'], ['a']), makeNode('Relu', ['a'], ['r']), makeNode('Gemm', ['r', 'v'], ['y'])],
    { w: [16, 32], v: [32, 2] },
  );
  const { measured, total, label } = await bound(m, [3]);
  assert.is(label, 'proved');
  assert.ok(measured > 0 && measured <= total && total < 40 * measured, `${measured} ${total}`);
});

test('Gemm with alpha: its error grows by it', async () => {
  const alpha = { alpha: { type: 'float' as const, value: 7 } };
  const { measured, total } = await bound(network([makeNode('Gemm', ['x', 'w'], ['y'], alpha)], { w: [16, 32] }), [2]);
  assert.ok(measured <= total && total < 10 * measured, `${measured} ${total}`);
});

test('an error that may turn a comparison has no bound, one beside it does not count', async () => {
  const gated = (by: string) =>
    network(
      [
        makeNode('MatMul', ['x', 'w'], ['a']),
        makeNode('MatMul', ['x', 'v'], ['b']),
        makeNode('Sub', [by, by === 'a' ? 'b' : 'x'], ['d']),
        makeNode('Sub', ['d', 'd'], ['zero']),
        makeNode('Greater', ['d', 'zero'], ['c']),
        makeNode('Where', ['c', 'a', 'b'], ['y']),
      ],
      { w: [16, 16], v: [16, 16] },
    );
  const through = await bound(gated('a'), [4]);
  assert.is(through.total, Number.POSITIVE_INFINITY);
  assert.is(through.label, 'proxy');
  assert.ok(through.conditional.includes('Greater'));
  const beside = await bound(gated('x'), [4]);
  assert.is(beside.label, 'proved', `${beside.conditional}`);
  assert.ok(beside.measured <= beside.total);
});

test('operators that are bounded on a range make the bound a proxy; unread branches do not', async () => {
  const exp = network([makeNode('MatMul', ['x', 'w'], ['a']), makeNode('Exp', ['a'], ['y'])], { w: [16, 16] });
  const { label, conditional, total } = await bound(exp, [6]);
  assert.is(label, 'proxy');
  assert.equal(conditional, ['Exp']);
  assert.ok(total < Number.POSITIVE_INFINITY);
  const beside = network([makeNode('Exp', ['x'], ['e']), makeNode('MatMul', ['e', 'w'], ['y'])], { w: [16, 16] });
  assert.is((await bound(beside, [6])).label, 'proved');
});

test('nodes in any order', async () => {
  const nodes = [
    makeNode('MatMul', ['x', 'w'], ['a']),
    makeNode('Relu', ['a'], ['r']),
    makeNode('MatMul', ['r', 'v'], ['y']),
  ];
  const weights = { w: [16, 16], v: [16, 16] };
  const [forward, backward] = [
    await bound(network(nodes, weights), [3]),
    await bound(network([...nodes].reverse(), weights), [3]),
  ];
  assert.is(backward.total, forward.total);
  assert.ok(forward.measured <= forward.total);
});

test('hardware widths', async () => {
  const a = new CurvatureQuantizationAnalyzer(mlp, wasm, { widths: [4, 8, 16], format: 'qdq' });
  await a.calibrate(images);
  await a.computeCurvature();
  assert.is(a.rounding.scaleType, 'float', 'the only type of scale the format has');
  for (const averageBits of [4.5, 6, 10, 16]) {
    const plan = a.optimizeBitAllocation(averageBits);
    assert.ok(plan.averageBits <= averageBits && plan.layers.every((l) => [4, 8, 16].includes(l.bits)));
    assert.ok(plan.layers.every((l) => l.format === 'qdq' && l.symmetric === l.bits > 8));
  }
  a.dispose();
});

test('a model that takes a fixed number of samples runs in whole batches of it', async () => {
  const fixed = withGraph(mlp, { inputs: [makeValueInfo('image', 'float', [5, 784])] });
  const a = new CurvatureQuantizationAnalyzer(fixed, wasm, {
    metric: 'kl',
    widths: [4],
    rounding: { clip: 'mse' },
    batch: 64,
  });
  await a.calibrate(dataset('mnist-calib', 18));
  assert.equal(a.calibrated, { samples: 10, measured: 10, judged: 5 });
  await a.computeCurvature();
  assert.ok((await a.measure(planOf(a, [4]))) > 0);
  a.dispose();
});

test('a weight that is not finite stays as it is, with the reason', async () => {
  const [first] = mlp.graph.initializers.filter((t) => t.name === '2.weight');
  const data = floats(first!.tensor()).slice();
  data[77] = Number.NaN;
  const bad = withGraph(mlp, {
    initializers: mlp.graph.initializers.map((t) =>
      t === first ? makeInitializer(t.name, tensor('float', t.dims, data)) : t,
    ),
  });
  const a = new CurvatureQuantizationAnalyzer(bad, wasm);
  assert.equal(
    a.layers.map((l) => l.name),
    ['0', '4'],
  );
  assert.ok(a.left.some((l) => l.weight === '2.weight' && /holds NaN/.test(l.reason)));
  await throws(DataError, /puts out NaN in output 'logits'/, () => a.calibrate(images));
  await a.computeCurvature();
  assert.is(a.optimizeBitAllocation(4).layers.length, 2);
  a.dispose();
});

test('nothing is left in wasm memory', () => {
  analyzer.dispose();
  analyzer.dispose();
});

test.run();
