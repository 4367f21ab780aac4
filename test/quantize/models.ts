import type { Plan, PlanLayer } from '../../src/allocate/types.ts';
import { findLayers } from '../../src/graph/index.ts';
import { makeInitializer, makeNode, makeValueInfo } from '../../src/onnx/index.ts';
import type { Attribute, Graph, Model, Node } from '../../src/onnx/model.ts';
import { sizeOf, type Tensor, tensor } from '../../src/tensor.ts';
import { normals, random } from '../helpers.ts';

/** A node with one weight, and an input for which every weight is an element of the output: each sum has one term. */
export interface Case {
  readonly opType: string;
  readonly dims: readonly number[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly input: Tensor;
}

const int = (value: number): Attribute => ({ type: 'int', value });
const ints = (...value: number[]): Attribute => ({ type: 'ints', value });

function identity(n: number, dims: readonly number[] = [n, n]): Tensor {
  const x = new Float32Array(n * n);
  for (let i = 0; i < n; i++) x[i * n + i] = 1;
  return tensor('float', dims, x);
}

const pixel = (channels: number): Tensor => tensor('float', [1, channels, 1, 1], new Float32Array(channels).fill(1));

/** Shapes whose sizes are and are not multiples of 8, rows along either axis. */
export const CASES: readonly Case[] = [
  { opType: 'MatMul', dims: [24, 11], input: identity(24) },
  { opType: 'MatMul', dims: [23, 13], input: identity(23) },
  { opType: 'Gemm', dims: [9, 30], attributes: { transB: int(1) }, input: identity(30) },
  { opType: 'Gemm', dims: [32, 8], input: identity(32) },
  {
    opType: 'Conv',
    dims: [10, 3, 3, 3],
    attributes: { pads: ints(2, 2, 2, 2), kernel_shape: ints(3, 3) },
    input: identity(3, [3, 3, 1, 1]),
  },
  {
    opType: 'Conv',
    dims: [40, 1, 3, 3],
    attributes: { pads: ints(2, 2, 2, 2), kernel_shape: ints(3, 3), group: int(40) },
    input: pixel(40),
  },
  { opType: 'Conv', dims: [7, 40, 1, 1], input: identity(40, [40, 40, 1, 1]) },
  {
    opType: 'ConvTranspose',
    dims: [6, 8, 2, 3],
    attributes: { kernel_shape: ints(2, 3) },
    input: identity(6, [6, 6, 1, 1]),
  },
  {
    opType: 'Gather',
    dims: [50, 12],
    input: tensor(
      'int64',
      [50],
      BigInt64Array.from({ length: 50 }, (_, i) => BigInt(i)),
    ),
  },
];

export interface Layered {
  readonly model: Model;
  readonly feeds: Readonly<Record<string, Tensor>>;
}

/** A model of separate nodes: node i is CASES[which[i]], reads weight `w{i}` and makes output `y{i}`. */
export function separateLayers(which: readonly number[], opset: number, irVersion = 4): Layered {
  const used = which.map((c) => CASES[c]!);
  const gemms = used.some((c) => c.opType === 'Gemm');
  const inputs = [...new Set(which)].map((c) => [`x${c}`, CASES[c]!.input] as const);
  return {
    model: model(
      {
        nodes: used.map((c, i) => {
          const x = `x${which[i]}`;
          // Gemm has to have a bias before opset 11.
          const names = c.opType === 'Gather' ? [`w${i}`, x] : c.opType === 'Gemm' ? [x, `w${i}`, 'b'] : [x, `w${i}`];
          return makeNode(c.opType, names, [`y${i}`], c.attributes);
        }),
        initializers: [
          ...used.map((c, i) => makeInitializer(`w${i}`, weights(c.dims, i))),
          ...(gemms ? [makeInitializer('b', tensor('float', [1], new Float32Array(1)))] : []),
        ],
        inputs: inputs.map(([name, t]) => makeValueInfo(name, t.dtype, t.dims)),
        outputs: used.map((_, i) => makeValueInfo(`y${i}`, 'float', undefined)),
      },
      opset,
      irVersion,
    ),
    feeds: Object.fromEntries(inputs),
  };
}

/** Normal weights with an outlier, and a row of zeros where rows lie along the first axis. */
export function weights(dims: readonly number[], seed: number): Tensor {
  const w = normals(sizeOf(dims), random(seed + 1), 0.08);
  w.fill(0, 0, w.length / dims[0]!);
  w[w.length - 2] = 0.9;
  return tensor('float', dims, w);
}

export function model(
  graph: Partial<Graph> & { readonly nodes: readonly Node[] },
  opset: number,
  irVersion = 4,
): Model {
  return {
    irVersion,
    opsets: new Map([['', opset]]),
    producer: 'test',
    graph: { name: 'g', initializers: [], inputs: [], outputs: [], valueInfo: [], rest: new Uint8Array(0), ...graph },
    functions: [],
    rest: new Uint8Array(0),
  };
}

/** A plan for every quantizable weight of the model. */
export function planFor(m: Model, choose: (i: number) => Partial<PlanLayer>): Plan {
  const layers = findLayers(m).layers.map((l, i) => ({
    name: l.name,
    weight: l.weight,
    bits: 4,
    granularity: 'channel' as const,
    symmetric: true,
    rounding: 'nearest',
    format: 'dense',
    ...choose(i),
  }));
  return {
    version: 1,
    metric: 'none',
    strategy: 'none',
    objective: 'none',
    averageBits: 0,
    bytes: 0,
    predicted: 0,
    gap: null,
    layers,
  };
}
