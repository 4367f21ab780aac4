import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError, UnsupportedError } from '../../src/errors.ts';
import { makeInitializer, makeNode } from '../../src/onnx/index.ts';
import type { Attribute, Node } from '../../src/onnx/model.ts';
import { DATA_TYPES, type DType, type Tensor, tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { type Attributes, float, floats, int, runHere, same, scalar } from './compare.ts';

const preview = { domain: 'ai.onnx.preview', opset: 26 };
const qkv = () => [floats([2, 4, 3, 5]), floats([2, 2, 6, 5]), floats([2, 2, 6, 7])];

/** A graph attribute with one input x and one output y. */
function graph(
  nodes: readonly Node[],
  constants: Readonly<Record<string, Tensor>>,
  type: DType = 'float',
  inputs = ['x'],
): Attribute {
  const info = (name: string) => ({ name, elemType: DATA_TYPES[type], dims: undefined });
  return {
    type: 'graph',
    value: {
      name: 'body',
      nodes,
      initializers: Object.entries(constants).map(([name, t]) => makeInitializer(name, t)),
      inputs: inputs.map(info),
      outputs: [info('y')],
      valueInfo: [],
      rest: new Uint8Array(0),
    },
  };
}

const run = (inputs: readonly Tensor[], attributes: Attributes = {}) =>
  runHere('FlexAttention', inputs, attributes, preview)[0]!;

test('without graphs it is Attention', () => {
  const inputs = qkv();
  same(run(inputs), runHere('Attention', inputs, {}, { opset: 23 })[0]!, 'plain');
  same(
    run(inputs, { scale: float(0.1) }),
    runHere('Attention', inputs, { scale: float(0.1) }, { opset: 23 })[0]!,
    'scaled',
  );
});

test('score_mod changes the scores, prob_mod the shares', () => {
  const inputs = qkv();
  const bias = floats([4, 3, 6]);
  const add = graph([makeNode('Add', ['x', 'b'], ['y'])], { b: bias });
  same(run(inputs, { score_mod: add }), runHere('Attention', [...inputs, bias], {}, { opset: 23 })[0]!, 'added');
  const twice = graph([makeNode('Mul', ['x', 'two'], ['y'])], { two: scalar('float', 2) });
  const plain = run(inputs);
  const doubled = run(inputs, { prob_mod: twice });
  same(
    doubled,
    tensor(
      'float',
      plain.dims,
      (plain.data as Float32Array).map((v) => 2 * v),
    ),
    'doubled',
  );
});

test('graphs see double for double, float for float16, or what softmax_precision says', () => {
  const cast = (t: Tensor) => tensor('double', t.dims, Float64Array.from(t.data as Float32Array));
  const halves = [1, 2, 3].map(() => tensor('float16', [1, 1, 2, 2], Uint16Array.of(0x3c00, 0, 0x3c00, 0x4000)));
  const of = (type: DType) =>
    graph(
      [makeNode('Add', ['x', 'z'], ['y'])],
      { z: tensor(type, [], type === 'double' ? Float64Array.of(0) : Float32Array.of(0)) },
      type,
    );
  assert.is(run(qkv().map(cast), { score_mod: of('double') }).dtype, 'double');
  assert.is(run(halves, { score_mod: of('float'), prob_mod: of('float') }).dtype, 'float16');
  assert.is(run(qkv(), { score_mod: of('double'), softmax_precision: int(11) }).dtype, 'float');
  throws(() => run(qkv(), { score_mod: of('double') }), ModelError, /one type/);
});

test('what contradicts itself is named', () => {
  const [q, k, v] = qkv() as [Tensor, Tensor, Tensor];
  throws(() => run([q, floats([2, 3, 6, 5]), floats([2, 3, 6, 7])]), ModelError, /a multiple of K's heads/);
  throws(() => run([q, k, floats([2, 2, 5, 7])]), ModelError, /V: expected shape \[2,2,6,7\]/);
  throws(() => run([floats([2, 3, 20]), k, v]), ModelError, /Q: expected rank 4/);
  const first = graph([makeNode('ReduceSum', ['x'], ['y'])], {});
  throws(() => run([q, k, v], { score_mod: first }), ModelError, /result of score_mod: expected shape \[2,4,3,6\]/);
  const five = graph([makeNode('Identity', ['x'], ['y'])], {}, 'float', ['x', 'b', 'h', 'i', 'j']);
  throws(() => run([q, k, v], { score_mod: five }), UnsupportedError, /a graph of 1 input and 1 output, found 5 and 1/);
  throws(() => run([q, k, v], { prob_mod: int(1) }), ModelError, /"prob_mod": expected a graph/);
});

test.run();
