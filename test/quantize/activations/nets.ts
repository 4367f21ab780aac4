import { makeInitializer, makeNode, makeValueInfo } from '../../../src/onnx/index.ts';
import type { Attribute, Model } from '../../../src/onnx/model.ts';
import { sizeOf, type Tensor, tensor } from '../../../src/tensor.ts';
import { normals, random } from '../../helpers.ts';
import { model } from '../models.ts';

const ints = (...value: number[]): Attribute => ({ type: 'ints', value });
const int = (value: number): Attribute => ({ type: 'int', value });

function normal(name: string, dims: readonly number[], seed: number, scale: number) {
  return makeInitializer(name, tensor('float', dims, normals(sizeOf(dims), random(seed), scale)));
}

const CONV = { kernel_shape: ints(3, 3), pads: ints(1, 1, 1, 1) };

/** A residual network: convolution, pooling, a block with a sum, average, Gemm. Weights w0..w2 and f. */
export function residual(opset = 17): Model {
  return model(
    {
      nodes: [
        makeNode('Conv', ['x', 'w0', 'b0'], ['c0'], CONV),
        makeNode('Relu', ['c0'], ['r0']),
        makeNode('MaxPool', ['r0'], ['p'], { kernel_shape: ints(2, 2), strides: ints(2, 2) }),
        makeNode('Conv', ['p', 'w1', 'b1'], ['c1'], CONV),
        makeNode('Clip', opset < 11 ? ['c1'] : ['c1', 'zero', 'six'], ['r1'], clip(opset)),
        makeNode('Conv', ['r1', 'w2'], ['c2'], CONV),
        makeNode('Add', ['c2', 'p'], ['s']),
        makeNode('Relu', ['s'], ['r2']),
        makeNode('Conv', ['r2', 'w3', 'b3'], ['c3'], CONV),
        makeNode('GlobalAveragePool', ['c3'], ['g']),
        makeNode('Flatten', ['g'], ['h']),
        makeNode('Gemm', ['h', 'f', 'bf'], ['y'], { transB: int(1) }),
      ],
      initializers: [
        normal('w0', [12, 3, 3, 3], 1, 0.2),
        normal('b0', [12], 2, 0.1),
        normal('w1', [12, 12, 3, 3], 3, 0.1),
        normal('b1', [12], 4, 0.1),
        normal('w2', [12, 12, 3, 3], 5, 0.1),
        normal('w3', [12, 12, 3, 3], 6, 0.1),
        normal('b3', [12], 7, 0.1),
        normal('f', [24, 12], 8, 0.3),
        normal('bf', [24], 9, 0.1),
        makeInitializer('zero', tensor('float', [], Float32Array.of(0))),
        makeInitializer('six', tensor('float', [], Float32Array.of(6))),
      ],
      inputs: [makeValueInfo('x', 'float', ['N', 3, 12, 12])],
      outputs: [makeValueInfo('y', 'float', ['N', 24])],
    },
    opset,
    8,
  );
}

function clip(opset: number): Readonly<Record<string, Attribute>> {
  return opset < 11 ? { min: { type: 'float', value: 0 }, max: { type: 'float', value: 6 } } : {};
}

/** A convolution, its output padded, a small depthwise convolution whose weight d is no layer, another convolution. */
export function separable(): Model {
  const depthwise = { kernel_shape: ints(3, 3), group: int(12) };
  return model(
    {
      nodes: [
        makeNode('Conv', ['x', 'w0'], ['c0'], CONV),
        makeNode('Relu', ['c0'], ['r0']),
        makeNode('Pad', ['r0', 'pads'], ['p']),
        makeNode('Conv', ['p', 'd'], ['c1'], depthwise),
        makeNode('Conv', ['c1', 'w1'], ['y'], CONV),
      ],
      initializers: [
        normal('w0', [12, 3, 3, 3], 1, 0.2),
        normal('d', [12, 1, 3, 3], 2, 0.3),
        normal('w1', [12, 12, 3, 3], 3, 0.1),
        makeInitializer('pads', tensor('int64', [8], BigInt64Array.of(0n, 0n, 1n, 1n, 0n, 0n, 1n, 1n))),
      ],
      inputs: [makeValueInfo('x', 'float', ['N', 3, 12, 12])],
      outputs: [makeValueInfo('y', 'float', ['N', 12, 12, 12])],
    },
    17,
    8,
  );
}

/** A norm, products of three-dimensional values, GELU's Erf, a Softmax; weights a and c. */
export function sequence(): Model {
  return model(
    {
      nodes: [
        makeNode('LayerNormalization', ['x', 'g'], ['n'], { axis: int(-1) }),
        makeNode('MatMul', ['n', 'a'], ['m']),
        makeNode('Add', ['m', 'ba'], ['h']),
        makeNode('Erf', ['h'], ['e']),
        makeNode('MatMul', ['e', 'c'], ['o']),
        makeNode('Add', ['o', 'n'], ['q']),
        makeNode('Softmax', ['q'], ['y'], { axis: int(-1) }),
      ],
      initializers: [
        normal('a', [16, 32], 1, 0.2),
        normal('ba', [32], 2, 0.1),
        normal('c', [32, 16], 3, 0.2),
        makeInitializer('g', tensor('float', [16], new Float32Array(16).fill(1))),
      ],
      inputs: [makeValueInfo('x', 'float', ['N', 5, 16])],
      outputs: [makeValueInfo('y', 'float', ['N', 5, 16])],
    },
    17,
    8,
  );
}

export function inputFor(m: Model, samples: number, seed = 1): Tensor {
  const dims = m.graph.inputs[0]!.dims!.map((d) => (typeof d === 'number' ? d : samples));
  return tensor('float', dims, normals(sizeOf(dims), random(seed), 0.5));
}
