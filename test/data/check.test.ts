import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkDataset, fixedBatch } from '../../src/data/check.ts';
import { datasetFromArrays, datasetFromSamples } from '../../src/data/dataset.ts';
import { findNonFinite } from '../../src/data/finite.ts';
import { DataError, UnsupportedError } from '../../src/errors.ts';
import type { ValueInfo } from '../../src/onnx/model.ts';
import type { DType, Tensor } from '../../src/tensor.ts';
import { DATA_TYPES, tensor, zeros } from '../../src/tensor.ts';
import { throwsKappa } from '../onnx/build.ts';

const input = (name: string, dims: ValueInfo['dims'], dtype: DType = 'float'): ValueInfo => ({
  name,
  elemType: DATA_TYPES[dtype],
  dims,
});
const image = input('image', ['N', 4]);
const data = (entries: Record<string, Tensor>) => datasetFromArrays(new Map(Object.entries(entries)), 'd.npz');
const passes = (entries: Record<string, Tensor>, inputs: ValueInfo[]) => checkDataset(data(entries), inputs);
const fails = (entries: Record<string, Tensor>, inputs: ValueInfo[], pattern: RegExp) =>
  throwsKappa(() => checkDataset(data(entries), inputs), DataError, pattern);

test('data that fits', () => {
  passes({ image: zeros('float', [3, 4]) }, [image]);
  passes({ image: zeros('float', [3, 4]), labels: zeros('int64', [3]), targets: zeros('float', [3, 2]) }, [image]);
  passes({ image: zeros('float', [3, 4]) }, [input('image', [null, null])]);
  passes({ image: zeros('float', [3, 4]) }, [input('image', undefined)]);
  passes({ image: zeros('float', [3, 4]) }, [{ name: 'image', elemType: 0, dims: ['N', 4] }]);
  passes({ image: zeros('float', [3, 4]) }, [input('image', [1, 4])]);
  passes({ a: zeros('int64', [3, 7]), b: zeros('bool', [3, 7]) }, [
    input('a', ['N', 'T'], 'int64'),
    input('b', ['N', 'T'], 'bool'),
  ]);
  passes({ a: zeros('float', [3, 7]), b: zeros('float', [3, 5]) }, [input('a', ['N', 'N']), input('b', ['N', 'N'])]);
});

test('arrays that are missing or too many', () => {
  fails(
    { img: zeros('float', [3, 4]), labels: zeros('int8', [3]) },
    [image],
    /d\.npz: no array for the model's input 'image' \(float \[N, 4\]\); there are: 'img', 'labels'/,
  );
  fails(
    { image: zeros('float', [3, 4]), mask: zeros('float', [3]) },
    [image],
    /array 'mask' is no input of the model, whose inputs are 'image'/,
  );
  fails({ labels: zeros('int8', [3]) }, [input('labels', ['N'], 'int8')], /no array for the model's input 'labels'/);
});

test('the wrong type', () => {
  fails(
    { image: zeros('int64', [3, 4]) },
    [image],
    /array 'image' is int64 \[3, 4\], expected float for the model's input; convert it with \.astype\('float32'\)/,
  );
  fails({ image: zeros('double', [3, 4]) }, [image], /is double \[3, 4\], expected float/);
  const string: ValueInfo = { name: 'image', elemType: 8, dims: ['N', 4] };
  throwsKappa(() => passes({ image: zeros('float', [3, 4]) }, [string]), UnsupportedError, /'image' is of type 8/);
  const sequence: ValueInfo = { name: 'image', elemType: undefined, dims: undefined };
  throwsKappa(() => passes({ image: zeros('float', [3, 4]) }, [sequence]), UnsupportedError, /'image' is no tensor/);
});

test('the wrong shape', () => {
  fails(
    { image: zeros('float', [3, 5]) },
    [image],
    /array 'image' is \[3, 5\], expected float \[N, 4\] for the model's input: axis 1 must be 4, found 5/,
  );
  fails({ image: zeros('float', [3, 2, 2]) }, [image], /2 dimensions, found 3 \(the first axis counts the samples\)/);
  fails({ image: zeros('float', [3]) }, [input('image', [])], /it has no sample axis/);
  fails({ image: zeros('float', [3, 4]) }, [input('image', [8, 4])], /8 samples at once, found 3/);
  fails(
    { a: zeros('float', [3, 7]), b: zeros('float', [3, 5]) },
    [input('a', ['N', 'T']), input('b', ['N', 'T'])],
    /dimension 'T' is 7 in array 'a' but 5 in 'b'/,
  );
});

test('NaN and infinity: which array, which sample, which element', () => {
  const with1 = (value: number, dtype: 'float' | 'double' = 'float') => {
    const t = zeros(dtype, [3, 4]);
    (t.data as Float32Array)[9] = value;
    return t;
  };
  fails({ image: with1(Number.NaN) }, [image], /array 'image' holds NaN in sample 2 \(element 1 of it\)/);
  fails({ image: with1(-1 / 0) }, [image], /array 'image' holds -Infinity in sample 2/);
  fails({ image: with1(1 / 0, 'double') }, [input('image', ['N', 4], 'double')], /holds Infinity in sample 2/);
  fails({ image: zeros('float', [3, 4]), targets: with1(Number.NaN) }, [image], /array 'targets' holds NaN/);
  passes({ image: with1(3.4e38) }, [image]);
});

test('findNonFinite', () => {
  const half = (...bits: number[]) => findNonFinite(tensor('float16', [bits.length], Uint16Array.from(bits)));
  assert.equal(half(0, 0x7c01), { index: 1, value: 'NaN' });
  assert.equal(half(0x7c00), { index: 0, value: 'Infinity' });
  assert.equal(half(0x7bff, 0xfc00), { index: 1, value: '-Infinity' });
  assert.is(half(0x7bff, 0xfbff, 0x8000), undefined);
  const brain = (...bits: number[]) => findNonFinite(tensor('bfloat16', [bits.length], Uint16Array.from(bits)));
  assert.equal(brain(0x3f80, 0xff80), { index: 1, value: '-Infinity' });
  assert.equal(brain(0x7f81), { index: 0, value: 'NaN' });
  assert.is(brain(0x7f7f, 0x7c00), undefined);
  assert.is(findNonFinite(zeros('int64', [2])), undefined);
  assert.is(findNonFinite(zeros('float', [0])), undefined);
});

test('no samples', () => {
  const none = { count: 0, names: [], batches: () => data({ x: zeros('float', [1]) }).batches(1) };
  throwsKappa(() => checkDataset(none, []), DataError, /data: no samples/);
});

test('samples of their own are checked with all their axes', async () => {
  const of = (entries: Record<string, Tensor>) =>
    datasetFromSamples([{ name: 's0', read: () => new Map(Object.entries(entries)) }], 'folder');
  const inputs = [input('x', [1, 'T']), input('rate', [])];
  checkDataset(await of({ x: zeros('float', [1, 6]), rate: zeros('float', []) }), inputs);
  const wrong = await of({ x: zeros('float', [2, 6]), rate: zeros('float', []) });
  throwsKappa(
    () => checkDataset(wrong, inputs),
    DataError,
    /folder: array 'x' is \[2, 6\], expected float \[1, T\] for the model's input: axis 0 must be 1, found 2/,
  );
  const two = await of({ a: zeros('float', [2]), b: zeros('float', [3]) });
  throwsKappa(
    () => checkDataset(two, [input('a', ['N']), input('b', ['N'])]),
    DataError,
    /dimension 'N' is 2 in array 'a' but 3 in 'b'/,
  );
});

test('fixedBatch', () => {
  assert.is(fixedBatch([image]), undefined);
  assert.is(fixedBatch([image, input('b', [8, 2])]), 8);
  assert.is(fixedBatch([input('a', undefined), input('b', [])]), undefined);
  throwsKappa(
    () => fixedBatch([input('a', [8]), input('b', [4])]),
    DataError,
    /input 'a' takes 8 samples at once but 'b' 4/,
  );
});

test.run();
