import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { zipSync } from 'fflate';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ImageOptions, writeNpz } from '../../src/data/index.ts';
import { DataError } from '../../src/errors.ts';
import { datasetFiles, openDataset } from '../../src/node/dataset.ts';
import type { Graph, Model, ValueInfo } from '../../src/onnx/model.ts';
import { tensor, type Tensor } from '../../src/tensor.ts';
import { encodePng } from '../data/images/encode.ts';
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
  await rejects(openDataset(dir), /expected a folder of \.npz files.*found none of these among 0 files/);
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

const camera: Pick<Model, 'graph'> = {
  graph: {
    inputs: [{ name: 'x', elemType: 2, dims: ['N', 1, 1, 1] }],
    initializers: [],
  } as unknown as Graph,
};
const pixel = (v: number) => encodePng({ width: 1, height: 1, depth: 8, colour: 0, samples: [v] });
/** Writes files below a folder, the folders with them. */
function put(dir: string, files: Readonly<Record<string, Uint8Array | string>>): void {
  for (const [path, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), bytes);
  }
}
async function pixels(path: string, options: ImageOptions = {}): Promise<string[]> {
  const out: string[] = [];
  const data = await openDataset(path, camera, { layout: 'nchw', ...options });
  for await (const { feeds, labels } of data.batches(1)) out.push(`${feeds.x!.data[0]}:${labels?.data[0]}`);
  return out;
}

test('a folder of images, of folders of them, a .zip, one image', async ({ dir }) => {
  put(dir, {
    'flat/i10.png': pixel(3),
    'flat/i9.png': pixel(2),
    'flat/notes.txt': '',
    'flat/.hidden/x.png': 'no image',
  });
  assert.equal(await pixels(join(dir, 'flat')), ['2:undefined', '3:undefined']);
  put(dir, { 'sets/cat/a.png': pixel(1), 'sets/dog/deep/b.png': pixel(2), 'sets/cat/.x.png': 'no image' });
  assert.equal(await pixels(join(dir, 'sets')), ['1:0', '2:1']);
  put(dir, { 'named/a.png': pixel(1), 'named/b.png': pixel(2), 'named/labels.csv': 'b.png,7\na.png,5\n' });
  assert.equal(await pixels(join(dir, 'named')), ['2:7', '1:5']);
  writeFileSync(join(dir, 'a.ZIP'), zipSync({ 'x/0/a.png': pixel(1), 'x/1/a.png': pixel(2) }));
  assert.equal(await pixels(join(dir, 'a.ZIP')), ['1:0', '2:1']);
  assert.equal(await pixels(join(dir, 'flat', 'i9.png')), ['2:undefined']);
  assert.equal(await datasetFiles(join(dir, 'flat')), [join(dir, 'flat/i9.png'), join(dir, 'flat/i10.png')]);
  assert.equal(
    await datasetFiles(join(dir, 'named')),
    ['a.png', 'b.png', 'labels.csv'].map((name) => join(dir, 'named', name)),
  );
});

test('links to images and folders are followed, in circles only so far', async ({ dir }) => {
  put(dir, { 'real/a.png': pixel(4), 'linked/cat/b.png': pixel(5) });
  symlinkSync(join(dir, 'real', 'a.png'), join(dir, 'linked', 'cat', 'a.png'));
  symlinkSync(join(dir, 'real'), join(dir, 'linked', 'dog'));
  assert.equal((await pixels(join(dir, 'linked'))).sort(), ['4:0', '4:1', '5:0']);
  symlinkSync(join(dir, 'linked'), join(dir, 'linked', 'cat', 'again'));
  await rejects(pixels(join(dir, 'linked')), /folders more than 8 deep/);
  put(dir, { 'broken/b.png': pixel(1) });
  symlinkSync(join(dir, 'none.png'), join(dir, 'broken', 'a.png'));
  await rejects(pixels(join(dir, 'broken')), /a\.png': no such file/);
});

test('images that cannot be data', async ({ dir }) => {
  put(dir, { 'mixed/a.png': pixel(1), 'mixed/a.npz': writeNpz(new Map([['x', floats([1], 1)]])) });
  await rejects(openDataset(join(dir, 'mixed'), camera), /found both/);
  put(dir, { 'none/a.webp': '', 'none/b/c.webp': '' });
  await rejects(openDataset(join(dir, 'none'), camera), /or of PNG or JPEG images, found none of these among 2 files/);
  put(dir, { 'one/a.png': pixel(1) });
  await rejects(openDataset(join(dir, 'one')), /images need the model whose input they are/);
  await rejects(
    openDataset(join(dir, 'one', 'b.png'), camera, { layout: 'nchw' }).then(({ batches }) =>
      batches(1)[Symbol.asyncIterator]().next(),
    ),
    /b\.png': no such file/,
  );
});

test.run();
