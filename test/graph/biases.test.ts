import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { biasesOf } from '../../src/graph/biases.ts';
import { findLayers, prepareModel, Session, withInitializers } from '../../src/graph/index.ts';
import { makeInitializer } from '../../src/onnx/index.ts';
import type { Attribute, Node } from '../../src/onnx/model.ts';
import { sizeOf, type Tensor, tensor } from '../../src/tensor.ts';
import { loadWasm, normals, random } from '../helpers.ts';
import { graph, modelOf, node } from './build.ts';
import { distance, feeds, load, NAMES } from './models.ts';

const wasm = await loadWasm();
const values = (...dims: number[]): Tensor => tensor('float', dims, normals(sizeOf(dims), random(sizeOf(dims)), 0.2));

function found(nodes: Node[], initializers: Record<string, Tensor>, outputs = ['y']): [string, string][] {
  const model = modelOf(graph(['x[2,32]'], outputs, nodes, initializers));
  return [...biasesOf(model, findLayers(model).layers)].map(([weight, bias]) => [weight, bias.name]);
}

test('the bias of Gemm, and of the Add behind a MatMul', () => {
  const w = { w: values(32, 16), b: values(16) };
  assert.equal(found([node('Gemm', 'x,w,b', 'y')], w), [['w', 'b']]);
  const added = (a: string, b: string) => [node('MatMul', 'x,w', 'h'), node('Add', `${a},${b}`, 'y')];
  assert.equal(found(added('h', 'b'), w), [['w', 'b']]);
  assert.equal(found(added('b', 'h'), { ...w, b: values(1, 16) }), [['w', 'b']]);
});

test('nothing that is read elsewhere, scaled, or of another shape', () => {
  const w = { w: values(32, 16), b: values(16) };
  const gemm = (attributes: Record<string, Attribute> = {}) => node('Gemm', 'x,w,b', 'y', attributes);
  const float = (value: number): Attribute => ({ type: 'float', value });
  assert.equal(found([gemm({ beta: float(2) })], w), []);
  assert.equal(found([gemm({ alpha: float(2) })], w), []);
  assert.equal(found([gemm()], { ...w, b: values(1) }), []);
  assert.equal(found([gemm(), node('Neg', 'b', 'z')], w, ['y', 'z']), []);
  assert.equal(found([node('Gemm', 'x,w', 'y')], { w: w.w }), []);
  const matmul = [node('MatMul', 'x,w', 'h'), node('Add', 'h,b', 'y')];
  assert.equal(found([...matmul, node('Neg', 'h', 'z')], w, ['y', 'z']), []);
  assert.equal(found(matmul, w, ['y', 'h']), []);
  assert.equal(found(matmul, { ...w, b: values(3, 1, 16) }), []);
});

test('in the demonstration models a bias moves the output of its layer as the rows of the weight would', () => {
  for (const name of NAMES) {
    const model = prepareModel(load(name));
    const { layers } = findLayers(model);
    const biases = biasesOf(model, layers);
    assert.ok(biases.size >= 3, `${name}: ${biases.size}`);
    const layer = layers.filter((l) => biases.has(l.weight)).at(-1)!;
    const bias = biases.get(layer.weight)!;
    assert.is(sizeOf(bias.dims), layer.rows);
    const at = layer.nodes[0]!;
    const after = model.graph.nodes.find((n) => n.inputs.includes(bias.name))!.outputs[0]!;
    const run = (changed: typeof model) => {
      const session = new Session(changed, wasm);
      try {
        return session.run(feeds(name, 2), { fetch: [after] })[after]!;
      } finally {
        session.dispose();
      }
    };
    const moved = (bias.tensor().data as Float32Array).map((b, i) => b + i);
    const before = run(model);
    const changed = run(withInitializers(model, [makeInitializer(bias.name, tensor('float', bias.dims, moved))]));
    const axis = at.opType === 'Conv' ? 1 : before.dims.length - 1;
    const inner = sizeOf(before.dims.slice(axis + 1));
    const expected = (before.data as Float32Array).map((v, i) => v + (Math.floor(i / inner) % layer.rows));
    assert.ok(distance(changed, { ...before, data: expected }) < 1e-5, name);
  }
});

test.run();
