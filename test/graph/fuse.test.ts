import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '../../src/errors.ts';
import { fuse } from '../../src/graph/fuse.ts';
import { Session } from '../../src/graph/index.ts';
import { inlined } from '../../src/graph/inline.ts';
import { type Host, stepsOf } from '../../src/graph/steps.ts';
import type { Node } from '../../src/onnx/model.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { normals, random } from '../helpers.ts';
import { wasm } from '../ops/compare.ts';
import { throws } from '../throws.ts';
import { graph, modelOf, node } from './build.ts';

const next = random(11);
const floats = (...dims: number[]) =>
  tensor(
    'float',
    dims,
    normals(
      dims.reduce((a, b) => a * b, 1),
      next,
    ),
  );
const number = (v: number, ...dims: number[]) => tensor('float', dims, Float32Array.of(v));
const axis = (value: number) => ({ axis: { type: 'int', value } as const });

interface Case {
  readonly nodes: readonly Node[];
  readonly feeds: Readonly<Record<string, Tensor>>;
  readonly constants?: Readonly<Record<string, Tensor>>;
  readonly outputs?: readonly string[];
}

function modelFor({ nodes, feeds, constants = {}, outputs = ['y'] }: Case) {
  const inputs = Object.entries(feeds).map(([name, t]) => `${name}:${t.dtype}`);
  return modelOf(graph(inputs, outputs, nodes, constants));
}

/** Names of the operators that the graph's plain run comes down to. */
function fused(c: Case): string[] {
  const model = modelFor(c);
  const host: Host = { shared: new Map(), keep: (make) => make(), run: () => [] };
  return fuse(stepsOf(model, inlined(model), host), new Set(c.outputs ?? ['y'])).map((s) => s.node.opType);
}

/** The same bits with and without an observer, who sees every node; returns what came out. */
function check(what: string, c: Case): Record<string, Tensor> {
  const session = new Session(modelFor(c), wasm);
  try {
    const seen: string[] = [];
    const expected = session.run(c.feeds, { observe: ({ opType }) => seen.push(opType) });
    assert.equal(seen.sort(), c.nodes.map((n) => n.opType).sort(), `${what}: nodes observed`);
    const held = wasm.arena.used;
    const found = session.run(c.feeds);
    for (const [name, t] of Object.entries(expected)) {
      assert.equal(found[name]!.dims, t.dims, what);
      assert.equal([...found[name]!.data], [...t.data], what);
    }
    assert.is(wasm.arena.used, held, `${what}: memory left behind`);
    return found;
  } finally {
    session.dispose();
  }
}

const GELU = { root: number(Math.SQRT2), one: number(1), half: number(0.5) };
const geluNodes = (scale: string, sum: string, gate: string[]): Node[] => [
  node(scale, 'x,root', 'v'),
  node('Erf', 'v', 'e'),
  node('Add', sum, 'p'),
  ...gate.map((g, i) => node('Mul', g, i === gate.length - 1 ? 'y' : 'q')),
];

test('gelu by erf, in every order it is written in', () => {
  const x = floats(3, 37);
  (x.data as Float32Array).set([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 1e-40, -9]);
  for (const scale of ['Div', 'Mul'])
    for (const sum of ['e,one', 'one,e'])
      for (const gate of [
        ['x,p', 'q,half'],
        ['p,x', 'half,q'],
        ['x,half', 'q,p'],
        ['half,x', 'p,q'],
      ]) {
        const nodes = geluNodes(scale, sum, gate);
        const c = { nodes, feeds: { x }, constants: GELU };
        assert.is(fused(c).length, 1, `${scale} ${sum} ${gate}`);
        check(`${scale} ${sum} ${gate}`, c);
      }
});

test('what looks like gelu and is not runs as it is written', () => {
  const x = floats(2, 9);
  const nodes = geluNodes('Div', 'e,one', ['x,p', 'q,half']);
  for (const [name, value] of [
    ['one', number(2)],
    ['half', number(0.25)],
    ['half', floats(9)],
    ['root', floats(2, 1)],
    ['root', number(3, 1, 1, 1)],
  ] as const) {
    const c = { nodes, feeds: { x }, constants: { ...GELU, [name]: value } };
    assert.is(fused(c).length, 1);
    check(`${name} [${value.dims}]`, c);
  }
  const doubles = (t: Tensor) => tensor('double', t.dims, Float64Array.from(t.data as Float32Array));
  const constants = Object.fromEntries(Object.entries(GELU).map(([k, t]) => [k, doubles(t)]));
  check('double', { nodes, feeds: { x: doubles(x) }, constants });
});

test('a value that is wanted or read elsewhere is made', () => {
  const x = floats(2, 9);
  const nodes = geluNodes('Div', 'e,one', ['x,p', 'q,half']);
  for (const inner of ['v', 'e', 'p', 'q']) {
    const c = { nodes, feeds: { x }, constants: GELU, outputs: ['y', inner] };
    assert.ok(fused(c).length > 1, inner);
    check(inner, c);
    const read = { nodes: [...nodes, node('Neg', inner, 'z')], feeds: { x }, constants: GELU, outputs: ['y', 'z'] };
    check(`${inner} read twice`, read);
    const session = new Session(modelFor({ nodes, feeds: { x }, constants: GELU }), wasm);
    const seen = session.trace({ x });
    const value = session.run({ x }, { fetch: [inner] })[inner]!;
    assert.equal(value.data, session.value(seen, inner).data, `${inner} fetched and traced`);
    session.dispose();
  }
});

test('softmax of scores that are scaled, masked or both', () => {
  const masks = [[7], [5, 7], [1, 7], [2, 1, 5, 7], [2, 1, 1, 7], [1, 3, 5, 7], [2, 3, 1, 7]];
  const x = floats(2, 3, 5, 7);
  (x.data as Float32Array).set([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY], 40);
  for (const scale of ['Div', 'Mul'])
    for (const dims of masks) {
      const mask = floats(...dims);
      mask.data.forEach((_, i) => {
        if (next() < 0.3) mask.data[i] = next() < 0.5 ? Number.NEGATIVE_INFINITY : -1e9;
      });
      const add = (s: string) => [node('Add', s, 'm'), node('Softmax', 'm', 'y', axis(-1))];
      for (const nodes of [
        [node(scale, 'x,c', 's'), ...add('s,mask')],
        [node(scale, 'x,c', 's'), ...add('mask,s')],
        add('x,mask'),
        add('mask,x'),
      ]) {
        const c = { nodes, feeds: { x }, constants: { c: number(2.8), mask } };
        assert.equal(fused(c).length, 1, `${scale} [${dims}]`);
        check(`${scale} [${dims}] of ${nodes.length}`, c);
      }
    }
  const only = [node('Div', 'x,c', 's'), node('Softmax', 's', 'y', axis(-1))];
  check('scaled only', { nodes: only, feeds: { x }, constants: { c: number(2.8) } });
});

test('softmax along another axis, or of what is larger than the scores, runs as it is written', () => {
  const x = floats(3, 5, 7);
  const tail = (a: number) => [node('Add', 'x,mask', 'm'), node('Softmax', 'm', 'y', axis(a))];
  const other = { nodes: tail(1), feeds: { x }, constants: { mask: floats(7) } };
  assert.is(fused(other).length, 2);
  check('axis 1', other);
  for (const dims of [[2, 1, 5, 7], [5, 1], []])
    check(`mask [${dims}]`, { nodes: tail(-1), feeds: { x }, constants: { mask: floats(...dims) } });
  check('empty', { nodes: tail(-1), feeds: { x: floats(0, 5, 7) }, constants: { mask: floats(7) } });
});

test('a product and what is added to it', () => {
  const b = floats(9, 13);
  for (const rows of [[1], [4], [2, 21]])
    for (const addends of [
      ['bias'],
      ['bias', 'x'],
      ['x', 'bias'],
      ['x'],
      ['x', 'x2'],
      ['one', 'bias'],
      ['wide', 'bias'],
      ['tall', 'x'],
    ]) {
      const dims = [...rows, 13];
      const feeds = { a: floats(...rows, 9), x: floats(...dims), x2: floats(...dims), tall: floats(rows.at(-1)!, 1) };
      const constants = { b, bias: floats(13), one: floats(1), wide: floats(3, 1, 1, 13) };
      const nodes = [node('MatMul', 'a,b', 't')];
      let last = 't';
      addends.forEach((t, i) => {
        const y = i === addends.length - 1 ? 'y' : 'u';
        nodes.push(node('Add', i % 2 === 0 ? `${last},${t}` : `${t},${last}`, y));
        last = y;
      });
      const c = { nodes, feeds, constants };
      assert.is(fused(c).length, 1, `${addends}`);
      check(`[${rows}] + ${addends}`, c);
    }
  const batched = { a: floats(2, 4, 9), c: floats(2, 9, 13), bias: floats(13) };
  check('batched', { nodes: [node('MatMul', 'a,c', 't'), node('Add', 't,bias', 'y')], feeds: batched });
});

test('operators that work element by element, in blocks', () => {
  const x = floats(2, 3, 1500);
  (x.data as Float32Array).set([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0], 4095);
  const constants = {
    three: number(3, 1),
    six: number(6),
    zero: number(0),
    row: floats(1500),
    tall: floats(2, 3, 1),
    large: floats(4, 1, 1, 1),
  };
  const feeds = { x, z: floats(2, 3, 1500), one: number(0.3, 1, 1, 1) };
  const chains: Record<string, [number, ...Node[]]> = {
    'hard swish': [
      1,
      node('Add', 'x,three', 'a'),
      node('Clip', 'a,zero,six', 'b'),
      node('Mul', 'x,b', 'c'),
      node('Div', 'c,six', 'y'),
    ],
    swish: [1, node('Sigmoid', 'x', 's'), node('Mul', 's,x', 'y')],
    reversed: [
      1,
      node('Sub', 'three,x', 'a'),
      node('Div', 'six,a', 'b'),
      node('Sub', 'z,b', 'c'),
      node('Div', 'z,c', 'y'),
    ],
    'from a number': [1, node('Mul', 'one,x', 'a'), node('Relu', 'a', 'y')],
    'one bound': [1, node('Clip', 'x,zero', 'a'), node('Neg', 'a', 'b'), node('Clip', 'b,,three', 'y')],
    unary: [
      1,
      ...['Abs', 'Sqrt', 'Log', 'Exp', 'Tanh', 'Sin', 'Cos', 'Softplus', 'Reciprocal', 'Erf', 'Neg', 'Relu'].map(
        (op, i) => node(op, i === 0 ? 'x' : `v${i}`, i === 11 ? 'y' : `v${i + 1}`),
      ),
    ],
    'rows between': [
      1,
      node('Neg', 'x', 'a'),
      node('Exp', 'a', 'b'),
      node('Add', 'row,b', 'c'),
      node('Mul', 'c,tall', 'd'),
      node('Relu', 'd', 'e'),
      node('Neg', 'e', 'y'),
    ],
    'growing between': [
      1,
      node('Neg', 'x', 'a'),
      node('Add', 'a,large', 'b'),
      node('Relu', 'b', 'c'),
      node('Abs', 'c', 'y'),
    ],
    'a bound of one': [2, node('Neg', 'one', 'a'), node('Clip', 'x,a', 'y')],
    'twice the same': [2, node('Neg', 'x', 'a'), node('Mul', 'a,a', 'y')],
  };
  for (const [what, [count, ...nodes]] of Object.entries(chains)) {
    const c = { nodes, feeds, constants };
    assert.is(fused(c).length, count, what);
    check(what, c);
  }
  const integers = { x: tensor('int64', [3], BigInt64Array.of(1n, -2n, 3n)) };
  check('integers', { nodes: [node('Neg', 'x', 'a'), node('Add', 'a,x', 'y')], feeds: integers });
  check('empty', { nodes: chains.swish!.slice(1) as Node[], feeds: { x: floats(0, 4) } });
});

test('an error names the node it happened in', () => {
  const nodes = [node('MatMul', 'a,b', 't', {}, 'first'), node('Add', 't,c', 'y', {}, 'second')];
  const feeds = { a: floats(2, 3), b: floats(3, 5), c: floats(4) };
  const session = new Session(modelFor({ nodes, feeds }), wasm);
  throws(() => session.run(feeds), ModelError, /^Add node "second": shapes \[2,5\] and \[4\] do not broadcast/);
  throws(() => session.run({ ...feeds, b: floats(4, 5) }), ModelError, /^MatMul node "first": /);
  session.dispose();
});

test.run();
