import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Session } from '../../src/graph/index.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { normals, random } from '../helpers.ts';
import { wasm } from '../ops/compare.ts';
import { body, flag, graph, modelOf, node } from './build.ts';

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
const list = (...v: number[]) => tensor('int64', [v.length], BigInt64Array.from(v.map(BigInt)));
const axis = (value: number) => ({ axis: { type: 'int', value } as const });

test('results that follow from shapes are those of this run', () => {
  const nodes = [
    node('Shape', 'x', 's'),
    node('Gather', 's,i', 'n'),
    node('Concat', 'n,k', 'to', axis(0)),
    node('Reshape', 'x,to', 'y'),
  ];
  const constants = { i: list(0), k: list(-1, 2) };
  const session = new Session(modelOf(graph(['x'], ['y'], nodes, constants)), wasm);
  for (const dims of [
    [2, 6],
    [2, 6],
    [3, 4],
    [2, 6],
    [2, 6, 2],
    [2, 6],
  ])
    assert.equal(session.run({ x: floats(...dims) }).y!.dims[0], dims[0], `[${dims}]`);
  const k = list(1, -1);
  const x = floats(2, 6);
  assert.equal(session.run({ x }, { weights: new Map([['k', k]]) }).y!.dims, [2, 1, 6]);
  (k.data as BigInt64Array).set([3n, 2n]);
  assert.equal(session.run({ x }, { weights: new Map([['k', k]]) }).y!.dims, [2, 3, 2], 'changed in place');
  assert.equal(session.run({ x }).y!.dims, [2, 3, 2]);
  session.dispose();
});

test('what a body makes of constants is made once, and anew where they are replaced', () => {
  const then = graph(
    [],
    ['t'],
    [
      node('Slice', 'w,from,to', 'part'),
      node('Concat', 'part,own', 'both', axis(0)),
      node('Add', 'both,x', 't', {}, 'sum'),
    ],
    { own: floats(1, 3), from: list(1), to: list(3) },
  );
  const other = graph([], ['e'], [node('Neg', 'x', 'e')]);
  const nodes = [node('If', 'c', 'y', { then_branch: body(then), else_branch: body(other) })];
  const w = floats(4, 3);
  const before = wasm.arena.used;
  const session = new Session(modelOf(graph(['c:bool', 'x'], ['y'], nodes, { w })), wasm);
  const feeds = { c: flag(true), x: floats(3) };
  const seen: Tensor[] = [];
  const run = (weights?: ReadonlyMap<string, Tensor>) =>
    session.run(feeds, {
      ...(weights && { weights }),
      observe: ({ name }, inputs) => {
        if (name === 'sum') seen.push(inputs[0]!);
      },
    }).y!;
  const first = run();
  const held = wasm.arena.used;
  assert.equal([...run().data], [...first.data]);
  const changed = tensor(
    'float',
    [4, 3],
    (w.data as Float32Array).map((v) => v + 1),
  );
  for (let i = 0; i < 2; i++) {
    const found = run(new Map([['w', changed]])).data;
    const expected = (first.data as Float32Array).map((v, j) => (j < 6 ? v + 1 : v));
    for (let j = 0; j < 9; j++) assert.ok(Math.abs(Number(found[j]) - Number(expected[j])) < 1e-5, `element ${j}`);
  }
  assert.equal([...run().data], [...first.data]);
  assert.is(seen[0], seen[1]);
  assert.is(seen[0], seen[4]);
  assert.is.not(seen[2], seen[0]);
  assert.is.not(seen[3], seen[2]);
  assert.equal(
    session.run({ ...feeds, c: flag(false) }).y!.data,
    (feeds.x.data as Float32Array).map((v) => -v),
  );
  assert.is(wasm.arena.used, held, 'memory left behind');
  session.dispose();
  assert.is(wasm.arena.used, before);
});

test.run();
