import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '../../src/errors.ts';
import type { Attribute } from '../../src/onnx/model.ts';
import { readModel } from '../../src/onnx/read.ts';
import {
  attribute,
  fixed32,
  graph,
  int,
  join8,
  len,
  model,
  node,
  opset,
  tensorProto,
  throwsKappa,
  valueInfo,
  varint,
} from './build.ts';

const text = (s: string) => new TextEncoder().encode(s);
const fails = (bytes: Uint8Array, pattern: RegExp) =>
  throwsKappa(() => readModel(bytes, 'm.onnx'), ModelError, pattern);
const inGraph = (...fields: Uint8Array[]) => model(graph(...fields));

test('a small model, every part', () => {
  const raw = new Uint8Array(Float32Array.of(1, 2).buffer);
  const m = readModel(
    model(
      graph(
        len(5, tensorProto('w', 1, [2], len(9, raw))),
        len(13, valueInfo('z', 7, [3, 'T', null])),
        len(10, 'a doc'),
      ),
      opset(1, 'com.microsoft'),
    ),
  );
  assert.is(m.irVersion, 8);
  assert.is(m.producer, 'test');
  assert.equal(
    [...m.opsets],
    [
      ['', 17],
      ['com.microsoft', 1],
    ],
  );
  assert.is(m.graph.name, 'g');
  assert.equal(
    m.graph.nodes.map((n) => [n.opType, n.domain, n.name, n.inputs, n.outputs]),
    [['Relu', '', '', ['x'], ['y']]],
  );
  assert.equal(
    m.graph.inputs.map((v) => [v.name, v.elemType, v.dims]),
    [['x', 1, ['N', 2]]],
  );
  assert.equal(
    m.graph.outputs.map((v) => v.name),
    ['y'],
  );
  assert.equal(
    m.graph.valueInfo.map((v) => [v.name, v.elemType, v.dims]),
    [['z', 7, [3, 'T', null]]],
  );
  assert.equal([...(m.graph.initializers[0]!.tensor().data as Float32Array)], [1, 2]);
  assert.equal(m.graph.rest, join8(len(2, 'g'), len(10, 'a doc')));
});

test('value types: no shape, no tensor, -1', () => {
  const noShape = join8(len(1, 'a'), len(2, len(1, int(1, 1))));
  const sequence = join8(len(1, 'b'), len(2, len(4, len(1, len(1, int(1, 1))))));
  const untyped = len(1, 'c');
  const m = readModel(inGraph(len(13, noShape), len(13, sequence), len(13, untyped), len(13, valueInfo('d', 1, [-1]))));
  assert.equal(
    m.graph.valueInfo.map((v) => [v.name, v.elemType, v.dims]),
    [
      ['a', 1, undefined],
      ['b', undefined, undefined],
      ['c', undefined, undefined],
      ['d', 1, [null]],
    ],
  );
});

test('both spellings of the default domain', () => {
  const m = readModel(
    join8(int(1, 8), opset(17, 'ai.onnx'), len(7, graph(len(1, node('Neg', ['y'], ['z'], len(7, 'ai.onnx')))))),
  );
  assert.is(m.opsets.get(''), 17);
  assert.is(m.graph.nodes[1]!.domain, '');
});

test('attributes of every type', () => {
  const raw = new Uint8Array(BigInt64Array.of(5n, -6n).buffer);
  const attributes = [
    attribute('f', 1, fixed32(2, 0.5)),
    attribute('i', 2, int(3, -3)),
    attribute('max', 2, int(3, 2n ** 63n - 1n)),
    attribute('min', 2, int(3, -(2n ** 63n))),
    attribute('s', 3, len(4, 'é')),
    attribute('t', 4, len(5, tensorProto('', 7, [2], len(9, raw)))),
    attribute('g', 5, len(6, graph())),
    attribute('fs', 6, len(7, new Uint8Array(Float32Array.of(1, 2).buffer)), fixed32(7, 3)),
    attribute('is', 7, int(8, 1), len(8, join8(varint(2n ** 63n - 1n), varint(-1))), int(8, 4)),
    attribute('ss', 8, len(9, 'a'), len(9, '')),
    attribute('zero', 2),
    attribute('ref', 2, len(21, 'outer')),
    attribute('types', 14, len(15, '')),
  ];
  const m = readModel(inGraph(len(1, node('Odd', [], ['z'], ...attributes))));
  const got = Object.fromEntries(m.graph.nodes[1]!.attributes) as Record<string, Attribute>;
  const value = (name: string) => [got[name]!.type, got[name]!.value];
  assert.equal(value('f'), ['float', 0.5]);
  assert.equal(value('i'), ['int', -3]);
  assert.equal(value('max'), ['int', 2 ** 63]);
  assert.equal(value('min'), ['int', -(2 ** 63)]);
  assert.equal(value('s'), ['string', 'é']);
  assert.equal(value('fs'), ['floats', [1, 2, 3]]);
  assert.equal(value('is'), ['ints', [1, 2 ** 63, -1, 4]]);
  assert.equal(value('ss'), ['strings', ['a', '']]);
  assert.equal(value('zero'), ['int', 0]);
  assert.equal(got.ref, { type: 'ref', value: 'outer', of: 2 });
  assert.equal(value('types'), ['other', null]);
  assert.ok(got.t!.type === 'tensor' && got.t!.value.data[1] === -6n);
  assert.ok(got.g!.type === 'graph' && got.g!.value.nodes[0]!.opType === 'Relu' && got.g!.value.wire);
});

test('an attribute without a type has that of its value', () => {
  const untyped = (name: string, value: Uint8Array) => len(5, join8(len(1, name), value));
  const n = node(
    'Odd',
    [],
    ['z'],
    untyped('a', int(3, 7)),
    untyped('b', fixed32(2, 1)),
    untyped('c', int(8, 1)),
    untyped('d', len(4, 'q')),
  );
  const got = readModel(inGraph(len(1, n))).graph.nodes[1]!.attributes;
  assert.equal(
    [...got.values()].map((a) => a.type),
    ['int', 'float', 'ints', 'string'],
  );
});

test('functions', () => {
  const f = join8(
    len(1, 'f'),
    len(10, 'my'),
    len(4, 'a'),
    len(5, 'b'),
    len(6, 'k'),
    len(7, node('Relu', ['a'], ['b'])),
    len(9, int(2, 17)),
    len(13, 'over'),
  );
  const m = readModel(model(graph(), len(25, f), opset(1, 'my')));
  assert.is(m.functions.length, 1);
  const { name, domain, inputs, outputs, attributes, opsets, nodes } = m.functions[0]!;
  assert.equal(
    [name, domain, inputs, outputs, attributes, [...opsets], nodes.length],
    ['f', 'my', ['a'], ['b'], ['k'], [['', 17]], 1],
  );
});

test('overloads tell functions of one name apart', () => {
  const f = (overload: string) => len(25, join8(len(1, 'f'), len(10, 'my'), len(13, overload)));
  const m = readModel(model(graph(), f('a'), f('b'), f('')));
  assert.equal(
    m.functions.map((g) => g.overload),
    ['a', 'b', undefined],
  );
  const call = readModel(inGraph(len(1, join8(node('f', [], ['z']), len(8, 'b'))))).graph.nodes[1]!;
  assert.is(call.overload, 'b');
  throwsKappa(
    () => readModel(model(graph(), f('a'), f('a'))),
    ModelError,
    /function 'f' of domain 'my', overload 'a', is there twice/,
  );
});

test('defaults of function attributes', () => {
  const f = join8(len(1, 'f'), len(10, 'my'), len(6, 'k'), len(11, join8(len(1, 'd'), int(20, 2), int(3, 7))));
  const [got] = readModel(model(graph(), len(25, f), opset(1, 'my'))).functions;
  assert.equal(got!.attributes, ['k', 'd']);
  assert.equal([...got!.defaults!], [['d', { type: 'int', value: 7 }]]);
});

test('what is no model says so', () => {
  fails(new Uint8Array(0), /m\.onnx: the file is empty/);
  fails(text('<!DOCTYPE html><html>'), /not an ONNX model but text, starting '<!DOCTYPE html>/);
  fails(text('PK\x03\x04rest'), /zip archive/);
  fails(Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]), /PNG/);
  fails(Uint8Array.from([0x93, ...text('NUMPY\x01\x00')]), /\.npy/);
  const safetensors = join8(new Uint8Array(BigUint64Array.of(64n).buffer), text('{"w":{"dtype":"F32"}}'));
  fails(safetensors, /safetensors/);
  fails(text('version https://git-lfs.github.com/spec/v1\noid sha256:1'), /git lfs pull/);
  fails(new Uint8Array(Float32Array.of(0.1, -0.2, 0.3, 0.7).buffer), /not an ONNX model.*\.onnx\.data/);
  fails(new Uint8Array(64), /not an ONNX model/);
  fails(len(7, graph()), /no IR version/);
  fails(tensorProto('w', 1, [2], len(9, new Uint8Array(8))), /not an ONNX model|wire type/);
  fails(join8(int(1, 8), opset(17)), /has no graph/);
  fails(join8(int(1, 8), len(7, graph())), /opset_import is missing/);
  fails(join8(int(1, 8), len(7, graph()), opset(1, 'other')), /Relu is an operator of ai\.onnx.*has 'other'/);
  assert.throws(() => readModel('x' as unknown as Uint8Array), /expected a Uint8Array, got string/);
});

test('truncated anywhere: an error that says so', () => {
  const whole = inGraph(len(5, tensorProto('w', 1, [2], len(9, new Uint8Array(8)))));
  const last = opset(17).length;
  for (let n = 2; n < whole.length - last; n++)
    fails(whole.subarray(0, n), /truncated|cut off|damaged|no graph|no operator set|not an ONNX model/);
});

test('wrong wire types name the field', () => {
  fails(
    model(graph(), int(2, 5)),
    /m\.onnx: ModelProto\.producer_name has wire type varint, expected length-delimited/,
  );
  fails(inGraph(len(1, join8(len(4, 'Relu'), int(2, 1)))), /node 1: NodeProto\.output has wire type varint/);
  fails(inGraph(len(5, join8(int(8, 3)))), /initializer 0: TensorProto\.name has wire type varint, expected length/);
  fails(inGraph(len(11, int(1, 3))), /input 1: ValueInfoProto\.name has wire type/);
  fails(
    inGraph(len(11, join8(len(1, 'q'), len(2, len(1, len(2, len(1, len(1, 'five')))))))),
    /Dimension\.dim_value has wire type/,
  );
  fails(model(graph(), len(1, 'eight')), /ir_version has wire type length-delimited, expected varint/);
  fails(inGraph(join8(varint(1 * 8 + 3), varint(1 * 8 + 4))), /no protocol buffer field/);
  fails(
    inGraph(len(1, node('A', [], [], attribute('f', 1, int(2, 1))))),
    /AttributeProto\.f has wire type varint, expected 32-bit/,
  );
  fails(
    inGraph(len(1, node('A', [], [], attribute('f', 6, len(7, new Uint8Array(5)))))),
    /floats ends inside a number/,
  );
  fails(
    inGraph(len(1, node('A', [], [], attribute('i', 7, len(8, Uint8Array.of(1, 0x80)))))),
    /ints ends inside a number/,
  );
});

test('absurd lengths', () => {
  fails(
    join8(int(1, 8), Uint8Array.of(0x3a), varint(2 ** 31 - 1), graph()),
    /graph says it is 2147483647 bytes long but/,
  );
  fails(join8(int(1, 8), Uint8Array.of(0x3a), varint(2n ** 40n), graph()), /damaged length/);
  fails(join8(int(1, 8), Uint8Array.of(0x3a), new Uint8Array(12).fill(255)), /damaged|no protocol/);
});

test('contradictions', () => {
  const w = len(5, tensorProto('w', 1, [1], len(9, new Uint8Array(4))));
  fails(inGraph(w, w), /initializer 'w' appears twice/);
  fails(inGraph(len(11, valueInfo('x'))), /input 'x' appears twice/);
  fails(
    inGraph(len(1, node('Abs', ['x'], ['y'], len(3, 'second')))),
    /value 'y', an output of Abs 'second', is also an output of Relu/,
  );
  fails(inGraph(len(1, node('Abs', ['x'], ['x']))), /is also an input of the graph/);
  fails(inGraph(w, len(1, node('Abs', ['x'], ['w']))), /is also an initializer/);
  fails(inGraph(len(1, node('A', [], [], attribute('k', 2), attribute('k', 2)))), /has the attribute 'k' twice/);
  fails(inGraph(len(1, len(1, 'x'))), /node 1 has no op_type/);
  fails(inGraph(len(5, tensorProto('', 1, [1]))), /initializer 0 has no name/);
  fails(inGraph(len(11, len(2, ''))), /input 1 has no name/);
  fails(model(graph(), len(7, graph())), /graph appears 2 times/);
  fails(model(graph(), opset(18)), /'ai\.onnx' is imported at versions 17 and 18/);
  fails(model(graph(), opset(0, 'z')), /imported at version 0/);
  fails(inGraph(len(11, valueInfo('n', 1, [-7]))), /dimension -7/);
});

test('an initializer may also be an input', () => {
  const m = readModel(inGraph(len(5, tensorProto('x', 1, [1, 2], len(9, new Uint8Array(8))))));
  assert.is(m.graph.initializers[0]!.name, 'x');
});

test('names: line breaks do not reach messages, damaged UTF-8 is refused', () => {
  const bad = len(5, tensorProto('a\nb', 1, [1]));
  fails(inGraph(bad, bad), /'a\?b' appears twice/);
  fails(inGraph(len(1, join8(len(2, Uint8Array.of(0xff)), len(4, 'Relu')))), /not valid UTF-8/);
  const m = readModel(inGraph(len(1, node('Relu', ['\ufffd'], ['日本']))));
  assert.equal([m.graph.nodes[1]!.inputs, m.graph.nodes[1]!.outputs], [['\ufffd'], ['日本']]);
});

test('graphs and types nested without end', () => {
  let g = graph();
  let t = len(1, int(1, 1));
  for (let i = 0; i < 70; i++) {
    g = graph(len(1, node('If', ['c'], [`v${i}`], attribute('then_branch', 5, len(6, g)))));
    t = len(4, len(1, t));
  }
  fails(model(g), /^.{0,600}nested deeper than 64 levels/);
  fails(inGraph(len(13, join8(len(1, 'v'), len(2, t)))), /nested deeper than 64 levels/);
});

test('a Buffer, and bytes at an odd offset', () => {
  const bytes = model();
  const padded = new Uint8Array(bytes.length + 3);
  padded.set(bytes, 3);
  assert.is(readModel(padded.subarray(3)).graph.nodes.length, 1);
  assert.is(readModel(Buffer.from(bytes)).graph.nodes.length, 1);
});

test.run();
