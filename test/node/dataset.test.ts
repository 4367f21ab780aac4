import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { writeNpz } from '../../src/data/index.ts';
import { DataError } from '../../src/errors.ts';
import { datasetFiles, openDataset } from '../../src/node/dataset.ts';
import type { Graph, Model, ValueInfo } from '../../src/onnx/model.ts';
import { tensor, type Tensor } from '../../src/tensor.ts';
import { len, tensorProto } from '../onnx/build.ts';

const test = suite<{ dir: string }>('data on disk');

test.before.each((context) => {
  context.dir = mkdtempSync(join(tmpdir(), 'kappa-data-'));
});
test.after.each(({ dir }) => rmSync(dir, { recursive: true, force: true }));

const floats = (dims: number[], fill: number): Tensor =>
  tensor('float', dims, new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(fill));

async function rejects(promise: Promise<unknown>, message: RegExp): Promise<void> {
  try {
    await promise;
  } catch (error) {
    assert.instance(error, DataError);
    assert.match((error as Error).message, message);
    return;
  }
  assert.unreachable(`expected ${message}`);
}

test('an .npz: the first axis counts the samples', async ({ dir }) => {
  const file = join(dir, 'a.npz');
  writeFileSync(file, writeNpz(new Map([['x', floats([5, 3], 2)]])));
  const data = await openDataset(file);
  assert.is(data.count, 5);
  assert.equal(data.names, ['x']);
  assert.equal(await datasetFiles(file), [file]);
});

test('a folder of .npz files: one a sample, in the order of their numbers, read when needed', async ({ dir }) => {
  for (const n of [10, 2, 1]) writeFileSync(join(dir, `s${n}.npz`), writeNpz(new Map([['x', floats([n], n)]])));
  writeFileSync(join(dir, 'README.txt'), 'notes');
  const data = await openDataset(dir);
  assert.is(data.count, 3);
  const seen: number[] = [];
  for await (const { feeds } of data.batches(8)) seen.push(feeds.x!.dims[0]!);
  assert.equal(seen, [1, 2, 10]);
  assert.equal(
    await datasetFiles(dir),
    ['s1.npz', 's2.npz', 's10.npz'].map((name) => join(dir, name)),
  );
});

/** Only the graph's inputs and initializers matter here. */
function modelWith(names: readonly string[]): Pick<Model, 'graph'> {
  const inputs = names.map((name) => ({ name }) as unknown as ValueInfo);
  return { graph: { inputs, initializers: [] } as unknown as Graph };
}

test('test_data_set folders: input_I.pb in the order of the inputs', async ({ dir }) => {
  for (const n of [0, 1, 10, 2]) {
    const set = join(dir, `test_data_set_${n}`);
    mkdirSync(set);
    for (const i of [0, 1]) writeFileSync(join(set, `input_${i}.pb`), bytesOf(`any${i}`, floats([n + 1, 2], i)));
    writeFileSync(join(set, 'output_0.pb'), 'not read');
  }
  const data = await openDataset(dir, modelWith(['a', 'b']));
  assert.is(data.count, 4);
  assert.equal(data.names, ['a', 'b']);
  const seen: number[] = [];
  for await (const { feeds } of data.batches(1)) {
    seen.push(feeds.a!.dims[0]!);
    assert.is((feeds.b!.data as Float32Array)[0], 1);
  }
  assert.equal(seen, [1, 2, 3, 11]);
  assert.is((await datasetFiles(dir)).length, 8);
  await rejects(openDataset(dir), /need the model whose inputs they are/);
});

test('what cannot be used is refused by name', async ({ dir }) => {
  await rejects(openDataset(join(dir, 'no.npz')), /^data '.*no\.npz': no such file$/);
  await rejects(openDataset(dir), /expected a folder of \.npz files.*found neither among 0 entries/);
  writeFileSync(join(dir, 'bad.npz'), 'text');
  await rejects(openDataset(join(dir, 'bad.npz')), /bad\.npz: not an \.npz archive/);
  await rejects(openDataset(dir), /bad\.npz: not an \.npz archive/);
  mkdirSync(join(dir, 'test_data_set_0'));
  await rejects(openDataset(dir, modelWith(['a'])), /found both$/);
  rmSync(join(dir, 'bad.npz'));
  await rejects(openDataset(dir, modelWith(['a'])), /expected input_0\.pb, found none$/);
  writeFileSync(join(dir, 'test_data_set_0', 'input_1.pb'), bytesOf('a', floats([1], 1)));
  await rejects(openDataset(dir, modelWith(['a'])), /expected input_0\.pb, found input_1\.pb$/);
});

/** A TensorProto as the ONNX test cases store it. */
function bytesOf(name: string, t: Tensor): Uint8Array {
  return tensorProto(name, 1, [...t.dims], len(9, new Uint8Array(t.data.buffer)));
}

test.run();
