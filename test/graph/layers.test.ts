import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { findLayers } from '../../src/graph/index.ts';
import { makeInitializer, makeNode, withGraph } from '../../src/onnx/index.ts';
import type { Model, Node } from '../../src/onnx/model.ts';
import type { Tensor } from '../../src/tensor.ts';
import { zeros } from '../../src/tensor.ts';
import { load } from './models.ts';

test('mnist-mlp', () => {
  const { layers, left } = findLayers(load('mnist-mlp'));
  assert.equal(
    layers.map(({ name, weight, opType, input, rowAxis, rows, cols, groups, params }) => ({
      name,
      weight,
      opType,
      input,
      rowAxis,
      rows,
      cols,
      groups,
      params,
    })),
    [
      {
        name: '0',
        weight: '0.weight',
        opType: 'Gemm',
        input: 'image',
        rowAxis: 0,
        rows: 256,
        cols: 784,
        groups: 1,
        params: 200704,
      },
      {
        name: '2',
        weight: '2.weight',
        opType: 'Gemm',
        input: '/1/Relu_output_0',
        rowAxis: 0,
        rows: 128,
        cols: 256,
        groups: 1,
        params: 32768,
      },
      {
        name: '4',
        weight: '4.weight',
        opType: 'Gemm',
        input: '/3/Relu_output_0',
        rowAxis: 0,
        rows: 10,
        cols: 128,
        groups: 1,
        params: 1280,
      },
    ],
  );
  assert.equal(
    left.map((l) => l.weight),
    ['0.bias'],
  );
});

test('resnet18', () => {
  const { layers, left } = findLayers(load('resnet18-fashion'));
  assert.is(layers.length, 20);
  assert.is(layers[0]!.name, 'layer1.0.conv1');
  assert.is(layers.at(-1)!.name, 'fc');
  assert.equal([layers[4]!.rows, layers[4]!.cols], [32, 144]);
  assert.equal(left, [{ weight: 'conv1.weight', reason: '144 elements: fewer than 256' }]);
});

test('transformer', () => {
  const { layers, left } = findLayers(load('transformer-text'));
  assert.is(layers.length, 2 + 6 * 6 + 1);
  assert.equal(
    layers.slice(0, 4).map((l) => l.name),
    ['token', 'position', 'layers.0/attention/q', 'layers.0/attention/k'],
  );
  assert.is(new Set(layers.map((l) => l.name)).size, layers.length);
  assert.equal([layers[0]!.opType, layers[0]!.input, layers[0]!.rowAxis], ['Gather', '', 0]);
  const up = layers.find((l) => l.name === 'layers.0/up')!;
  assert.equal([up.rowAxis, up.rows, up.cols], [1, 512, 128]);
  assert.ok(left.some((l) => l.weight === 'layers.0.attention.mask' && /used by Identity, Slice/.test(l.reason)));
});

/** A model of these nodes and initializers over an input x; only its structure matters. */
function model(initializers: Record<string, Tensor>, nodes: Node[], irVersion = 8, inputs: string[] = []): Model {
  return withGraph(
    { ...load('mnist-mlp'), irVersion },
    {
      nodes,
      initializers: Object.entries(initializers).map(([n, t]) => makeInitializer(n, t)),
      inputs: ['x', ...inputs].map((name) => ({ name, elemType: 1, dims: undefined })),
      outputs: [{ name: 'y', elemType: 1, dims: undefined }],
      valueInfo: [],
    },
  );
}

const int = (value: number) => ({ type: 'int', value }) as const;

test('axes of every kind of weight', () => {
  const shapes: [string, number[], Node, [number, number, number, number]][] = [
    ['gemm', [20, 30], makeNode('Gemm', ['x', 'w'], ['y']), [1, 30, 20, 1]],
    ['gemm transposed', [20, 30], makeNode('Gemm', ['x', 'w'], ['y'], { transB: int(1) }), [0, 20, 30, 1]],
    ['conv', [32, 4, 3, 3], makeNode('Conv', ['x', 'w'], ['y'], { group: int(8) }), [0, 32, 36, 8]],
    ['transposed conv', [16, 4, 3, 3], makeNode('ConvTranspose', ['x', 'w'], ['y']), [1, 4, 144, 1]],
    ['table', [50, 8], makeNode('Gather', ['w', 'x'], ['y']), [0, 50, 8, 1]],
  ];
  for (const [what, dims, node, want] of shapes) {
    const [layer] = findLayers(model({ w: zeros('float', dims) }, [node])).layers;
    assert.equal([layer?.rowAxis, layer?.rows, layer?.cols, layer?.groups], want, what);
  }
});

test('shared weights, made-up names, names that clash', () => {
  const big = zeros('float', [16, 16]);
  const nodes = [
    makeNode('MatMul', ['x', 'onnx::MatMul_7'], ['a'], {}, { name: '/block/MatMul' }),
    makeNode('MatMul', ['a', 'onnx::MatMul_8'], ['b'], {}, { name: '/block/Gemm' }),
    makeNode('MatMul', ['b', 'shared.weight'], ['c']),
    makeNode('MatMul', ['c', 'shared.weight'], ['y']),
  ];
  const { layers } = findLayers(model({ 'shared.weight': big, 'onnx::MatMul_8': big, 'onnx::MatMul_7': big }, nodes));
  assert.equal(
    layers.map((l) => [l.name, l.weight, l.nodes.length]),
    [
      ['block', 'onnx::MatMul_7', 1],
      ['block#2', 'onnx::MatMul_8', 1],
      ['shared', 'shared.weight', 2],
    ],
  );
});

test('what is left says why', () => {
  const reasons = (init: Record<string, Tensor>, nodes: Node[], ...more: [number?, string[]?]) =>
    findLayers(model(init, nodes, ...more)).left.map((l) => l.reason);
  const w = { w: zeros('float', [16, 16]) };
  assert.equal(reasons({ w: zeros('float', [4, 4]) }, [makeNode('Gemm', ['x', 'w'], ['y'])]), [
    '16 elements: fewer than 256',
  ]);
  assert.equal(reasons({ w: zeros('float16', [16, 16]) }, [makeNode('Gemm', ['x', 'w'], ['y'])]), [
    'type float16: only float weights are quantized',
  ]);
  assert.equal(reasons({ w: zeros('float', [4, 16, 16]) }, [makeNode('MatMul', ['x', 'w'], ['y'])]), [
    'rank 3 weight of MatMul: only rank 2 is quantized',
  ]);
  assert.equal(reasons(w, [makeNode('Gather', ['w', 'x'], ['y'], { axis: int(1) })]), [
    'Gather along axis 1: only axis 0 is quantized',
  ]);
  assert.equal(reasons(w, [makeNode('Add', ['x', 'w'], ['y'])]), ['used by Add, not as a weight']);
  assert.equal(reasons(w, [makeNode('Gemm', ['x', 'w'], ['y'])], 8, ['w']), [
    'an input of the graph that callers may replace',
  ]);
  assert.equal(reasons(w, [makeNode('Gemm', ['x', 'w'], ['y'])], 3, ['w']), []);
  assert.equal(reasons({ w: zeros('int8', [16, 16]) }, [makeNode('DequantizeLinear', ['w', 'x'], ['y'])]), [
    'quantized already',
  ]);
  const held = makeNode('Constant', [], ['w'], { value: { type: 'tensor', value: w.w } });
  assert.equal(reasons({}, [held, makeNode('MatMul', ['x', 'w'], ['y'])]), [
    'held by a Constant node: only initializers are quantized',
  ]);
});

test.run();
