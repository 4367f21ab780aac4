import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '../../src/errors.ts';
import { inspectModel } from '../../src/jobs/inspect.ts';
import { inspectText } from '../../src/report/inspect.ts';
import { makeInitializer, makeNode, makeValueInfo, readModel, writeModel } from '../../src/onnx/index.ts';
import { tensor } from '../../src/tensor.ts';
import { modelBytes } from '../demonstration.ts';
import { body, fn, graph, held, modelOf, node } from '../graph/build.ts';
import { model } from '../quantize/models.ts';

const test = suite('jobs/inspect');

test('the MLP', () => {
  const bytes = modelBytes('mnist-mlp');
  const found = inspectModel(bytes, 'mlp');
  assert.is(found.name, 'mlp');
  assert.is(found.bytes, bytes.length);
  assert.match(found.producer, /pytorch/);
  assert.equal(found.opsets, [{ domain: '', version: 17 }]);
  assert.equal(found.inputs, [{ name: 'image', type: 'float', dims: ['N', 784] }]);
  assert.equal(found.outputs, [{ name: 'logits', type: 'float', dims: ['N', 10] }]);
  assert.equal(found.operators, [
    { opType: 'Gemm', domain: '', count: 3, supported: true },
    { opType: 'Relu', domain: '', count: 2, supported: true },
  ]);
  assert.equal(
    found.weights.map((w) => [w.name, w.opType, w.dims.join('x'), w.params]),
    [
      ['0', 'Gemm', '256x784', 200704],
      ['2', 'Gemm', '128x256', 32768],
      ['4', 'Gemm', '10x128', 1280],
    ],
  );
  assert.is(found.parameters, 200704 + 32768 + 1280 + 256 + 128 + 10);
  assert.equal(JSON.parse(JSON.stringify(found)), found);
});

test('all demonstration models run: every operator is supported, every node counted', () => {
  for (const name of ['mnist-mlp', 'resnet18-fashion', 'transformer-text'] as const) {
    const bytes = modelBytes(name);
    const found = inspectModel(bytes);
    assert.ok(found.operators.every((o) => o.supported));
    assert.is(
      found.operators.reduce((n, o) => n + o.count, 0),
      readModel(bytes).graph.nodes.length,
    );
    assert.ok(found.weights.length > 0 && found.inputs.length === 1);
  }
});

test('what cannot be run is said, nothing is run', () => {
  const odd = model(
    {
      nodes: [
        makeNode('Imaginary', ['x'], ['a'], {}, { name: 'i' }),
        makeNode('Magic', ['a'], ['b'], {}, { domain: 'test.other' }),
        makeNode('Cast', ['b'], ['y'], { to: { type: 'int', value: 8 } }, { name: 'text' }),
      ],
      initializers: [makeInitializer('w', tensor('float', [20, 20], new Float32Array(400)))],
      inputs: [makeValueInfo('x', 'float', ['N', 3])],
      outputs: [makeValueInfo('y', 'float', undefined)],
    },
    17,
  );
  const opsets = new Map([...odd.opsets, ['test.other', 3] as const]);
  const found = inspectModel(writeModel({ ...odd, opsets }));
  assert.equal(found.opsets, [
    { domain: '', version: 17 },
    { domain: 'test.other', version: 3 },
  ]);
  assert.equal(
    found.operators.map((o) => [o.domain, o.opType, o.supported]),
    [
      ['', 'Cast', true],
      ['', 'Imaginary', false],
      ['test.other', 'Magic', false],
    ],
  );
  assert.equal(
    found.problems.map((p) => [p.kind, p.operator, p.name]),
    [
      ['operator', 'Imaginary', 'i'],
      ['operator', 'test.other.Magic', 'b'],
      ['node', 'Cast', 'text'],
    ],
  );
  const text = inspectText(found);
  assert.match(text, /not supported: Imaginary, test\.other\.Magic/);
  assert.match(text, /Cast +text +attribute "to"/);
  const later = inspectModel(writeModel({ ...odd, opsets: new Map([...opsets, ['', 99]]) }));
  assert.ok(later.operators.every((o) => !o.supported));
  assert.match(later.problems[0]!.reason, /opset 99: expected 7\.\.27/);
  assert.equal(found.left, [{ weight: 'w', reason: 'used by no node' }]);
});

test('operators and weights of bodies and functions count', () => {
  const w = tensor('float', [16, 16], new Float32Array(256).fill(1));
  const f = fn('F', 'a', 'r', [node('Constant', '', 'k', { value: held(w) }), node('MatMul', 'a,k', 'r')]);
  const then = body(graph([], ['t'], [node('MatMul', 'x,v', 't')], { v: w }));
  const otherwise = body(graph([], ['e'], [node('my.F', 'x', 'e')]));
  const g = graph(['c:bool[]', 'x'], ['y'], [node('If', 'c', 'y', { then_branch: then, else_branch: otherwise })]);
  const found = inspectModel(writeModel(modelOf(g, { opsets: { my: 1 }, functions: [f] })));
  assert.equal(
    found.operators.map((o) => [o.opType, o.count, o.supported]),
    [
      ['Constant', 1, true],
      ['If', 1, true],
      ['MatMul', 2, true],
    ],
  );
  assert.is(found.parameters, 512);
  assert.is(found.weights.length, 2);
});

test('no model', () => {
  for (const bytes of [
    new Uint8Array(0),
    new TextEncoder().encode('PK not a model'),
    modelBytes('mnist-mlp').subarray(0, 5000),
  ])
    assert.throws(
      () => inspectModel(bytes, 'it'),
      (e: unknown) => e instanceof ModelError && /\bit\b/.test(e.message),
    );
});

test.run();
