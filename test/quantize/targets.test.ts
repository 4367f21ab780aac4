import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { UsageError } from '../../src/errors.ts';
import { findLayers } from '../../src/graph/index.ts';
import { makeInitializer, makeNode, makeValueInfo, withGraph } from '../../src/onnx/index.ts';
import type { Model } from '../../src/onnx/model.ts';
import { Encoding } from '../../src/quantize/encoding.ts';
import { Surroundings } from '../../src/quantize/around.ts';
import { chooseFormat, FORCED, multipliesCodes, type Target, TARGETS } from '../../src/quantize/targets.ts';
import { FORMATS } from '../../src/quantize/index.ts';
import { throws } from '../throws.ts';
import { model, separateLayers, weights } from './models.ts';

/** CASES: MatMul, Conv and Gather. */
const [MATMUL, CONV, GATHER] = [0, 4, 8];

function chosen(m: Model, target: Target, forced?: string) {
  const encoding = new Encoding(m, target, forced);
  const { layers } = findLayers(m);
  return (i: number, bits: number, mixed = false) =>
    encoding.choose(layers[i]!, { bits, granularity: 'channel', symmetric: false, scaleType: 'float16' }, mixed);
}

const three = (opset: number) => separateLayers([MATMUL, CONV, GATHER], opset).model;

test('the format of each target: what it runs fast, by operator and width', () => {
  const names = (target: Target) => {
    const of = chosen(three(17), target);
    return [0, 1, 2].map((i) => [2, 3, 4, 8, 16].map((bits) => of(i, bits).format));
  };
  const dense = ['dense', 'dense', 'dense', 'dense', 'dense'];
  assert.equal(names('any'), [dense, dense, dense]);
  assert.equal(names('web'), [dense, dense, dense]);
  const wide = ['dense', 'dense', 'dense', 'dense', 'dense-bytes'];
  assert.equal(names('webgpu'), [['dense', 'dense', 'nbits', 'nbits', 'dense-bytes'], wide, wide]);
  // Weights that fit the caches are multiplied as floats at least as fast.
  assert.equal(names('node'), [dense, dense, dense]);
  const m = three(17);
  const large = findLayers(m).layers.map((l) => ({ ...l, params: 2 ** 23 }));
  const around = new Surroundings(m);
  const onNode = (i: number, bits: number) => {
    const spec = { bits, granularity: 'channel', symmetric: false, scaleType: 'float16' } as const;
    return chooseFormat('node', undefined, { layer: large[i]!, spec, mixed: false }, around).format;
  };
  assert.equal(
    [0, 1, 2].map((i) => [2, 3, 4, 8, 16].map((bits) => onNode(i, bits))),
    [['dense', 'dense', 'nbits', 'dense', 'dense'], dense, ['dense', 'dense', 'nbits-table', 'nbits-table', 'dense']],
  );
  for (const [target, small, big] of [
    ['any', false, false],
    ['web', false, false],
    ['node', false, true],
    ['webgpu', true, true],
  ] as const) {
    assert.is(multipliesCodes(target, findLayers(three(17)).layers), small);
    assert.is(multipliesCodes(target, large), big);
  }
  // A product beside convolutions that hold nearly all weights does not keep their rows at one width.
  const [product, conv] = findLayers(three(17)).layers;
  assert.not.ok(multipliesCodes('webgpu', [product!, { ...conv!, params: 20 * product!.params }]));
  assert.ok(multipliesCodes('webgpu', [product!, { ...conv!, params: 5 * product!.params }]));
});

test('rows of different widths, and widths an operator lacks, get the nearest format, which the reason says', () => {
  const gpu = chosen(three(17), 'webgpu');
  assert.equal(gpu(0, 4, true), {
    format: 'dense',
    reason: 'decoded to floats once, at load, and then as fast as the original; nbits: rows of different widths',
  });
  const forced = chosen(three(17), 'any', 'nbits');
  assert.equal(
    [0, 1, 2].map((i) => forced(i, 4).format),
    ['nbits', 'dense', 'nbits-table'],
  );
  assert.match(forced(1, 4).reason, /nbits: it serves MatMul and Gemm, not Conv/);
  assert.match(forced(2, 2).reason, /nbits-table: no 2 bits/);
  for (const target of TARGETS) assert.is(chosen(three(17), target, 'dense')(0, 4).format, 'dense');
});

test('16 bits for webgpu, whose runtime casts no int16, are written byte by byte wherever dense would hold them', () => {
  const forms = ['dense', 'integer', 'nbits', undefined];
  for (const forced of forms) {
    const { format, reason } = chosen(three(17), 'webgpu', forced)(1, 16);
    assert.is(format, 'dense-bytes', forced);
    assert.match(reason, /casts no int16/);
    assert.is(chosen(three(17), 'webgpu', forced)(1, 16, true).format, 'dense-bytes', forced);
    for (const target of ['any', 'web', 'node'] as const)
      assert.is(chosen(three(17), target, forced)(1, 16).format, 'dense', `${target} ${forced}`);
  }
  assert.is(chosen(three(17), 'webgpu', 'qdq')(1, 16).format, 'qdq');
});

test('an opset is raised where every operator means the same; else the nearest format needs none', () => {
  const able = chosen(three(13), 'any', 'qdq');
  assert.equal(
    [2, 4, 8].map((bits) => able(2, bits).format),
    ['qdq', 'qdq', 'qdq'],
  );
  assert.match(able(0, 2).reason, /qdq: onnxruntime misreads 2-bit codes whose rows end within a byte/);
  // ReduceMean takes its axes as an input from opset 18 on.
  const base = three(13);
  const mean = { axes: { type: 'ints', value: [1] } } as const;
  const stuck = withGraph(base, { nodes: [...base.graph.nodes, makeNode('ReduceMean', ['y0'], ['m'], mean)] });
  const of = chosen(stuck, 'any', 'qdq');
  assert.equal(
    [2, 4, 8].map((bits) => of(2, bits).format),
    ['dense', 'dense', 'qdq'],
  );
  assert.match(of(0, 4).reason, /qdq: needs opset 21, and not all operators of opset 13 mean the same there/);
});

test('a weight that a body reads, or that is read through another node, is decoded', () => {
  const body = model(
    { nodes: [makeNode('MatMul', ['x', 'w'], ['b'])], outputs: [makeValueInfo('b', 'float', undefined)] },
    17,
  );
  const branch = { type: 'graph', value: body.graph } as const;
  const branched = model(
    {
      nodes: [makeNode('If', ['c'], ['y'], { then_branch: branch, else_branch: branch })],
      initializers: [makeInitializer('w', weights([32, 16], 1))],
      inputs: [makeValueInfo('x', 'float', [1, 32]), makeValueInfo('c', 'bool', [])],
      outputs: [makeValueInfo('y', 'float', undefined)],
    },
    17,
  );
  assert.match(chosen(branched, 'webgpu')(0, 4).reason, /nbits: a node that reads it stands in a body/);
  const turned = model(
    {
      nodes: [makeNode('Transpose', ['w'], ['t']), makeNode('MatMul', ['x', 't'], ['y'])],
      initializers: [makeInitializer('w', weights([16, 32], 1))],
      inputs: [makeValueInfo('x', 'float', [1, 32])],
      outputs: [makeValueInfo('y', 'float', undefined)],
    },
    17,
  );
  assert.match(chosen(turned, 'webgpu')(0, 4).reason, /nbits: MatMul does not read it as it is stored/);
});

test('every format that can be asked for is there; another is a usage error', () => {
  for (const name of FORCED) assert.ok(FORMATS[name]);
  throws(() => chosen(three(17), 'any', 'toString')(0, 4), UsageError, /format toString: expected one of/);
});

test.run();
