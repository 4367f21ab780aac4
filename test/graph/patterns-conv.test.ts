import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '../../src/errors.ts';
import { fuse } from '../../src/graph/fuse.ts';
import { Session } from '../../src/graph/index.ts';
import { inlined } from '../../src/graph/inline.ts';
import { type Host, stepsOf } from '../../src/graph/steps.ts';
import type { Attribute, Node } from '../../src/onnx/model.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { normals, random } from '../helpers.ts';
import { ints, wasm } from '../ops/compare.ts';
import { throws } from '../throws.ts';
import { graph, modelOf, node } from './build.ts';

const next = random(19);
function floats(...dims: number[]): Tensor {
  const size = dims.reduce((a, b) => a * b, 1);
  return tensor('float', dims, normals(size, next));
}
const number = (v: number, ...dims: number[]) => tensor('float', dims, Float32Array.of(v));
const real = (v: number): Attribute => ({ type: 'float', value: v });

interface Case {
  readonly nodes: readonly Node[];
  readonly feeds: Readonly<Record<string, Tensor>>;
  readonly constants?: Readonly<Record<string, Tensor>>;
  readonly outputs?: readonly string[];
  readonly opset?: number;
}

function modelFor({ nodes, feeds, constants = {}, outputs = ['y'], opset = 17 }: Case) {
  const inputs = Object.entries(feeds).map(([name, t]) => `${name}:${t.dtype}`);
  return modelOf(graph(inputs, outputs, nodes, constants), { opset });
}

/** Names of the operators that the graph's plain run comes down to. */
function fused(c: Case): string[] {
  const model = modelFor(c);
  const host: Host = { shared: new Map(), keep: (make) => make(), run: () => [] };
  return fuse(stepsOf(model, inlined(model), host), new Set(c.outputs ?? ['y'])).map((s) => s.node.opType);
}

/** So that NaN, whose sign an engine may choose, equals NaN, and -0 is not 0. */
function bits(outputs: Record<string, Tensor>): unknown {
  return Object.entries(outputs).map(([name, { dtype, dims, data }]) => [
    name,
    dtype,
    dims,
    Array.from(data as Float32Array, (v) => (Object.is(v, -0) ? '-0' : String(v))),
  ]);
}

/** The same bits with and without an observer, who sees every node. */
function check(what: string, c: Case): Record<string, Tensor> {
  const session = new Session(modelFor(c), wasm);
  try {
    const expected = session.run(c.feeds, { observe: () => {} });
    const held = wasm.arena.used;
    const found = session.run(c.feeds);
    assert.equal(bits(found), bits(expected), what);
    assert.is(wasm.arena.used, held, `${what}: memory left behind`);
    return found;
  } finally {
    session.dispose();
  }
}

/** Convolutions that are computed in every way there is. */
const WAYS = {
  tiles: { x: floats(2, 17, 9, 10), w: floats(19, 17, 3, 3), attributes: { pads: ints(1, 1, 1, 1) } },
  pointwise: { x: floats(2, 6, 17, 17), w: floats(9, 6, 1, 1), attributes: {} },
  fields: { x: floats(1, 5, 21, 20), w: floats(7, 5, 3, 3), attributes: { strides: ints(2, 1) } },
  groups: { x: floats(2, 6, 8, 7), w: floats(4, 3, 2, 3), attributes: { group: { type: 'int', value: 2 } as const } },
  'small images': { x: floats(40, 5, 3, 3), w: floats(7, 5, 3, 3), attributes: { pads: ints(1, 1, 1, 1) } },
  depthwise: {
    x: floats(2, 6, 9, 8),
    w: floats(12, 1, 3, 3),
    attributes: { group: { type: 'int', value: 6 } as const },
  },
  'one place': { x: floats(1, 33, 1, 1), w: floats(9, 33, 1, 1), attributes: {} },
  'one axis': { x: floats(2, 4, 30), w: floats(6, 4, 5), attributes: { dilations: ints(2) } },
  sparse: {
    x: floats(1, 2, 3, 3),
    w: floats(3, 2, 3, 3),
    attributes: { pads: ints(600, 600, 600, 600), strides: ints(599, 599) },
  },
};

function shapeOf(c: Case, name: string): number[] {
  const session = new Session(modelFor({ ...c, outputs: [name] }), wasm);
  const dims = [...session.run(c.feeds)[name]!.dims];
  session.dispose();
  return dims;
}

test('what follows a convolution is done with it, to the bit, however it is computed', () => {
  for (const [way, { x, w, attributes }] of Object.entries(WAYS))
    for (const biased of [false, true]) {
      const conv = node('Conv', biased ? 'x,w,b' : 'x,w', 't', attributes);
      const m = w.dims[0]!;
      const norm = {
        g: floats(m),
        h: floats(m),
        mean: floats(m),
        var: tensor('float', [m], new Float32Array(m).fill(2)),
      };
      const constants = { w, b: floats(m), low: number(-0.25), high: number(0.75), ...norm };
      const r = floats(...shapeOf({ nodes: [conv], feeds: { x }, constants }, 't'));
      const feeds = { x, r };
      for (const [tail, ops] of [
        [[node('Relu', 't', 'y')], 'Conv+Relu'],
        [[node('Add', 't,r', 'y')], 'Conv+Add'],
        [[node('Add', 'r,t', 'u'), node('Relu', 'u', 'y')], 'Conv+Add+Relu'],
        [[node('Add', 't,r', 'u'), node('Clip', 'u,low,high', 'y')], 'Conv+Add+Clip'],
        [[node('Clip', 't,,high', 'y')], 'Conv+Clip'],
        [[node('Clip', 't,low', 'y')], 'Conv+Clip'],
        [[node('Clip', 't', 'y')], 'Conv+Clip'],
        [[node('BatchNormalization', 't,g,h,mean,var', 'y')], 'Conv+BatchNormalization'],
        [
          [node('BatchNormalization', 't,g,h,mean,var', 'u', { epsilon: real(0.1) }), node('Relu', 'u', 'y')],
          'Conv+BatchNormalization+Relu',
        ],
        [
          [node('BatchNormalization', 't,g,h,mean,var', 'u'), node('Add', 'r,u', 's'), node('Clip', 's,low,high', 'y')],
          'Conv+BatchNormalization+Add+Clip',
        ],
      ] as const) {
        const c = { nodes: [conv, ...tail], feeds, constants };
        assert.equal(fused(c), [ops], way);
        check(`${way}, bias ${biased}: ${ops}`, c);
      }
    }
});

test('bounds that were attributes; NaN stays NaN, and infinities are bounded', () => {
  const { x, w, attributes } = WAYS.tiles;
  const holed = tensor('float', x.dims, Float32Array.from(x.data as Float32Array));
  (holed.data as Float32Array).set([Number.NaN, 1, Number.POSITIVE_INFINITY], 40);
  const nodes = [node('Conv', 'x,w', 't', attributes), node('Clip', 't', 'y', { min: real(0), max: real(6) })];
  const c = { nodes, feeds: { x: holed }, constants: { w }, opset: 10 };
  assert.equal(fused(c), ['Conv+Clip']);
  const y = check('with holes', c).y!.data as Float32Array;
  assert.ok(y.some((v) => Number.isNaN(v)));
  assert.ok(y.every((v) => Number.isNaN(v) || (v >= 0 && v <= 6)));
});

test('what is not of the result’s shape or type, or is wanted elsewhere, runs as it is written', () => {
  const { x, w, attributes } = WAYS.tiles;
  const conv = node('Conv', 'x,w', 't', attributes);
  const relu = node('Relu', 't', 'y');
  const constants = { w };
  for (const r of [floats(10), floats(19, 1, 1), floats(1), floats(1, 1, 1, 1, 1)])
    check(`[${r.dims}]`, {
      nodes: [conv, node('Add', 't,r', 'u'), node('Relu', 'u', 'y')],
      feeds: { x, r },
      constants,
    });
  const wanted = { nodes: [conv, relu], feeds: { x }, constants, outputs: ['y', 't'] };
  assert.equal(fused(wanted), ['Conv', 'Relu']);
  check('wanted', wanted);
  const twice = { nodes: [conv, relu, node('Neg', 't', 'z')], feeds: { x }, constants, outputs: ['y', 'z'] };
  assert.equal(fused(twice), ['Conv', 'Relu', 'Neg']);
  check('read twice', twice);
  const doubled = { nodes: [conv, node('Add', 't,t', 'y')], feeds: { x }, constants };
  assert.equal(fused(doubled), ['Conv', 'Add']);
  check('added to itself', doubled);
  const wide = (t: Tensor) => tensor('double', t.dims, Float64Array.from(t.data as Float32Array));
  check('double', { nodes: [conv, relu], feeds: { x: wide(x) }, constants: { w: wide(w) } });
  const clip = { nodes: [conv, node('Clip', 't,low', 'y')], feeds: { x, low: number(0, 1) }, constants };
  check('a bound that is not a scalar', clip);
});

test('two branches that meet: one convolution takes the sum, the other is its residual', () => {
  const x = floats(1, 16, 8, 8);
  const constants = { w: floats(16, 16, 3, 3), v: floats(16, 16, 1, 1) };
  const nodes = [
    node('Conv', 'x,w', 'a', { pads: ints(1, 1, 1, 1) }),
    node('Conv', 'x,v', 'b'),
    node('Add', 'a,b', 's'),
    node('Relu', 's', 'y'),
  ];
  const c = { nodes, feeds: { x }, constants };
  assert.equal(fused(c), ['Conv', 'Conv+Add+Relu']);
  check('branches', c);
});

test('weights that replace constants are computed with as those are', () => {
  for (const [way, { x, w, attributes }] of Object.entries(WAYS)) {
    const other = floats(...w.dims);
    const nodes = [node('Conv', 'x,w', 't', attributes), node('Relu', 't', 'y')];
    const [session, own] = [w, other].map(
      (v) => new Session(modelFor({ nodes, feeds: { x }, constants: { w: v } }), wasm),
    ) as [Session, Session];
    const first = session.run({ x });
    const expected = own.run({ x });
    assert.equal(session.run({ x }, { weights: new Map([['w', other]]) }), expected, way);
    assert.equal(session.run({ x }, { weights: new Map([['w', w]]) }), first, way);
    assert.equal(session.run({ x }), first, way);
    session.dispose();
    own.dispose();
  }
});

test('an error names the convolution', () => {
  const nodes = [node('Conv', 'x,w', 't', {}, 'first'), node('Relu', 't', 'y', {}, 'second')];
  const session = new Session(modelFor({ nodes, feeds: { x: floats(1) }, constants: { w: floats(2, 3, 3, 3) } }), wasm);
  throws(() => session.run({ x: floats(1, 4, 5, 5) }), ModelError, /^Conv node "first": X has 4 channels/);
  session.dispose();
});

test.run();
