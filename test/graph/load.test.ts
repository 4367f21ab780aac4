import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadOperators } from '../../src/graph/load.ts';
import { makeNode } from '../../src/onnx/make.ts';
import type { Graph, Model, ModelFunction, Node } from '../../src/onnx/model.ts';
import { lacksRare } from '../../src/ops/registry.ts';

// Nothing here may load every operator.

const graphOf = (...nodes: Node[]): Graph => ({
  name: 'g',
  nodes,
  initializers: [],
  inputs: [],
  outputs: [],
  valueInfo: [],
  rest: new Uint8Array(0),
});

const modelOf = (graph: Graph, functions: readonly ModelFunction[] = []): Model => ({
  irVersion: 8,
  opsets: new Map([['', 17]]),
  producer: '',
  graph,
  functions,
  rest: new Uint8Array(0),
});

const relu = makeNode('Relu', ['x'], ['y']);
const call = makeNode('Own', ['x'], ['y'], {}, { domain: 'own' });
const own = (...nodes: Node[]): ModelFunction => ({
  name: 'Own',
  domain: 'own',
  inputs: ['x'],
  outputs: ['y'],
  attributes: [],
  opsets: new Map([['', 17]]),
  nodes,
});

test('common operators and calls of functions load nothing, a rare operator in the body of a body does', async () => {
  await loadOperators(modelOf(graphOf(relu, call), [own(relu)]));
  assert.ok(lacksRare());
  const inner = makeNode('Odd', ['x'], ['y'], {
    body: { type: 'graph', value: graphOf(makeNode('TopK', ['x'], ['y'])) },
  });
  await loadOperators(modelOf(graphOf(relu, call), [own(inner)]));
  assert.not.ok(lacksRare());
});

test.run();
