import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findLayers, hoistConstants, Session } from '../../src/graph/index.ts';
import { makeInitializer, makeNode, makeValueInfo, readModel, withGraph, writeModel } from '../../src/onnx/index.ts';
import type { Model } from '../../src/onnx/model.ts';
import { tensor } from '../../src/tensor.ts';
import { floats, modelOf, runOrt, wasm } from '../ops/compare.ts';

const test = suite('graph/hoist');

/** y0 = x W with W in a Constant node, and an integer constant beside it. */
function model(): Model {
  const base = modelOf('MatMul', [floats([3, 20]), floats([20, 16])]);
  const [node] = base.graph.nodes;
  const w = floats([20, 16]);
  const held = makeNode('Constant', [], [node!.inputs[1]!], { value: { type: 'tensor', value: w } });
  const shape = tensor('int64', [2], BigInt64Array.from([3n, 16n]));
  const nodes = [
    held,
    makeNode('Constant', [], ['shape'], { value: { type: 'tensor', value: shape } }),
    { ...node!, outputs: ['product'], wire: undefined },
    makeNode('Reshape', ['product', 'shape'], [base.graph.outputs[0]!.name]),
  ];
  const inputs = base.graph.inputs.filter((i) => i.name !== node!.inputs[1]);
  return readModel(writeModel(withGraph(base, { nodes, inputs })));
}

test('a weight in a Constant node becomes an initializer and a layer; other types stay', () => {
  const before = model();
  assert.is(findLayers(before).layers.length, 0);
  const after = hoistConstants(before);
  assert.equal(
    after.graph.nodes.map((n) => n.opType),
    ['Constant', 'MatMul', 'Reshape'],
  );
  assert.is(findLayers(after).layers.length, 1);
  assert.equal(findLayers(after).left, []);
});

test('the outputs stay what they were, here and in onnxruntime', async () => {
  const before = model();
  const after = readModel(writeModel(hoistConstants(before)));
  const name = before.graph.inputs[0]!.name;
  const feeds = { [name]: floats([3, 20]) };
  const expected = new Session(before, wasm).run(feeds);
  assert.equal(new Session(after, wasm).run(feeds), expected);
  assert.equal(await runOrt(writeModel(after), feeds), await runOrt(writeModel(before), feeds));
});

test('a model without such nodes is the same object; a constant that is an output stays', () => {
  const plain = hoistConstants(model());
  assert.is(hoistConstants(plain), plain);
  const value = floats([4]);
  const node = makeNode('Constant', [], ['c'], { value: { type: 'tensor', value } });
  const base = modelOf('Relu', [floats([4])]);
  const outputs = [...base.graph.outputs, makeValueInfo('c', 'float', [4])];
  const both = withGraph(base, { nodes: [...base.graph.nodes, node], outputs });
  assert.is(hoistConstants(both), both);
  const known = withGraph(base, { initializers: [makeInitializer('unused', value)] });
  assert.is(hoistConstants(known), known);
});

test.run();
