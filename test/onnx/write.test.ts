import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  makeInitializer,
  makeNode,
  makeValueInfo,
  readModel,
  withFunction,
  withGraph,
  withNode,
  writeModel,
} from '../../src/onnx/index.ts';
import type { Attribute, Graph, Model, Node } from '../../src/onnx/index.ts';
import type { DType } from '../../src/tensor.ts';
import { arrayOf, DATA_TYPES, tensor } from '../../src/tensor.ts';
import { attribute, fixed32, graph, int, join8, len, model, node, opset, tensorProto, valueInfo } from './build.ts';
import { fieldsOf, plain, rewritten } from './same.ts';

/** A model full of what this version does not know. */
const strange = () => {
  const meta = (field: number) => len(field, join8(len(1, 'key'), len(2, 'value')));
  const t = tensorProto('w', 1, [1], fixed32(4, 1), len(12, 'doc'), meta(16));
  const n = node(
    'Neg',
    ['y'],
    ['z'],
    len(8, 'overload'),
    meta(9),
    len(6, 'doc'),
    attribute('a', 2, int(3, 5), len(13, 'doc'), len(40, 'new')),
    int(77, 3),
    len(10, 'device'),
  );
  const g = join8(
    len(13, valueInfo('q')),
    len(12, valueInfo('z')),
    len(5, t),
    meta(16),
    len(1, node('Relu', ['x'], ['y'])),
    len(2, 'g'),
    len(1, n),
    len(11, join8(valueInfo('x'), len(3, 'doc'), meta(4))),
    len(14, len(1, 'w')),
    fixed32(90, 1),
  );
  const f = join8(
    len(1, 'f'),
    len(10, 'my'),
    len(7, node('Neg', ['a'], ['b'])),
    len(11, join8(len(1, 'd'), int(3, 1), int(20, 2))),
    meta(14),
  );
  return join8(
    len(26, 'newer'),
    opset(17, ''),
    len(25, f),
    len(7, g),
    meta(14),
    int(1, 10),
    opset(1, 'my'),
    len(2, 'p'),
    len(3, '1.0'),
    int(5, 9),
    len(20, ''),
  );
};

test('an unchanged model: the very bytes', () => {
  for (const bytes of [model(), strange()]) assert.is(writeModel(readModel(bytes)).buffer, bytes.buffer);
  assert.equal(writeModel(readModel(strange())), strange());
});

test('a rewritten model keeps every field that came, of known messages and unknown', () => {
  const bytes = strange();
  const before = readModel(bytes);
  const out = writeModel(rewritten(before));
  assert.is.not(out.buffer, bytes.buffer);
  assert.is(out.length, bytes.length);
  assert.equal(fieldsOf(out), fieldsOf(bytes));
  assert.equal(plain(readModel(out)), plain(before));
});

test('a changed node keeps its other attributes and unknown fields', () => {
  const before = readModel(strange());
  const changed = withNode(before.graph.nodes[1]!, { inputs: ['x'] });
  assert.is(changed.wire, undefined);
  const out = writeModel(withGraph(before, { nodes: [before.graph.nodes[0]!, changed] }));
  const find = (bytes: Uint8Array) => readModel(bytes).graph.nodes[1]!;
  assert.equal(find(out).inputs, ['x']);
  const was = fieldsOf(find(strange()).wire!).filter((f) => !f.startsWith('1:'));
  assert.equal(
    fieldsOf(find(out).wire!).filter((f) => !f.startsWith('1:')),
    was,
  );
});

test('a changed function keeps its unknown fields', () => {
  const before = readModel(strange());
  assert.equal(before.functions[0]!.attributes, ['d']);
  const f = withFunction(before.functions[0]!, { attributes: ['k', 'd'] });
  const after = readModel(writeModel({ ...before, functions: [f], wire: undefined }));
  assert.equal(after.functions[0]!.attributes, ['k', 'd']);
  const rest = (m: Model) => fieldsOf(m.functions[0]!.wire!).filter((x) => /^(11|14):/.test(x));
  assert.equal(rest(after), rest(before));
  assert.is(rest(after).length, 2);
});

const attributes = (): Record<string, Attribute> => ({
  f: { type: 'float', value: 0.5 },
  i: { type: 'int', value: -7 },
  wide: { type: 'int', value: 2 ** 53 + 2 },
  max: { type: 'int', value: 2 ** 63 },
  min: { type: 'int', value: -(2 ** 63) },
  s: { type: 'string', value: 'né' },
  t: { type: 'tensor', value: tensor('int64', [2], BigInt64Array.of(1n, -2n)) },
  g: { type: 'graph', value: smallGraph('inner') },
  fs: { type: 'floats', value: [1, -0.25] },
  is: { type: 'ints', value: [0, -1, 2 ** 63] },
  ss: { type: 'strings', value: ['a', ''] },
});

function smallGraph(name: string, nodes: Node[] = [makeNode('Relu', ['x'], ['y'])]): Graph {
  return {
    name,
    nodes,
    initializers: [],
    inputs: [makeValueInfo('x', 'float', ['N', null, 3])],
    outputs: [makeValueInfo('y', 'float', undefined)],
    valueInfo: [{ name: 'untyped', elemType: undefined, dims: undefined }],
    rest: new Uint8Array(0),
  };
}

test('a model made from nothing reads back the same', () => {
  const initializers = (Object.keys(DATA_TYPES) as DType[]).map((dtype) =>
    makeInitializer(`w_${dtype}`, { dtype, dims: [3, 1], data: new (arrayOf(dtype))(3) }),
  );
  const made: Model = {
    irVersion: 10,
    opsets: new Map([
      ['', 21],
      ['my', 2],
    ]),
    producer: 'kappa',
    graph: {
      ...smallGraph('g', [
        makeNode('Relu', ['x'], ['y'], {}, { name: 'first' }),
        makeNode('Odd', ['', 'y'], ['z', ''], attributes(), { domain: 'my' }),
      ]),
      initializers,
    },
    functions: [
      {
        name: 'f',
        domain: 'my',
        inputs: ['a'],
        outputs: ['b'],
        attributes: ['k'],
        opsets: new Map([['', 21]]),
        nodes: [makeNode('Neg', ['a'], ['b'])],
      },
    ],
    rest: new Uint8Array(0),
  };
  const bytes = writeModel(made);
  const back = readModel(bytes);
  assert.equal(plain(back), plain({ ...made, graph: { ...made.graph, rest: back.graph.rest } }));
  assert.is(back.graph.name, 'g');
  assert.equal(writeModel(rewritten(back)).length, bytes.length);
});

test('extreme integers survive being written', () => {
  const before = readModel(
    writeModel(withGraph(readModel(model()), { nodes: [makeNode('Relu', ['x'], ['y'], attributes())] })),
  );
  const wires = fieldsOf(before.graph.nodes[0]!.wire!);
  assert.ok(
    wires.some((w) => w.includes('6d6178') && w.includes('ffffffffffffffff7f')),
    '2^63 - 1 as it is encoded',
  );
});

test('changing a graph inside a node', () => {
  const inner = len(
    1,
    node(
      'If',
      ['c'],
      ['z'],
      attribute('then_branch', 5, len(6, graph())),
      attribute('k', 2, int(3, 4), len(50, 'new')),
    ),
  );
  const before = readModel(model(graph(inner)));
  const If = before.graph.nodes[1]!;
  const branch = If.attributes.get('then_branch')!;
  assert.ok(branch.type === 'graph');
  const changed: Attribute = {
    type: 'graph',
    value: { ...branch.value, nodes: [makeNode('Abs', ['x'], ['y'])], wire: undefined },
  };
  const nodes = [
    before.graph.nodes[0]!,
    withNode(If, { attributes: new Map([...If.attributes, ['then_branch', changed]]) }),
  ];
  const after = readModel(writeModel(withGraph(before, { nodes })));
  const got = after.graph.nodes[1]!.attributes.get('then_branch')!;
  assert.ok(got.type === 'graph' && got.value.nodes[0]!.opType === 'Abs' && got.value.inputs[0]!.name === 'x');
  assert.ok(Buffer.from(after.wire!).includes('new'));
});

test('a renamed graph has one name', () => {
  const m = readModel(model(graph(len(10, 'doc'))));
  const after = readModel(writeModel(withGraph(m, { name: 'other' })));
  assert.is(after.graph.name, 'other');
  assert.equal(fieldsOf(after.graph.rest).sort(), fieldsOf(join8(len(2, 'other'), len(10, 'doc'))).sort());
});

test('what cannot be written is refused', () => {
  const m = readModel(model());
  const write = (a: Attribute) =>
    writeModel(withGraph(m, { nodes: [{ ...makeNode('Relu', ['x'], ['y']), attributes: new Map([['a', a]]) }] }));
  assert.throws(() => write({ type: 'other', value: null }), /attribute 'a' has no value/);
  assert.throws(() => write({ type: 'int', value: 0.5 }), /expected an integer attribute, got 0.5/);
  assert.throws(() => write({ type: 'int', value: Number.NaN }), /expected an integer attribute, got NaN/);
  const data = new Float32Array(2);
  const t = { dtype: 'float', dims: [2] as number[], data } as const;
  const w = makeInitializer('w', t);
  (t.dims as number[]).push(3);
  assert.throws(() => writeModel(withGraph(m, { initializers: [w] })), /expected 6 elements, got 2/);
});

test.run();
