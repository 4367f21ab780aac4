/** TensorFlow.js's WebAssembly backend: products of matrices and convolutions. */
import type { Tensor } from '../../../src/tensor.ts';
import type { ConvShape } from '../resnet18.ts';
import { load } from './load.ts';

interface Handle {
  dataSync(): Float32Array;
  dispose(): void;
}

/** What is used of it. */
interface Core {
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  tensor(data: Float32Array, shape: readonly number[]): Handle;
  matMul(a: Handle, b: Handle): Handle;
  transpose(x: Handle, order: readonly number[]): Handle;
  fused: {
    conv2d(options: {
      x: Handle;
      filter: Handle;
      strides: number;
      pad: readonly (readonly number[])[];
      bias: Handle;
    }): Handle;
  };
}

export const TFJS = 'tfjs-backend-wasm';
let ready: Promise<Core> | undefined;

/** @throws Absent where it is not installed */
function core(): Promise<Core> {
  ready ??= start();
  return ready;
}

async function start(): Promise<Core> {
  const tf = load<Core>('@tensorflow/tfjs-core');
  const wasm = load<{ setThreadsCount(n: number): void }>('@tensorflow/tfjs-backend-wasm');
  wasm.setThreadsCount(1);
  await tf.setBackend('wasm');
  await tf.ready();
  return tf;
}

export interface Run {
  /** Runs once and returns the elements, in the order tfjs has them. */
  call(): Float32Array;
  close(): void;
}

function running(make: () => Handle, operands: readonly Handle[]): Run {
  return {
    call: () => {
      const y = make();
      const data = y.dataSync();
      y.dispose();
      return data;
    },
    close: () => {
      for (const t of operands) t.dispose();
    },
  };
}

const handle = (tf: Core, t: Tensor) => tf.tensor(t.data as Float32Array, t.dims);

export async function tfjsProduct(a: Tensor, b: Tensor): Promise<Run> {
  const tf = await core();
  const [x, y] = [handle(tf, a), handle(tf, b)];
  return running(() => tf.matMul(x, y), [x, y]);
}

/** Channels last, as tfjs has them: x and weight come channels first and are turned round before anything is timed. */
export async function tfjsConv(shape: ConvShape, x: Tensor, weight: Tensor, bias: Tensor): Promise<Run> {
  const tf = await core();
  const [first, filters] = [handle(tf, x), handle(tf, weight)];
  const input = tf.transpose(first, [0, 2, 3, 1]);
  const filter = tf.transpose(filters, [2, 3, 1, 0]);
  const b = handle(tf, bias);
  first.dispose();
  filters.dispose();
  const p = shape.kernel >> 1;
  const pad = [
    [0, 0],
    [p, p],
    [p, p],
    [0, 0],
  ];
  return running(() => tf.fused.conv2d({ x: input, filter, strides: shape.stride, pad, bias: b }), [input, filter, b]);
}
