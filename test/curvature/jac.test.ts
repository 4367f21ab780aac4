import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CurvatureQuantizationAnalyzer } from '../../src/analyzer.ts';
import { rowGains } from '../../src/curvature/jac.ts';
import { dataFor, type Metric, type MetricContext, metricNamed, registerMetric } from '../../src/curvature/metric.ts';
import { localError } from '../../src/curvature/metrics.ts';
import { Projections } from '../../src/curvature/projection.ts';
import { localErrorRows } from '../../src/curvature/rows.ts';
import { datasetFromArrays } from '../../src/data/index.ts';
import type { CostTable } from '../../src/index.ts';
import { makeInitializer, makeNode, makeValueInfo, readModel, writeModel } from '../../src/onnx/index.ts';
import type { Model, Node } from '../../src/onnx/model.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { dataset, model as demonstration } from '../demonstration.ts';
import { loadWasm, normals, random } from '../helpers.ts';

const wasm = await loadWasm();
const contexts: MetricContext[] = [];
const spy = (of: string): Metric => ({
  name: `jac test: ${of}`,
  needsData: true,
  measure(context) {
    contexts.push(context);
    return metricNamed(of).measure(context);
  },
});
for (const name of ['jac', 'fisher', 'kl']) registerMetric(spy(name));

interface Made {
  readonly context: MetricContext;
  readonly table: CostTable;
}

async function measure(
  metric: string,
  model: Model,
  data: ReturnType<typeof dataset>,
  options: { seed?: number; widths?: number[]; batch?: number } = {},
): Promise<Made> {
  const analyzer = new CurvatureQuantizationAnalyzer(model, wasm, {
    metric: `jac test: ${metric}`,
    batch: 64,
    widths: [2, 3, 4, 8],
    ...options,
  });
  await analyzer.calibrate(data);
  await analyzer.computeCurvature();
  const table = await analyzer.costTable();
  return { context: contexts.at(-1)!, table };
}

const NONE = new Uint8Array(0);

function network(
  nodes: readonly Node[],
  x: [string, 'float' | 'int64', (number | string)[]],
  out: (number | string)[],
  weights: Record<string, Tensor>,
): Model {
  const model: Model = {
    irVersion: 8,
    opsets: new Map([['', 17]]),
    producer: 'test',
    functions: [],
    rest: NONE,
    graph: {
      name: 'g',
      nodes,
      initializers: Object.entries(weights).map(([name, t]) => makeInitializer(name, t)),
      inputs: [makeValueInfo(...x)],
      outputs: [makeValueInfo('y', 'float', out)],
      valueInfo: [],
      rest: NONE,
    },
  };
  return readModel(writeModel(model), 'network');
}

const choice = (table: CostTable, layer: number, bits: number) =>
  table.layers[layer]!.choices.find((c) => c.bits === bits)!.damage;

test('the projections of distributions have the Fisher matrix for covariance, whichever way they are drawn', () => {
  const logits = tensor('float', [2, 3], Float32Array.of(0.3, -1, 1.2, 2, 0, -0.5));
  const p = [0, 1].map((r) => {
    const e = Array.from(logits.data.slice(3 * r, 3 * r + 3) as Float32Array, Math.exp);
    const sum = e.reduce((a, b) => a + b, 0);
    return e.map((v) => v / sum);
  });
  const probabilities = tensor('float', [2, 3], Float32Array.from(p.flat()));
  for (const given of [false, true])
    for (const kind of ['signs', 'labels'] as const) {
      const losses = [{ output: 'y', loss: 'kl' as const, probabilities: given }];
      const projections = new Projections(wasm, losses, () => 1, kind, 3);
      const draws = 20000;
      const moments = new Float64Array(36);
      for (let d = 0; d < draws; d++) {
        const v = projections.draw(() => (given ? probabilities : logits), 2).get('y')!;
        for (let i = 0; i < 6; i++) for (let j = 0; j < 6; j++) moments[6 * i + j]! += (v[i]! * v[j]!) / draws;
      }
      const fisher = (r: number, a: number, b: number) => {
        const q = p[r]!;
        if (!given) return (a === b ? q[a]! : 0) - q[a]! * q[b]!;
        return (a === b ? 1 / q[a]! : 0) - (kind === 'labels' ? 1 : 0);
      };
      for (let i = 0; i < 6; i++)
        for (let j = 0; j < 6; j++) {
          const [r, s, a, b] = [Math.floor(i / 3), Math.floor(j / 3), i % 3, j % 3];
          const expected = r === s ? fisher(r, a, b) : 0;
          const size = Math.sqrt(fisher(r, a, a) * fisher(s, b, b));
          assert.ok(
            Math.abs(moments[6 * i + j]! - expected) < 0.08 * size,
            `${kind} ${given} ${i},${j}: ${moments[6 * i + j]}, expected ${expected}`,
          );
        }
    }
});

/** Squared error of one linear layer: its damage is the sum over rows of dw H dw' over the mean square of the output, exactly. */
test('a linear network: gains are what the squared error says, and the same for every row', async () => {
  const next = random(4);
  const w = tensor('float', [16, 24], normals(16 * 24, next));
  const model = network([makeNode('MatMul', ['x', 'w'], ['y'])], ['x', 'float', ['N', 16]], ['N', 24], { w });
  const x = tensor('float', [600, 16], normals(600 * 16, next));
  const { context, table } = await measure('jac', model, datasetFromArrays(new Map([['x', x]]), 'x'));
  const kl = await measure('kl', model, datasetFromArrays(new Map([['x', x]]), 'x'));
  assert.is(table.unit, 'nse');
  const data = dataFor('jac', context);
  for (const bits of [2, 3, 4]) {
    const [found, truth] = [choice(table, 0, bits), choice(kl.table, 0, bits)];
    assert.ok(Math.abs(found - truth) < 0.15 * truth, `${bits} bits: ${found}, measured ${truth}`);
  }
  const gains = (await rowGains(context, data)).get('w')!;
  assert.is(gains.length, 24);
  const mean = gains.reduce((a, b) => a + b, 0) / 24;
  for (const g of gains) assert.ok(Math.abs(g - mean) < 1e-6 * mean, `${g}, mean ${mean}`);
});

test('a row that nothing depends on has no gain; one that counts ten times as much has a hundredfold', async () => {
  const next = random(8);
  const w = tensor('float', [20, 16], normals(320, next));
  const scale = tensor(
    'float',
    [16],
    Float32Array.from({ length: 16 }, (_, i) => (i === 0 ? 0 : i === 1 ? 10 : 1)),
  );
  const nodes = [makeNode('MatMul', ['x', 'w'], ['a']), makeNode('Mul', ['a', 'scale'], ['y'])];
  const model = network(nodes, ['x', 'float', ['N', 20]], ['N', 16], { w, scale });
  const x = tensor('float', [256, 20], normals(256 * 20, next));
  const { context } = await measure('jac', model, datasetFromArrays(new Map([['x', x]]), 'x'));
  const gains = (await rowGains(context, dataFor('jac', context))).get('w')!;
  assert.is(gains[0], 0);
  for (let r = 2; r < 16; r++) assert.ok(Math.abs(gains[1]! / gains[r]! - 100) < 0.01, `${gains[1]} / ${gains[r]}`);
});

test('tables, transposed convolutions, and weights that several nodes share: within a factor of what is measured', async () => {
  const next = random(15);
  const cases: [Model, Map<string, Tensor>][] = [];
  const table = tensor('float', [40, 12], normals(480, next));
  const head = tensor('float', [12, 30], normals(360, next));
  cases.push([
    network(
      [
        makeNode('Gather', ['table', 'x'], ['a']),
        makeNode('Tanh', ['a'], ['b']),
        makeNode('MatMul', ['b', 'head'], ['y']),
      ],
      ['x', 'int64', ['N', 6]],
      ['N', 6, 30],
      { table, head },
    ),
    new Map([
      [
        'x',
        tensor(
          'int64',
          [300, 6],
          BigInt64Array.from({ length: 1800 }, () => BigInt(Math.floor(next() ** 2 * 40))),
        ),
      ],
    ]),
  ]);
  const up = tensor('float', [4, 6, 4, 4], normals(384, next, 0.3));
  cases.push([
    network(
      [
        makeNode('ConvTranspose', ['x', 'up'], ['a'], { strides: { type: 'ints', value: [2, 2] } }),
        makeNode('Sigmoid', ['a'], ['y']),
      ],
      ['x', 'float', ['N', 4, 5, 5]],
      ['N', 6, 12, 12],
      { up },
    ),
    new Map([['x', tensor('float', [128, 4, 5, 5], normals(12800, next))]]),
  ]);
  const twice = tensor('float', [18, 18], normals(324, next, 0.3));
  cases.push([
    network(
      [
        makeNode('MatMul', ['x', 'twice'], ['a']),
        makeNode('Tanh', ['a'], ['b']),
        makeNode('MatMul', ['b', 'twice'], ['y']),
      ],
      ['x', 'float', ['N', 18]],
      ['N', 18],
      { twice },
    ),
    new Map([['x', tensor('float', [300, 18], normals(5400, next))]]),
  ]);
  for (const [model, arrays] of cases) {
    const options = { widths: [3, 4] };
    const jac = await measure('jac', model, datasetFromArrays(arrays, 'x'), options);
    const kl = await measure('kl', model, datasetFromArrays(arrays, 'x'), options);
    jac.table.layers.forEach((layer, i) => {
      for (const bits of [3, 4]) {
        const ratio = choice(jac.table, i, bits) / choice(kl.table, i, bits);
        assert.ok(ratio > 0.6 && ratio < 1.7, `${layer.name} ${bits} bits: ${ratio} of what is measured`);
      }
    });
  }
});

test('the MLP: jac and fisher are near measured damage, deterministic, and the table sums the rows', async () => {
  const mlp = demonstration('mnist-mlp');
  // Sure as the network is of nearly every sample, a label that is not its first choice is drawn for few of 4096.
  const kl = await measure('kl', mlp, dataset('mnist-calib', 5120), { widths: [3, 4] });
  const { context } = kl;
  const of = (metric: string, seed = 0) => metricNamed(metric).measure({ ...context, seed });
  const [jac, other] = [await of('jac'), await of('jac', 9)];
  const fisher = [await of('fisher'), await of('fisher', 1), await of('fisher', 2)];
  assert.equal(await of('jac'), jac);
  assert.not.equal(other.layers, jac.layers);
  assert.is(jac.metric, 'jac');
  assert.is(jac.unit, 'kl');
  for (let i = 0; i < 3; i++) {
    const truth = choice(kl.table, i, 4);
    // One drawing of labels is noisy, several are right on average.
    for (const tables of [[jac], [other], fisher]) {
      const ratio = tables.reduce((sum, table) => sum + choice(table, i, 4), 0) / tables.length / truth;
      assert.ok(ratio > 0.4 && ratio < 2.5, `${tables[0]!.metric} layer ${i}: ${ratio}`);
    }
  }
  const gains = await rowGains(context, dataFor('jac', context));
  for (const [i, layer] of context.layers.entries()) {
    const values = context.candidates.values(layer, 3);
    const errors = localErrorRows(context, dataFor('jac', context), layer, values);
    const total = errors.reduce((a, b) => a + b, 0);
    const local = localError(context, dataFor('jac', context), layer, values);
    assert.ok(Math.abs(total - local) <= 1e-9 * local);
    const sum = errors.reduce((s, e, r) => s + e * gains.get(layer.weight)![r]!, 0);
    assert.ok(Math.abs(sum - choice(jac, i, 3)) <= 1e-9 * sum, `${layer.name}: ${sum}`);
  }
});

test('where gradients cannot pass the table is that of kl, and says so', async () => {
  const next = random(2);
  const weights = {
    w: tensor('float', [16, 16], normals(256, next)),
    scale: tensor('float', [], Float32Array.of(0.1)),
  };
  const nodes = [
    makeNode('MatMul', ['x', 'w'], ['a']),
    makeNode('QuantizeLinear', ['a', 'scale'], ['b']),
    makeNode('DequantizeLinear', ['b', 'scale'], ['y'], {}, { name: 'back' }),
  ];
  const model = network(nodes, ['x', 'float', ['N', 16]], ['N', 16], weights);
  const x = tensor('float', [64, 16], normals(1024, next));
  const jac = await measure('jac', model, datasetFromArrays(new Map([['x', x]]), 'x'), { widths: [3, 4] });
  const kl = await measure('kl', model, datasetFromArrays(new Map([['x', x]]), 'x'), { widths: [3, 4] });
  assert.match(jac.table.metric, /^kl \(no jac: .*back.*DequantizeLinear has no gradient/);
  assert.equal(jac.table.layers, kl.table.layers);
});

test.run();
