import { readFileSync } from 'node:fs';
import { type Dataset, datasetFromArrays, readNpz } from '../src/data/index.ts';
import { readModel } from '../src/onnx/index.ts';
import type { Model } from '../src/onnx/model.ts';
import type { Tensor } from '../src/tensor.ts';
import { modelPath } from './helpers.ts';

/** The demonstration models and the data beside them. */

export type ModelName = 'mnist-mlp' | 'resnet18-fashion' | 'transformer-text';
export type DataName = 'mnist-calib' | 'mnist-eval' | 'fashion-calib' | 'fashion-eval' | 'text-calib' | 'text-eval';

export function modelBytes(name: ModelName): Uint8Array {
  return new Uint8Array(readFileSync(modelPath(`${name}.onnx`)));
}

export function model(name: ModelName): Model {
  return readModel(modelBytes(name), name);
}

/** Samples `start`.. of a data file, at most `count` of them. */
export function arrays(name: DataName, count: number, start = 0): Map<string, Tensor> {
  const all = readNpz(new Uint8Array(readFileSync(modelPath(`${name}.npz`))), name);
  return new Map(
    [...all].map(([key, t]) => {
      const each = t.data.length / t.dims[0]!;
      const n = Math.min(count, t.dims[0]! - start);
      const data = t.data.slice(start * each, (start + n) * each);
      return [key, { dtype: t.dtype, dims: [n, ...t.dims.slice(1)], data }];
    }),
  );
}

export function dataset(name: DataName, count: number, start = 0): Dataset {
  return datasetFromArrays(arrays(name, count, start), name);
}

/** The same without labels or targets. */
export function feeds(name: DataName, count: number, start = 0): Record<string, Tensor> {
  const { labels: _, ...rest } = Object.fromEntries(arrays(name, count, start));
  return rest as Record<string, Tensor>;
}

export function floats(t: Tensor | undefined): Float32Array {
  if (!(t?.data instanceof Float32Array)) throw new TypeError(`expected a float tensor, found ${t?.dtype}`);
  return t.data;
}
