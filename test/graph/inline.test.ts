import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError, UnsupportedError } from '../../src/errors.ts';
import { prepareModel, Session, unsupportedIn } from '../../src/graph/index.ts';
import { readModel, writeModel } from '../../src/onnx/index.ts';
import type { Model } from '../../src/onnx/model.ts';
import { tensor } from '../../src/tensor.ts';
import { float, int, of, runOrt, same, wasm } from '../ops/compare.ts';
import { throws } from '../throws.ts';
import { body, flag, fn, graph, held, modelOf, node, ref } from './build.ts';

const X = { x: of([3], 1, -2, 3) };
const MY = { my: 1 };

/** Runs a model here and in onnxruntime, as it is and prepared. */
async function agree(model: Model, feeds: Parameters<typeof runOrt>[1]): Promise<void> {
  const before = wasm.arena.used;
  for (const m of [model, prepareModel(model)]) {
    const want = await runOrt(writeModel(m), feeds);
    const session = new Session(m, wasm);
    const got = session.run(feeds);
    session.dispose();
    for (const [name, t] of Object.entries(want)) same(got[name]!, t, name);
  }
  assert.is(wasm.arena.used, before);
}

const FLOAT = 1;

const scaled = fn(
  'Scaled',
  'a',
  'r',
  [
    node('Constant', '', 'k', { value_float: ref('factor', FLOAT) }),
    node('Mul', 'a,k', 'm'),
    node('LeakyRelu', 'm', 'r', { alpha: ref('slope', FLOAT) }),
  ],
  { attributes: ['factor', 'slope'], defaults: new Map([['slope', float(0.5)]]) },
);

test('attributes of functions: given, by default, left out', async () => {
  const model = (attributes = {}) =>
    modelOf(graph(['x:float[N]'], ['y'], [node('my.Scaled', 'x', 'y', attributes)]), {
      opsets: MY,
      functions: [scaled],
    });
  await agree(model({ factor: float(3) }), X);
  await agree(model({ factor: float(3), slope: float(2) }), X);
  const optional = fn('Optional', 'a', 'r', [node('LeakyRelu', 'a', 'r', { alpha: ref('slope', FLOAT) })], {
    attributes: ['slope'],
  });
  const call = graph(['x:float[N]'], ['y'], [node('my.Optional', 'x', 'y')]);
  const session = new Session(modelOf(call, { opsets: MY, functions: [optional] }), wasm);
  assert.is(session.run(X).y!.data[1], Math.fround(-0.02), 'the operator’s own default');
  session.dispose();
});

test('functions in functions, in bodies and with bodies', async () => {
  const inner = graph([], ['t'], [node('my.Scaled', 'a', 't', { factor: ref('by', FLOAT) })]);
  const other = graph(
    [],
    ['e'],
    [node('Constant', '', 'c', { value_float: ref('by', FLOAT) }), node('Add', 'a,c', 'e')],
  );
  const chosen = fn(
    'Chosen',
    'which,a',
    'r',
    [node('If', 'which', 'r', { then_branch: body(inner), else_branch: body(other) })],
    { attributes: ['by'] },
  );
  const loop = graph(
    ['i:int64[]', 'go:bool[]', 'v:float[N]'],
    ['on:bool[]', 'w:float[N]'],
    [node('Identity', 'go', 'on'), node('my.Chosen', 'c,v', 'w', { by: float(1.5) })],
  );
  const g = graph(
    ['c:bool[]', 'n:int64[]', 'x:float[N]'],
    ['y', 'z'],
    [node('Loop', 'n,,x', 'y', { body: body(loop) }), node('my.Chosen', 'c,x', 'z', { by: float(-2) })],
  );
  const model = modelOf(g, { opsets: MY, functions: [chosen, scaled] });
  for (const c of [true, false]) await agree(model, { ...X, c: flag(c), n: tensor('int64', [], BigInt64Array.of(3n)) });
});

test('outputs that are inputs, absent inputs, opsets of their own', () => {
  const clip = fn('Bound', 'a,hi', 'a,r', [node('Clip', 'a,,hi', 'r')]);
  // Softmax 12 takes everything behind axis 1 together; 13 the last axis alone.
  const old = fn('Old', 'a', 'r', [node('Softmax', 'a', 'r')], { opsets: new Map([['', 11]]) });
  const g = graph(
    ['x:float[1,2,2]'],
    ['same', 'y', 'z', 'u'],
    [
      node('Constant', '', 'hi', { value: held(of([], 2)) }),
      node('my.Bound', 'x,hi', 'same,y'),
      node('my.Bound', 'x', ',z'),
      node('my.Old', 'x', 'u'),
    ],
  );
  const session = new Session(modelOf(g, { opsets: MY, functions: [clip, old] }), wasm);
  const out = session.run({ x: of([1, 2, 2], 1, 2, 3, 4) });
  session.dispose();
  assert.equal([...out.same!.data], [1, 2, 3, 4]);
  assert.equal([...out.y!.data], [1, 2, 2, 2]);
  assert.equal([...out.z!.data], [1, 2, 3, 4]);
  assert.ok(Math.abs([...(out.u!.data as Float32Array)].reduce((a, b) => a + b) - 1) < 1e-6);
});

test('overloads', () => {
  const f = (overload: string, op: string) => fn('F', 'a', 'r', [node(op, 'a', 'r')], { overload });
  const model = modelOf(graph(['x'], ['y', 'z'], [node('my.F', 'x', 'y'), node('my.F', 'x', 'z')]), { opsets: MY });
  const [y, z] = model.graph.nodes as [(typeof model.graph.nodes)[0], (typeof model.graph.nodes)[0]];
  const nodes = [
    { ...y!, overload: 'n' },
    { ...z!, overload: 'a' },
  ];
  const session = new Session(
    { ...model, functions: [f('n', 'Neg'), f('a', 'Abs')], graph: { ...model.graph, nodes } },
    wasm,
  );
  const out = session.run(X);
  session.dispose();
  assert.equal(
    [[...out.y!.data], [...out.z!.data]],
    [
      [-1, 2, -3],
      [1, 2, 3],
    ],
  );
});

test('functions that call themselves or grow without bound', () => {
  const model = (...functions: ReturnType<typeof fn>[]) =>
    modelOf(graph(['x'], ['y'], [node('my.F0', 'x', 'y', {}, 'call')]), { opsets: MY, functions });
  const call = (f: string) => node(`my.${f}`, 'a', 'r');
  throws(
    () => new Session(model(fn('F0', 'a', 'r', [call('F1')]), fn('F1', 'a', 'r', [call('F0')])), wasm),
    ModelError,
    /functions call themselves: "F0" -> "F1" -> "F0"/,
  );
  const hidden = graph([], ['b'], [node('my.F0', 'a', 'b')]);
  const If = node('If', 'c', 'r', { then_branch: body(hidden), else_branch: body(hidden) });
  throws(() => prepareModel(model(fn('F0', 'a', 'r', [If, ...big('k')]))), ModelError, /functions call themselves/);
  const twice = Array.from({ length: 30 }, (_, i) =>
    fn(
      `F${i}`,
      'a',
      'r',
      i < 29 ? [node(`my.F${i + 1}`, 'a', 't'), node(`my.F${i + 1}`, 't', 'r')] : [node('Neg', 'a', 'r')],
    ),
  );
  throws(() => new Session(model(...twice), wasm), ModelError, /functions expand to more than 250000/);
  const many = Array.from({ length: 80 }, (_, i) =>
    fn(`F${i}`, 'a', 'r', [i < 79 ? call(`F${i + 1}`) : node('Neg', 'a', 'r')]),
  );
  throws(() => new Session(model(...many), wasm), ModelError, /call each other more than 64 deep/);
  throws(
    () => new Session(model(fn('F0', '', 'r', [node('Neg', 'a', 'r')])), wasm),
    ModelError,
    /my\.F0 node "call": expected 0 inputs and 1 outputs at most, found 1 and 1/,
  );
});

/** A Constant node with a tensor of the size of a weight. */
function big(name: string, value = tensor('float', [16, 16], new Float32Array(256).fill(0.25))) {
  return [node('Constant', '', name, { value: held(value) })];
}

test('a call stays a call where no weight takes part; a function that does not fit does too', () => {
  const plain = fn('Plain', 'a', 'r', [node('Neg', 'a', 'r')]);
  const g = graph(['x'], ['y'], [node('my.Plain', 'x', 'y')]);
  const model = modelOf(g, { opsets: MY, functions: [plain] });
  assert.is(prepareModel(model), model);
  const later = fn('Later', 'a', 'r', [...big('k'), node('MatMul', 'a,k', 'm'), node('Softmax', 'm', 'r')], {
    opsets: new Map([['', 12]]),
  });
  const other = modelOf(graph(['x'], ['y'], [node('my.Later', 'x', 'y')]), { opsets: MY, functions: [later] });
  assert.is(prepareModel(other), other);
});

test('weights of functions become initializers: once, however often the function is called', async () => {
  const w = tensor(
    'float',
    [16, 16],
    Float32Array.from({ length: 256 }, (_, i) => ((i * 37) % 101) / 101 - 0.5),
  );
  const dense = fn('Dense', 'a', 'r', [...big('k', w), node('MatMul', 'a,k', 'm'), node('Relu', 'm', 'r')]);
  const given = fn('Given', 'a,weight', 'r', [node('Transpose', 'weight', 't'), node('MatMul', 'a,t', 'r')]);
  const stack = fn('Stack', 'a,weight', 'r', [node('my.Dense', 'a', 'd'), node('my.Given', 'd,weight', 'r')]);
  const g = graph(
    ['x:float[N,16]'],
    ['y'],
    [node('my.Stack', 'x,v', 's', {}, 'one'), node('my.Dense', 's', 'd', {}, 'two'), node('my.Stack', 'd,v', 'y')],
    { v: tensor('float', [16, 16], w.data.slice().reverse() as Float32Array) },
  );
  const model = modelOf(g, { opsets: MY, functions: [dense, given, stack] });
  await agree(model, { x: of([1, 16], ...Array.from({ length: 16 }, (_, i) => Math.sin(i))) });
  const ready = prepareModel(model);
  assert.is(ready.graph.initializers.length, 2);
  const again = readModel(writeModel(ready));
  assert.equal(
    again.functions.map((f) => writeModel({ ...model, functions: [f] }).length > 0),
    [true, true, true],
  );
});

test('everything that cannot be run is listed at once, functions and bodies included', () => {
  const f = fn('F', 'a', 'r', [node('Missing', 'a', 'm', {}, 'in F'), node('Cast', 'm', 'r', { to: int(8) }, 'text')]);
  const then = graph([], ['t'], [node('com.example.Foo', 'x', 't', {}, 'then')]);
  const otherwise = graph([], ['e'], [node('my.F', 'x', 'e', {}, 'call')]);
  const g = graph(
    ['c:bool[]', 'x'],
    ['y', 'z'],
    [
      node('If', 'c', 'y', { then_branch: body(then), else_branch: body(otherwise) }, 'if'),
      node('Pad', 'x', 'z', { mode: { type: 'string', value: 'sideways' } }, 'pad'),
    ],
  );
  const model = modelOf(g, { opsets: { ...MY, 'com.example': 3 }, functions: [f] });
  const list = unsupportedIn(model);
  assert.equal(
    list.map((p) => [p.kind, p.operator, p.name]),
    [
      ['operator', 'com.example.Foo', 'then'],
      ['operator', 'Missing', 'call#1/in F'],
      ['node', 'Cast', 'call#1/text'],
      ['node', 'Pad', 'pad'],
    ],
  );
  throws(
    () => new Session(model, wasm),
    UnsupportedError,
    /^operators that are not supported: com\.example\.Foo \(opset 3\) at "then"; Missing \(opset 17\) at "call#1\/in F"; nodes that are not supported: Cast node "call#1\/text": .*; Pad node "pad": attribute "mode"/,
  );
});

test.run();
