import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError, ModelError, UnsupportedError } from '../../src/errors.ts';
import { findLayers, Session } from '../../src/graph/index.ts';
import { makeInitializer, makeNode } from '../../src/onnx/index.ts';
import type { Graph, Model, Node } from '../../src/onnx/model.ts';
import { tensor } from '../../src/tensor.ts';
import { runOrt, wasm } from '../ops/compare.ts';
import { bytesOf, distance, feeds, load, NAMES } from './models.ts';

function throws(f: () => unknown, type: new (m: string) => Error, message: RegExp): void {
  assert.throws(f, (e: Error) => {
    if (!(e instanceof type) || !message.test(e.message)) console.error(e);
    return e instanceof type && message.test(e.message) && !e.message.includes('\n');
  });
}

const vec = (...v: number[]) => tensor('float', [v.length], Float32Array.from(v));

/** A model from nodes: inputs a and b of rank 1, initializer w = [10, 20]. */
function small(nodes: Node[], outputs = ['y'], more: Partial<Graph> = {}, changes: Partial<Model> = {}): Model {
  const value = (name: string) => ({ name, elemType: 1, dims: ['N'] });
  return {
    irVersion: 8,
    opsets: new Map([['', 17]]),
    producer: '',
    functions: [],
    rest: new Uint8Array(0),
    graph: {
      name: 'g',
      nodes,
      initializers: [makeInitializer('w', vec(10, 20))],
      inputs: [value('a'), value('b')],
      outputs: outputs.map((name) => ({ name, elemType: 1, dims: undefined })),
      valueInfo: [],
      rest: new Uint8Array(0),
      ...more,
    },
    ...changes,
  };
}

const AB = { a: vec(1, 2), b: vec(3, 4) };

for (const name of NAMES) {
  test(`${name} agrees with onnxruntime at several batch sizes and lengths`, async () => {
    const before = wasm.arena.used;
    const session = new Session(load(name), wasm);
    for (const [n, length] of [
      [1, 7],
      [3, 33],
      [8, 128],
    ] as const) {
      const f = feeds(name, n, length, n);
      const expected = await runOrt(bytesOf(name), f);
      const actual = session.run(f);
      assert.equal(Object.keys(actual), Object.keys(expected));
      for (const [key, want] of Object.entries(expected)) {
        assert.equal(actual[key]!.dims, [...want.dims]);
        const d = distance(actual[key]!, want);
        assert.ok(d < 1e-4, `${name} ${key} batch ${n}: relative difference ${d}`);
      }
      // What a shape's first run derives from constants stays.
      const held = wasm.arena.used;
      assert.equal(session.run(f), actual);
      assert.is(wasm.arena.used, held, 'a run left memory behind');
    }
    session.dispose();
    assert.is(wasm.arena.used, before, 'dispose left memory behind');
  });

  test(`${name}: rerun gives exactly what run gives`, () => {
    const model = load(name);
    const session = new Session(model, wasm);
    const f = feeds(name, 2);
    session.release(session.trace(f));
    const base = session.run(f);
    const held = wasm.arena.used;
    const trace = session.trace(f);
    const traced = wasm.arena.used;
    const { layers } = findLayers(model);
    const chosen = [0, layers.length >> 1, layers.length - 1].map((i) => layers[i]!);
    const initializers = new Map(model.graph.initializers.map((i) => [i.name, i]));
    assert.equal(session.rerun(trace, new Map()), base);
    for (const set of [[chosen[0]!], [chosen[1]!], [chosen[2]!], chosen]) {
      const weights = new Map(
        set.map(({ weight, dims }) => [
          weight,
          tensor(
            'float',
            dims,
            Float32Array.from(initializers.get(weight)!.tensor().data as Float32Array, (v) => v * 0.9),
          ),
        ]),
      );
      const whole = session.run(f, { weights });
      assert.equal(session.rerun(trace, weights), whole);
      const replaced = session.trace(f, weights);
      for (const [key, t] of Object.entries(whole)) assert.equal([...session.value(replaced, key).data], [...t.data]);
      for (const { weight } of set) assert.is(session.value(replaced, weight).data[0], weights.get(weight)!.data[0]);
      session.release(replaced);
      for (const [key, t] of Object.entries(whole)) assert.ok(distance(t, base[key]!) > 1e-6, `${key} did not change`);
      assert.is(wasm.arena.used, traced);
    }
    assert.equal(session.run(f), base, 'replaced weights outlived their run');
    session.release(trace);
    assert.is(wasm.arena.used, held);
    throws(() => session.rerun(trace, new Map()), RangeError, /trace of this session that is not released/);
    session.dispose();
  });
}

test('observe sees every node that runs, with its values', () => {
  const model = load('mnist-mlp');
  const session = new Session(model, wasm);
  const seen: string[] = [];
  let last = 0;
  const out = session.run(feeds('mnist-mlp', 2), {
    observe: (node, inputs, outputs) => {
      seen.push(node.opType);
      assert.is(inputs.length, node.inputs.length);
      assert.equal(outputs[0]!.dims[0], 2);
      last = outputs[0]!.data[0] as number;
    },
  });
  assert.equal(seen, ['Gemm', 'Relu', 'Gemm', 'Relu', 'Gemm']);
  assert.is(out.logits!.data[0], last);
  const held = wasm.arena.used;
  assert.throws(
    () =>
      session.run(feeds('mnist-mlp', 2), {
        observe: () => {
          throw new Error('mine');
        },
      }),
    /mine/,
  );
  assert.is(wasm.arena.used, held, 'a failed run left memory behind');
  session.dispose();
});

test('a tensor kept beyond its life says so', () => {
  const session = new Session(load('mnist-mlp'), wasm);
  const kept: { data: unknown }[] = [];
  session.run(feeds('mnist-mlp', 1), { observe: (_, __, [y]) => void kept.push(y!) });
  assert.throws(() => kept[0]!.data, /used after it was freed/);
  session.dispose();
});

test('feeds that do not fit', () => {
  const session = new Session(load('mnist-mlp'), wasm);
  const image = tensor('float', [1, 784], new Float32Array(784));
  const run = (f: Record<string, never> | object) => () => session.run(f as never);
  throws(run({}), DataError, /input "image" is missing; the model's inputs: "image"/);
  throws(run({ image, extra: image }), DataError, /input "extra" is not one of the model's: "image"/);
  throws(
    run({ image: tensor('double', [1, 784], new Float64Array(784)) }),
    DataError,
    /input "image": expected type float.*, found double/,
  );
  throws(
    run({ image: tensor('float', [784], new Float32Array(784)) }),
    DataError,
    /expected shape \[N,784\], found \[784\]/,
  );
  throws(
    run({ image: tensor('float', [1, 783], new Float32Array(783)) }),
    DataError,
    /expected shape \[N,784\], found \[1,783\] \(axis 1\)/,
  );
  throws(
    run({ image: { dtype: 'float', dims: [2, 784], data: new Float32Array(784) } }),
    DataError,
    /needs 1568 elements, found 784/,
  );
  throws(
    run({ image: { dtype: 'float', dims: [-1, 784], data: new Float32Array(784) } }),
    DataError,
    /expected sizes >= 0/,
  );
  session.dispose();
});

test('weights that are no replacements', () => {
  const session = new Session(load('mnist-mlp'), wasm);
  const f = feeds('mnist-mlp', 1);
  const run = (name: string, t: unknown) => () => session.run(f, { weights: new Map([[name, t as never]]) });
  throws(run('nothing', vec(1)), RangeError, /expected the name of an initializer, found "nothing"/);
  throws(run('0.bias', vec(1)), RangeError, /expected shape \[256\] for "0.bias", found \[1\]/);
  throws(run('0.bias', tensor('double', [256], new Float64Array(256))), TypeError, /found double/);
  session.dispose();
});

test('nodes in any order; what no output needs does not run', () => {
  const nodes = [
    makeNode('Add', ['t', 'w'], ['y'], {}, { name: 'last' }),
    makeNode('Mul', ['a', 'b'], ['t'], {}, { name: 'first' }),
    makeNode('Gather', ['a', 'nowhere-needed'], ['dead'], {}, { name: 'dead' }),
    makeNode('Constant', [], ['nowhere-needed'], { value_int: { type: 'int', value: 99 } }),
  ];
  const session = new Session(small(nodes), wasm);
  assert.equal([...session.run(AB).y!.data], [13, 28]);
  session.dispose();
});

test('a cycle, a value from nowhere, a value made twice', () => {
  const before = wasm.arena.used;
  const of =
    (...nodes: Node[]) =>
    () =>
      new Session(small(nodes), wasm);
  const name = (n: string) => ({ name: n });
  throws(
    of(
      makeNode('Add', ['a', 'q'], ['p'], {}, name('one')),
      makeNode('Relu', ['p'], ['q'], {}, name('two')),
      makeNode('Relu', ['q'], ['y'], {}, name('three')),
    ),
    ModelError,
    /the graph has a cycle: "(one" -> "two|two" -> "one)"/,
  );
  throws(
    of(makeNode('Add', ['a', 'zzz'], ['y'], {}, name('n'))),
    ModelError,
    /Add node "n" reads "zzz", which is no input, initializer or output/,
  );
  throws(of(makeNode('Relu', ['a'], ['z'])), ModelError, /the graph has the output "y"/);
  throws(
    of(makeNode('Relu', ['a'], ['y']), makeNode('Neg', ['a'], ['y'], {}, name('n'))),
    ModelError,
    /Neg node "n": output "y" is made elsewhere/,
  );
  throws(of(makeNode('Relu', ['a'], ['w'])), ModelError, /output "w" is made elsewhere/);
  assert.is(wasm.arena.used, before);
});

test('every operator that is not supported is named at once', () => {
  const nodes = [
    makeNode('Foo', ['a'], ['t'], {}, { name: 'f1' }),
    makeNode('Foo', ['t'], ['u'], {}, { name: 'f2' }),
    makeNode('Bar', ['u'], ['v'], {}, { domain: 'com.example' }),
    makeNode('Gelu', ['v'], ['y'], {}, { name: 'g' }),
  ];
  throws(
    () => new Session(small(nodes), wasm),
    UnsupportedError,
    /not supported: Foo \(opset 17\) at "f1", "f2"; com\.example\.Bar \(opset not imported\) at "v"; Gelu \(opset 17\) at "g"/,
  );
  const body = small([makeNode('Foo', ['a'], ['y'], {}, { name: 'inner' })]).graph;
  const branches = {
    then_branch: { type: 'graph', value: body },
    else_branch: { type: 'graph', value: body },
  } as const;
  throws(
    () => new Session(small([makeNode('If', ['a'], ['y'], branches, { name: 'outer' })]), wasm),
    UnsupportedError,
    /^operators that are not supported: Foo \(opset 17\) at "inner"$/,
  );
  const old = small([makeNode('Add', ['a', 'a'], ['y'])], ['y'], {}, { opsets: new Map([['', 6]]) });
  throws(() => new Session(old, wasm), UnsupportedError, /opset 6: expected 7..27/);
});

test('a node that fails is named, and a fold that fails frees what it held', () => {
  const before = wasm.arena.used;
  const nodes = [
    makeNode('Concat', ['w', 'w'], ['c'], { axis: { type: 'int', value: 3 } }, { name: 'cat' }),
    makeNode('Add', ['a', 'c'], ['y']),
  ];
  throws(
    () => new Session(small(nodes), wasm),
    ModelError,
    /^Concat node "cat": axis: expected -1..0 for rank 1, found 3$/,
  );
  assert.is(wasm.arena.used, before);
});

test('initializers that callers may replace by feeding them', () => {
  const inputs = ['a', 'w'].map((name) => ({ name, elemType: 1, dims: ['N'] }));
  const session = new Session(
    small([makeNode('Neg', ['w'], ['t']), makeNode('Add', ['a', 't'], ['y'])], ['y'], { inputs }),
    wasm,
  );
  assert.equal(
    session.inputs.map((i) => i.name),
    ['a'],
  );
  assert.equal([...session.run({ a: vec(1, 2) }).y!.data], [-9, -18]);
  assert.equal([...session.run({ a: vec(1, 2), w: vec(1, 1) }).y!.data], [0, 1]);
  assert.equal([...session.run({ a: vec(1, 2) }).y!.data], [-9, -18]);
  session.dispose();
});

test('outputs that are inputs, constants, or views of each other', () => {
  const nodes = [
    makeNode('Identity', ['a'], ['same']),
    makeNode('Identity', ['w'], ['constant']),
    makeNode('Add', ['a', 'b'], ['sum']),
    makeNode('Identity', ['sum'], ['again']),
  ];
  const before = wasm.arena.used;
  const session = new Session(small(nodes, ['same', 'constant', 'sum', 'again', 'w']), wasm);
  const out = session.run(AB);
  assert.equal(
    Object.entries(out).map(([k, t]) => [k, [...t.data]]),
    [
      ['same', [1, 2]],
      ['constant', [10, 20]],
      ['sum', [4, 6]],
      ['again', [4, 6]],
      ['w', [10, 20]],
    ],
  );
  session.dispose();
  assert.is(wasm.arena.used, before);
});

test('a replaced initializer reaches values folded from it', () => {
  const nodes = [
    makeNode('Neg', ['w'], ['t']),
    makeNode('Abs', ['t'], ['u']),
    makeNode('Mul', ['u', 't'], ['v']),
    makeNode('Add', ['a', 'v'], ['y']),
  ];
  const session = new Session(small(nodes), wasm);
  assert.equal([...session.run(AB).y!.data], [-99, -398]);
  const weights = new Map([['w', vec(1, 2)]]);
  assert.equal([...session.run(AB, { weights }).y!.data], [0, -2]);
  const trace = session.trace(AB);
  assert.equal([...session.rerun(trace, weights).y!.data], [0, -2]);
  session.dispose();
});

test('folded values that nobody kept are made again where a replaced weight needs them', () => {
  const nodes = [
    makeNode('Neg', ['w'], ['t']),
    makeNode('Neg', ['w2'], ['t2']),
    makeNode('Abs', ['t2'], ['u2']),
    makeNode('Mul', ['t', 'u2'], ['v']),
    makeNode('Add', ['a', 'v'], ['y']),
  ];
  const initializers = [makeInitializer('w', vec(10, 20)), makeInitializer('w2', vec(3, 4))];
  const session = new Session(small(nodes, ['y'], { initializers }), wasm);
  assert.equal([...session.run(AB).y!.data], [-29, -78]);
  const weights = new Map([['w', vec(1, 1)]]);
  assert.equal([...session.run(AB, { weights }).y!.data], [-2, -2]);
  const trace = session.trace(AB);
  assert.equal([...session.rerun(trace, weights).y!.data], [-2, -2]);
  session.dispose();
});

test('values are freed after their last use', () => {
  const nodes = Array.from({ length: 60 }, (_, i) =>
    makeNode('Neg', [i === 0 ? 'a' : `t${i}`], [i === 59 ? 'y' : `t${i + 1}`]),
  );
  const session = new Session(small(nodes, ['y'], { inputs: [{ name: 'a', elemType: 1, dims: ['N'] }] }), wasm);
  const n = 2 ** 20;
  const held = wasm.arena.used;
  let most = 0;
  const observe = () => {
    most = Math.max(most, wasm.arena.used);
  };
  session.run({ a: tensor('float', [n], new Float32Array(n)) }, { observe });
  assert.is(most - held, 2 * 4 * n, 'a chain needs two tensors at a time');
  session.dispose();
});

test('an input that is no tensor', () => {
  const inputs = [{ name: 'a', elemType: undefined, dims: undefined }];
  throws(
    () => new Session(small([makeNode('Identity', ['a'], ['y'])], ['y'], { inputs }), wasm),
    UnsupportedError,
    /input "a"/,
  );
});

test('model-local functions', () => {
  const f = {
    name: 'Twice',
    domain: 'mine',
    inputs: ['x'],
    outputs: ['r'],
    attributes: [],
    opsets: new Map([
      ['', 17],
      ['mine', 1],
    ]),
    nodes: [makeNode('Add', ['x', 'x'], ['t']), makeNode('Identity', ['t'], ['r'])],
  };
  const call = (i: string, o: string) => makeNode('Twice', [i], [o], {}, { domain: 'mine' });
  const opsets = new Map([
    ['', 17],
    ['mine', 1],
  ]);
  const session = new Session(small([call('a', 't'), call('t', 'y')], ['y'], {}, { functions: [f], opsets }), wasm);
  assert.equal([...session.run(AB).y!.data], [4, 8]);
  session.dispose();
  const endless = { ...f, nodes: [call('x', 'r')] };
  throws(
    () => new Session(small([call('a', 'y')], ['y'], {}, { functions: [endless], opsets }), wasm),
    ModelError,
    /functions call themselves: "Twice" -> "Twice"/,
  );
});

test.run();
