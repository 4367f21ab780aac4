import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { PlanLayer } from '../../src/allocate/types.ts';
import { UsageError } from '../../src/errors.ts';
import { findLayers, Session, withInitializers } from '../../src/graph/index.ts';
import { makeInitializer, makeNode, makeValueInfo, readModel, writeModel } from '../../src/onnx/index.ts';
import type { Attribute, Initializer, Model, Node } from '../../src/onnx/model.ts';
import { FORMATS, PrecisionAwareQuantizer } from '../../src/quantize/index.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { loadWasm, normals, random } from '../helpers.ts';
import { throws } from '../throws.ts';
import { model, planFor, weights } from './models.ts';
import { RUNTIMES, relativeDifference, runIn } from './run.ts';

const wasm = await loadWasm();
const int = (value: number): Attribute => ({ type: 'int', value });
const float = (value: number): Attribute => ({ type: 'float', value });

interface Product {
  readonly k: number;
  readonly n: number;
  readonly opType: 'MatMul' | 'Gemm';
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** Shape of what a Gemm adds. */
  readonly bias?: readonly number[];
  /** Whether that is fed, and no constant. */
  readonly fed?: boolean;
}

const ROWS = 3;

const PRODUCTS: readonly Product[] = [
  { opType: 'MatMul', k: 16, n: 17 },
  { opType: 'MatMul', k: 23, n: 13 },
  { opType: 'MatMul', k: 300, n: 8 },
  { opType: 'MatMul', k: 257, n: 5 },
  { opType: 'Gemm', k: 100, n: 7, attributes: { transB: int(1) }, bias: [7] },
  { opType: 'Gemm', k: 31, n: 33, bias: [33] },
  { opType: 'Gemm', k: 129, n: 10, attributes: { transB: int(1) }, bias: [1] },
  { opType: 'Gemm', k: 64, n: 12, bias: [ROWS, 12] },
  { opType: 'Gemm', k: 40, n: 9, bias: [9], fed: true },
];

/** Separate products, node i with weight `w{i}` and output `y{i}`; the first reads an input of three axes. */
function products(all: readonly Product[], opset: number): { model: Model; feeds: Record<string, Tensor> } {
  const nodes: Node[] = [];
  const initializers: Initializer[] = [];
  const feeds: Record<string, Tensor> = {};
  all.forEach(({ opType, k, n, attributes = {}, bias, fed }, i) => {
    const transposed = attributes.transB !== undefined;
    const lead = opType === 'MatMul' && i === 0 ? [2, ROWS] : [ROWS];
    feeds[`x${i}`] = tensor(
      'float',
      [...lead, k],
      normals(
        lead.reduce((a, b) => a * b, k),
        random(50 + i),
        1,
      ),
    );
    initializers.push(makeInitializer(`w${i}`, weights(transposed ? [n, k] : [k, n], i)));
    const names = [`x${i}`, `w${i}`];
    if (bias !== undefined) {
      const size = bias.reduce((a, b) => a * b, 1);
      const t = tensor('float', bias, normals(size, random(90 + i), 1));
      names.push(`b${i}`);
      if (fed) feeds[`b${i}`] = t;
      else initializers.push(makeInitializer(`b${i}`, t));
    }
    nodes.push(makeNode(opType, names, [`y${i}`], attributes, { name: `node ${i}` }));
  });
  const inputs = Object.entries(feeds).map(([name, t]) => makeValueInfo(name, 'float', t.dims));
  const outputs = nodes.map((_, i) => makeValueInfo(`y${i}`, 'float', undefined));
  return { model: model({ nodes, initializers, inputs, outputs }, opset, 8), feeds };
}

/** The file runs alike in both runtimes and here, and as the floats do that its codes stand for. */
async function check(m: Model, feeds: Record<string, Tensor>, plan: (i: number) => Partial<PlanLayer>): Promise<Model> {
  const result = new PrecisionAwareQuantizer(wasm, { clip: 'max' }).quantizeModel(m, planFor(m, plan));
  const floats = withInitializers(
    m,
    result.layers.map((l) => makeInitializer(l.weight, l.values)),
  );
  const bytes = writeModel(result.model);
  const expected = await runIn('node', writeModel(floats), feeds);
  const session = new Session(readModel(bytes), wasm);
  const own = session.run(feeds);
  session.dispose();
  const found = { ours: Object.fromEntries(Object.entries(own).map(([name, t]) => [name, t.data as Float32Array])) };
  for (const runtime of RUNTIMES) Object.assign(found, { [runtime]: await runIn(runtime, bytes, feeds) });
  for (const [who, outputs] of Object.entries(found) as [string, Record<string, Float32Array>][])
    for (const name of Object.keys(expected)) {
      const difference = relativeDifference(outputs[name]!, expected[name]!);
      assert.ok(difference < 1e-5, `${who}, ${name}, ${JSON.stringify(plan(Number(name.slice(1))))}: ${difference}`);
    }
  return result.model;
}

for (const bits of [2, 4, 8])
  for (const symmetric of [true, false])
    test(`products of ${bits} bits, ${symmetric ? '' : 'a'}symmetric, are multiplied in their codes`, async () => {
      for (const [g, granularity] of (['channel', 'tensor', 16, 48, 32] as const).entries()) {
        // Blocks are cut off where rows end: products of all lengths at least once.
        const some = PRODUCTS.filter((_, i) => g < 2 || (i + g + bits) % 3 === 0);
        const { model: m, feeds } = products(some, [7, 11, 17, 21][(g + bits) % 4]!);
        if (m.opsets.get('')! < 11 && some.some((p) => p.opType === 'Gemm' && p.bias === undefined)) continue;
        const written = await check(m, feeds, () => ({ bits, symmetric, granularity, format: 'nbits' }));
        const types = written.graph.nodes.map((n) => n.opType);
        assert.is(types.filter((t) => t === 'MatMulNBits').length, some.length);
        // What is no constant row is added behind.
        const added = some.filter((p) => p.bias && (p.fed || p.bias.length !== 1 || p.bias[0] !== p.n)).length;
        assert.is(types.filter((t) => t === 'Add').length, added);
        assert.is(types.length, some.length + added);
        assert.is(written.opsets.get('com.microsoft'), 1);
        assert.is(written.opsets.get(''), m.opsets.get(''));
        assert.ok(
          written.graph.nodes.every((n) => (n.inputs[4] ?? '') === ''),
          'no g_idx',
        );
      }
    });

for (const bits of [4, 8])
  test(`tables of ${bits} bits are looked up in their codes`, async () => {
    for (const [cols, granularity] of [
      [12, 'channel'],
      [30, 'tensor'],
      [96, 32],
      [100, 16],
      [72, 48],
    ] as const)
      for (const symmetric of [true, false]) {
        const rows = 40;
        const m = model(
          {
            nodes: [makeNode('Gather', ['w0', 'x'], ['y0'])],
            initializers: [makeInitializer('w0', weights([rows, cols], 3))],
            inputs: [makeValueInfo('x', 'int64', [2, 5])],
            outputs: [makeValueInfo('y0', 'float', undefined)],
          },
          13,
          8,
        );
        const x = tensor('int64', [2, 5], BigInt64Array.from([0n, 39n, 7n, 7n, 21n, 3n, 38n, 1n, 0n, 20n]));
        const written = await check(m, { x }, () => ({ bits, symmetric, granularity, format: 'nbits-table' }));
        assert.equal(
          written.graph.nodes.map((n) => n.opType),
          ['GatherBlockQuantized'],
        );
      }
  });

test('bytes counted beforehand, reported and found in the file are the same', () => {
  const { model: m } = products(PRODUCTS, 17);
  for (const bits of [2, 4, 8])
    for (const granularity of ['channel', 'tensor', 16, 64, 80] as const)
      for (const symmetric of [true, false]) {
        const plan = planFor(m, () => ({ bits, granularity, symmetric, format: 'nbits' }));
        const quantizer = new PrecisionAwareQuantizer(wasm);
        const result = quantizer.quantizeModel(m, plan);
        const old = new Set(m.graph.initializers.map((t) => t.name));
        const found = result.model.graph.initializers.reduce(
          (n, t) => n + (old.has(t.name) ? 0 : t.tensor().data.byteLength),
          0,
        );
        const spec = { bits, granularity, symmetric, scaleType: 'float16' as const };
        const counted = findLayers(m).layers.map((l) => FORMATS.nbits!.bytes(l.rows, l.cols, spec));
        assert.equal(
          result.layers.map((l) => l.bytes),
          counted,
        );
        assert.is(
          found,
          counted.reduce((a, b) => a + b),
        );
        assert.is(quantizer.fileBytes(m, plan), writeModel(result.model).length);
      }
});

test('layers that these operators do not serve are refused by name, with the format that serves them', () => {
  const quantizer = new PrecisionAwareQuantizer(wasm);
  const refused = (m: Model, plan: Partial<PlanLayer>, pattern: RegExp): void =>
    throws(
      () =>
        quantizer.quantizeModel(
          m,
          planFor(m, () => ({ format: 'nbits', ...plan })),
        ),
      UsageError,
      pattern,
    );
  const one = (product: Product) => products([product], 17).model;
  const square: Product = { opType: 'Gemm', k: 32, n: 32, bias: [32] };
  refused(
    one({ ...square, attributes: { alpha: float(2) } }),
    {},
    /layer 'w0'.*Gemm with transA or alpha.*format dense/,
  );
  refused(one({ ...square, attributes: { transA: int(1) } }), {}, /Gemm with transA/);
  refused(one({ ...square, attributes: { beta: float(0.5) } }), {}, /Gemm with beta/);
  refused(one(square), { granularity: 5 }, /blocks of 5 weights are no multiple of 16/);
  refused(one(square), { bits: 3 }, /format nbits has widths 2, 4, 8 and 32, found 3/);
  const rowBits = Array.from({ length: 32 }, (_, r) => (r % 2 ? 2 : 4));
  refused(one(square), { rowBits }, /one width: format nbits has no other/);
  const twice = products([square], 17).model;
  const left = model(
    {
      ...twice.graph,
      nodes: [makeNode('MatMul', ['w0', 'x0'], ['y0'])],
      inputs: [makeValueInfo('x0', 'float', [32, 4])],
    },
    17,
  );
  refused(left, {}, /left factor of MatMul/);
});

test.run();
