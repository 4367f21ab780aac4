import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type SyntheticOptions, syntheticDataset } from '../../src/calibrate/synthetic.ts';
import { Draws, field, TEXTURES } from '../../src/calibrate/synthetic/draws.ts';
import { checkDataset, type Dataset } from '../../src/data/index.ts';
import { DataError } from '../../src/errors.ts';
import { Session } from '../../src/graph/index.ts';
import type { Attribute, Model } from '../../src/onnx/model.ts';
import { sizeOf, type Tensor, tensor } from '../../src/tensor.ts';
import { graph, modelOf, node } from '../graph/build.ts';
import { load } from '../graph/models.ts';
import { loadWasm, normals, random } from '../helpers.ts';

const wasm = await loadWasm();
const int = (value: number): Attribute => ({ type: 'int', value });
const ints = (...value: number[]): Attribute => ({ type: 'ints', value });
const floats = (dims: readonly number[], seed: number, scale = 1): Tensor =>
  tensor('float', dims, normals(sizeOf(dims), random(seed), scale));
const constant = (dims: readonly number[], value: number): Tensor =>
  tensor('float', dims, new Float32Array(sizeOf(dims)).fill(value));

async function batchesOf(dataset: Dataset, size: number): Promise<Record<string, Tensor>[]> {
  const out: Record<string, Tensor>[] = [];
  for await (const b of dataset.batches(size)) out.push({ ...b.feeds });
  return out;
}

/** What is drawn fits the model and runs; memory is free again. */
async function draw(model: Model, options: SyntheticOptions = {}) {
  const made = await syntheticDataset(wasm, model, options);
  assert.is(wasm.arena.used, 0, 'memory was not freed');
  const session = new Session(model, wasm);
  try {
    checkDataset(made.dataset, session.inputs);
    for (const feeds of await batchesOf(made.dataset, made.dataset.single ? 1 : 4)) session.run(feeds);
  } finally {
    session.dispose();
  }
  assert.match(made.note, /^no real data: \d+ inputs/);
  assert.match(made.note, /proxy/);
  return made;
}

const moments = (x: ArrayLike<number>) => {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]!;
  const mean = sum / x.length;
  let square = 0;
  for (let i = 0; i < x.length; i++) square += (x[i]! - mean) ** 2;
  return { mean, variance: square / x.length };
};

test('textures: mean 0, variance 1; neighbours alike in all but white noise', () => {
  for (const texture of TEXTURES) {
    const draws = new Draws(5);
    const all: number[] = [];
    let products = 0;
    for (let i = 0; i < 300; i++) {
      const f = field(draws, texture, 16, 13);
      all.push(...f);
      for (let y = 0; y < 16; y++) for (let x = 1; x < 13; x++) products += f[13 * y + x]! * f[13 * y + x - 1]!;
    }
    const { mean, variance } = moments(all);
    assert.ok(Math.abs(mean) < 0.15, `${texture}: mean ${mean}`);
    assert.ok(Math.abs(variance - 1) < 0.2, `${texture}: variance ${variance}`);
    const alike = products / (300 * 16 * 12);
    assert.ok(texture === 'white' ? Math.abs(alike) < 0.03 : alike > 0.4, `${texture}: neighbours ${alike}`);
  }
});

/** x -> (x - 3) / 2 -> Conv of `channels` -> BatchNormalization whose statistics are those of pictures with these means. */
function normalised(means: readonly number[], deviation: number, nodes = ['Sub', 'Div']): Model {
  const channels = means.length;
  const w = floats([24, channels, 3, 3], 3, 0.5);
  const bias = floats([24], 4);
  const shifted = means.map((m) => (m - 3) / 2);
  const each = 9;
  const mean = new Float32Array(24);
  const variance = new Float32Array(24);
  for (let o = 0; o < 24; o++) {
    mean[o] = Number(bias.data[o]);
    for (let c = 0; c < channels; c++)
      for (let t = 0; t < each; t++) {
        const v = Number(w.data[(o * channels + c) * each + t]);
        mean[o]! += v * shifted[c]!;
        // White noise of its own in every channel.
        variance[o]! += (v * deviation * v * deviation) / 4;
      }
  }
  return modelOf(
    graph(
      [`x:float[N,${channels},H,W]`],
      ['y'],
      [
        node(nodes[0]!, 'x,three', 'a'),
        node(nodes[1]!, 'a,two', 'b'),
        node('Conv', 'b,w,bias', 'c'),
        node('BatchNormalization', 'c,s,o,m,v', 'd', {}, 'norm'),
        node('Relu', 'd', 'y'),
      ],
      {
        three: constant([], 3),
        two: constant([], 2),
        w,
        bias,
        s: constant([24], 1),
        o: constant([24], 0),
        m: tensor('float', [24], mean),
        v: tensor('float', [24], variance),
      },
    ),
  );
}

test('BatchNormalization: means of every channel and the deviation come out, and the texture', async () => {
  const model = normalised([5], 4);
  const { dataset, note } = await draw(model, { samples: 24, seed: 3 });
  assert.match(note, /white noise pictures that meet the statistics of norm/);
  const [all] = await batchesOf(dataset, 24);
  const { mean, variance } = moments(all!.x!.data as Float32Array);
  assert.ok(Math.abs(mean - 5) < 0.1, `mean ${mean}`);
  assert.ok(Math.abs(Math.sqrt(variance) - 4) < 0.3, `deviation ${Math.sqrt(variance)}`);
});

test('three channels have means of their own', async () => {
  const { dataset } = await draw(normalised([1, 4, 9], 2), { samples: 48 });
  const x = (await batchesOf(dataset, 48))[0]!.x!;
  const plane = x.dims[2]! * x.dims[3]!;
  [1, 4, 9].forEach((expected, c) => {
    const own: number[] = [];
    for (let s = 0; s < 48; s++) for (let i = 0; i < plane; i++) own.push(Number(x.data[(s * 3 + c) * plane + i]));
    const { mean } = moments(own);
    assert.ok(Math.abs(mean - expected) < 0.3, `channel ${c}: ${mean}`);
  });
});

test('statistics behind what is not affine say nothing of the input', async () => {
  const { note } = await draw(normalised([5], 4, ['Add', 'Pow']), { samples: 2 });
  assert.match(note, /dead leaves of mean 0 and variance 1/);
});

test('ResNet-18: statistics of its first BatchNormalization are met', async () => {
  const model = load('resnet18-fashion');
  const { dataset, note } = await draw(model, { samples: 24 });
  assert.match(note, /image \[1, 1, 28, 28\] .* pictures that meet the statistics of .*bn1/);
  const session = new Session(model, wasm);
  const batch = model.graph.nodes.find((n) => n.opType === 'BatchNormalization')!;
  const value = batch.inputs[0]!;
  const out = session.run((await batchesOf(dataset, 24))[0]!, { fetch: [value] })[value]!;
  const statistic = (i: number) =>
    session.value(session.trace({ image: constant([1, 1, 28, 28], 0) }), batch.inputs[i]!);
  const [means, variances] = [3, 4].map((i) => Array.from(statistic(i).data as Float32Array));
  session.dispose();
  const inner = out.dims[2]! * out.dims[3]!;
  let off = 0;
  let scale = 0;
  const ratios = means!.map((m, c) => {
    const own: number[] = [];
    for (let s = 0; s < 24; s++)
      for (let i = 0; i < inner; i++) own.push(Number(out.data[(s * means!.length + c) * inner + i]));
    const found = moments(own);
    off += (found.mean - m) ** 2 / variances![c]!;
    scale += m ** 2 / variances![c]!;
    return found.variance / variances![c]!;
  });
  assert.ok(off < 0.5 * scale, `means: ${off} of ${scale}`);
  ratios.sort((a, b) => a - b);
  const middle = ratios[ratios.length >> 1]!;
  assert.ok(middle > 0.5 && middle < 2, `variance over the statistics', median ${middle}`);
});

/** Tokens [N, T] of a table of 6 rows -> scores [N, T, 6] that all but say the row after this one. */
function successor(nodes = [node('Gather', 'next,tokens', 'y')]): Model {
  const next = new Float32Array(36);
  for (let r = 0; r < 6; r++) next[6 * r + ((r + 1) % 6)] = 30;
  return modelOf(
    graph(['tokens:int64[N,T]'], ['y'], nodes, {
      next: tensor('float', [6, 6], next),
      mean: constant([1, 1], 1),
    }),
  );
}

const rowsOf = (t: Tensor) => {
  const all = Array.from(t.data as BigInt64Array, Number);
  return Array.from({ length: t.dims[0]! }, (_, s) => all.slice(s * t.dims[1]!, (s + 1) * t.dims[1]!));
};

test('a model that tells the next token writes its own text', async () => {
  const { dataset, note } = await draw(successor(), { samples: 9 });
  assert.match(note, /tokens \[1, 128\] text the model wrote itself/);
  const rows = rowsOf((await batchesOf(dataset, 9))[0]!.tokens!);
  // Exact as far as there were passes.
  for (const row of rows) for (let i = 1; i < 16; i++) assert.is(row[i], (row[i - 1]! + 1) % 6, `${row}`);
});

test('any row of a table where the model looks ahead, or tells nothing', async () => {
  const around = successor([
    node('Gather', 'next,tokens', 'a'),
    node('ReduceMean', 'a', 'b', { axes: ints(1), keepdims: int(1) }),
    node('Add', 'a,b', 'y'),
  ]);
  const { dataset, note } = await draw(around, { samples: 64 });
  assert.match(note, /tokens \[1, 128\] any of 6 rows/);
  const seen = new Set((await batchesOf(dataset, 64)).flatMap((b) => rowsOf(b.tokens!)).flat());
  assert.equal([...seen].sort(), [0, 1, 2, 3, 4, 5]);
});

test('values compared with, scalars, samples that are no first axis: fed one at a time', async () => {
  const model = modelOf(
    graph(
      ['x:float[B,5]', 'state:float[2,B,3]', 'rate:int64[]', 'mask:bool[5]', 'half:float16[B,2]'],
      ['y', 'z', 'h'],
      [
        node('Equal', 'rate,slow', 'e'),
        node('Cast', 'e', 'f', { to: int(1) }),
        node('Cast', 'mask', 'g', { to: int(1) }),
        node('Mul', 'x,f', 'a'),
        node('Mul', 'a,g', 'y'),
        node('Relu', 'state', 'z'),
        node('Relu', 'half', 'h'),
      ],
      { slow: tensor('int64', [], BigInt64Array.of(8000n)) },
    ),
  );
  const { dataset, note } = await draw(model, { samples: 3 });
  assert.ok(dataset.single);
  assert.is(dataset.count, 3);
  assert.match(note, /rate \[\] one of 8000/);
  const [first, second] = await batchesOf(dataset, 1);
  assert.equal(first!.state!.dims, [2, 1, 3]);
  assert.equal([...(first!.rate!.data as BigInt64Array)], [8000n]);
  assert.not.equal(first!.x!.data, second!.x!.data);
  assert.is(first!.half!.dtype, 'float16');
});

test('sizes are tried until the model runs; none that it runs on is an error that says why', async () => {
  const fixed = (size: number) =>
    modelOf(
      graph(['x:float[N,C,H,W]'], ['y'], [node('Conv', 'x,w', 'a'), node('Reshape', 'a,shape', 'y')], {
        w: floats([2, 3, 1, 1], 1),
        shape: tensor('int64', [2], BigInt64Array.of(-1n, BigInt(2 * size * size))),
      }),
    );
  const { note } = await draw(fixed(224), { samples: 1 });
  assert.match(note, /x \[1, 3, 224, 224\]/);
  let error: unknown;
  await syntheticDataset(wasm, fixed(51)).catch((e: unknown) => {
    error = e;
  });
  assert.instance(error, DataError);
  assert.match(
    (error as Error).message,
    /^data-free: no inputs found that the model runs on \(\d+ sizes tried\): .*Reshape/,
  );
  assert.is(wasm.arena.used, 0, 'memory was not freed');
});

test('the same seed draws the same, another seed another', async () => {
  const model = normalised([2], 1);
  const drawn = async (seed: number) =>
    (await batchesOf((await syntheticDataset(wasm, model, { samples: 3, seed })).dataset, 3))[0]!.x!.data;
  const first = await drawn(1);
  assert.equal(await drawn(1), first);
  assert.not.equal(await drawn(2), first);
});

test('a number of samples that is none', async () => {
  for (const samples of [0, -1, 1.5, Number.NaN]) {
    let error: unknown;
    await syntheticDataset(wasm, normalised([2], 1), { samples }).catch((e: unknown) => {
      error = e;
    });
    assert.instance(error, RangeError);
    assert.match((error as Error).message, /^samples: expected a whole number >= 1/);
  }
});

test.run();
