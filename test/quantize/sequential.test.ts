import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CurvatureQuantizationAnalyzer } from '../../src/analyzer.ts';
import { DamageMeter } from '../../src/curvature/damage.ts';
import { type Dataset, datasetFromArrays } from '../../src/data/index.ts';
import { type Coded, decode } from '../../src/grid/index.ts';
import { findLayers } from '../../src/graph/index.ts';
import { weightOfRows, weightRows } from '../../src/grid/weight.ts';
import { makeInitializer, makeNode, makeValueInfo, withGraph } from '../../src/onnx/index.ts';
import type { Attribute, Model } from '../../src/onnx/model.ts';
import { sequentialPass } from '../../src/quantize/sequential.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { dataset, model as demonstration } from '../demonstration.ts';
import { loadWasm, normals, random } from '../helpers.ts';
import { model, planFor } from './models.ts';

const test = suite('quantize/sequential');
const wasm = await loadWasm();
const ints = (...value: number[]): Attribute => ({ type: 'ints', value });

/** Convolutions with stride and groups, a tail of matrices, and a branch that reads what the trunk reads. */
function network(): Model {
  const next = random(5);
  const w = (name: string, ...dims: number[]) =>
    makeInitializer(
      name,
      tensor(
        'float',
        dims,
        normals(
          dims.reduce((a, b) => a * b),
          next,
          0.25,
        ),
      ),
    );
  return model(
    {
      nodes: [
        makeNode('Conv', ['x', 'w1'], ['c1'], { pads: ints(1, 1, 1, 1) }),
        makeNode('Relu', ['c1'], ['r1']),
        makeNode('Conv', ['r1', 'w2'], ['c2'], { group: { type: 'int', value: 32 }, pads: ints(1, 1, 1, 1) }),
        makeNode('Relu', ['c2'], ['r2']),
        makeNode('Conv', ['r1', 'w3'], ['c3'], { strides: ints(2, 2) }),
        makeNode('GlobalAveragePool', ['r2'], ['p2']),
        makeNode('GlobalAveragePool', ['c3'], ['p3']),
        makeNode('Add', ['p2', 'p3'], ['s']),
        makeNode('Flatten', ['s'], ['f']),
        makeNode('MatMul', ['f', 'w4'], ['m1']),
        makeNode('MatMul', ['f', 'w5'], ['m2']),
        makeNode('Mul', ['m1', 'm2'], ['y']),
      ],
      initializers: [
        w('w1', 32, 2, 3, 3),
        w('w2', 32, 1, 3, 3),
        w('w3', 32, 32, 1, 1),
        w('w4', 32, 12),
        w('w5', 32, 12),
      ],
      inputs: [makeValueInfo('x', 'float', ['n', 2, 6, 6])],
      outputs: [makeValueInfo('y', 'float', ['n', 12])],
    },
    17,
  );
}

function images(count: number, seed: number): Dataset {
  return datasetFromArrays(new Map([['x', tensor('float', [count, 2, 6, 6], normals(count * 72, random(seed)))]]));
}

/** Damage of all layers of `plan`, each by itself and in sequence: on samples held back from the data, or on others. */
async function damages(m: Model, data: Dataset, change: Parameters<typeof planFor>[1], others?: Dataset) {
  const analyzer = new CurvatureQuantizationAnalyzer(m, wasm, { batch: 16 });
  await analyzer.calibrate(data);
  const plan = planFor(analyzer.model, (i) => ({ symmetric: false, rounding: 'gptq+cd', ...change(i) }));
  const coded = await analyzer.sequential(plan);
  const damage = async (weights: ReadonlyMap<string, Tensor>) => {
    if (others) return damageOn(analyzer, others, weights);
    const quantized = [...weights].map(([weight, values]) => ({ weight, bits: 2, values }));
    return analyzer.measureWritten({ layers: quantized } as never);
  };
  const layers = new Map(analyzer.layers.map((l) => [l.weight, l]));
  const found = {
    plain: await damage(analyzer.weightsOf(plan)),
    sequential: await damage(
      new Map([...coded].map(([name, c]) => [name, weightOfRows(wasm, layers.get(name)!, decode(wasm, c))])),
    ),
  };
  analyzer.dispose();
  return { ...found, coded };
}

/** KL at the scores. */
async function damageOn(
  { session }: CurvatureQuantizationAnalyzer,
  data: Dataset,
  weights: ReadonlyMap<string, Tensor>,
): Promise<number> {
  const meter = new DamageMeter(wasm, [{ output: session.outputs[0]!.name, loss: 'kl', probabilities: false }]);
  for await (const { feeds } of data.batches(50)) meter.add(session.run(feeds), session.run(feeds, { weights }));
  return meter.read();
}

test('less damage than each layer by itself, for convolutions, groups, branches and matrices', async () => {
  const used = wasm.arena.used;
  for (const bits of [2, 3]) {
    const { plain, sequential, coded } = await damages(network(), images(160, 7), () => ({ bits }));
    assert.equal([...coded.keys()].sort(), ['w1', 'w2', 'w3', 'w4', 'w5']);
    assert.ok(sequential < 0.9 * plain, `${bits} bits: ${plain} each by itself, ${sequential} in sequence`);
    const again = await damages(network(), images(160, 7), () => ({ bits }));
    assert.equal(again.coded, coded, 'the same data gives the same codes');
  }
  assert.is(wasm.arena.used, used);
});

test('a trained network: less damage at 2 bits on samples it was not calibrated on', async () => {
  const [calib, held] = [dataset('mnist-calib', 1000), dataset('mnist-eval', 2000)];
  const { plain, sequential } = await damages(demonstration('mnist-mlp'), calib, () => ({ bits: 2 }), held);
  assert.ok(sequential < 0.95 * plain, `${plain}, ${sequential}`);
});

test('widths of rows and layers in float are those of the plan', async () => {
  const rowBits = Array.from({ length: 32 }, (_, r) => [2, 4, 3][r % 3]!);
  const change = (i: number) => (i === 1 ? { bits: 4, rowBits, asymmetricBits: [2, 3] } : { bits: i === 2 ? 32 : 3 });
  const { coded } = await damages(network(), images(40, 8), change);
  const bits = (c: Coded | undefined) => c?.map((s) => s.grid.bits);
  assert.equal(bits(coded.get('w1')), [3]);
  assert.equal(bits(coded.get('w2')), [2, 3, 4]);
  assert.equal(
    coded.get('w2')!.map((s) => s.grid.symmetric),
    [false, false, true],
  );
  assert.equal(
    coded.get('w2')![0]!.rows,
    rowBits.flatMap((b, r) => (b === 2 ? [r] : [])),
  );
  assert.is(coded.get('w3'), undefined);
});

test('fewer samples than columns: finite, and still no worse by much than each layer by itself', async () => {
  const { plain, sequential, coded } = await damages(network(), images(3, 9), () => ({ bits: 3 }));
  for (const c of coded.values()) assert.ok(decode(wasm, c).every(Number.isFinite));
  assert.ok(sequential < 2 * plain + 1e-3, `${plain}, ${sequential}`);
});

test('values beyond the bytes that may be kept: fewer samples, and their number is given', async () => {
  const m = network();
  const { layers } = findLayers(m);
  const initializers = new Map(m.graph.initializers.map((t) => [t.name, t.tensor()]));
  const run = (kept?: number) =>
    sequentialPass(wasm, {
      model: m,
      layers,
      plan: planFor(m, () => ({ bits: 3, symmetric: false, rounding: 'gptq+cd' })),
      spec: { clip: 'gram', scaleType: 'float16' },
      float: (layer) => weightRows(wasm, layer, initializers.get(layer.weight)!),
      gram: () => undefined,
      dataset: images(64, 3),
      batch: 8,
      samples: 64,
      kept,
    });
  assert.is((await run()).samples, 64);
  // A batch of inputs takes 2304 bytes, what the first layer makes of it 36864.
  const few = await run(3 * 36864);
  assert.ok(few.samples >= 8 && few.samples <= 32 && few.samples % 8 === 0, `${few.samples}`);
  assert.is((await run(1)).samples, 8);
  for (const c of few.coded.values()) assert.ok(decode(wasm, c).every(Number.isFinite));
});

test('rows left out: the layers after them are fitted to what is given in their place', async () => {
  const data = images(160, 11);
  const m = network();
  const bias = makeInitializer('b1', tensor('float', [32], normals(32, random(3), 0.1)));
  const nodes = m.graph.nodes.map((n) =>
    n.outputs[0] === 'c1' ? makeNode('Conv', ['x', 'w1', 'b1'], ['c1'], { pads: ints(1, 1, 1, 1) }) : n,
  );
  const biased = withGraph(m, { nodes, initializers: [...m.graph.initializers, bias] });
  const analyzer = new CurvatureQuantizationAnalyzer(biased, wasm, { batch: 16 });
  await analyzer.calibrate(data);
  const rowBits = Array.from({ length: 32 }, (_, r) => (r % 8 === 5 ? 0 : 6));
  const plan = planFor(analyzer.model, (i) => ({
    symmetric: false,
    rounding: 'gptq+cd',
    ...(i === 0 ? { bits: 6, rowBits, asymmetricBits: [6] } : { bits: 6 }),
  }));
  const coded = await analyzer.sequential(plan);
  const layers = new Map(analyzer.layers.map((l) => [l.weight, l]));
  const replaced = analyzer.candidates.bias(layers.get('w1')!, rowBits)!;
  const damage = (weights: ReadonlyMap<string, Tensor>) =>
    analyzer.measureWritten(
      { layers: [...weights].map(([weight, values]) => ({ weight, bits: 2, values })) } as never,
      new Map([[replaced.name, replaced.tensor]]),
    );
  const plain = await damage(analyzer.weightsOf(plan));
  const sequential = await damage(
    new Map([...coded].map(([name, c]) => [name, weightOfRows(wasm, layers.get(name)!, decode(wasm, c))])),
  );
  assert.ok(sequential < 0.8 * plain, `${plain} each by itself, ${sequential} in sequence`);
  analyzer.dispose();
});

test('before calibration there is nothing to go by', async () => {
  const analyzer = new CurvatureQuantizationAnalyzer(network(), wasm);
  let message = '';
  await analyzer.sequential(planFor(analyzer.model, () => ({}))).catch((error: Error) => {
    message = error.message;
  });
  assert.match(message, /calibrate\(\)/);
  analyzer.dispose();
});

test.run();
