import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findLayers, hoistConstants, Session } from '../../src/graph/index.ts';
import { makeInitializer, makeNode, makeValueInfo, readModel, withGraph, writeModel } from '../../src/onnx/index.ts';
import type { Model } from '../../src/onnx/model.ts';
import { tensor } from '../../src/tensor.ts';
import { floats, modelOf, runOrt, wasm } from '../ops/compare.ts';
import { body, graph, held, modelOf as graphModel, node } from './build.ts';

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

test('weights of bodies move to the main graph under names that are free; small ones and outputs stay', () => {
  const big = () => floats([16, 16]);
  const then = graph([], ['t'], [node('MatMul', 'x,w', 'm'), node('Add', 'm,b', 't')], { w: big(), b: floats([16]) });
  const inner = graph([], ['i'], [node('MatMul', 'x,w', 'i')]);
  const otherwise = graph(
    [],
    ['e', 'w2'],
    [
      node('Constant', '', 'w', { value: held(big()) }),
      node('If', 'c', 'e', { then_branch: body(inner), else_branch: body(graph([], ['j'], [node('Neg', 'x', 'j')])) }),
      node('Constant', '', 'w2', { value: held(big()) }),
    ],
  );
  const both = graph([], ['t', 'x'], then.nodes, {});
  const g = graph(
    ['c:bool[]', 'x:float[N,16]'],
    ['y', 'z', 'r'],
    [
      node('If', 'c', 'y,z', {
        then_branch: body({ ...both, initializers: then.initializers }),
        else_branch: body(otherwise),
      }),
      node('Relu', 'x', 'r'),
    ],
  );
  const before = graphModel(g);
  const after = hoistConstants(before);
  assert.equal(
    after.graph.initializers.map((t) => t.name),
    ['w_1', 'w_2'],
  );
  assert.is(after.graph.nodes[1], before.graph.nodes[1], 'what was not touched is the same message');
  const [If] = after.graph.nodes;
  const bodies = [...If!.attributes.values()].map((a) => (a.type === 'graph' ? a.value : undefined)!);
  assert.equal(
    bodies.map((b) => b.initializers.map((t) => t.name)),
    [['b'], []],
  );
  assert.equal(bodies[0]!.nodes[0]!.inputs, ['x', 'w_1']);
  assert.equal(
    bodies[1]!.nodes.map((n) => n.opType),
    ['If', 'Constant'],
  );
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
