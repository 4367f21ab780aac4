import { readFileSync } from 'node:fs';
import { readModel } from '../../src/onnx/index.ts';
import type { Model } from '../../src/onnx/model.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { modelPath, normals, random } from '../helpers.ts';

/** The demonstration models and seeded feeds of any size. */

export const NAMES = ['mnist-mlp', 'resnet18-fashion', 'transformer-text'] as const;
export type Name = (typeof NAMES)[number];

export function bytesOf(name: Name): Uint8Array {
  return readFileSync(modelPath(`${name}.onnx`));
}

export function load(name: Name): Model {
  return readModel(bytesOf(name), name);
}

export function feeds(name: Name, n: number, length = 20, seed = 1): Record<string, Tensor> {
  const next = random(seed);
  if (name === 'mnist-mlp') return { image: tensor('float', [n, 784], normals(n * 784, next, 0.5)) };
  if (name === 'resnet18-fashion') return { image: tensor('float', [n, 1, 28, 28], normals(n * 784, next)) };
  const tokens = BigInt64Array.from({ length: n * length }, () => BigInt(Math.floor(next() * 256)));
  return { tokens: tensor('int64', [n, length], tokens) };
}

/** max |a - b| / max |b| */
export function distance(a: Tensor, b: Tensor): number {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < b.data.length; i++) {
    difference = Math.max(difference, Math.abs(Number(a.data[i]) - Number(b.data[i])));
    size = Math.max(size, Math.abs(Number(b.data[i])));
  }
  return difference / size;
}
