import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Session } from '../../src/graph/index.ts';
import { makeInitializer, makeNode, makeValueInfo, readModel, writeModel } from '../../src/onnx/index.ts';
import type { Model } from '../../src/onnx/model.ts';
import { PrecisionAwareQuantizer } from '../../src/quantize/index.ts';
import { tensor } from '../../src/tensor.ts';
import { loadWasm, normals, random } from '../helpers.ts';
import { throws } from '../throws.ts';
import { model, planFor, weights } from './models.ts';
import { RUNTIMES, relativeDifference, runIn } from './run.ts';

const wasm = await loadWasm();

/** y = (x w + a + b) * c + d: vectors a and d, a matrix b, a short c. */
function network(change: Readonly<Record<string, Float32Array>> = {}, opset = 17): Model {
  const n = 40;
  const values = {
    a: normals(n, random(1), 1),
    b: normals(3 * n, random(2), 1),
    c: normals(1, random(3), 1),
    d: normals(n, random(4), 1),
    ...change,
  };
  const dims: Record<string, number[]> = { a: [n], b: [3, n], c: [1], d: [n] };
  return model(
    {
      nodes: [
        makeNode('MatMul', ['x', 'w'], ['p']),
        makeNode('Add', ['p', 'a'], ['q']),
        makeNode('Add', ['q', 'b'], ['r']),
        makeNode('Mul', ['r', 'c'], ['s']),
        makeNode('Add', ['s', 'd'], ['y']),
      ],
      initializers: [
        makeInitializer('w', weights([20, n], 5)),
        ...Object.entries(values).map(([name, v]) => makeInitializer(name, tensor('float', dims[name]!, v))),
      ],
      inputs: [makeValueInfo('x', 'float', [3, 20])],
      outputs: [makeValueInfo('y', 'float', [3, n])],
    },
    opset,
  );
}

const x = tensor('float', [3, 20], normals(60, random(9), 1));
const quantizer = new PrecisionAwareQuantizer(wasm, { rest: 'fp16' });

test('vectors and matrices are stored as fp16, and run alike in both runtimes and here', async () => {
  for (const opset of [7, 13, 17]) {
    const m = network({}, opset);
    const plan = planFor(m, () => ({ bits: 4 }));
    const result = quantizer.quantizeModel(m, plan);
    assert.equal(result.halves, { tensors: 3, before: 4 * 200, after: 2 * 200, kept: [] });
    const plain = new PrecisionAwareQuantizer(wasm).quantizeModel(m, plan);
    assert.is(plain.halves, undefined);
    const bytes = writeModel(result.model);
    assert.is(quantizer.fileBytes(m, plan), bytes.length);
    assert.ok(bytes.length < writeModel(plain.model).length - 250);
    const expected = (await runIn('node', writeModel(plain.model), { x })).y!;
    const session = new Session(readModel(bytes), wasm);
    const outputs = [['ours', session.run({ x }).y!.data as Float32Array] as const];
    session.dispose();
    for (const runtime of RUNTIMES) outputs.push([runtime as 'ours', (await runIn(runtime, bytes, { x })).y!]);
    for (const [who, y] of outputs) {
      assert.ok(relativeDifference(y, expected) < 1e-3, `${who}: ${relativeDifference(y, expected)}`);
      assert.ok(relativeDifference(y, outputs[0]![1]) < 1e-6, who);
    }
  }
});

test('what fp16 cannot hold stays fp32, and why', () => {
  const large = normals(40, random(1), 1);
  large[7] = 70000;
  const small = normals(40, random(1), 1e-6);
  const infinite = normals(40, random(1), 1);
  infinite[3] = Number.NEGATIVE_INFINITY;
  const nan = normals(40, random(1), 1);
  nan[3] = Number.NaN;
  const kept = (a: Float32Array) =>
    quantizer.quantizeModel(
      network({ a }),
      planFor(network(), () => ({})),
    ).halves!;
  assert.match(kept(large).kept[0]!.reason, /holds 70000, beyond the range of fp16/);
  assert.match(kept(small).kept[0]!.reason, /too small for fp16 beside/);
  assert.match(kept(nan).kept[0]!.reason, /holds NaN/);
  for (const a of [large, small, nan]) {
    assert.is(kept(a).kept[0]!.tensor, 'a');
    assert.is(kept(a).tensors, 2);
  }
  assert.equal(kept(infinite).kept, []);
});

test('a model without layers to quantize can have its floats halved; without any it stays as it is', () => {
  const m = network();
  const float = planFor(m, () => ({ bits: 32 }));
  assert.is(quantizer.quantizeModel(m, float).halves!.tensors, 4);
  assert.is(new PrecisionAwareQuantizer(wasm).quantizeModel(m, float).model, m);
  throws(
    () => new PrecisionAwareQuantizer(wasm, { rest: 'int8' as 'fp16' }),
    RangeError,
    /rest: expected fp32 or fp16/,
  );
});

test.run();
