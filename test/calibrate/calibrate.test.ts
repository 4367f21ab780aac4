import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Calibration, calibrate } from '../../src/calibrate/calibrate.ts';
import { LayerInputs } from '../../src/calibrate/inputs.ts';
import { fromHalf, toHalf } from '../../src/grid/half.ts';
import { type Dataset, datasetFromArrays } from '../../src/data/index.ts';
import { DataError } from '../../src/errors.ts';
import { findLayers, foldBatchNormalization, Session } from '../../src/graph/index.ts';
import { makeInitializer, makeNode, makeValueInfo } from '../../src/onnx/index.ts';
import type { Model } from '../../src/onnx/model.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { dataset, feeds, floats, model as demonstration } from '../demonstration.ts';
import { body, graph, modelOf, node } from '../graph/build.ts';
import { loadWasm, normals, random } from '../helpers.ts';
import { model } from '../quantize/models.ts';

const test = suite('calibrate/calibrate');
const wasm = await loadWasm();

async function run(m: Model, data: Dataset, batch: number, samples?: number): Promise<Calibration> {
  const before = wasm.arena.used;
  const session = new Session(m, wasm);
  try {
    return await calibrate(wasm, session, findLayers(m).layers, data, { batch, samples });
  } finally {
    session.dispose();
    assert.is(wasm.arena.used, before, 'calibration frees what it took');
  }
}

const near = (found: number, expected: number, relative: number, what: string) =>
  assert.ok(
    Math.abs(found - expected) <= relative * Math.abs(expected) + 1e-12,
    `${what}: ${found}, expected ${expected}`,
  );

/** y = x W' + b, in f64. */
function dense(x: Float64Array[], w: Float32Array, b: Float32Array): Float64Array[] {
  return x.map((row) =>
    Float64Array.from(b, (bias, r) => row.reduce((sum, v, c) => sum + v * w[r * row.length + c]!, bias)),
  );
}

test('statistics of every value of the MLP agree with f64 loops', async () => {
  const mlp = demonstration('mnist-mlp');
  const n = 30;
  const found = await run(mlp, dataset('mnist-calib', n), 7);
  assert.is(found.samples, n);
  assert.is(found.batches, 5);
  const weights = new Map(mlp.graph.initializers.map((t) => [t.name, floats(t.tensor())]));
  const image = floats(feeds('mnist-calib', n).image);
  let x: Float64Array[] = Array.from({ length: n }, (_, i) =>
    Float64Array.from(image.subarray(784 * i, 784 * (i + 1))),
  );
  const expected = new Map([['image', x]]);
  for (const [i, value] of [
    [0, '/0/Gemm_output_0'],
    [2, '/2/Gemm_output_0'],
    [4, 'logits'],
  ] as const) {
    x = dense(x, weights.get(`${i}.weight`)!, weights.get(`${i}.bias`)!);
    expected.set(value, x);
    if (i === 4) break;
    x = x.map((row) => row.map((v) => Math.max(0, v)));
    expected.set(`/${i + 1}/Relu_output_0`, x);
  }
  assert.equal([...found.values.keys()].sort(), [...expected.keys()].sort());
  for (const [name, rows] of expected) {
    const s = found.values.get(name)!;
    const all = rows.flatMap((row) => [...row]);
    const mean = all.reduce((a, v) => a + v, 0) / all.length;
    assert.is(s.count, all.length, name);
    assert.equal(found.shapes.get(name), [rows[0]!.length]);
    const spread = Math.sqrt(all.reduce((a, v) => a + (v - mean) ** 2, 0) / all.length);
    assert.ok(Math.abs(s.mean - mean) < 1e-5 * spread, `${name} mean`);
    near(Math.sqrt(s.variance), spread, 1e-5, `${name} deviation`);
    near(s.min, Math.min(...all), 1e-5, `${name} min`);
    near(s.max, Math.max(...all), 1e-5, `${name} max`);
    const norm = Math.max(...rows.map((row) => Math.sqrt(row.reduce((a, v) => a + v * v, 0))));
    near(s.maxRowNorm, norm, 1e-5, `${name} row norm`);
    near(s.maxSampleNorm, norm, 1e-5, `${name} sample norm`);
  }
});

test('Gram matrices of the MLP are the mean of x x’', async () => {
  const mlp = demonstration('mnist-mlp');
  const n = 12;
  const found = await run(mlp, dataset('mnist-calib', n), 5);
  const image = floats(feeds('mnist-calib', n).image);
  const gram = found.layers.get('0.weight')!.gram!;
  let worst = 0;
  for (let i = 0; i < 784; i += 13)
    for (let j = 0; j < 784; j++) {
      let sum = 0;
      for (let s = 0; s < n; s++) sum += image[784 * s + i]! * image[784 * s + j]!;
      worst = Math.max(worst, Math.abs(gram[784 * i + j]! - sum / n));
    }
  assert.ok(worst < 1e-5, `${worst}`);
});

test('Gram matrices of the ResNet’s convolutions agree with windows cut out by hand', async () => {
  const resnet = foldBatchNormalization(demonstration('resnet18-fashion'));
  const n = 3;
  const found = await run(resnet, dataset('fashion-calib', n), 2);
  const session = new Session(resnet, wasm);
  const trace = session.trace(feeds('fashion-calib', n));
  const { layers } = findLayers(resnet);
  for (const name of ['layer1.0.conv1', 'layer3.0.conv1', 'layer4.0.downsample.0']) {
    const layer = layers.find((l) => l.name === name)!;
    const attribute = (key: string) => layer.nodes[0]!.attributes.get(key)!.value as number[];
    const [stride, pad, k] = [attribute('strides')[0]!, attribute('pads')[0]!, layer.dims[2]!];
    const input = trace.values.get(layer.input)!;
    const x = floats(input);
    const [, channels, h, w] = input.dims as [number, number, number, number];
    const out = Math.floor((h + 2 * pad - k) / stride) + 1;
    const { cols } = layer;
    const sums = new Float64Array(cols * cols);
    const window = new Float64Array(cols);
    for (let s = 0; s < n; s++)
      for (let oy = 0; oy < out; oy++)
        for (let ox = 0; ox < out; ox++) {
          for (let at = 0; at < cols; at++) {
            const [c, ky, kx] = [Math.floor(at / (k * k)), Math.floor(at / k) % k, at % k];
            const [y, z] = [oy * stride + ky - pad, ox * stride + kx - pad];
            const inside = y >= 0 && y < h && z >= 0 && z < w;
            window[at] = inside ? x[((s * channels + c) * h + y) * w + z]! : 0;
          }
          for (let i = 0; i < cols; i += 5)
            for (let j = 0; j < cols; j++) sums[i * cols + j]! += window[i]! * window[j]!;
        }
    const gram = found.layers.get(layer.weight)!.gram!;
    let [worst, size] = [0, 0];
    for (let i = 0; i < cols; i += 5)
      for (let j = 0; j < cols; j++) {
        const expected = sums[i * cols + j]! / (n * out * out);
        size = Math.max(size, Math.abs(expected));
        worst = Math.max(worst, Math.abs(gram[i * cols + j]! - expected));
      }
    assert.ok(size > 0 && worst < 1e-4 * size, `${name}: ${worst} of ${size}`);
  }
  session.dispose();
});

test('tables: how often each row was looked up', async () => {
  const text = demonstration('transformer-text');
  const n = 3;
  const found = await run(text, dataset('text-calib', n), 2);
  const { tokens } = feeds('text-calib', n);
  const counts = new Array<number>(256).fill(0);
  for (const t of tokens!.data) counts[Number(t)]! += 1;
  const weights = found.layers.get('token.weight')!.rowWeights!;
  assert.equal(
    [...weights],
    counts.map((c) => c / tokens!.data.length),
  );
  const positions = found.layers.get('position.weight')!.rowWeights!;
  for (const share of positions) assert.is(share, 1 / 128);
  assert.is(found.layers.get('token.weight')!.gram, undefined);
  assert.ok(found.rowVariance.size === 13 && [...found.rowVariance.values()].every((v) => v > 0));
});

test('however the samples are cut into batches', async () => {
  const mlp = demonstration('mnist-mlp');
  const data = dataset('mnist-calib', 40);
  const whole = await run(mlp, data, 40);
  for (const batch of [1, 7, 16, 64]) {
    const parts = await run(mlp, data, batch);
    assert.is(parts.samples, 40);
    for (const [name, s] of whole.values) {
      const p = parts.values.get(name)!;
      assert.is(p.count, s.count);
      assert.equal(parts.shapes.get(name), whole.shapes.get(name));
      for (const key of ['variance', 'min', 'max', 'maxRowNorm', 'maxSampleNorm'] as const)
        near(p[key], s[key], 1e-5, `${name} ${key}, batch ${batch}`);
    }
    for (const [name, { gram }] of whole.layers) {
      const other = parts.layers.get(name)!.gram!;
      const size = gram!.reduce((a, v) => Math.max(a, Math.abs(v)), 0);
      const worst = gram!.reduce((a, v, i) => Math.max(a, Math.abs(v - other[i]!)), 0);
      assert.ok(worst < 1e-5 * size, `${name}, batch ${batch}: ${worst}`);
    }
  }
});

test('a limit on the samples', async () => {
  const mlp = demonstration('mnist-mlp');
  const found = await run(mlp, dataset('mnist-calib', 20), 8, 11);
  assert.is(found.samples, 11);
  assert.is(found.values.get('image')!.count, 11 * 784);
});

function oneInput(nodes: Model['graph']['nodes'], weights: Record<string, Tensor>, dims: (number | string)[]): Model {
  return model(
    {
      nodes,
      initializers: Object.entries(weights).map(([name, t]) => makeInitializer(name, t)),
      inputs: [makeValueInfo('x', 'float', dims)],
      outputs: [makeValueInfo('y', 'float', undefined)],
    },
    17,
  );
}

const samples = (dims: number[], seed = 1) =>
  datasetFromArrays(
    new Map([
      [
        'x',
        tensor(
          'float',
          dims,
          normals(
            dims.reduce((a, b) => a * b, 1),
            random(seed),
          ),
        ),
      ],
    ]),
  );

test('an axis that only happens to have the size of the batch is not taken for the samples', async () => {
  const perm = { perm: { type: 'ints' as const, value: [1, 0, 2] } };
  const m = oneInput([makeNode('Transpose', ['x'], ['y'], perm)], {}, ['N', 4, 3]);
  const found = await run(m, samples([8, 4, 3]), 4);
  assert.equal(found.shapes.get('x'), [4, 3]);
  assert.equal(found.shapes.get('y'), [4, 4, 3]);
  assert.ok(found.values.get('y')!.maxSampleNorm > found.values.get('x')!.maxSampleNorm);
});

test('one number a sample, and one number in all', async () => {
  const axes = (...value: number[]) => ({
    axes: { type: 'ints' as const, value },
    keepdims: { type: 'int' as const, value: 0 },
  });
  const m = model(
    {
      nodes: [makeNode('ReduceMean', ['x'], ['y'], axes(1)), makeNode('ReduceMean', ['y'], ['z'], axes(0))],
      inputs: [makeValueInfo('x', 'float', ['N', 3])],
      outputs: [makeValueInfo('y', 'float', undefined), makeValueInfo('z', 'float', undefined)],
    },
    17,
  );
  const data = samples([6, 3]);
  const found = await run(m, data, 6);
  const x = floats(data.columns!.get('x')!.all);
  const means = Array.from({ length: 6 }, (_, i) => (x[3 * i]! + x[3 * i + 1]! + x[3 * i + 2]!) / 3);
  const y = found.values.get('y')!;
  assert.equal(found.shapes.get('y'), []);
  assert.is(y.count, 6);
  near(y.maxSampleNorm, Math.max(...means.map(Math.abs)), 1e-5, 'y');
  near(y.maxRowNorm, Math.max(...means.map(Math.abs)), 1e-5, 'y');
  assert.is(found.values.get('z')!.count, 1);
});

test('inputs of a Gemm that transposes them; ConvTranspose has no Gram matrix; a table that is a matrix too', async () => {
  const w = tensor('float', [20, 16], normals(320, random(3)));
  const transA = { transA: { type: 'int' as const, value: 1 } };
  const gemm = oneInput([makeNode('Gemm', ['x', 'w'], ['y'], transA)], { w }, [20, 6]);
  const session = new Session(gemm, wasm);
  const fixed = samples([20, 6]);
  const found = await calibrate(wasm, session, findLayers(gemm).layers, fixed, { batch: 20 });
  session.dispose();
  const x = floats(fixed.columns!.get('x')!.all);
  const gram = found.layers.get('w')!.gram!;
  for (let i = 0; i < 20; i++)
    for (let j = 0; j < 20; j++) {
      let sum = 0;
      for (let c = 0; c < 6; c++) sum += x[6 * i + c]! * x[6 * j + c]!;
      assert.ok(Math.abs(gram[20 * i + j]! - sum / 6) < 1e-5);
    }

  const kernel = tensor('float', [4, 8, 3, 3], normals(288, random(4)));
  const up = oneInput([makeNode('ConvTranspose', ['x', 'w'], ['y'])], { w: kernel }, ['N', 4, 5, 5]);
  assert.is((await run(up, samples([3, 4, 5, 5]), 2)).layers.get('w')!.gram, undefined);

  const table = tensor('float', [40, 8], normals(320, random(5)));
  const tied = model(
    {
      nodes: [
        makeNode('Gather', ['w', 'x'], ['e']),
        makeNode('Gemm', ['e', 'w'], ['y'], { transB: { type: 'int', value: 1 } }),
      ],
      initializers: [makeInitializer('w', table)],
      inputs: [makeValueInfo('x', 'int64', ['N'])],
      outputs: [makeValueInfo('y', 'float', undefined)],
    },
    17,
  );
  const ids = BigInt64Array.from([3n, 3n, -1n, 0n]);
  const both = (await run(tied, datasetFromArrays(new Map([['x', tensor('int64', [4], ids)]])), 3)).layers.get('w')!;
  assert.equal(
    [...both.rowWeights!].flatMap((v, i) => (v > 0 ? [[i, v]] : [])),
    [
      [0, 0.25],
      [3, 0.5],
      [39, 0.25],
    ],
  );
  const e = floats(table);
  const rows = [3, 3, 39, 0].map((r) => e.subarray(8 * r, 8 * r + 8));
  near(both.gram![1]!, rows.reduce((sum, r) => sum + r[0]! * r[1]!, 0) / 4, 1e-4, 'gram of the looked up rows');
});

test('no samples, and outputs that are not finite, are errors in the data', async () => {
  const mlp = demonstration('mnist-mlp');
  const none: Dataset = { count: 0, names: ['image'], batches: () => [] as unknown as AsyncIterable<never> };
  await rejects(run(mlp, none, 4), /expected at least one sample/);
  await rejects(run(mlp, dataset('mnist-calib', 4), 4, 0), /expected at least one sample/);
  const log = oneInput([makeNode('Log', ['x'], ['y'])], {}, ['N', 3]);
  await rejects(run(log, samples([2, 3]), 2), /the model puts out NaN in output 'y'/);
});

async function rejects(promise: Promise<unknown>, message: RegExp): Promise<void> {
  let thrown: unknown;
  await promise.catch((error: unknown) => {
    thrown = error;
  });
  assert.instance(thrown, DataError);
  assert.match((thrown as Error).message, message);
}

/** E[x x'] of rows [n, cols]. */
function gramOf(rows: readonly (readonly number[])[]): Float32Array {
  const cols = rows[0]!.length;
  const gram = new Float32Array(cols * cols);
  for (let i = 0; i < cols; i++)
    for (let j = 0; j < cols; j++) gram[i * cols + j] = rows.reduce((sum, x) => sum + x[i]! * x[j]!, 0) / rows.length;
  return gram;
}

test('inputs of weights in bodies, turned around, on the left, and of recurrent operators', async () => {
  const weight = (seed: number, ...dims: number[]) =>
    tensor(
      'float',
      dims,
      normals(
        dims.reduce((a, b) => a * b),
        random(seed),
        0.1,
      ),
    );
  const then = graph([], ['t'], [node('MatMul', 'x,seldom', 't')]);
  const otherwise = graph([], ['e'], [node('Relu', 'x', 'r'), node('MatMul', 'r,often', 'e')]);
  const m = modelOf(
    graph(
      ['x:float[N,16]'],
      ['y', 'z', 'l', 's', 'b'],
      [
        node('If', 'no', 'y', { then_branch: body(then), else_branch: body(otherwise) }),
        node('Transpose', 'tied', 'turned'),
        node('MatMul', 'x,turned', 'z'),
        node('Transpose', 'x', 'columns'),
        node('MatMul', 'left,columns', 'l'),
        node('Unsqueeze', 'x,one', 'steps'),
        node('LSTM', 'steps,w,r', 's', { hidden_size: { type: 'int', value: 8 } }),
        node('MatMul', 'x,batched', 'b'),
      ],
      {
        no: tensor('bool', [], Uint8Array.of(0)),
        one: tensor('int64', [1], BigInt64Array.of(1n)),
        seldom: weight(1, 16, 20),
        often: weight(2, 16, 20),
        tied: weight(3, 30, 16),
        left: weight(4, 20, 16),
        w: weight(5, 1, 32, 16),
        r: weight(6, 1, 32, 8),
        batched: weight(7, 2, 16, 10),
      },
    ),
  );
  const n = 6;
  const x = tensor('float', [n, 16], normals(n * 16, random(9), 1));
  const found = await run(m, datasetFromArrays(new Map([['x', x]])), 4);
  const rows = Array.from({ length: n }, (_, i) => [...(x.data as Float32Array).subarray(16 * i, 16 * i + 16)]);
  const expected = gramOf(rows);
  for (const name of ['tied', 'left', 'w', 'batched']) {
    const gram = found.layers.get(name)!.gram!;
    assert.is(gram.length, 256, name);
    gram.forEach((v, i) => near(v, expected[i]!, 1e-4, `${name} ${i}`));
  }
  const often = found.layers.get('often')!.gram!;
  gramOf(rows.map((row) => row.map((v) => Math.max(0, v)))).forEach((v, i) => near(often[i]!, v, 1e-4, `often ${i}`));
  // Never run, and inputs that are no value of the graph: nothing is known, which is not the same as nothing there.
  for (const name of ['seldom', 'r']) assert.is(found.layers.get(name)!.gram, undefined, name);
});

test('half inputs', async () => {
  const halves = (seed: number, ...dims: number[]) => {
    const values = normals(
      dims.reduce((a, b) => a * b),
      random(seed),
      1,
    );
    return tensor('float16', dims, toHalf(wasm, values));
  };
  const m = modelOf(graph(['x:float16[N,16]'], ['y:float16'], [node('MatMul', 'x,w', 'y')], { w: halves(1, 16, 20) }));
  const x = halves(2, 3, 16);
  const session = new Session(m, wasm);
  const { layers } = findLayers(m);
  const of = new LayerInputs(wasm, layers[0]!);
  session.run({ x }, { observe: (_, inputs) => of.visit(layers[0]!.uses[0]!, inputs) });
  const { gram } = of.read();
  of.dispose();
  session.dispose();
  const values = fromHalf(wasm, x.data as Uint16Array);
  const expected = gramOf([0, 1, 2].map((i) => [...values.subarray(16 * i, 16 * i + 16)]));
  gram!.forEach((v, i) => near(v, expected[i]!, 1e-4, `${i}`));
});

test.run();
