import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { backward } from '../../src/gradient/index.ts';
import { MemoryError } from '../../src/errors.ts';
import { Session } from '../../src/graph/index.ts';
import { makeNode, type Model } from '../../src/onnx/index.ts';
import { sizeOf, type Tensor, tensor } from '../../src/tensor.ts';
import { Wasm } from '../../src/wasm/wasm.ts';
import { loadWasm, normals, random, ROOT } from '../helpers.ts';
import { throws } from '../throws.ts';
import { graph, modelOf, node } from './build.ts';
import { feeds, load, NAMES } from './models.ts';

const bits = ({ data }: Tensor) => Buffer.from(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
const same = (a: Tensor, b: Tensor, what?: string) => assert.is(Buffer.compare(bits(a), bits(b)), 0, what);
const floats = (seed: number, ...dims: number[]) =>
  tensor('float', dims, normals(sizeOf(dims), random(seed), 1 / Math.sqrt(dims.at(-1)!)));

const bytes = readFileSync(`${ROOT}/build/kernels.wasm`);
const limited = (maxBytes: number) => Wasm.create(bytes, { maxBytes });

const ONE = [
  'Relu',
  'Neg',
  'Abs',
  'Exp',
  'Tanh',
  'Sigmoid',
  'Erf',
  'Softplus',
  'Mish',
  'Gelu',
  'Sin',
  'LeakyRelu',
  'Elu',
];
const MORE = ['Selu', 'HardSwish', 'HardSigmoid', 'Softsign', 'Swish', 'Reciprocal', 'Sqrt', 'Log', 'Cos'];

test('an operator that writes over its input makes the same bits', async () => {
  const wasm = await loadWasm();
  // An observed run keeps every input as it is.
  const compare = (nodes: ReturnType<typeof node>[], what: string) => {
    const g = graph(['x', 'z', 'row', 'one'], ['y'], nodes);
    const session = new Session(modelOf(g, { opset: 24 }), wasm);
    for (const n of [1, 3, 4, 7, 37]) {
      const x = floats(n, 5, n);
      const given = { x, z: floats(n + 1, 5, n), row: floats(n + 2, n), one: floats(2, 1) };
      same(session.run(given).y!, session.run(given, { observe: () => {} }).y!, `${what}, ${n}`);
    }
    session.dispose();
  };
  const first = node('Add', 'x,z', 't');
  for (const op of [...ONE, ...MORE]) {
    // Transpose keeps the pair from being fused.
    compare([node('Transpose', 'x', 't'), node(op, 't', 'y')], op);
    compare([first, node(op, 't', 'y')], `Add, ${op}`);
  }
  for (const op of ['Add', 'Sub', 'Mul', 'Div', 'Min', 'Max', 'Sum', 'Mean'])
    for (const inputs of ['t,z', 'z,t', 't,t', 't,row', 'row,t', 't,one', 'one,t'])
      compare([first, node('Softmax', 't', 's'), node(op, inputs.replaceAll('t', 's'), 'y')], `${op} ${inputs}`);
  compare([first, node('Softmax', 't', 's'), node('Sum', 's,z,s', 'y')], 'Sum s,z,s');
  compare([first, node('Softmax', 't', 's'), node('Clip', 's,one', 'y')], 'Clip');
  compare([first, node('Sigmoid', 't', 's'), node('Mul', 't,s', 'u'), node('Relu', 'u', 'y')], 'x sigmoid(x)');
});

test('a value that dies at an elementwise operator gives its place to the result', async () => {
  const wasm = await loadWasm();
  const nodes = [node('Softmax', 'x', 'a'), node('LeakyRelu', 'a', 'b'), node('Softmax', 'b', 'c')];
  const session = new Session(modelOf(graph(['x'], ['c'], nodes)), wasm);
  const x = floats(1, 64, 1024);
  const before = wasm.arena.used;
  session.run({ x });
  // Softmax takes two places, one of them the operator's too.
  assert.ok(wasm.arena.peak - before < 2.1 * 4 * 64 * 1024, `${wasm.arena.peak - before}`);
  assert.equal([...x.data], [...floats(1, 64, 1024).data]);
  session.dispose();
  assert.is(wasm.arena.used, before);
});

/** What lies beside weights and values for one node: packed operands, padded images, tables. */
const SLACK = 4 * 2 ** 20;

for (const name of NAMES)
  test(`${name}: the peak of a run is weights, what is made of them, and the largest live set`, async () => {
    const wasm = await loadWasm();
    const session = new Session(load(name), wasm);
    const given = feeds(name, 8);
    // Live after each node: what was made and is read later.
    const last = new Map<string, number>();
    session.nodes.forEach((n, i) => {
      for (const v of n.inputs) last.set(v, i);
    });
    const outputs = new Set(session.outputs.map((o) => o.name));
    const live = new Map<string, number>();
    for (const [v, t] of Object.entries(given)) if (t.dtype === 'float') live.set(v, 4 * sizeOf(t.dims));
    let most = 0;
    let i = 0;
    session.run(given, {
      observe: (n, _, made) => {
        n.outputs.forEach((v, j) => {
          if (made[j]!.dtype === 'float') live.set(v, 4 * sizeOf(made[j]!.dims));
        });
        most = Math.max(
          most,
          [...live.values()].reduce((a, b) => a + b, 0),
        );
        for (const v of live.keys()) if (!outputs.has(v) && (last.get(v) ?? -1) <= i) live.delete(v);
        i++;
      },
    });
    const own = wasm.arena.used;
    session.dispose();
    const fresh = await loadWasm();
    const again = new Session(load(name), fresh);
    again.run(given);
    assert.ok(fresh.arena.peak <= own + most + SLACK, `${fresh.arena.peak} of ${own} + ${most} + ${SLACK}`);
    again.rest();
    assert.is(fresh.arena.used, 0);
    again.dispose();
  });

/** Layers of 1 MiB of weights, in several ways. */
const LAYERS = 12;
const WIDE = 512;

function deep(
  weight: (i: number) => Readonly<Record<string, Tensor>>,
  make: (i: number) => ReturnType<typeof node>[],
): Model {
  const nodes = [];
  const constants: Record<string, Tensor> = {};
  for (let i = 0; i < LAYERS; i++) {
    Object.assign(constants, weight(i));
    nodes.push(...make(i), node('Relu', `m${i}`, i === LAYERS - 1 ? 'y' : `x${i + 1}`));
  }
  return modelOf(graph(['x0'], ['y'], nodes, constants), { opset: 21 });
}

const int = (value: number) => ({ type: 'int', value }) as const;
const square = (i: number) => ({ [`w${i}`]: floats(i, WIDE, WIDE) });
const codes = (i: number) => ({
  [`q${i}`]: tensor(
    'int8',
    [WIDE, WIDE],
    Int8Array.from({ length: WIDE * WIDE }, (_, j) => ((j * 37 + i) % 15) - 7),
  ),
  [`s${i}`]: tensor('float', [], Float32Array.of(0.01)),
});
const threes = (i: number) => ({ [`w${i}`]: floats(i, 128, 128, 3, 3) });

const CASES: readonly { name: string; model: Model; feeds: Record<string, Tensor>; weights: number; trial: number }[] =
  [
    {
      name: 'products with packed weights',
      model: deep(square, (i) => [node('MatMul', `x${i},w${i}`, `m${i}`)]),
      feeds: { x0: floats(99, 24, WIDE) },
      weights: 2 ** 20 * LAYERS,
      trial: 5 * 2 ** 20,
    },
    {
      name: 'products of one row',
      model: deep(square, (i) => [node('MatMul', `x${i},w${i}`, `m${i}`)]),
      feeds: { x0: floats(99, 1, WIDE) },
      weights: 2 ** 20 * LAYERS,
      trial: 4 * 2 ** 20,
    },
    {
      name: 'convolutions by transformed filters',
      model: deep(threes, (i) => [
        makeNode('Conv', [`x${i}`, `w${i}`], [`m${i}`], { pads: { type: 'ints', value: [1, 1, 1, 1] } }),
      ]),
      feeds: { x0: floats(99, 1, 128, 14, 14) },
      weights: 4 * 9 * 128 * 128 * LAYERS,
      trial: 6 * 2 ** 20,
    },
    {
      name: 'weights kept in codes',
      model: deep(codes, (i) => [
        node('DequantizeLinear', `q${i},s${i}`, `w${i}`),
        node('MatMul', `x${i},w${i}`, `m${i}`),
      ]),
      feeds: { x0: floats(99, 24, WIDE) },
      weights: (WIDE * WIDE * LAYERS) / 2,
      trial: 2 ** 20 * 4,
    },
    {
      name: 'weights made of codes',
      model: deep(codes, (i) => [
        makeNode('DequantizeLinear', [`q${i}`, `s${i}`], [`w${i}`]),
        makeNode('Gemm', [`w${i}`, `x${i}`], [`m${i}`], { transA: int(1) }),
      ]),
      feeds: { x0: floats(99, WIDE, 24) },
      weights: 2 ** 20 * LAYERS,
      trial: 5 * 2 ** 20,
    },
  ];

for (const c of CASES)
  test(`${c.name}: streamed under a budget, to the same bits`, async () => {
    const roomy = await loadWasm();
    const one = new Session(c.model, roomy);
    const expected = one.run(c.feeds).y!;
    const wasm = await limited(c.trial);
    const session = new Session(c.model, wasm);
    for (let i = 0; i < 2; i++) same(session.run(c.feeds).y!, expected, `run ${i}`);
    assert.ok(wasm.arena.memory.buffer.byteLength <= c.trial);
    if (c.weights > c.trial) assert.ok(roomy.arena.peak > c.trial, `${roomy.arena.peak}`);
    session.dispose();
    assert.is(wasm.arena.used, 0);
    one.dispose();
  });

test('replaced weights are streamed too', async () => {
  const { model, feeds: x, trial } = CASES[0]!;
  const weights = new Map(Array.from({ length: LAYERS }, (_, i) => [`w${i}`, floats(50 + i, WIDE, WIDE)]));
  const expected = new Session(model, await loadWasm()).run(x, { weights }).y!;
  const wasm = await limited(trial);
  const session = new Session(model, wasm);
  same(session.run(x, { weights }).y!, expected);
  session.rest();
  assert.is(wasm.arena.used, 0);
});

test('two sessions take turns in memory that holds one of them', async () => {
  const { model, feeds: x } = CASES[0]!;
  const wasm = await limited(20 * 2 ** 20);
  const expected = new Session(model, await loadWasm()).run(x).y!;
  const [one, two] = [new Session(model, wasm), new Session(model, wasm)];
  for (const session of [one, two, one, two]) same(session.run(x).y!, expected);
  one.dispose();
  same(two.run(x).y!, expected);
});

test('the backward pass of a traced run streams too', async () => {
  const { model, feeds: x } = CASES[1]!;
  const gradients = (wasm: Wasm) => {
    const session = new Session(model, wasm);
    const trace = session.trace(x);
    const seeds = new Map([['y', floats(7, WIDE).data as Float32Array]]);
    const found = backward(wasm, session, trace, seeds, () => {}, { wanted: new Set(['x0']) });
    session.release(trace);
    session.rest();
    assert.is(wasm.arena.used, 0);
    session.dispose();
    return found;
  };
  assert.equal(gradients(await limited(4 * 2 ** 20)), gradients(await loadWasm()));
});

test('a budget that one layer does not fit into is an error that says what would do, and the session goes on', async () => {
  const { model } = CASES[0]!;
  const wasm = await limited(3.5 * 2 ** 20);
  const session = new Session(model, wasm);
  const many = { x0: floats(1, 600, WIDE) };
  throws(
    () => session.run(many),
    MemoryError,
    /^MatMul.* node "m0": wasm memory: cannot allocate \d+ bytes: .* of at most 3670016 reserved; \d+ or more .*smaller batch.*--max-memory.*; the model's largest weight takes 1048576$/,
  );
  const few = { x0: floats(2, 2, WIDE) };
  same(session.run(few).y!, new Session(model, await loadWasm()).run(few).y!);
});

test.run();
