import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { equalize } from '../../src/graph/equalize.ts';
import { prepareModel, Session } from '../../src/graph/index.ts';
import { readModel, writeModel } from '../../src/onnx/index.ts';
import type { Attribute, Model, Node } from '../../src/onnx/model.ts';
import { sizeOf, type Tensor, tensor } from '../../src/tensor.ts';
import { loadWasm, normals, random } from '../helpers.ts';
import { runOrt } from '../ops/compare.ts';
import { graph, modelOf, node } from './build.ts';
import { distance, feeds, load } from './models.ts';

const wasm = await loadWasm();

const int = (value: number): Attribute => ({ type: 'int', value });
const ints = (...value: number[]): Attribute => ({ type: 'ints', value });

/** Seeded weights whose channels along `axis` are of very different sizes. */
function uneven(dims: readonly number[], seed: number, axis = 0): Tensor {
  const next = random(seed);
  const data = normals(sizeOf(dims), next);
  const inner = sizeOf(dims.slice(axis + 1));
  const sizes = Array.from({ length: dims[axis]! }, () => 2 ** (8 * next() - 4));
  return tensor(
    'float',
    dims,
    data.map((v, i) => v * sizes[Math.floor(i / inner) % sizes.length]!),
  );
}

function run(model: Model, x: Tensor): Tensor {
  const session = new Session(model, wasm);
  try {
    return session.run({ x }).y!;
  } finally {
    session.dispose();
  }
}

/** Largest |weight| of every channel along an axis. */
function ranges(model: Model, name: string, axis: number): number[] {
  const { dims, data } = model.graph.initializers.find((i) => i.name === name)!.tensor();
  const inner = sizeOf(dims.slice(axis + 1));
  const found = new Array<number>(dims[axis]!).fill(0);
  data.forEach((v: number | bigint, i: number) => {
    const c = Math.floor(i / inner) % found.length;
    found[c] = Math.max(found[c]!, Math.abs(Number(v)));
  });
  return found;
}

/** The model equalized; the same results here and in onnxruntime, the pairs and the names of weights as expected. */
async function check(model: Model, x: Tensor, pairs: readonly string[]): Promise<Model> {
  const made = equalize(model);
  assert.equal(
    made.pairs.map((p) => `${p.first} ${p.second}`),
    pairs,
  );
  const before = run(model, x);
  const bytes = writeModel(made.model);
  const after = run(readModel(bytes), x);
  assert.ok(distance(after, before) < 1e-5, `relative difference ${distance(after, before)}`);
  assert.ok(distance((await runOrt(bytes, { x })).y!, before) < 1e-5);
  return made.model;
}

const close = (a: readonly number[], b: readonly number[], tolerance = 0.01) =>
  a.forEach((v, i) => {
    assert.ok(Math.abs(v / b[i]! - 1) < tolerance, `channel ${i}: ${v}, ${b[i]}`);
  });

const input = (...dims: number[]) => tensor('float', dims, normals(sizeOf(dims), random(9)));

test("three Gemm and MatMul layers: balanced in the paper's sense, the function kept", async () => {
  const model = modelOf(
    graph(
      ['x:float[N,6]'],
      ['y'],
      [
        node('Gemm', 'x,a,ab', 'h', { transB: int(1), alpha: { type: 'float', value: 0.5 } }),
        node('Relu', 'h', 'i'),
        node('MatMul', 'i,b', 'j'),
        node('Add', 'bb,j', 'k'),
        node('LeakyRelu', 'k', 'l'),
        node('Gemm', 'l,c,cb', 'y'),
      ],
      {
        a: uneven([7, 6], 1),
        ab: uneven([7], 2),
        b: uneven([7, 5], 3, 1),
        bb: uneven([1, 5], 4),
        c: uneven([5, 4], 5, 0),
        cb: uneven([4], 6),
      },
    ),
  );
  const made = await check(model, input(3, 6), ['a b', 'b c']);
  close(ranges(made, 'a', 0), ranges(made, 'b', 0));
  close(ranges(made, 'b', 1), ranges(made, 'c', 0));
});

test('one pair: the scale is sqrt(r1 r2) / r2', () => {
  const model = modelOf(
    graph(
      ['x:float[N,2]'],
      ['y'],
      [node('Gemm', 'x,a,o', 'h', { transB: int(1) }), node('Relu', 'h', 'i'), node('MatMul', 'i,b', 'y')],
      {
        a: tensor('float', [2, 2], Float32Array.of(8, -4, 1, 0.5)),
        o: tensor('float', [2], Float32Array.of(16, 3)),
        b: tensor('float', [2, 1], Float32Array.of(0.5, -4)),
      },
    ),
  );
  // s = sqrt(8 / 0.5) = 4 and sqrt(1 / 4) = 1/2.
  const values = (name: string) => [
    ...(equalize(model)
      .model.graph.initializers.find((i) => i.name === name)!
      .tensor().data as Float32Array),
  ];
  assert.equal(values('a'), [2, -1, 2, 1]);
  assert.equal(values('o'), [4, 6]);
  assert.equal(values('b'), [2, -2]);
});

test('Conv, depthwise Conv, Conv with groups, Gemm behind a Flatten', async () => {
  const model = modelOf(
    graph(
      ['x:float[N,3,9,8]'],
      ['y'],
      [
        node('Conv', 'x,a', 'h', { pads: ints(1, 1, 1, 1) }),
        node('PRelu', 'h,slope', 'i'),
        node('Conv', 'i,d,db', 'j', { group: int(8), strides: ints(2, 1) }),
        node('Relu', 'j', 'k'),
        node('Conv', 'k,g,gb', 'l', { group: int(2) }),
        node('Add', 'l,la', 'm'),
        node('Relu', 'm', 'n'),
        node('MaxPool', 'n', 'o', { kernel_shape: ints(2, 2) }),
        node('Mul', 'o,two', 'p'),
        node('Flatten', 'p', 'q'),
        node('Gemm', 'q,w', 'y', { transB: int(1) }),
      ],
      {
        a: uneven([8, 3, 3, 3], 1),
        slope: tensor('float', [1, 1, 1], Float32Array.of(0.2)),
        d: uneven([8, 1, 2, 3], 2),
        db: uneven([8], 3),
        g: uneven([6, 4, 1, 1], 4, 1),
        gb: uneven([6], 5),
        la: uneven([6, 1, 1], 6),
        two: tensor('float', [], Float32Array.of(2)),
        w: uneven([5, 90], 7, 1),
      },
    ),
  );
  const made = await check(model, input(2, 3, 9, 8), ['a d', 'd g', 'g w']);
  const depthwise = ranges(made, 'd', 0);
  close(ranges(made, 'a', 0), depthwise);
  // Input channel c of the grouped one: rows of its group, place c % 4.
  const g = made.graph.initializers.find((i) => i.name === 'g')!.tensor().data as Float32Array;
  const inputs = Array.from({ length: 8 }, (_, c) =>
    Math.max(...[0, 1, 2].map((r) => Math.abs(g[(Math.floor(c / 4) * 3 + r) * 4 + (c % 4)]!))),
  );
  close(depthwise, inputs);
  const behind = ranges(made, 'w', 1);
  close(
    ranges(made, 'g', 0),
    Array.from({ length: 6 }, (_, c) => Math.max(...behind.slice(15 * c, 15 * c + 15))),
  );
});

test('ConvTranspose with groups, between convolutions over one axis', async () => {
  const model = modelOf(
    graph(
      ['x:float[N,2,7]'],
      ['y'],
      [
        node('Conv', 'x,a', 'h'),
        node('ConvTranspose', 'h,t,tb', 'i', { group: int(2), strides: ints(2) }),
        node('Relu', 'i', 'j'),
        node('Conv', 'j,c', 'y'),
      ],
      { a: uneven([4, 2, 3], 1), t: uneven([4, 3, 2], 2), tb: uneven([6], 3), c: uneven([3, 6, 1], 4, 1) },
    ),
  );
  const made = await check(model, input(2, 2, 7), ['a t', 't c']);
  close(ranges(made, 'a', 0), ranges(made, 't', 0));
});

/** Gemm, then nodes from h to i, then Gemm. */
function between(
  nodes: readonly Node[],
  more: Readonly<Record<string, Tensor>> = {},
  outputs: readonly string[] = ['y'],
): Model {
  return modelOf(
    graph(['x:float[N,4]'], outputs, [node('Gemm', 'x,a,ab', 'h'), ...nodes, node('Gemm', 'i,b', 'y')], {
      a: uneven([4, 5], 1, 1),
      ab: uneven([5], 2),
      b: uneven([5, 5], 3, 0),
      ...more,
    }),
  );
}

test('nothing across what is not positively homogeneous, or is read elsewhere', () => {
  const relu = node('Relu', 'h', 'i');
  const scalar = tensor('float', [], Float32Array.of(1));
  const norm = { s: uneven([5], 4), o: uneven([5], 5) };
  const none: Readonly<Record<string, Model>> = {
    sigmoid: between([node('Sigmoid', 'h', 'i')]),
    tanh: between([node('Tanh', 'h', 'i')]),
    gelu: between([node('Erf', 'h', 'g'), node('Mul', 'h,g', 'i')]),
    layerNormalization: between([node('LayerNormalization', 'h,s,o', 'i')], norm),
    softmax: between([node('Softmax', 'h', 'i')]),
    clip: between([node('Clip', 'h,lo,hi', 'i')], { lo: scalar, hi: scalar }),
    oneNumberForAll: between([node('Add', 'h,c', 'i')], { c: scalar }),
    constantMinus: between([node('Sub', 'o,h', 'i')], norm),
    constantOver: between([node('Div', 'o,h', 'i')], norm),
    twoReaders: between([relu, node('Neg', 'i', 'z')], {}, ['y', 'z']),
    residual: between([node('Relu', 'h', 'r'), node('Add', 'r,h', 'i')]),
    output: between([relu], {}, ['y', 'i']),
    reshaped: between([node('Transpose', 'h', 'i')]),
    alsoTheBias: modelOf(
      graph(['x:float[N,4]'], ['y'], [node('Gemm', 'x,a', 'h'), node('Gemm', 'h,b,h', 'y')], {
        a: uneven([4, 5], 1, 1),
        b: uneven([5, 5], 2),
      }),
    ),
    sharedWeight: modelOf(
      graph(['x:float[N,5]'], ['y'], [node('Gemm', 'x,b', 'h'), node('Relu', 'h', 'i'), node('Gemm', 'i,b', 'y')], {
        b: uneven([5, 5], 2),
      }),
    ),
    weightIsAnInput: modelOf(
      graph(['x:float[N,4]', 'a:float[4,5]'], ['y'], [node('Gemm', 'x,a', 'h'), relu, node('Gemm', 'i,b', 'y')], {
        a: uneven([4, 5], 1),
        b: uneven([5, 5], 2),
      }),
    ),
    biasIsMade: modelOf(
      graph(['x:float[N,4]', 'c'], ['y'], [node('Gemm', 'x,a,c', 'h'), relu, node('Gemm', 'i,b', 'y')], {
        a: uneven([4, 5], 1),
        b: uneven([5, 5], 2),
      }),
    ),
  };
  for (const [name, model] of Object.entries(none)) {
    const made = equalize(model);
    assert.equal(made.pairs, [], name);
    assert.is(made.model, model, name);
  }
  assert.is(equalize(between([relu])).pairs.length, 1, 'the same nets otherwise have a pair');
});

test('a convolution is no pair with a product over its last axis; cycles end', () => {
  const over = modelOf(
    graph(['x:float[N,2,5]'], ['y'], [node('Conv', 'x,a', 'h'), node('MatMul', 'h,b', 'y')], {
      a: uneven([3, 2, 3], 1),
      b: uneven([3, 3], 2),
    }),
  );
  assert.equal(equalize(over).pairs, []);
  const cycle = modelOf(
    graph(['x'], ['y'], [node('Gemm', 'x,a', 'h'), node('Relu', 'r', 'q'), node('Relu', 'q', 'r')], {
      a: uneven([3, 3], 1),
    }),
  );
  assert.equal(equalize(cycle).pairs, []);
});

test('a bias that others read as well is copied; the others keep theirs', async () => {
  const model = modelOf(
    graph(
      ['x:float[N,4]'],
      ['y'],
      [
        node('Gemm', 'x,a,o', 'h'),
        node('Relu', 'h', 'i'),
        node('Gemm', 'i,b,o', 'j'),
        node('Relu', 'j', 'k'),
        node('Gemm', 'k,c,o', 'l'),
        node('Add', 'l,o', 'y'),
      ],
      { a: uneven([4, 4], 1, 1), b: uneven([4, 4], 2), c: uneven([4, 4], 3), o: uneven([4], 4) },
    ),
  );
  const made = await check(model, input(3, 4), ['a b', 'b c']);
  const names = made.graph.initializers.map((i) => i.name).sort();
  assert.equal(names, ['a', 'b', 'c', 'o', 'o.equalized', 'o.equalized_1']);
  const shared = made.graph.initializers.find((i) => i.name === 'o')!.tensor().data;
  assert.equal(shared, model.graph.initializers.find((i) => i.name === 'o')!.tensor().data);
});

test('dead channels on either side keep their weights, scales stay finite', async () => {
  const a = uneven([4, 3], 1, 1);
  const b = uneven([3, 2], 2);
  for (let r = 0; r < 4; r++) a.data[3 * r] = 0;
  b.data[2] = 0;
  b.data[3] = 0;
  const model = modelOf(
    graph(['x:float[N,4]'], ['y'], [node('Gemm', 'x,a,o', 'h'), node('Relu', 'h', 'i'), node('Gemm', 'i,b', 'y')], {
      a,
      b,
      o: uneven([3], 3),
    }),
  );
  const made = await check(model, input(3, 4), ['a b']);
  const column = (t: Tensor, c: number) => [...(t.data as Float32Array)].filter((_, i) => i % 3 === c);
  const found = made.graph.initializers.find((i) => i.name === 'a')!.tensor();
  assert.equal(column(found, 1), column(a, 1), 'an input that nothing reads');
  assert.equal(column(found, 0), column(a, 0), 'an output that is always its bias');
  assert.not.equal(column(found, 2), column(a, 2));
  for (const i of made.graph.initializers) assert.ok([...(i.tensor().data as Float32Array)].every(Number.isFinite));
});

test('the demonstration models: ResNet-18 has a pair in every block, the transformer none', () => {
  const model = prepareModel(load('resnet18-fashion'));
  const { model: made, pairs } = equalize(model);
  assert.is(pairs.length, 8);
  assert.ok(pairs.every((p) => /conv1\.weight$/.test(p.first) && /conv2\.weight$/.test(p.second)));
  const f = feeds('resnet18-fashion', 4);
  const [a, b] = [model, made].map((m) => {
    const session = new Session(m, wasm);
    const out = session.run(f).logits!;
    session.dispose();
    return out;
  });
  assert.ok(distance(b!, a!) < 1e-5);
  assert.is(equalize(prepareModel(load('mnist-mlp'))).pairs.length, 2);
  assert.is(equalize(prepareModel(load('transformer-text'))).pairs.length, 0);
});

test.run();
