import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Session } from '../../../src/graph/index.ts';
import { makeInitializer, makeNode, makeValueInfo, readModel, writeModel } from '../../../src/onnx/index.ts';
import type { Attribute, Model, Node } from '../../../src/onnx/model.ts';
import { reachIntegers } from '../../../src/quantize/activations/raise.ts';
import { tensor } from '../../../src/tensor.ts';
import { loadWasm, normals, random } from '../../helpers.ts';
import { model } from '../models.ts';

const test = suite('quantize/activations/raise');
const wasm = await loadWasm();

const ints = (...value: number[]): Attribute => ({ type: 'ints', value });

function net(opset: number, more: readonly Node[] = []): Model {
  const initializers = [makeInitializer('w', tensor('float', [12, 24], normals(288, random(1), 0.2)))];
  return model(
    {
      nodes: [
        makeNode('Slice', ['x'], ['a'], { starts: ints(1, -9), ends: ints(3, 2 ** 63), axes: ints(0, 1) }),
        makeNode('Slice', ['a'], ['b'], { starts: ints(0), ends: ints(1) }),
        makeNode('Concat', ['a', 'b'], ['c'], { axis: { type: 'int', value: 1 } }),
        ...more,
      ],
      initializers,
      inputs: [makeValueInfo('x', 'float', [4, 12])],
      outputs: [makeValueInfo(more.at(-1)?.outputs[0] ?? 'a', 'float', ['a', 'b'])],
    },
    opset,
    8,
  );
}

function run(m: Model): readonly number[] {
  const session = new Session(readModel(writeModel(m)), wasm);
  const out = Object.values(session.run({ x: tensor('float', [4, 12], normals(48, random(2))) }))[0]!;
  session.dispose();
  return [...out.dims, ...(out.data as Float32Array)];
}

test('attributes of Slice become inputs, and mean the same', () => {
  for (const opset of [7, 9]) {
    const before = net(opset, [makeNode('Transpose', ['b'], ['y'])]);
    const after = reachIntegers(before);
    assert.is(after.opsets.get(''), 10);
    assert.equal(
      after.graph.nodes.map((n) => [n.opType, n.inputs.length, n.attributes.size]),
      [
        ['Slice', 4, 0],
        ['Slice', 3, 0],
        ['Concat', 2, 1],
        ['Transpose', 1, 0],
      ],
    );
    assert.equal(run(after), run(before));
  }
});

test('a model that has such operators, can be raised, or not even so, is as it was', () => {
  const later = net(10, []);
  assert.is(reachIntegers(later), later);
  const topK = makeNode('TopK', ['b'], ['v', 'y'], { k: { type: 'int', value: 2 } });
  const other = net(9, [topK]);
  assert.is(reachIntegers(other), other);
  const plain = { ...later, opsets: new Map([['', 9]]), graph: { ...later.graph, nodes: later.graph.nodes.slice(2) } };
  assert.is(reachIntegers(plain), plain);
});

test.run();
