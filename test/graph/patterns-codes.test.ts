import fc from 'fast-check';
import * as ort from 'onnxruntime-web';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { fuse } from '../../src/graph/fuse.ts';
import { Session } from '../../src/graph/index.ts';
import { inlined } from '../../src/graph/inline.ts';
import { type Host, stepsOf } from '../../src/graph/steps.ts';
import { loadKernels } from '../../src/node.ts';
import { writeModel } from '../../src/onnx/index.ts';
import type { Attribute, Node } from '../../src/onnx/model.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { normals, random } from '../helpers.ts';
import { int, ints, scalar, wasm } from '../ops/compare.ts';
import { graph, modelOf, node } from './build.ts';

ort.env.wasm.numThreads = 1;

type Byte = 'int8' | 'uint8';

/** A quantized model while it is written: operators between DequantizeLinear and QuantizeLinear. */
class Qdq {
  readonly nodes: Node[] = [];
  readonly constants: Record<string, Tensor> = {};
  #count = 0;
  constructor(
    readonly type: Byte,
    readonly next: () => number,
  ) {}

  name(what: string): string {
    return `${what}${this.#count++}`;
  }

  keep(t: Tensor, what = 'c'): string {
    const name = this.name(what);
    this.constants[name] = t;
    return name;
  }

  add(op: string, inputs: readonly string[], attributes: Record<string, Attribute> = {}, out = this.name('v')): string {
    this.nodes.push(node(op, inputs.join(','), out, attributes));
    return out;
  }

  /** Scale and zero point of activations. */
  range(scale: number, zero: number): readonly [string, string] {
    return [this.keep(scalar('float', scale)), this.keep(scalar(this.type, zero))];
  }

  quantize(x: string, range: readonly [string, string], out?: string): string {
    return this.add('QuantizeLinear', [x, ...range], {}, out);
  }

  decode(x: string, range: readonly [string, string]): string {
    return this.add('DequantizeLinear', [x, ...range]);
  }

  round(x: string, range: readonly [string, string]): string {
    return this.decode(this.quantize(x, range), range);
  }

  /** int8 weights with a scale a row of that axis, or one; their scales. */
  weight(dims: readonly number[], axis: number | undefined): { value: string; scales: Float32Array } {
    const size = dims.reduce((a, b) => a * b, 1);
    const codes = tensor(
      'int8',
      dims,
      Int8Array.from({ length: size }, () => Math.floor(255 * this.next()) - 127),
    );
    const rows = axis === undefined ? 1 : dims[axis]!;
    const scales = Float32Array.from({ length: rows }, () => 0.004 + 0.004 * this.next());
    const scale = tensor('float', axis === undefined ? [] : [rows], scales);
    const zero = tensor('int8', scale.dims, new Int8Array(rows));
    const attributes = axis === undefined ? {} : { axis: int(axis) };
    const value = this.add(
      'DequantizeLinear',
      [codes, scale, zero].map((t) => this.keep(t)),
      attributes,
    );
    return { value, scales };
  }

  /** An addend of n channels in units of the sums. */
  bias(n: number, scaleX: number, scales: Float32Array): string {
    const units = Float32Array.from({ length: n }, (_, i) =>
      Math.fround(scaleX * scales[scales.length === 1 ? 0 : i]!),
    );
    const codes = Int32Array.from({ length: n }, () => Math.floor(4000 * (this.next() - 0.5)));
    const inputs = [tensor('int32', [n], codes), tensor('float', [n], units)];
    return this.add(
      'DequantizeLinear',
      inputs.map((t) => this.keep(t)),
      { axis: int(0) },
    );
  }
}

interface Built {
  readonly graph: ReturnType<typeof graph>;
  readonly feeds: Readonly<Record<string, Tensor>>;
}

function finish(q: Qdq, x: Tensor, outputs: readonly string[], types: readonly string[]): Built {
  const ends = outputs.map((o, i) => `${o}:${types[i]}`);
  return { graph: graph(['x'], ends, q.nodes, q.constants), feeds: { x } };
}

async function runWeb(bytes: Uint8Array, feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, ort.Tensor>> {
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ['wasm'], logSeverityLevel: 3 });
  try {
    const given = Object.entries(feeds).map(([k, t]) => [
      k,
      new ort.Tensor('float32', t.data as Float32Array, [...t.dims]),
    ]);
    return (await session.run(Object.fromEntries(given))) as Record<string, ort.Tensor>;
  } finally {
    await session.release();
  }
}

/** Names of the operators that the graph's plain run comes down to. */
function fused(built: Built): string[] {
  const model = modelOf(built.graph);
  const host: Host = { shared: new Map(), keep: (make) => make(), run: () => [] };
  const kept = new Set(built.graph.outputs.map((o) => o.name));
  return fuse(stepsOf(model, inlined(model), host), kept).map((s) => s.node.opType);
}

/** Codes that differ from those of onnxruntime-web by more than a step, and share of those that differ at all. */
async function agreeWithWeb(built: Built, share: number): Promise<void> {
  const model = modelOf(built.graph);
  const expected = await runWeb(writeModel(model), built.feeds);
  const before = wasm.arena.used;
  const session = new Session(model, wasm);
  try {
    for (let i = 0; i < 2; i++) {
      const found = session.run(built.feeds);
      for (const { name } of built.graph.outputs) {
        const theirs = expected[name]!;
        const ours = found[name]!;
        assert.equal([...ours.dims], [...theirs.dims], name);
        let differ = 0;
        for (let j = 0; j < ours.data.length; j++) {
          const [a, b] = [Number(ours.data[j]), Number(theirs.data[j])];
          if (ours.dtype === 'float') {
            assert.ok(Math.abs(a - b) <= 1e-5 * Math.max(1, Math.abs(b)), `${name} ${j}: ${a} and ${b}`);
            continue;
          }
          assert.ok(Math.abs(a - b) <= 1, `${name} ${j}: ${a} and ${b}`);
          if (a !== b) differ++;
        }
        assert.ok(differ <= share * ours.data.length, `${name}: ${differ} of ${ours.data.length} differ`);
      }
    }
  } finally {
    session.dispose();
  }
  assert.is(wasm.arena.used, before, 'memory left behind');
}

const image = (next: () => number, ...dims: number[]): Tensor =>
  tensor(
    'float',
    dims,
    normals(
      dims.reduce((a, b) => a * b, 1),
      next,
    ),
  );

const shapes = fc.record({
  seed: fc.nat(1000),
  type: fc.constantFrom<Byte>('int8', 'uint8'),
  n: fc.integer({ min: 1, max: 2 }),
  c: fc.integer({ min: 1, max: 9 }),
  m: fc.integer({ min: 1, max: 11 }),
  size: fc.integer({ min: 3, max: 9 }),
  kernel: fc.constantFrom(1, 3),
  rows: fc.boolean(),
  bias: fc.boolean(),
  clamp: fc.constantFrom('', 'Relu', 'Clip'),
});

test('convolution, what clamps it, and codes behind it, as onnxruntime-web has them', async () => {
  await fc.assert(
    fc.asyncProperty(shapes, async (p) => {
      const next = random(p.seed);
      const q = new Qdq(p.type, next);
      const zero = p.type === 'int8' ? -6 : 117;
      const x = q.round('x', q.range(0.03, zero));
      const w = q.weight([p.m, p.c, p.kernel, p.kernel], p.rows ? 0 : undefined);
      const bias = p.bias ? [q.bias(p.m, 0.03, w.scales)] : [];
      let y = q.add('Conv', [x, w.value, ...bias], { pads: ints(...new Array<number>(4).fill((p.kernel - 1) / 2)) });
      if (p.clamp === 'Relu') y = q.add('Relu', [y]);
      if (p.clamp === 'Clip') y = q.add('Clip', [y, q.keep(scalar('float', -0.7)), q.keep(scalar('float', 1.1))]);
      q.quantize(y, q.range(0.02, zero + 4), 'y');
      const built = finish(q, image(next, p.n, p.c, p.size, p.size), ['y'], [p.type]);
      const chain = ['Conv', ...(p.clamp ? [p.clamp] : []), 'QuantizeLinear'].join('+');
      assert.equal(fused(built), ['QuantizeLinear', chain]);
      await agreeWithWeb(built, 0.02);
    }),
    { numRuns: 16, seed: 5 },
  );
});

test('products with and without codes behind them', async () => {
  for (const type of ['int8', 'uint8'] as const)
    for (const gemm of [true, false])
      for (const coded of [true, false])
        for (const rows of [true, false]) {
          const next = random(11);
          const q = new Qdq(type, next);
          const zero = type === 'int8' ? 3 : 120;
          const x = q.round('x', q.range(0.03, zero));
          const [k, n] = [37, 21];
          const w = gemm ? q.weight([n, k], rows ? 0 : undefined) : q.weight([k, n], rows ? 1 : undefined);
          const y = gemm
            ? q.add('Gemm', [x, w.value, q.bias(n, 0.03, w.scales)], { transB: int(1) }, coded ? undefined : 'y')
            : q.add('MatMul', [x, w.value], {}, coded ? undefined : 'y');
          if (coded) q.quantize(y, q.range(0.05, zero), 'y');
          const built = finish(q, image(next, 5, k), ['y'], [coded ? type : 'float']);
          assert.equal(fused(built).length, 2, `${gemm} ${coded}`);
          await agreeWithWeb(built, 0.02);
        }
});

test('a residual block, pooling and moves between', async () => {
  for (const type of ['int8', 'uint8'] as const) {
    const next = random(23);
    const q = new Qdq(type, next);
    const zero = type === 'int8' ? 0 : 128;
    const low = type === 'int8' ? -128 : 0;
    const input = q.range(0.03, zero);
    const x = q.round('x', input);
    const pooled = q.round(q.add('MaxPool', [x], { kernel_shape: ints(2, 2), strides: ints(2, 2) }), input);
    const w = q.weight([8, 8, 3, 3], 0);
    const inner = q.range(0.03, low);
    const conv = q.add('Conv', [pooled, w.value, q.bias(8, 0.03, w.scales)], { pads: ints(1, 1, 1, 1) });
    const a = q.round(q.add('Relu', [conv]), inner);
    const sum = q.range(0.05, low);
    const s = q.round(q.add('Relu', [q.add('Add', [a, pooled])]), sum);
    const turned = q.quantize(q.add('Transpose', [s], { perm: ints(0, 2, 3, 1) }), sum, 't');
    const flat = q.add('Flatten', [q.decode(turned, sum)]);
    q.quantize(flat, sum, 'y');
    const built = finish(q, image(next, 2, 8, 10, 10), ['t', 'y'], [type, type]);
    assert.equal(fused(built), [
      'QuantizeLinear',
      'MaxPool+QuantizeLinear',
      'Conv+Relu+QuantizeLinear',
      'Add+Relu+QuantizeLinear',
      'Transpose+QuantizeLinear',
      'Flatten+QuantizeLinear',
    ]);
    await agreeWithWeb(built, 0.02);
  }
});

test('products of integers times scales, bit for bit', () => {
  const next = random(53);
  const w = tensor(
    'int8',
    [7, 5],
    Int8Array.from({ length: 35 }, () => Math.floor(255 * next()) - 127),
  );
  const constants = {
    w,
    rows: floats(5),
    bias: floats(5),
    z: scalar('uint8', 3),
    one: tensor('float', [1], Float32Array.of(0.3)),
  };
  for (const [dynamic, scale, bias, expected] of [
    [true, 'rows', 'bias', 'MatMulInteger+Cast+Mul+Add'],
    [false, 'rows', '', 'MatMulInteger+Cast+Mul'],
    [false, 'one', 'bias', 'MatMulInteger+Cast+Mul+Add'],
    [false, 'rows', 'r', 'MatMulInteger+Cast+Mul+Add'],
    [false, 'r', 'bias', 'MatMulInteger+Cast+Mul+Add'],
  ] as const) {
    const nodes = [
      ...(dynamic
        ? [node('DynamicQuantizeLinear', 'x', 'q,s,zero'), node('Mul', `s,${scale}`, 't')]
        : [node('QuantizeLinear', 'x,one,z', 'q'), node('Identity', 'z', 'zero'), node('Identity', scale, 't')]),
      node('MatMulInteger', 'q,w,zero', 'p'),
      node('Cast', 'p', 'c', { to: int(1) }),
      node('Mul', 'c,t', bias ? 'm' : 'y'),
      ...(bias ? [node('Add', `${bias},m`, 'y')] : []),
    ];
    const feeds = { x: floats(2, 3, 7), r: floats(2, 3, 5) };
    const built = { graph: graph(['x', 'r'], ['y'], nodes, constants), feeds };
    assert.ok(fused(built).includes(expected), `${fused(built)}`);
    const session = new Session(modelOf(built.graph), wasm);
    const plain = session.run(feeds, { observe: () => {} });
    assert.equal(session.run(feeds).y!.data, plain.y!.data, `${dynamic} ${scale} ${bias}`);
    session.dispose();
  }
});

test('codes of convolutions, sums and products are the same by two threads', async () => {
  const next = random(61);
  const q = new Qdq('int8', next);
  const range = q.range(0.03, 4);
  const x = q.round('x', range);
  const tiled = q.round(
    q.add('Conv', [x, q.weight([36, 20, 3, 3], 0).value], { pads: ints(1, 1, 1, 1) }),
    q.range(0.3, 0),
  );
  const strided = q.round(
    q.add('Conv', [x, q.weight([36, 20, 5, 5], 0).value], { pads: ints(2, 2, 2, 2) }),
    q.range(0.3, 9),
  );
  const sum = q.round(q.add('Add', [tiled, strided]), q.range(0.4, 1));
  q.add('MatMul', [sum, q.weight([45, 70], 1).value], {}, 'y');
  const built = finish(q, image(next, 2, 20, 41, 45), ['y'], ['float']);
  const results: Tensor[] = [];
  for (const threads of [1, 2]) {
    const engine = await loadKernels({ threads });
    const session = new Session(modelOf(built.graph), engine);
    results.push(session.run(built.feeds).y!);
    session.dispose();
    engine.dispose();
  }
  assert.equal(results[1]!.data, results[0]!.data);
});

/** A small network: convolution, sum with its input, product with an addend that is no vector, product with one that is. */
function network(): Built {
  const next = random(41);
  const q = new Qdq('uint8', next);
  const x = q.round('x', q.range(0.03, 120));
  const w = q.weight([6, 6, 3, 3], 0);
  const inner = q.range(0.04, 0);
  const conv = q.add('Conv', [x, w.value, q.keep(floats(6), 'bias')], { pads: ints(1, 1, 1, 1) });
  const a = q.round(q.add('Relu', [conv]), inner);
  const s = q.round(q.add('Add', [a, x]), q.range(0.05, 90));
  const v = q.weight([8, 5], 1);
  const line = q.round(q.add('MatMul', [s, v.value], {}, 'line'), q.range(0.2, 128));
  const u = q.weight([5, 4], undefined);
  const t = q.add('MatMul', [line, u.value]);
  q.add('Add', [q.keep(floats(6, 8, 4), 'table'), t], {}, 'y');
  const last = q.add('Add', [q.add('MatMul', [line, q.weight([5, 3], 1).value]), q.keep(floats(3))]);
  q.quantize(last, q.range(0.3, 100), 'z');
  return finish(q, image(next, 2, 6, 8, 8), ['y', 'z'], ['float', 'uint8']);
}
const drawn = random(3);
const floats = (...dims: number[]): Tensor => image(drawn, ...dims);

test('addends, values inside, replaced codes and scales, traces', async () => {
  const built = network();
  await agreeWithWeb(built, 0.02);
  const session = new Session(modelOf(built.graph), wasm);
  try {
    const plain = session.run(built.feeds);
    const { line } = session.run(built.feeds, { fetch: ['line'] });
    assert.equal(line!.dims, [2, 6, 8, 5]);
    for (const [name, t] of Object.entries(parameters(built))) {
      const changed = {
        ...t,
        data: (t.data as Float32Array).map((v) => (t.dtype === 'float' ? 1.5 * v : v >> 1)),
      } as Tensor;
      const weights = new Map([[name, changed]]);
      const found = session.run(built.feeds, { weights });
      const seen = session.run(built.feeds, { weights, observe: () => {} });
      assert.ok(near(found, seen), `${name} replaced`);
      const trace = session.trace(built.feeds);
      assert.ok(near(session.rerun(trace, weights), seen), `${name} replaced in a trace`);
      session.release(trace);
    }
    assert.ok(near(session.run(built.feeds), plain));
  } finally {
    session.dispose();
  }
});

/** Its weights' codes and scales, and activations' scales. */
function parameters({ graph: { initializers } }: Built): Record<string, Tensor> {
  const all = initializers.map((i) => [i.name, i.tensor()] as const);
  return Object.fromEntries(all.filter(([, t]) => t.dtype === 'float' || t.dims.length > 1));
}

/** Floats to a part in a thousand of the largest, codes to one step. */
function near(found: Record<string, Tensor>, expected: Record<string, Tensor>): boolean {
  return Object.entries(expected).every(([name, t]) => {
    const values = Array.from(t.data as Float32Array, Number);
    const most = t.dtype === 'float' ? 0.02 * Math.max(...values.map(Math.abs)) : 1;
    return values.every((v, i) => Math.abs(v - Number(found[name]!.data[i])) <= most);
  });
}

test('what the integers cannot say is decoded', () => {
  const next = random(31);
  const q = new Qdq('uint8', next);
  const x = q.round('x', q.range(0.03, 100));
  const w = q.weight([4, 3, 1, 1], 0);
  // Of the wrong size for the channels, too coarse for the sums, and too large for them.
  const values = [
    tensor('float', [4], Float32Array.of(3e9, 1, 2, 3)),
    tensor('float', [4], Float32Array.of(1, NaN, 0, 0)),
  ];
  const outs = values.map((bias, i) => {
    const y = q.add('Conv', [x, w.value, q.keep(bias)]);
    return q.quantize(y, q.range(0.02, 3), `y${i}`);
  });
  const built = finish(q, image(next, 1, 3, 4, 4), outs, ['uint8', 'uint8']);
  const session = new Session(modelOf(built.graph), wasm);
  try {
    const found = session.run(built.feeds);
    const seen = new Map<string, Tensor>();
    const observe = (n: Node, _: unknown, made: readonly Tensor[]) =>
      n.outputs.forEach((o, i) => seen.set(o, { ...made[i]!, data: made[i]!.data.slice() }));
    const plain = session.run(built.feeds, { observe });
    for (const o of outs) assert.equal([...found[o]!.data], [...plain[o]!.data], o);
    assert.is(
      [...found.y0!.data].slice(0, 16).every((c) => c === 255),
      true,
    );
    assert.ok(seen.size > 3);
  } finally {
    session.dispose();
  }
});

test.run();
