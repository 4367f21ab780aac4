import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Session } from '../../src/graph/index.ts';
import { makeInitializer, makeNode, readModel, writeModel } from '../../src/onnx/index.ts';
import type { Attribute, Model, Node } from '../../src/onnx/model.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { loadWasm, normals, random } from '../helpers.ts';

const wasm = await loadWasm();

const [K, N] = [96, 64] as const;
const next = random(11);
const int = (value: number): Attribute => ({ type: 'int', value });
const codes = (dtype: 'int8' | 'uint8', dims: readonly number[], lo: number, hi: number) =>
  tensor(
    dtype,
    dims,
    (dtype === 'int8' ? Int8Array : (Uint8Array as unknown as Int8ArrayConstructor)).from(
      { length: dims.reduce((a, b) => a * b, 1) },
      () => Math.floor(lo + (hi - lo + 1) * next()),
    ),
  );
const floats = (dims: readonly number[]) =>
  tensor(
    'float',
    dims,
    Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => 0.01 + next()),
  );

function modelOf(nodes: readonly Node[], constants: Readonly<Record<string, Tensor>>, outputs = ['y']): Model {
  const value = (name: string, dims: readonly (number | null)[]) => ({ name, elemType: 1, dims });
  const model: Model = {
    irVersion: 10,
    opsets: new Map([['', 21]]),
    producer: 'test',
    functions: [],
    rest: new Uint8Array(0),
    graph: {
      name: 'g',
      nodes,
      initializers: Object.entries(constants).map(([name, t]) => makeInitializer(name, t)),
      inputs: [value('x', [null, K])],
      outputs: outputs.map((name) => ({ name, elemType: undefined, dims: undefined })),
      valueInfo: [],
      rest: new Uint8Array(0),
    },
  };
  return readModel(writeModel(model), 'test');
}

const node = (opType: string, inputs: string[], output: string, attributes: Record<string, Attribute> = {}) =>
  makeNode(opType, inputs, [output], attributes, { name: `${opType} ${output}` });

const product = node('MatMul', ['x', 'w'], 'y');
const cast = node('Cast', ['q'], 'c', { to: int(1) });

/** Models whose weight is made of codes in the ways there are, and the bits they end up in. */
const FORMS: Readonly<Record<string, Model>> = {
  'DequantizeLinear, a scale a column': modelOf(
    [node('DequantizeLinear', ['q', 's'], 'w', { axis: int(1) }), product],
    { q: codes('int8', [K, N], -8, 7), s: floats([N]) },
  ),
  'DequantizeLinear in blocks with zero points, transposed': modelOf(
    [
      node('DequantizeLinear', ['q', 's', 'z'], 'w', { axis: int(1), block_size: int(32) }),
      node('Gemm', ['x', 'w', 'b'], 'y', { transB: int(1), alpha: { type: 'float', value: 0.5 } }),
    ],
    {
      q: codes('uint8', [N, K], 0, 15),
      s: floats([N, K / 32]),
      z: codes('uint8', [N, K / 32], 0, 15),
      b: floats([N]),
    },
  ),
  'Cast and Mul': modelOf([cast, node('Mul', ['c', 's'], 'w'), product], {
    q: codes('int8', [K, N], -2, 1),
    s: floats([]),
  }),
  'Cast, Sub and Mul in blocks, then Reshape': modelOf(
    [
      cast,
      node('Cast', ['z'], 'zf', { to: int(1) }),
      node('Sub', ['c', 'zf'], 'd'),
      node('Mul', ['d', 's'], 'm'),
      node('Reshape', ['m', 'shape'], 'w'),
      product,
    ],
    {
      q: codes('int8', [K / 32, 32, N], -8, 7),
      z: codes('int8', [K / 32, 1, N], -8, 7),
      s: floats([K / 32, 1, N]),
      shape: tensor('int64', [2], BigInt64Array.of(BigInt(K), BigInt(N))),
    },
  ),
};

/** Two weights decoded as one and cut apart, along the last axis or the first, each read by a product. */
const together = (axis: 0 | 1): Model => {
  const both = axis === 1 ? [K, N + 24] : [N + 24, K];
  const row = axis === 1 ? [N + 24] : [N + 24, 1];
  const multiply = (w: string, y: string) =>
    axis === 1 ? node('MatMul', ['x', w], y) : node('Gemm', ['x', w], y, { transB: int(1) });
  return modelOf(
    [
      cast,
      node('Cast', ['z'], 'zf', { to: int(1) }),
      node('Sub', ['c', 'zf'], 'd'),
      node('Mul', ['d', 's'], 'm'),
      makeNode('Split', ['m', 'sizes'], ['v', 'w'], { axis: int(axis - 2) }, { name: 'Split' }),
      multiply('w', 'y'),
      multiply('v', 'y2'),
    ],
    {
      q: codes('int8', both, -8, 7),
      z: codes('int8', row, -8, 7),
      s: floats(row),
      sizes: tensor('int64', [2], BigInt64Array.of(24n, BigInt(N))),
    },
    ['y', 'y2'],
  );
};

const ALL: typeof FORMS = { ...FORMS, 'cut from columns': together(1), 'cut from rows': together(0) };

function distance(a: Tensor, b: Tensor): number {
  let [off, size] = [0, 0];
  for (let i = 0; i < b.data.length; i++) {
    off = Math.max(off, Math.abs(Number(a.data[i]) - Number(b.data[i])));
    size = Math.max(size, Math.abs(Number(b.data[i])));
  }
  return a.data.length === b.data.length ? off / size : Number.NaN;
}

for (const [name, model] of Object.entries(ALL))
  test(`${name}: stays in codes, and is the weight to all who look`, () => {
    const before = wasm.arena.used;
    const folded = new Session(model, wasm, { packed: false });
    const whole = wasm.arena.used - before;
    const packed = new Session(model, wasm);
    const small = wasm.arena.used - before - whole;
    assert.ok(small < 0.4 * whole, `${small} bytes, ${whole} folded`);
    const w = folded.run({ x: tensor('float', [1, K], new Float32Array(K)) }, { fetch: ['w'] }).w!;
    for (const rows of [1, 5, 30]) {
      const x = tensor('float', [rows, K], normals(rows * K, random(rows)));
      const [a, b] = [packed.run({ x }), folded.run({ x })];
      assert.ok(distance(a.y!, b.y!) < 1e-6, `${rows} rows: off by ${distance(a.y!, b.y!)}`);
      assert.equal(packed.run({ x }, { fetch: ['w'] }).w, w);
      let seen: readonly number[] | undefined;
      packed.run(
        { x },
        { observe: (n, inputs) => (seen = n.outputs[0] === 'y' ? [...inputs[1]!.data].map(Number) : seen) },
      );
      assert.equal(seen, [...w.data].map(Number));
    }
    // A replaced scale reaches the product.
    const x = tensor('float', [2, K], normals(2 * K, random(3)));
    const s = packed.run({ x }, { fetch: ['s'] }).s!;
    const doubled = { ...s, data: (s.data as Float32Array).map((v) => 2 * v) };
    const weights = new Map([['s', doubled]]);
    assert.equal(packed.run({ x }, { weights }).y, folded.run({ x }, { weights }).y);
    packed.dispose();
    folded.dispose();
    assert.is(wasm.arena.used, before);
  });

test('weights that others read, small ones and uneven ones are folded', () => {
  const q = codes('int8', [K, N], -8, 7);
  const decode = node('DequantizeLinear', ['q', 's'], 'w', { axis: int(1) });
  const small = { q: codes('int8', [K, 8], -8, 7), s: floats([8]) };
  const models = [
    modelOf([decode, product, node('Relu', ['w'], 'r')], { q, s: floats([N]) }, ['y', 'r']),
    modelOf([decode, product], { q, s: floats([N]) }, ['y', 'w']),
    modelOf([decode, product], small),
    modelOf([node('DequantizeLinear', ['q', 's'], 'w', { axis: int(0) }), product], { q, s: floats([K]) }),
    modelOf([decode, product], {
      q: tensor(
        'int16',
        [K, N],
        Int16Array.from(q.data as Int8Array, (v) => 99 * v),
      ),
      s: floats([N]),
    }),
  ];
  for (const [i, model] of models.entries()) {
    const before = wasm.arena.used;
    const session = new Session(model, wasm);
    const size = 4 * K * (i === 2 ? 8 : N);
    assert.ok(wasm.arena.used - before >= size, `model ${i}: ${wasm.arena.used - before} bytes`);
    session.dispose();
  }
});

test.run();
