import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Histogram } from '../../../src/calibrate/histogram.ts';
import { affineFor, rangeOf } from '../../../src/calibrate/ranges.ts';
import { findLayers, Session } from '../../../src/graph/index.ts';
import type { Coded } from '../../../src/grid/coded.ts';
import { asFloats } from '../../../src/grid/weight.ts';
import { makeValueInfo, readModel, withGraph, writeModel } from '../../../src/onnx/index.ts';
import type { Model } from '../../../src/onnx/model.ts';
import { roomForBias } from '../../../src/quantize/activations/bias.ts';
import { writeDynamic } from '../../../src/quantize/activations/dynamic.ts';
import { biasOf, isDepthwise, whyNotMultiplied } from '../../../src/quantize/activations/operators.ts';
import { place } from '../../../src/quantize/activations/place.ts';
import { smallWeights, writeSmall } from '../../../src/quantize/activations/small.ts';
import type { Products } from '../../../src/quantize/activations/product.ts';
import {
  type ActivationType,
  INTEGER_OPSET,
  limitsOf,
  writeActivations,
} from '../../../src/quantize/activations/write.ts';
import { PrecisionAwareQuantizer } from '../../../src/quantize/index.ts';
import { integer } from '../../../src/quantize/integer.ts';
import { mergedScales } from '../../../src/quantize/slices.ts';
import { loadWasm } from '../../helpers.ts';
import { planFor } from '../models.ts';
import { RUNTIMES, relativeDifference, runIn } from '../run.ts';
import { inputFor, residual, separable, sequence } from './nets.ts';

const test = suite('quantize/activations/write');
const wasm = await loadWasm();

interface Settings {
  readonly bits?: number;
  readonly type?: ActivationType;
  readonly products?: Products;
}

/** The model with weights and activations rounded, ranges from one batch. */
function rounded(m: Model, { bits = 8, type = 'uint8', products }: Settings = {}): Uint8Array {
  const able = findLayers(m).layers.filter((l) => whyNotMultiplied(m, l) === undefined);
  const placement = place(m, able);
  const histograms = placement.sites.map(() => new Histogram());
  const session = new Session(m, wasm);
  const x = inputFor(m, 4);
  const see = (name: string, t: Parameters<typeof asFloats>[1] | undefined) =>
    placement.sites.forEach((s) => {
      if (s.value === name && t) histograms[s.group]!.add(asFloats(wasm, t));
    });
  see('x', x);
  session.run({ x }, { observe: (node, _, outputs) => node.outputs.forEach((name, i) => see(name, outputs[i])) });
  session.dispose();
  const [low, high] = limitsOf(type);
  const grids = histograms.map((h) => ({
    ...affineFor(rangeOf(wasm, h.read(), 'minmax', low, high), low, high),
    type,
  }));
  const formats = { integer: { ...integer, opset: () => INTEGER_OPSET } };
  const quantizer = new PrecisionAwareQuantizer(wasm, { clip: 'mse', formats });
  const plan = planFor(m, () => ({ bits, symmetric: bits === 8, format: 'integer' }));
  const coded = new Map(quantizer.quantizeModel(m, plan).layers.map((l) => [l.weight, l.coded!]));
  const initializers = new Map(m.graph.initializers.map((t) => [t.name, t]));
  for (const { node, layer, input } of placement.nodes) {
    const bias = initializers.get(biasOf(node));
    const grid = grids[placement.sites.find((s) => s.value === input)!.group]!;
    if (bias && node.opType === 'Conv')
      coded.set(layer.weight, roomForBias(coded.get(layer.weight)!, bias.tensor().data as Float32Array, grid.scale));
  }
  const { model } = quantizer.quantizeModel(m, plan, new Map(), coded);
  return writeModel(writeActivations(model, placement, grids, (weight) => mergedScales(coded.get(weight)!), products));
}

function own(bytes: Uint8Array, m: Model): Float32Array {
  const session = new Session(readModel(bytes), wasm);
  const { y } = session.run({ x: inputFor(m, 4, 2) });
  session.dispose();
  return y!.data as Float32Array;
}

async function optimized(bytes: Uint8Array, m: Model): Promise<Record<string, number>> {
  const path = join(tmpdir(), `kappa-activations-${process.pid}.onnx`);
  try {
    await runIn('node', bytes, { x: inputFor(m, 1) }, { optimizedPath: path });
    const counts: Record<string, number> = {};
    for (const { opType } of readModel(new Uint8Array(readFileSync(path))).graph.nodes)
      counts[opType] = (counts[opType] ?? 0) + 1;
    return counts;
  } finally {
    rmSync(path, { force: true });
  }
}

test('a residual network is one of integers in stock runtimes, which agree with the executor', async () => {
  const m = residual();
  for (const [bits, most] of [
    [8, 0.03],
    [4, 0.3],
  ] as const) {
    const bytes = rounded(m, { bits });
    const found = own(bytes, m);
    const x = inputFor(m, 4, 2);
    for (const runtime of RUNTIMES) {
      const { y } = await runIn(runtime, bytes, { x });
      assert.ok(relativeDifference(y!, found) < 0.02, `${runtime}, ${bits} bits`);
    }
    const float = own(writeModel(m), m);
    assert.ok(relativeDifference(found, float) < most, `${bits} bits: ${relativeDifference(found, float)}`);
    const counts = await optimized(bytes, m);
    assert.equal(
      [counts.QLinearConv, counts.QLinearAdd, counts.QLinearGlobalAveragePool, counts.MatMulInteger, counts.Conv],
      [4, 1, 1, 1, undefined],
    );
    assert.not.ok(counts.Relu || counts.Clip || counts.Gather, JSON.stringify(counts));
  }
});

test('int8, and operators of com.microsoft', async () => {
  const m = residual();
  const x = inputFor(m, 4, 2);
  for (const settings of [{ type: 'int8' }, { products: 'microsoft' }] as const) {
    const bytes = rounded(m, settings);
    const found = own(bytes, m);
    for (const runtime of RUNTIMES)
      assert.ok(relativeDifference((await runIn(runtime, bytes, { x })).y!, found) < 0.02, runtime);
  }
  const counts = await optimized(rounded(m, { products: 'microsoft' }), m);
  assert.is(counts.MatMulIntegerToFloat, 1);
});

test('products between norms: inputs alone are rounded', async () => {
  const m = sequence();
  for (const products of ['standard', 'microsoft'] as const) {
    const bytes = rounded(m, { products });
    const found = own(bytes, m);
    for (const runtime of RUNTIMES)
      assert.ok(relativeDifference((await runIn(runtime, bytes, { x: inputFor(m, 4, 2) })).y!, found) < 0.01, runtime);
    assert.ok(relativeDifference(found, own(writeModel(m), m)) < 0.03);
    const { nodes } = readModel(bytes).graph;
    assert.not.ok(nodes.some((n) => n.opType === 'DequantizeLinear'));
  }
});

test('16 bits stand between QuantizeLinear and DequantizeLinear, of com.microsoft before opset 21', async () => {
  for (const opset of [17, 21]) {
    const m = residual(opset);
    const bytes = rounded(m, { type: 'uint16' });
    const { nodes } = readModel(bytes).graph;
    assert.is(nodes.find((n) => n.opType === 'QuantizeLinear')!.domain, opset < 21 ? 'com.microsoft' : '');
    const found = own(bytes, m);
    for (const runtime of RUNTIMES)
      assert.ok(relativeDifference((await runIn(runtime, bytes, { x: inputFor(m, 4, 2) })).y!, found) < 1e-3, runtime);
    assert.ok(relativeDifference(found, own(writeModel(m), m)) < 0.02);
  }
});

test('dynamic: one operator a product in onnxruntime, ranges found in every run', async () => {
  const m = sequence();
  const plan = planFor(m, () => ({ bits: 8, format: 'integer' }));
  const { model } = new PrecisionAwareQuantizer(wasm).quantizeModel(m, plan);
  const { nodes } = place(m, findLayers(m).layers);
  const bytes = writeModel(writeDynamic(model, nodes));
  const found = own(bytes, m);
  for (const runtime of RUNTIMES)
    assert.ok(relativeDifference((await runIn(runtime, bytes, { x: inputFor(m, 4, 2) })).y!, found) < 1e-2, runtime);
  assert.ok(relativeDifference(found, own(writeModel(m), m)) < 0.05);
  assert.is((await optimized(bytes, m)).DynamicQuantizeMatMul, 2);
});

test('an output of the model that a convolution makes keeps its name, at every opset', async () => {
  for (const opset of [10, 17]) {
    const whole = residual(opset);
    const m = withGraph(whole, { outputs: [...whole.graph.outputs, makeValueInfo('c3', 'float', ['N', 12, 6, 6])] });
    const bytes = rounded(m);
    const session = new Session(readModel(bytes), wasm);
    const x = inputFor(m, 4, 2);
    const { c3 } = session.run({ x });
    session.dispose();
    assert.equal(c3!.dims, [4, 12, 6, 6]);
    for (const runtime of RUNTIMES)
      assert.ok(relativeDifference((await runIn(runtime, bytes, { x })).c3!, c3!.data as Float32Array) < 0.02, runtime);
  }
});

test('weights left in float behind rounded values stay as they are in stock runtimes', async () => {
  const m = separable();
  const bytes = rounded(m);
  const found = own(bytes, m);
  for (const runtime of RUNTIMES) {
    const { y } = await runIn(runtime, bytes, { x: inputFor(m, 4, 2) });
    assert.ok(relativeDifference(y!, found) < 0.005, `${runtime}: ${relativeDifference(y!, found)}`);
  }
  assert.is((await optimized(bytes, m)).QLinearConv, 2);
});

test('small weights are multiplied as integers too', () => {
  const m = separable();
  const [small, ...others] = smallWeights(wasm, m);
  assert.is(others.length, 0);
  assert.equal([small!.layer.weight, small!.layer.rows, isDepthwise(small!.layer)], ['d', 12, true]);
  const before = own(writeModel(m), m);
  const written = readModel(writeModel(writeSmall(wasm, m, [small!])));
  assert.ok(written.graph.nodes.some((n) => n.opType === 'DequantizeLinear' && n.outputs[0] === 'd'));
  const difference = relativeDifference(own(writeModel(written), m), before);
  assert.ok(difference > 0 && difference < 0.02, `${difference}`);
});

test('rows of next to no weight make room for their bias', () => {
  const scales = Float32Array.of(1e-9, 0.1);
  const grid = {
    bits: 8,
    rows: 2,
    cols: 2,
    block: 2,
    symmetric: true,
    scales,
    zeros: undefined,
    scaleType: 'float',
  } as const;
  const coded: Coded = [{ rows: undefined, grid, codes: Uint8Array.of(255, 0, 130, 100) }];
  const bias = Float32Array.of(5, -5);
  const [slice] = roomForBias(coded, bias, 0.01);
  const [tiny, kept] = slice!.grid.scales;
  assert.ok(5 / (0.01 * tiny!) <= 2 ** 30, `${tiny}`);
  assert.is(kept, scales[1]);
  assert.equal([...slice!.codes], [128, 128, 130, 100]);
  assert.is(roomForBias(coded, Float32Array.of(1e-6, -5), 0.01), coded);
});

test.run();
