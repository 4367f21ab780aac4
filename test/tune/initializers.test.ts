import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { findLayers } from '../../src/graph/index.ts';
import { sizeOf, type Tensor, tensor } from '../../src/tensor.ts';
import { tunableInitializers } from '../../src/tune/index.ts';
import { graph, modelOf, node } from '../graph/build.ts';
import { normals, random } from '../helpers.ts';

const floats = (...dims: number[]): Tensor => tensor('float', dims, normals(sizeOf(dims), random(sizeOf(dims))));

test('biases, norms and vectors beside values; nothing else', () => {
  const model = modelOf(
    graph(
      ['x:float[N,16]', 'fed:float[16]'],
      ['y', 'shown'],
      [
        node('MatMul', 'x,w', 'a'),
        node('Add', 'a,bias', 'b'),
        node('LayerNormalization', 'b,gamma,beta', 'c'),
        node('Mul', 'c,half', 'd'),
        node('Add', 'd,table', 'e'),
        node('Add', 'e,fed', 'f'),
        node('Add', 'f,shown', 'g'),
        node('Add', 'g,twice', 'h'),
        node('Pow', 'h,twice', 'i'),
        node('Add', 'i,masked', 'j'),
        node('Sub', 'scale,j', 'y'),
      ],
      {
        w: floats(16, 16),
        bias: floats(16),
        gamma: floats(16),
        beta: floats(1, 16),
        half: tensor('float', [], Float32Array.of(0.5)),
        table: floats(3, 16),
        fed: floats(16),
        shown: floats(16),
        twice: floats(16),
        masked: tensor('float', [16], new Float32Array(16).fill(Number.NEGATIVE_INFINITY)),
        scale: floats(1, 1, 16),
      },
    ),
  );
  const { layers } = findLayers(model);
  assert.equal(
    layers.map((l) => l.weight),
    ['w'],
  );
  const names = tunableInitializers(model, layers).map((t) => t.name);
  assert.equal(names, ['bias', 'gamma', 'beta', 'scale']);
});

test.run();
