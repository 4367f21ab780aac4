import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { datasetFromArrays, datasetFromSamples } from '../../src/data/dataset.ts';
import type { Batch, BatchOptions, Dataset, Sample } from '../../src/data/index.ts';
import { DataError } from '../../src/errors.ts';
import type { Tensor } from '../../src/tensor.ts';
import { tensor } from '../../src/tensor.ts';
import { throwsKappa } from '../onnx/build.ts';

const floats = (dims: number[], f = (i: number) => i) =>
  tensor(
    'float',
    dims,
    Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => f(i)),
  );
const ints = (dims: number[]) =>
  tensor(
    'int64',
    dims,
    BigInt64Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => BigInt(i)),
  );

async function all(dataset: Dataset, size: number, options?: BatchOptions): Promise<Batch[]> {
  const out: Batch[] = [];
  for await (const batch of dataset.batches(size, options)) out.push(batch);
  return out;
}

async function rejects(promise: Promise<unknown>, pattern: RegExp): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (e) => e,
  );
  assert.instance(error, DataError);
  assert.match(error.message, pattern);
}

const arrays = (): Map<string, Tensor> =>
  new Map<string, Tensor>([
    ['image', floats([5, 2])],
    ['labels', ints([5])],
    ['targets', floats([5, 3])],
  ]);

test('batches in order, the last one smaller', async () => {
  const d = datasetFromArrays(arrays(), 'd.npz');
  assert.equal([d.count, d.names, d.name], [5, ['image'], 'd.npz']);
  const batches = await all(d, 2);
  assert.equal(
    batches.map((b) => b.count),
    [2, 2, 1],
  );
  assert.equal(
    batches.map((b) => b.feeds.image!.dims),
    [
      [2, 2],
      [2, 2],
      [1, 2],
    ],
  );
  assert.equal(
    batches.map((b) => [...(b.feeds.image!.data as Float32Array)]),
    [
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9],
    ],
  );
  assert.equal(batches[1]!.labels!.data, BigInt64Array.of(2n, 3n));
  assert.equal(batches[2]!.targets!.dims, [1, 3]);
  assert.equal(Object.keys(batches[0]!.feeds), ['image']);
  assert.is(batches[1]!.feeds.image!.data.buffer, (d.columns!.get('image')!.all as Tensor).data.buffer);
});

test('start and limit', async () => {
  const d = datasetFromArrays(arrays());
  const counts = async (size: number, options: BatchOptions) =>
    (await all(d, size, options)).map((b) => [Number(b.labels!.data[0]), b.count]);
  assert.equal(await counts(2, { limit: 3 }), [
    [0, 2],
    [2, 1],
  ]);
  assert.equal(await counts(2, { start: 3 }), [[3, 2]]);
  assert.equal(await counts(9, { start: 1, limit: 2 }), [[1, 2]]);
  assert.equal(await counts(2, { limit: 0 }), []);
  assert.equal(await counts(2, { start: 9 }), []);
  assert.equal(await counts(100, { limit: 100 }), [[0, 5]]);
  for (const size of [0, -1, 1.5, Number.NaN]) assert.throws(() => d.batches(size), /expected a size of 1 or more/);
  assert.throws(() => d.batches(1, { start: -1 }), /expected a start/);
  assert.throws(() => d.batches(1, { limit: 0.5 }), /expected a limit/);
});

test('without labels there are none', async () => {
  const [batch] = await all(datasetFromArrays(new Map([['x', floats([1, 1])]])), 1);
  assert.not.ok('labels' in batch!);
  assert.not.ok('targets' in batch!);
});

test('arrays that do not belong together', () => {
  const fails = (map: Map<string, Tensor>, pattern: RegExp) =>
    throwsKappa(() => datasetFromArrays(map, 'd.npz'), DataError, pattern);
  fails(new Map(), /d\.npz: no arrays/);
  fails(
    new Map<string, Tensor>([
      ['image', floats([5, 2])],
      ['labels', ints([4])],
    ]),
    /'image' has 5 samples but 'labels' has 4/,
  );
  fails(new Map([['image', floats([0, 2])]]), /no samples: array 'image' is \[0, 2\]/);
  fails(new Map([['rate', floats([])]]), /array 'rate' is a scalar/);
  fails(
    new Map([
      ['x', floats([2])],
      ['labels', floats([2])],
    ]),
    /labels are float \[2\], expected integers/,
  );
});

test('samples of their own: fed as they are, one at a time', async () => {
  let open = 0;
  const sample = (n: number): Sample => ({
    name: `s${n}`,
    read: async () => {
      open++;
      return new Map<string, Tensor>([
        ['x', floats([n, 2])],
        ['rate', floats([])],
        ['labels', ints([n])],
      ]);
    },
  });
  const d = await datasetFromSamples([sample(1), sample(3), sample(2)], 'folder');
  assert.equal([d.count, d.names, d.single, open], [3, ['x', 'rate'], true, 1]);
  const seen: unknown[] = [];
  for await (const b of d.batches(2)) seen.push([b.count, b.feeds.x!.dims, b.feeds.rate!.dims, b.labels!.dims, open]);
  assert.equal(seen, [
    [1, [1, 2], [], [1], 2],
    [1, [3, 2], [], [3], 3],
    [1, [2, 2], [], [2], 4],
  ]);
  assert.equal(
    (await all(d, 1, { start: 1, limit: 1 })).map((b) => b.feeds.x!.dims),
    [[3, 2]],
  );
});

test('samples that differ in what they hold', async () => {
  const sample = (name: string, entries: [string, Tensor][]): Sample => ({ name, read: () => new Map(entries) });
  const first = sample('s0', [
    ['x', floats([2])],
    ['y', floats([2])],
  ]);
  const with2 = async (second: Sample) => all(await datasetFromSamples([first, second]), 1);
  await rejects(datasetFromSamples([], 'folder'), /folder: no samples/);
  await rejects(with2(sample('s1', [['x', floats([2])]])), /s1: array 'y' is missing, which the first sample has/);
  await rejects(
    with2(
      sample('s1', [
        ['x', floats([2])],
        ['z', floats([2])],
      ]),
    ),
    /s1: array 'z', expected 'x', 'y' as in the first sample/,
  );
  await rejects(
    with2(
      sample('s1', [
        ['x', ints([2])],
        ['y', floats([2])],
      ]),
    ),
    /s1: array 'x' is int64 \[2\], expected float of 1 dimensions/,
  );
  await rejects(
    with2(
      sample('s1', [
        ['x', floats([1, 2])],
        ['y', floats([2])],
      ]),
    ),
    /expected float of 1 dimensions/,
  );
  await rejects(
    with2(
      sample('s1', [
        ['x', floats([2], () => Number.NaN)],
        ['y', floats([2])],
      ]),
    ),
    /s1: array 'x' holds NaN at element 0/,
  );
  await rejects(
    datasetFromSamples([sample('s0', [['x', floats([1], () => 1 / 0)]])]),
    /s0: array 'x' holds Infinity at element 0/,
  );
});

test.run();
