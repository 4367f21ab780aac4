import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { findLayers } from '../../src/graph/index.ts';
import { makeInitializer, makeNode, withGraph } from '../../src/onnx/index.ts';
import type { Model, Node } from '../../src/onnx/model.ts';
import type { Tensor } from '../../src/tensor.ts';
import { tensor, zeros } from '../../src/tensor.ts';
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

/** opType, rows, cols, shape, row axis and lead of the one layer. */
function formOf(dims: number[], nodes: Node[], more: Record<string, Tensor> = {}) {
  const { layers, left } = findLayers(model({ w: zeros('float', dims), ...more }, nodes));
  const [l] = layers.filter((layer) => layer.weight === 'w');
  return l ? [l.opType, l.rows, l.cols, l.shape, l.rowAxis, l.lead] : left.find((x) => x.weight === 'w')?.reason;
}

const list = (...v: number[]) => tensor('int64', [v.length], BigInt64Array.from(v, BigInt));
const perm = (...value: number[]) => ({ perm: { type: 'ints', value } as const });

test('weights seen through Transpose, Reshape and their like', () => {
  const use = makeNode('MatMul', ['x', 'v'], ['y']);
  const by = (node: Node, dims: number[], more = {}) => formOf(dims, [node, use], more);
  assert.equal(by(makeNode('Transpose', ['w'], ['v']), [32, 20]), ['MatMul', 32, 20, [32, 20], 0, 0]);
  assert.equal(by(makeNode('Identity', ['w'], ['v']), [32, 20]), ['MatMul', 20, 32, [32, 20], 1, 0]);
  const cast = makeNode('Cast', ['w'], ['v'], { to: int(10) });
  assert.equal(by(cast, [32, 20]), ['MatMul', 20, 32, [32, 20], 1, 0]);
  assert.equal(by(makeNode('Squeeze', ['w', 'a'], ['v']), [1, 32, 20], { a: list(0) }), [
    'MatMul',
    20,
    32,
    [1, 32, 20],
    2,
    0,
  ]);
  // [4, 8, 20] as [32, 20], the rows of which are the first two axes.
  const rows = [makeNode('Reshape', ['w', 's'], ['r']), makeNode('Transpose', ['r'], ['v']), use];
  assert.equal(formOf([4, 8, 20], rows, { s: list(-1, 20) }), ['MatMul', 32, 20, [32, 20], 0, 0]);
  assert.equal(by(makeNode('Reshape', ['w', 's'], ['v']), [32, 4, 5], { s: list(0, -1) }), [
    'MatMul',
    20,
    32,
    [32, 20],
    1,
    0,
  ]);
  assert.equal(by(makeNode('Reshape', ['w', 's'], ['v']), [640], { s: list(32, 20) }), [
    'MatMul',
    20,
    32,
    [32, 20],
    1,
    0,
  ]);
  // 6 x 96 as 16 x 36: an axis of the one is no product of axes of the other.
  assert.equal(
    by(makeNode('Reshape', ['w', 's'], ['v']), [6, 96], { s: list(16, 36) }),
    'used by Reshape, not as a weight',
  );
  assert.equal(
    by(makeNode('Reshape', ['w', 'x'], ['v']), [32, 20]),
    'used by Reshape, not as a weight',
    'a shape that is not known',
  );
});

test('rows over several axes', () => {
  assert.equal(formOf([2, 64, 10], [makeNode('LSTM', ['x', 'w', 'r'], ['y'])]), ['LSTM', 128, 10, [128, 10], 0, 0]);
  assert.equal(formOf([2, 48, 16], [makeNode('GRU', ['x', 'v', 'w'], ['y'])]), ['GRU', 96, 16, [96, 16], 0, 0]);
  assert.equal(formOf([3, 20, 32], [makeNode('MatMul', ['x', 'w'], ['y'])]), ['MatMul', 96, 20, [3, 20, 32], 2, 1]);
  assert.equal(formOf([1, 20, 32], [makeNode('MatMul', ['x', 'w'], ['y'])]), ['MatMul', 32, 20, [1, 20, 32], 2, 0]);
  assert.equal(formOf([3, 20, 32], [makeNode('MatMul', ['w', 'x'], ['y'])]), ['MatMul', 60, 32, [60, 32], 0, 0]);
  const grouped = makeNode('ConvTranspose', ['x', 'w'], ['y'], { group: int(4) });
  assert.equal(formOf([16, 3, 7], [grouped]), ['ConvTranspose', 12, 28, [4, 4, 3, 7], 2, 1]);
  assert.equal(formOf([50, 4, 8], [makeNode('Gather', ['w', 'x'], ['y'])]), ['Gather', 50, 32, [50, 4, 8], 0, 0]);
  assert.equal(formOf([8, 50], [makeNode('Gather', ['w', 'x'], ['y'], { axis: int(-1) })]), [
    'Gather',
    50,
    8,
    [8, 50],
    1,
    0,
  ]);
  assert.equal(formOf([16, 4, 3, 3, 3], [makeNode('Conv', ['x', 'w'], ['y'])])?.slice(0, 3), ['Conv', 16, 108]);
  const einsum = (equation: string) =>
    makeNode('Einsum', ['x', 'w'], ['y'], { equation: { type: 'string', value: equation } });
  assert.equal(formOf([32, 4, 5], [einsum('bsd,dhk->bshk')]), ['Einsum', 20, 32, [32, 20], 1, 0]);
  assert.equal(formOf([4, 5, 32], [einsum('bshk,hkd->bsd')]), ['Einsum', 32, 20, [4, 5, 32], 2, 0]);
});

test("optimised exports' operators", () => {
  const ms = { domain: 'com.microsoft' };
  const forms = (op: string, inputs: string[], dims: number[], attributes = {}) =>
    formOf(dims, [makeNode(op, inputs, ['y'], attributes, ms)])?.slice(0, 3);
  assert.equal(forms('FusedConv', ['x', 'w'], [16, 4, 3, 3]), ['Conv', 16, 36]);
  assert.equal(forms('FusedMatMul', ['x', 'w'], [20, 32], { transB: int(1) }), ['MatMul', 20, 32]);
  assert.equal(forms('FusedGemm', ['x', 'w'], [20, 32]), ['Gemm', 32, 20]);
  assert.equal(forms('Attention', ['x', 'w'], [16, 48]), ['MatMul', 48, 16]);
  assert.equal(forms('EmbedLayerNormalization', ['x', '', 'w'], [50, 16]), ['Gather', 50, 16]);
  for (const [op, inputs] of [
    ['MatMulNBits', ['x', 'w', 's']],
    ['MatMulNBits', ['x', 'b', 'w']],
    ['DynamicQuantizeMatMul', ['x', 'w', 's']],
    ['GatherBlockQuantized', ['w', 'x', 's']],
  ] as const)
    assert.equal(formOf([16, 48], [makeNode(op, inputs, ['y'], {}, ms)]), 'quantized already', op);
});

test('a weight seen in two ways: rows of the first, and only uses like it are plain', () => {
  const nodes = [
    makeNode('Gather', ['w', 'ids'], ['e']),
    makeNode('Transpose', ['w'], ['t'], perm(1, 0)),
    makeNode('MatMul', ['x', 't'], ['a']),
    makeNode('MatMul', ['x', 'w'], ['b']),
    makeNode('Conv', ['x', 'k'], ['c']),
  ];
  const [layer] = findLayers(model({ w: zeros('float', [50, 32]) }, nodes, 8, ['ids'])).layers;
  assert.equal([layer!.opType, layer!.rows, layer!.cols], ['Gather', 50, 32]);
  assert.equal(
    layer!.uses.map((u) => [u.opType, u.plain, u.dims]),
    [
      ['Gather', true, [50, 32]],
      ['MatMul', true, [32, 50]],
      ['MatMul', false, [50, 32]],
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
  assert.equal(reasons({ w: zeros('int32', [16, 16]) }, [makeNode('Gemm', ['x', 'w'], ['y'])]), [
    'type int32: only weights of a floating type are quantized',
  ]);
  assert.equal(reasons({ w: zeros('float', [256]) }, [makeNode('MatMul', ['x', 'w'], ['y'])]), [
    'rank 1 weight of MatMul',
  ]);
  assert.equal(reasons(w, [makeNode('Add', ['x', 'w'], ['y'])]), ['used by Add, not as a weight']);
  assert.equal(reasons(w, [makeNode('Gemm', ['x', 'w'], ['y'])], 8, ['w']), []);
  assert.equal(reasons(w, [makeNode('Gemm', ['x', 'w'], ['y'])], 3, ['w']), []);
  assert.equal(reasons({ w: zeros('int8', [16, 16]) }, [makeNode('DequantizeLinear', ['w', 'x'], ['y'])]), [
    'quantized already',
  ]);
  const held = makeNode('Constant', [], ['w'], { value: { type: 'tensor', value: w.w } });
  assert.equal(reasons({}, [held, makeNode('MatMul', ['x', 'w'], ['y'])]), [
    'held by a Constant node: only initializers of the main graph are quantized',
  ]);
});

test.run();
