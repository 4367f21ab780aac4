import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError, UnsupportedError } from '../../src/errors.ts';
import { tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { agree, floats, int, integers, of, runHere, same, string } from './compare.ts';

const i64 = (dims: number[], ...v: number[]) => tensor('int64', dims, BigInt64Array.from(v, BigInt));
const tuples = i64([4, 2], 0, 1, -1, 0, 0, 1, 3, -1);
const places = i64([3, 3], 0, 1, -1, 0, 2, 2, 3, 4, -5);
const REDUCTIONS = ['none', 'add', 'mul', 'max', 'min'];

test('ScatterElements and ScatterND with every reduction, repeated and negative indices', async () => {
  for (const dtype of ['float', 'double', 'int32', 'int64'] as const)
    for (const reduction of REDUCTIONS) {
      const a = { axis: int(1), reduction: string(reduction) };
      const x = integers(dtype, [4, 5], -9, 9);
      await agree('ScatterElements', [x, places, integers(dtype, [3, 3], -9, 9)], a, { opset: 18 });
      const r = { reduction: string(reduction) };
      const data = integers(dtype, [4, 5, 2], -9, 9);
      await agree('ScatterND', [data, tuples, integers(dtype, [4, 2], -9, 9)], r, { opset: 18 });
    }
});

test('ScatterElements along every axis, and as Scatter', async () => {
  for (const axis of [0, 2, -2])
    await agree('ScatterElements', [floats([3, 3, 3]), integers('int32', [2, 3, 1], 0, 2), floats([2, 3, 1])], {
      axis: int(axis),
    });
  await agree('Scatter', [floats([4, 5]), integers('int64', [2, 5], 0, 3), floats([2, 5])], {}, { opset: 9 });
});

test('halves are added as numbers, booleans as or, integers wrap', () => {
  const half = (...v: number[]) => tensor('float16', [v.length], Uint16Array.from(v));
  const add = { reduction: string('add') };
  const [h] = runHere('ScatterElements', [half(0x3c00, 0), i64([2], 0, 0), half(0x3c00, 0x4000)], add, { opset: 18 });
  assert.equal([...h!.data], [0x4400, 0]);
  const bool = (...v: number[]) => tensor('bool', [v.length], Uint8Array.from(v));
  const [b] = runHere('ScatterElements', [bool(1, 0), i64([2], 0, 1), bool(1, 1)], add, { opset: 18 });
  assert.equal([...b!.data], [1, 1]);
  const byte = (...v: number[]) => tensor('uint8', [v.length], Uint8Array.from(v));
  const [u] = runHere('ScatterND', [byte(200, 1), i64([2, 1], 0, 0), byte(100, 1)], add, { opset: 18 });
  assert.equal([...u!.data], [45, 1]);
});

test('Scatter refuses', () => {
  throws(
    () => runHere('ScatterElements', [floats([3]), i64([1], 3), floats([1])]),
    ModelError,
    /indices: expected -3..2, found 3 at element 0/,
  );
  throws(
    () => runHere('ScatterElements', [floats([3, 2]), i64([1, 3], 0, 0, 0), floats([1, 3])]),
    ModelError,
    /expected a shape within \[3,2\] but along axis 0/,
  );
  throws(
    () => runHere('ScatterElements', [floats([3]), i64([1], 0), floats([2])]),
    ModelError,
    /updates: expected shape \[1\]/,
  );
  throws(
    () => runHere('ScatterND', [floats([3]), i64([1, 2], 0, 0), floats([1])]),
    ModelError,
    /expected 0..1 for the last axis/,
  );
  throws(
    () => runHere('ScatterND', [floats([3, 2]), i64([1, 1], 0), floats([1])]),
    ModelError,
    /updates: expected shape \[1,2\]/,
  );
  throws(
    () => runHere('ScatterND', [floats([3]), i64([1, 1], 0), i64([1], 1)]),
    ModelError,
    /inputs of one type expected/,
  );
  throws(
    () =>
      runHere('ScatterND', [floats([3]), i64([1, 1], 0), floats([1])], { reduction: string('mean') }, { opset: 18 }),
    UnsupportedError,
    /attribute "reduction": expected one of none, add/,
  );
});

test("TensorScatter writes a cache from each batch element's place on", () => {
  const cache = of([2, 1, 3, 1], 0, 0, 0, 0, 0, 0);
  const update = of([2, 1, 2, 1], 1, 2, 3, 4);
  const run = (mode: string, ...at: number[]) =>
    runHere('TensorScatter', [cache, update, i64([2], ...at)], { mode: string(mode) }, { opset: 24 })[0]!;
  same(run('linear', 0, 1), of([2, 1, 3, 1], 1, 2, 0, 0, 3, 4), 'linear');
  same(run('circular', 2, 1), of([2, 1, 3, 1], 2, 0, 1, 0, 3, 4), 'circular');
  const [start] = runHere('TensorScatter', [cache, update], {}, { opset: 24 });
  same(start!, of([2, 1, 3, 1], 1, 2, 0, 3, 4, 0), 'no indices');
  throws(() => run('linear', 2, 0), ModelError, /write_indices: expected 0..1, found 2/);
  throws(() => run('circular', 3, 0), ModelError, /write_indices: expected 0..2, found 3/);
  throws(
    () => runHere('TensorScatter', [cache, floats([2, 1, 4, 1])], {}, { opset: 24 }),
    ModelError,
    /update: expected shape \[2,1,3,1\] with at most 3 along axis 2/,
  );
});

test.run();
