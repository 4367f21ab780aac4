import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { canRaise, freshNames, mapNodes, Session, withInitializers } from '../../src/graph/index.ts';
import { makeInitializer, withOpset, writeModel } from '../../src/onnx/index.ts';
import { floats, floats as random, int, ints, list, modelOf, runOrt, wasm } from '../ops/compare.ts';
import { bytesOf, distance, feeds, load, NAMES } from './models.ts';
import { body, graph, modelOf as graphModel, node } from './build.ts';

for (const name of NAMES) {
  test(`${name} means the same at opset 21, here and in onnxruntime`, async () => {
    const model = load(name);
    assert.ok(canRaise(model, 21));
    const raised = withOpset(model, '', 21);
    const f = feeds(name, 2);
    const expected = await runOrt(bytesOf(name), f);
    const session = new Session(raised, wasm);
    const [here, there] = [session.run(f), await runOrt(writeModel(raised), f)];
    session.dispose();
    for (const [key, want] of Object.entries(expected)) {
      assert.ok(distance(here[key]!, want) < 1e-4);
      assert.ok(distance(there[key]!, want) < 1e-6);
    }
  });
}

test('changes of meaning stop it', () => {
  const x = floats([4, 4]);
  assert.not(canRaise(modelOf('Softmax', [x], {}, { opset: 12 }), 13));
  assert.not(canRaise(modelOf('LogSoftmax', [x], {}, { opset: 12 }), 13));
  assert.ok(canRaise(modelOf('Softmax', [x], {}, { opset: 13 }), 21));
  assert.ok(canRaise(modelOf('Softmax', [x], {}, { opset: 9 }), 12));
  assert.not(canRaise(modelOf('ReduceMean', [x], { axes: ints(1) }), 18));
  assert.ok(canRaise(modelOf('ReduceMean', [x], {}), 18));
  assert.not(canRaise(modelOf('Split', [x], {}, { outputs: 2 }), 18));
  assert.ok(canRaise(modelOf('Split', [x, list(2, 2)], {}, { outputs: 2 }), 18));
  assert.not(canRaise(modelOf('Unsqueeze', [x], { axes: ints(0) }, { opset: 12 }), 13));
});

test('nodes in bodies count, operators of other domains go by their own version', () => {
  const branch = (op: string) => body(graph([], ['t'], [node(op, 'x', 't')]));
  const model = (op: string) =>
    graphModel(
      graph(
        ['c:bool[]', 'x:float[N]'],
        ['y'],
        [
          node('If', 'c', 'a', { then_branch: branch('Neg'), else_branch: branch(op) }),
          node('com.microsoft.Gelu', 'a', 'y'),
        ],
      ),
      { opset: 12, opsets: { 'com.microsoft': 1 } },
    );
  assert.ok(canRaise(model('Relu'), 21));
  assert.not(canRaise(model('Softmax'), 13));
});

test('not down, not beyond what Kappa reads, not with operators it does not know', () => {
  const relu = modelOf('Relu', [random([3])]);
  assert.ok(canRaise(relu, 17));
  assert.not(canRaise(relu, 16));
  assert.not(canRaise(relu, 99));
  assert.not(canRaise(modelOf('Unheard', [random([3])], { a: int(1) }), 21));
});

test('edits: fresh names, replaced and added initializers, mapped nodes', () => {
  const model = load('mnist-mlp');
  const fresh = freshNames(model);
  assert.equal(
    [fresh('0.weight'), fresh('0.weight'), fresh('new'), fresh('logits')],
    ['0.weight_1', '0.weight_2', 'new', 'logits_1'],
  );
  const changed = withInitializers(model, [
    makeInitializer('0.bias', floats([256])),
    makeInitializer('more', floats([2])),
  ]);
  assert.equal(
    changed.graph.initializers.map((i) => i.name),
    [...model.graph.initializers.map((i) => i.name), 'more'],
  );
  assert.is(changed.graph.initializers[0], model.graph.initializers[0]);
  assert.is.not(changed.graph.initializers[1], model.graph.initializers[1]);
  const old = withInitializers({ ...model, irVersion: 3 }, [makeInitializer('more', floats([2]))]);
  assert.equal(
    old.graph.inputs.map((i) => i.name),
    ['image', 'more'],
  );
  const fewer = mapNodes(model, (n) => (n.opType === 'Relu' ? [] : n));
  assert.equal(
    fewer.graph.nodes.map((n) => n.opType),
    ['Gemm', 'Gemm', 'Gemm'],
  );
});

test.run();
