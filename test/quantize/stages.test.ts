import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { findLayers, prepareModel, Session } from '../../src/graph/index.ts';
import { makeInitializer, makeNode, makeValueInfo } from '../../src/onnx/index.ts';
import type { Model } from '../../src/onnx/model.ts';
import { Stages, type Values } from '../../src/quantize/stages.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { feeds, load, NAMES } from '../graph/models.ts';
import { loadWasm, normals, random } from '../helpers.ts';
import { model } from './models.ts';

const wasm = await loadWasm();

/** The values of every cut, run stage after stage, and how many values were kept between them. */
function staged(m: Model, cuts: string[][], given: Values, weights: ReadonlyMap<string, Tensor> = new Map()) {
  const stages = new Stages(wasm, m, cuts);
  const kept: number[] = [];
  let values = given;
  const found = cuts.map((_, i) => {
    const stage = stages.open(i, values);
    const { cut, next } = stage.run(values, weights);
    stage.dispose();
    values = next;
    kept.push(next.size);
    return cut;
  });
  return { found, kept };
}

test('values at the layers of whole models are those of one run, replaced weights included', () => {
  const used = wasm.arena.used;
  for (const name of NAMES) {
    const m = prepareModel(load(name));
    const { layers } = findLayers(m);
    const cuts = [...new Set(layers.map((l) => l.input).filter((v) => v !== ''))].map((v) => [v]);
    const given = feeds(name, 2, 9);
    const session = new Session(m, wasm);
    const own = new Map(m.graph.initializers.map((t) => [t.name, t]));
    const changed = new Map(
      [layers[0]!, layers.at(-1)!].map(({ weight, dims }) => {
        const data = (own.get(weight)!.tensor().data as Float32Array).map((v) => 0.9 * v);
        return [weight, tensor('float', dims, data)];
      }),
    );
    for (const weights of [new Map<string, Tensor>(), changed]) {
      const whole = session.run(given, { weights, fetch: cuts.flat() });
      const { found, kept } = staged(m, cuts, new Map(Object.entries(given)), weights);
      cuts.forEach(([v], i) => {
        assert.equal(found[i]!.get(v!), whole[v!], `${name}, ${v}`);
      });
      assert.is(kept.at(-1), 0, `${name}: nothing is kept after the last stage`);
    }
    session.dispose();
  }
  assert.is(wasm.arena.used, used);
});

test('values that pass over a stage, feeds as cuts, constants of several stages, cuts that share nodes', () => {
  const m = model(
    {
      nodes: [
        makeNode('Neg', ['c'], ['n']),
        makeNode('Add', ['x', 'n'], ['a']),
        makeNode('Relu', ['a'], ['b']),
        makeNode('Mul', ['b', 'n'], ['d']),
        makeNode('Add', ['d', 'a'], ['e']),
        makeNode('Sub', ['e', 'x'], ['y']),
      ],
      initializers: [makeInitializer('c', tensor('float', [3], normals(3, random(1))))],
      inputs: [makeValueInfo('x', 'float', ['n', 3])],
      outputs: [makeValueInfo('y', 'float', ['n', 3])],
    },
    17,
  );
  const x = tensor('float', [2, 3], normals(6, random(2)));
  const cuts = [['x'], ['b', 'n'], ['b'], ['d', 'x'], ['y']];
  const session = new Session(m, wasm);
  const whole: Record<string, Tensor> = { ...session.run({ x }, { fetch: ['b', 'n', 'd', 'y'] }), x };
  session.dispose();
  const { found, kept } = staged(m, cuts, new Map([['x', x]]));
  cuts.forEach((names, i) => {
    assert.equal([...found[i]!.keys()].sort(), [...names].sort());
    for (const name of names) assert.equal(found[i]!.get(name), whole[name], `cut ${i}, ${name}`);
  });
  // x; x, a, b; x, a, b; x, a, d; nothing
  assert.equal(kept, [1, 3, 3, 3, 0]);
});

test('what no cut needs does not run', () => {
  const m = model(
    {
      nodes: [makeNode('Relu', ['x'], ['a']), makeNode('MatMul', ['a', 'a'], ['y'])],
      inputs: [makeValueInfo('x', 'float', [2, 3])],
      outputs: [makeValueInfo('y', 'float', undefined)],
    },
    17,
  );
  const x = tensor('float', [2, 3], normals(6, random(3)));
  const { found } = staged(m, [['a']], new Map([['x', x]]));
  assert.equal(found[0]!.get('a')!.dims, [2, 3]);
});

test.run();
