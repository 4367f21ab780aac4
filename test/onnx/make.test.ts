import * as ort from 'onnxruntime-node';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  irOfOpset,
  makeInitializer,
  makeNode,
  makeValueInfo,
  readModel,
  withFunctions,
  withGraph,
  withIrVersion,
  withOpset,
  writeModel,
} from '../../src/onnx/index.ts';
import type { Attribute, Model, ModelFunction } from '../../src/onnx/index.ts';
import { tensor } from '../../src/tensor.ts';
import { model } from './build.ts';

const base = (): Model => readModel(model());

test('makeNode', () => {
  const attributes: Record<string, Attribute> = { axis: { type: 'int', value: 1 } };
  const n = makeNode('Odd', ['a', ''], ['b'], attributes, { name: 'n', domain: 'my' });
  assert.equal(
    [n.opType, n.inputs, n.outputs, n.name, n.domain, n.wire],
    ['Odd', ['a', ''], ['b'], 'n', 'my', undefined],
  );
  assert.equal(n.attributes, new Map(Object.entries(attributes)));
  assert.equal(makeNode('Odd', [], [], n.attributes).attributes, n.attributes);
  assert.is(makeNode('Relu', [], [], {}, { domain: 'ai.onnx' }).domain, '');
});

test('makeNode refuses what has no meaning', () => {
  const bad = (a: unknown) => () => makeNode('Odd', [], [], { a: a as Attribute });
  assert.throws(() => makeNode('', [], []), /expected an operator type/);
  assert.throws(() => makeNode('Odd', [3 as unknown as string], []), /expected names of values, got number/);
  assert.throws(bad({ type: 'int', value: 0.5 }), /attribute 'a': expected an integer, got 0.5/);
  assert.throws(bad({ type: 'ints', value: 3 }), /expected a list, got number/);
  assert.throws(bad({ type: 'ints', value: [1, '2'] }), /expected an integer, got 2/);
  assert.throws(bad({ type: 'floats', value: ['1'] }), /expected a number/);
  assert.throws(bad({ type: 'string', value: 1 }), /expected text/);
});

test('withOpset raises, never lowers, and raises the IR version that goes with it', () => {
  const m = base();
  assert.is(withOpset(m, '', 17), m);
  assert.is(withOpset(m, 'ai.onnx', 11), m);
  const at = (opset: number) => withOpset(m, '', opset);
  assert.equal([at(21).opsets.get(''), at(21).irVersion, at(21).wire], [21, 10, undefined]);
  assert.equal([at(25).opsets.get(''), at(25).irVersion], [25, 13]);
  assert.equal([at(18).irVersion, m.opsets.get('')], [8, 17]);
  const other = withOpset(m, 'com.microsoft', 1);
  assert.equal(
    [[...other.opsets], other.irVersion],
    [
      [
        ['', 17],
        ['com.microsoft', 1],
      ],
      8,
    ],
  );
  assert.throws(() => withOpset(m, '', 0), /expected a positive integer, got 0/);
  const back = readModel(writeModel(at(21)));
  assert.equal([back.opsets.get(''), back.irVersion, back.producer], [21, 10, 'test']);
});

test('IR versions of opsets', () => {
  const table = [
    [7, 3],
    [8, 3],
    [9, 4],
    [10, 5],
    [11, 6],
    [12, 7],
    [14, 7],
    [15, 8],
    [19, 9],
    [20, 9],
    [21, 10],
    [22, 10],
    [23, 11],
    [24, 12],
    [25, 13],
  ];
  assert.equal(
    table.map(([opset]) => irOfOpset(opset!)),
    table.map(([, ir]) => ir),
  );
  const m = base();
  assert.is(withIrVersion(m, 3), m);
  assert.is(withIrVersion(m, 11).irVersion, 11);
});

const double = (): ModelFunction => ({
  name: 'Double',
  domain: 'my',
  inputs: ['a'],
  outputs: ['b'],
  attributes: [],
  opsets: new Map([['', 17]]),
  nodes: [makeNode('Add', ['a', 'a'], ['b'])],
});

test('withFunctions imports their domain and needs IR version 8', () => {
  const m = withFunctions({ ...base(), irVersion: 7 }, [double()]);
  assert.equal([m.irVersion, m.opsets.get('my'), m.functions.length], [8, 1, 1]);
  assert.throws(() => withFunctions(m, [double()]), /has a function 'my\.Double' already/);
  assert.throws(() => withFunctions(base(), [double(), double()]), /already/);
});

test('onnxruntime runs what was made: int4 and int2 weights, functions, attributes, a new opset', async () => {
  const weights = Int8Array.from({ length: 15 }, (_, i) => (i % 16) - 8);
  const two = Int8Array.of(-2, -1, 0, 1, 1, 0, -1, -2, -2, 1);
  let m = withOpset(base(), '', 25);
  m = withFunctions(m, [{ ...double(), opsets: new Map([['', 25]]) }]);
  m = withGraph(m, {
    inputs: [makeValueInfo('x', 'float', ['N', 3])],
    outputs: [makeValueInfo('y', 'float', ['N', 5]), makeValueInfo('z', 'float', [2, 5])],
    initializers: [
      makeInitializer('w', tensor('int4', [3, 5], weights)),
      makeInitializer('w2', tensor('int2', [2, 5], two)),
      makeInitializer('s', tensor('float', [], Float32Array.of(0.5))),
    ],
    nodes: [
      makeNode('DequantizeLinear', ['w', 's'], ['wf']),
      makeNode('DequantizeLinear', ['w2', 's'], ['z']),
      makeNode('Gemm', ['x', 'wf'], ['g'], { alpha: { type: 'float', value: 2 } }),
      makeNode('Double', ['g'], ['y'], {}, { domain: 'my' }),
    ],
  });
  const session = await ort.InferenceSession.create(writeModel(m), {
    intraOpNumThreads: 1,
    graphOptimizationLevel: 'disabled',
  });
  const out = await session.run({ x: new ort.Tensor('float32', [1, 2, 3], [1, 3]) });
  await session.release();
  const expected = [0, 1, 2, 3, 4].map((j) => 2 * (weights[j]! + 2 * weights[5 + j]! + 3 * weights[10 + j]!));
  assert.equal([...(out.y!.data as Float32Array)], expected);
  assert.equal(
    [...(out.z!.data as Float32Array)],
    [...two].map((v) => v / 2),
  );
});

test.run();
