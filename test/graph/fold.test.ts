import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { foldBatchNormalization, Session } from '../../src/graph/index.ts';
import {
  makeInitializer,
  makeNode,
  makeValueInfo,
  readModel,
  withGraph,
  withNode,
  writeModel,
} from '../../src/onnx/index.ts';
import type { Model, Node } from '../../src/onnx/model.ts';
import { tensor } from '../../src/tensor.ts';
import { floats, modelOf, runOrt, wasm } from '../ops/compare.ts';
import { distance, feeds, load } from './models.ts';

const types = (m: Model) => m.graph.nodes.map((n) => n.opType);

test('resnet18: no BatchNormalization left, same results here and in onnxruntime', async () => {
  const model = load('resnet18-fashion');
  const folded = foldBatchNormalization(model);
  assert.not(types(folded).includes('BatchNormalization'));
  assert.not(types(folded).includes('Identity'), 'Identity nodes that only fed BatchNormalization are gone');
  assert.is(types(folded).filter((t) => t === 'Conv').length, 20);
  // Weights keep their names; what only BatchNormalization read is gone.
  const names = folded.graph.initializers.map((i) => i.name);
  assert.ok(names.includes('layer3.0.conv2.weight') && names.includes('layer3.0.conv2.bias'));
  assert.not(names.some((n) => n.includes('running_')));
  const f = feeds('resnet18-fashion', 5);
  const [a, b] = [model, folded].map((m) => {
    const s = new Session(m, wasm);
    const out = s.run(f).logits!;
    s.dispose();
    return out;
  });
  assert.ok(distance(b!, a!) < 1e-5, `relative difference ${distance(b!, a!)}`);
  const bytes = writeModel(folded);
  assert.ok(distance((await runOrt(bytes, f)).logits!, a!) < 1e-5);
});

test('nodes that are not touched keep their bytes; nothing to fold gives the model itself', () => {
  const model = load('resnet18-fashion');
  const folded = foldBatchNormalization(model);
  for (const node of folded.graph.nodes) {
    if (node.opType === 'Conv') assert.is(node.wire, undefined);
    else
      assert.is(
        node,
        model.graph.nodes.find((n) => n.name === node.name),
      );
  }
  assert.is(foldBatchNormalization(folded), folded);
  const other = load('transformer-text');
  assert.is(foldBatchNormalization(other), other);
});

/** x -> Conv (W, maybe bias) -> BatchNormalization, changed by `change`. */
function pair(change: (nodes: Node[]) => Node[] = (n) => n, irVersion = 8): Model {
  const base = modelOf('Conv', [floats([1, 3, 6, 6]), floats([4, 3, 2, 2]), floats([4])], {}, { constants: [1, 2] });
  const conv = withNode(base.graph.nodes[0]!, { outputs: ['c'] });
  const batch = makeNode('BatchNormalization', ['c', 's', 'o', 'm', 'v'], ['y0'], {
    epsilon: { type: 'float', value: 0.5 },
  });
  const parameters = ['s', 'o', 'm', 'v'].map((n) => makeInitializer(n, floats([4], 0.5, 2)));
  const model = withGraph(base, {
    nodes: change([conv, batch]),
    initializers: [...base.graph.initializers, ...parameters],
    valueInfo: [makeValueInfo('c', 'float', [1, 4, 5, 5])],
  });
  const inputs = [
    ...model.graph.inputs,
    ...model.graph.initializers.map((i) => makeValueInfo(i.name, 'float', i.dims)),
  ];
  const old = irVersion < 4 ? withGraph({ ...model, irVersion, opsets: new Map([['', 8]]) }, { inputs }) : model;
  return readModel(writeModel(old));
}

function run(m: Model, outputs = ['y0']): number[] {
  const s = new Session(m, wasm);
  const x = tensor(
    'float',
    [2, 3, 6, 6],
    Float32Array.from({ length: 216 }, (_, i) => (i % 17) - 8),
  );
  const out = s.run({ x0: x });
  s.dispose();
  return outputs.flatMap((o) => [...(out[o]!.data as Float32Array)]);
}

function close(a: number[], b: number[]): void {
  for (const [i, v] of a.entries()) assert.ok(Math.abs(v - b[i]!) <= 1e-5 * (1 + Math.abs(v)), `${i}: ${v} ${b[i]}`);
}

test('a bias is folded in, its name kept; value infos of what is gone are dropped', () => {
  const model = pair();
  const folded = foldBatchNormalization(model);
  assert.equal(types(folded), ['Conv']);
  assert.equal(
    folded.graph.initializers.map((i) => i.name),
    ['x1', 'x2'],
  );
  assert.equal(folded.graph.valueInfo, []);
  close(run(model), run(folded));
});

test('before IR version 4 the inputs list what the initializers are', () => {
  const model = pair(undefined, 3);
  const folded = foldBatchNormalization(model);
  assert.equal(
    folded.graph.inputs.map((i) => i.name),
    ['x0', 'x1', 'x2'],
  );
  close(run(model), run(folded));
});

test('a weight with two readers gets a copy', () => {
  const model = pair((nodes) => [...nodes, makeNode('Conv', ['x0', 'x1'], ['z'])]);
  const both = withGraph(model, { outputs: [...model.graph.outputs, { name: 'z', elemType: 1, dims: undefined }] });
  const folded = foldBatchNormalization(both);
  assert.equal(types(folded), ['Conv', 'Conv']);
  assert.is(folded.graph.nodes[1]!.inputs[1], 'x1');
  assert.is.not(folded.graph.nodes[0]!.inputs[1], 'x1');
  close(run(both, ['y0', 'z']), run(folded, ['y0', 'z']));
});

test('not folded: another reader of the Conv, training form, parameters that are computed', () => {
  const reader = pair((nodes) => [...nodes, makeNode('Relu', ['c'], ['z'])]);
  assert.is(foldBatchNormalization(reader), reader);
  const shown = withGraph(pair(), { outputs: [...pair().graph.outputs, { name: 'c', elemType: 1, dims: undefined }] });
  assert.is(foldBatchNormalization(shown), shown);
  const training = pair(([conv, b]) => [
    conv!,
    withNode(b!, { attributes: new Map([['training_mode', { type: 'int', value: 1 }]]) }),
  ]);
  assert.is(foldBatchNormalization(training), training);
  const computed = pair(([conv, b]) => [
    conv!,
    makeNode('Exp', ['s'], ['s2']),
    withNode(b!, { inputs: ['c', 's2', 'o', 'm', 'v'] }),
  ]);
  assert.is(foldBatchNormalization(computed), computed);
});

test.run();
