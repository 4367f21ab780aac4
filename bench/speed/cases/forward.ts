/** Whole models. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readNpz, type Tensor } from '../../../src/node.ts';
import type { BenchCase, Group } from '../lab.ts';
import { floatTensor } from '../models.ts';
import { Absent, ROOT } from '../peers/load.ts';
import { normals, random } from '../random.ts';
import { resnet18 } from '../resnet18.ts';
import { type ModelInput, modelCase } from './model.ts';

/** An image of the generated network: what cameras give, after normalisation. */
export function image(seed: number, size = 224): Tensor {
  return floatTensor([1, 3, size, size], normals(3 * size * size, random(seed)));
}

let network: Uint8Array | undefined;
export const resnet18Input = (): ModelInput => {
  network ??= resnet18();
  return { bytes: network, feeds: { image: image(1) } };
};

/** A trained model of the checkout on the first samples of its data. @throws Absent in an installed package */
export function trained(model: string, set: string, input: string, samples: number): ModelInput {
  if (ROOT === undefined) throw new Absent('the models are part of a checkout, not of the package');
  const read = (name: string) => new Uint8Array(readFileSync(join(ROOT!, 'models', name)));
  const all = readNpz(read(`${set}-calib.npz`), set).get(input)!;
  const each = all.data.length / all.dims[0]!;
  const feed = { dtype: all.dtype, dims: [samples, ...all.dims.slice(1)], data: all.data.slice(0, samples * each) };
  return { bytes: read(`${model}.onnx`), feeds: { [input]: feed } };
}

function trainedCase(model: string, set: string, input: string, samples: number): BenchCase {
  const batch = samples === 1 ? '' : `, batch ${samples}`;
  return modelCase({
    name: `forward ${model}${batch}`,
    make: () => trained(model, set, input, samples),
    tolerance: 1e-4,
  });
}

export const forward: Group = {
  name: 'forward',
  cases: [
    modelCase({ name: 'forward resnet18', make: resnet18Input, tolerance: 1e-4 }),
    trainedCase('transformer-text', 'text', 'tokens', 1),
    trainedCase('resnet18-fashion', 'fashion', 'image', 1),
    trainedCase('mnist-mlp', 'mnist', 'image', 1),
    trainedCase('mnist-mlp', 'mnist', 'image', 64),
  ],
};
