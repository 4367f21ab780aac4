import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readTensorProto, sampleFromProtos } from '../../src/data/proto.ts';
import { DataError, ModelError } from '../../src/errors.ts';
import type { ValueInfo } from '../../src/onnx/model.ts';
import { fixed32, tensorProto, throwsKappa } from '../onnx/build.ts';

const inputs: ValueInfo[] = ['a', 'b'].map((name) => ({ name, elemType: 1, dims: [1] }));
const pb = (name: string, value: number) => tensorProto(name, 1, [1], fixed32(4, value));
const values = (files: Uint8Array[]) =>
  [...sampleFromProtos(files, inputs, 'set')].map(([k, t]) => [k, Number(t.data[0])]);

test('by name where there is one, else by place', () => {
  assert.equal(values([pb('a', 1), pb('b', 2)]), [
    ['a', 1],
    ['b', 2],
  ]);
  assert.equal(values([pb('', 1), pb('other', 2)]), [
    ['a', 1],
    ['b', 2],
  ]);
  assert.equal(values([pb('b', 1)]), [['b', 1]]);
  assert.equal(values([]), []);
});

test('too many, or two for one input', () => {
  throwsKappa(
    () => values([pb('a', 1), pb('b', 1), pb('c', 1)]),
    DataError,
    /set: 3 input tensors, but the model has 2 inputs/,
  );
  throwsKappa(() => values([pb('b', 1), pb('', 1)]), DataError, /set: two tensors for the model's input 'b'/);
  throwsKappa(() => values([new Uint8Array([9])]), ModelError, /set: input 0/);
});

test('readTensorProto is there for outputs', () => {
  assert.equal(readTensorProto(pb('y', 3)).tensor.data, Float32Array.of(3));
});

test.run();
