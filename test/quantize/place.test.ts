import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { findLayers, prepareModel, Session } from '../../src/graph/index.ts';
import { readModel, writeModel } from '../../src/onnx/index.ts';
import type { Graph, Model } from '../../src/onnx/model.ts';
import { PrecisionAwareQuantizer } from '../../src/quantize/index.ts';
import { type DType, sizeOf, type Tensor, tensor } from '../../src/tensor.ts';
import { fromFloats } from '../../src/grid/weight.ts';
import { body, flag, fn, graph, held, type ModelOptions, modelOf, node, value } from '../graph/build.ts';
import { normals, random } from '../helpers.ts';
import { int, ints, list, runOrt, scalar, wasm } from '../ops/compare.ts';
import { planFor } from './models.ts';

/** Weights wherever a model may keep them: the quantized file gives what the executor gives with the values it reports. */

let seed = 1;
const floats = (...dims: number[]): Tensor => tensor('float', dims, normals(sizeOf(dims), random(seed++), 0.3));
const typed = (dtype: DType, ...dims: number[]) => fromFloats(wasm, dtype, dims, floats(...dims).data as Float32Array);

interface Place {
  readonly graph: Graph;
  readonly feeds: Readonly<Record<string, Tensor>>;
  /** Weights that must be found. */
  readonly layers: number;
  readonly options?: ModelOptions;
  /** Runtimes whose own arithmetic in the type is coarse. */
  readonly tolerance?: number;
}

const branch = (name: string, more: Readonly<Record<string, Tensor>>, nodes: ReturnType<typeof node>[]) =>
  body(graph([], [name], nodes, more));
const constant = (name: string, t: Tensor) => node('Constant', '', name, { value: held(t) });
/** The rows of w as i, o, f, c instead of i, f, c, o. */
const gates = (p: string) => [
  node('Slice', 'w,z,a8,z', `${p}i`),
  node('Slice', 'w,a24,a32,z', `${p}o`),
  node('Slice', 'w,a8,a24,z', `${p}f`),
  node('Concat', `${p}i,${p}o,${p}f`, `${p}c`, { axis: int(0) }),
  node('Unsqueeze', `${p}c,z`, `${p}w`),
];
const x16 = { x: floats(3, 16) };

const PLACES: Readonly<Record<string, Place>> = {
  'branches of If, as initializer and as Constant': {
    graph: graph(
      ['x:float[N,16]', 'c:bool[]'],
      ['y'],
      [
        node('If', 'c', 'y', {
          then_branch: branch('t', { w: floats(16, 20) }, [node('MatMul', 'x,w', 't')]),
          else_branch: branch('e', {}, [constant('k', floats(16, 20)), node('MatMul', 'x,k', 'e')]),
        }),
      ],
    ),
    feeds: { ...x16, c: flag(true) },
    layers: 2,
  },
  'branches with weights of one name, inside a Loop': {
    graph: graph(
      ['x:float[N,16]', 'c:bool[]', 'n:int64[]'],
      ['y'],
      [
        node('Loop', 'n,,x', 'y', {
          body: body(
            graph(
              ['i:int64[]', 'go:bool[]', 'a:float[N,16]'],
              ['on:bool[]', 'b:float[N,16]'],
              [
                node('Identity', 'go', 'on'),
                node('If', 'c', 'z', {
                  then_branch: branch('t', { w: floats(16, 16) }, [node('MatMul', 'a,w', 't')]),
                  else_branch: branch('e', { w: floats(16, 16) }, [node('MatMul', 'a,w', 'e')]),
                }),
                node('Add', 'z,a', 'z2'),
                node('Tanh', 'z2', 'b'),
              ],
            ),
          ),
        }),
      ],
    ),
    feeds: { ...x16, c: flag(false), n: scalar('int64', 3) },
    layers: 2,
  },
  'a weight of the main graph read inside a body and outside': {
    graph: graph(
      ['x:float[N,16]', 'c:bool[]'],
      ['y', 'z'],
      [
        node('If', 'c', 'y', {
          then_branch: branch('t', {}, [node('Transpose', 'w', 'v'), node('MatMul', 'x,v', 't')]),
          else_branch: branch('e', {}, [node('Neg', 'x', 'e')]),
        }),
        node('Gemm', 'x,w', 'z', { transB: int(1) }),
      ],
      { w: floats(18, 16) },
    ),
    feeds: { ...x16, c: flag(true) },
    layers: 1,
  },
  'Scan bodies': {
    graph: graph(
      ['x:float[5,16]', 's:float[16]'],
      ['y', 'z'],
      [
        node('Scan', 's,x', 'y,z', {
          num_scan_inputs: int(1),
          body: body(
            graph(
              ['a:float[16]', 'e:float[16]'],
              ['b:float[16]', 'o:float[16]'],
              [node('MatMul', 'a,w', 'm'), node('Add', 'm,e', 'b'), node('Identity', 'b', 'o')],
              { w: floats(16, 16) },
            ),
          ),
        }),
      ],
    ),
    feeds: { x: floats(5, 16), s: floats(16) },
    layers: 1,
  },
  'a function called twice': {
    graph: graph(['x:float[N,16]'], ['y'], [node('my.Dense', 'x', 'a'), node('my.Dense', 'a', 'y')]),
    feeds: x16,
    layers: 1,
    options: {
      opsets: { my: 1 },
      functions: [fn('Dense', 'a', 'r', [constant('k', floats(16, 16)), node('MatMul', 'a,k', 'r')])],
    },
  },
  'through views, shared and alone': {
    graph: graph(
      ['x:float[N,16]', 'ids:int64[M]'],
      ['y', 'e', 'z'],
      [
        node('Transpose', 'w', 't'),
        node('MatMul', 'x,t', 'y'),
        node('Gather', 'w,ids', 'e'),
        node('Reshape', 'v,s', 'r'),
        node('Transpose', 'r', 'q'),
        node('MatMul', 'x,q', 'z'),
      ],
      { w: floats(30, 16), v: floats(4, 6, 16), s: list(24, 16) },
    ),
    feeds: { ...x16, ids: list(3, 29, 0) },
    layers: 2,
  },
  'a kernel stored as TensorFlow has it': {
    graph: graph(
      ['x:float[1,4,6,6]'],
      ['y'],
      [node('Transpose', 'w', 'k', { perm: ints(3, 2, 0, 1) }), node('Conv', 'x,k', 'y')],
      { w: floats(3, 3, 4, 10) },
    ),
    feeds: { x: floats(1, 4, 6, 6) },
    layers: 1,
  },
  'gates put in another order by Slice and Concat, the same in two branches': {
    graph: graph(
      ['x:float[5,2,12]', 'c:bool[]'],
      ['y'],
      [
        node('If', 'c', 'y', {
          then_branch: branch('t', {}, [...gates('t_'), node('LSTM', 'x,t_w,r', 't', { hidden_size: int(8) })]),
          else_branch: branch('e', {}, [
            ...gates('e_'),
            node('LSTM', 'x,e_w,r', 'e0', { hidden_size: int(8) }),
            node('Neg', 'e0', 'e'),
          ]),
        }),
      ],
      { w: floats(32, 12), r: floats(1, 32, 8), z: list(0), a8: list(8), a24: list(24), a32: list(32) },
    ),
    feeds: { x: floats(5, 2, 12), c: flag(false) },
    layers: 2,
  },
  'recurrent operators': {
    graph: graph(
      ['x:float[5,2,12]'],
      ['y', 'z'],
      [
        node('LSTM', 'x,w,r', 'y', { hidden_size: int(8), direction: { type: 'string', value: 'bidirectional' } }),
        node('GRU', 'x,v,u', 'z', { hidden_size: int(10) }),
      ],
      { w: floats(2, 32, 12), r: floats(2, 32, 8), v: floats(1, 30, 12), u: floats(1, 30, 10) },
    ),
    feeds: { x: floats(5, 2, 12) },
    layers: 4,
  },
  'groups of a transposed convolution, kernels of one and three axes': {
    graph: graph(
      ['x:float[1,16,7]', 'v:float[1,4,5,5,5]'],
      ['y', 'z', 'u'],
      [
        node('ConvTranspose', 'x,w', 'y', { group: int(4) }),
        node('Conv', 'x,k', 'z', { group: int(2) }),
        node('Conv', 'v,q', 'u'),
      ],
      { w: floats(16, 5, 4), k: floats(12, 8, 3), q: floats(6, 4, 2, 3, 2) },
    ),
    feeds: { x: floats(1, 16, 7), v: floats(1, 4, 5, 5, 5) },
    layers: 3,
  },
  'factors of higher rank, on either side': {
    graph: graph(
      ['x:float[3,N,16]', 'v:float[3,16,2]'],
      ['y', 'z', 'u', 'e'],
      [
        node('MatMul', 'x,w', 'y'),
        node('MatMul', 'x,one', 'z'),
        node('MatMul', 'left,v', 'u'),
        node('Einsum', 'x,heads', 'e', { equation: { type: 'string', value: 'bsd,dhk->bshk' } }),
      ],
      { w: floats(3, 16, 9), one: floats(1, 16, 17), left: floats(20, 16), heads: floats(16, 4, 5) },
    ),
    feeds: { x: floats(3, 2, 16), v: floats(3, 16, 2) },
    layers: 4,
  },
  float16: {
    graph: graph(
      ['x:float16[N,16]'],
      ['y:float16'],
      [node('MatMul', 'x,w', 'm'), node('Gemm', 'm,v', 'y', { transB: int(1) })],
      { w: typed('float16', 16, 20), v: typed('float16', 18, 20) },
    ),
    feeds: { x: typed('float16', 3, 16) },
    layers: 2,
    tolerance: 4e-3,
  },
  double: {
    graph: graph(['x:double[N,16]'], ['y:double'], [node('MatMul', 'x,w', 'y')], { w: typed('double', 16, 20) }),
    feeds: { x: typed('double', 3, 16) },
    layers: 1,
  },
  'initializers that are inputs too, IR 3': {
    graph: graph(['x:float[N,16]', 'w:float[16,20]'], ['y'], [node('MatMul', 'x,w', 'y')], { w: floats(16, 20) }),
    feeds: x16,
    layers: 1,
    options: { irVersion: 3, opset: 8 },
  },
  'initializers that are inputs too, IR 4': {
    graph: graph(['x:float[N,16]', 'w:float[16,20]'], ['y'], [node('MatMul', 'x,w', 'y')], { w: floats(16, 20) }),
    feeds: x16,
    layers: 1,
    options: { irVersion: 4, opset: 9 },
  },
  'a convolution with its activation': {
    graph: graph(
      ['x:float[1,4,6,6]'],
      ['y'],
      [node('com.microsoft.FusedConv', 'x,w', 'y', { activation: { type: 'string', value: 'Relu' } })],
      { w: floats(8, 4, 3, 3) },
    ),
    feeds: { x: floats(1, 4, 6, 6) },
    layers: 1,
    options: { opsets: { 'com.microsoft': 1 } },
  },
};

function numbers(t: Tensor): number[] {
  if (t.dtype === 'float16') return [...wasm16(t)];
  return Array.from(t.data, Number);
}

function wasm16(t: Tensor): Float32Array {
  const { arena, k } = wasm;
  return arena.scope((alloc) => {
    const [from, to] = [alloc(t.data.byteLength), alloc(4 * t.data.length)];
    arena.put(from, t.data);
    k.f16_to_f32(from, t.data.length, to);
    return arena.f32(to, t.data.length).slice();
  });
}

/** max |a - b| / max |b| over all outputs. */
function apart(a: Readonly<Record<string, Tensor>>, b: Readonly<Record<string, Tensor>>): number {
  let [most, size] = [0, 1e-30];
  for (const [name, t] of Object.entries(b)) {
    assert.equal([a[name]!.dtype, [...a[name]!.dims]], [t.dtype, [...t.dims]], name);
    const [p, q] = [numbers(a[name]!), numbers(t)];
    q.forEach((v, i) => {
      most = Math.max(most, Math.abs(p[i]! - v));
      size = Math.max(size, Math.abs(v));
    });
  }
  return most / size;
}

/** Runs a model here; undefined for operators this runtime does not have. */
function here(model: Model, feeds: Readonly<Record<string, Tensor>>, weights?: ReadonlyMap<string, Tensor>) {
  const before = wasm.arena.used;
  const session = new Session(model, wasm);
  try {
    return session.run(feeds, { ...(weights ? { weights } : {}) });
  } finally {
    session.dispose();
    assert.is(wasm.arena.used, before);
  }
}

for (const [what, place] of Object.entries(PLACES)) {
  test(what, async () => {
    const { feeds, tolerance = 1e-5 } = place;
    const model = modelOf(place.graph, place.options);
    const ready = prepareModel(model);
    const { layers, left } = findLayers(ready);
    assert.is(layers.length, place.layers, JSON.stringify(left));
    assert.equal(left, []);
    const float = await runOrt(writeModel(model), feeds);
    assert.ok(apart(await runOrt(writeModel(ready), feeds), float) < tolerance, 'the prepared model runs alike');
    assert.ok(apart(here(model, feeds), float) < tolerance);
    for (const [format, bits, granularity] of [
      ['dense', 8, 'channel'],
      ['dense', 5, 8],
      ['qdq', 8, 'channel'],
      ['qdq', 4, 8],
    ] as const) {
      if (format === 'qdq' && (place.options?.opset ?? 17) < 17) continue;
      const quantizer = new PrecisionAwareQuantizer(wasm);
      const plan = planFor(ready, () => ({ bits, format, granularity, symmetric: false }));
      const quantized = quantizer.quantizeModel(ready, plan);
      const written = readModel(writeModel(quantized.model));
      const own = here(ready, feeds, new Map(quantized.layers.map((l) => [l.weight, l.values])));
      const label = `${format} ${bits} ${granularity}`;
      const decoded = await runOrt(writeModel(written), feeds);
      assert.ok(apart(decoded, own) < tolerance, `${label}: ${apart(decoded, own)} from what was reported`);
      assert.ok(apart(here(written, feeds), own) < tolerance, `${label} here`);
      const error = apart(decoded, float);
      assert.ok(error < (bits === 8 ? 0.05 : 0.5) && error > 0, `${label}: error ${error}`);
      for (const l of quantized.layers) assert.ok(l.relativeError < (bits === 8 ? 1e-4 : 2e-2), `${label} ${l.name}`);
    }
  });
}

test('a value listed as input stays one where its weight is left', () => {
  const { graph: g, options } = PLACES['initializers that are inputs too, IR 4']!;
  const model = modelOf(g, options);
  const plan = planFor(model, () => ({ bits: 32 }));
  const { model: same } = new PrecisionAwareQuantizer(wasm).quantizeModel(model, plan);
  assert.is(same, model);
  const narrow = planFor(model, () => ({ bits: 8 }));
  const { model: changed } = new PrecisionAwareQuantizer(wasm).quantizeModel(model, narrow);
  assert.equal(
    changed.graph.inputs.map((v) => v.name),
    [value('x').name],
  );
});

test.run();
