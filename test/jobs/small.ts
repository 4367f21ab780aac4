import { type Dataset, datasetFromArrays } from '../../src/data/index.ts';
import { makeInitializer, makeNode, makeValueInfo } from '../../src/onnx/index.ts';
import type { Model } from '../../src/onnx/model.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { normals, random } from '../helpers.ts';
import { model } from '../quantize/models.ts';

/** A network of three dense layers, random and quick, named as the MLP's are: image [N, 24] -> logits [N, 12]. */
export function smallModel(): Model {
  const sizes = [24, 40, 32, 12];
  const layers = sizes.slice(1).map((rows, i) => ({ rows, cols: sizes[i]!, name: String(2 * i) }));
  return model(
    {
      nodes: layers.flatMap(({ name }, i) => {
        const last = i === layers.length - 1;
        const inputs = [i === 0 ? 'image' : `r${i - 1}`, `${name}.weight`, `${name}.bias`];
        const gemm = makeNode('Gemm', inputs, [last ? 'logits' : `h${i}`], { transB: { type: 'int', value: 1 } });
        return last ? [gemm] : [gemm, makeNode('Relu', [`h${i}`], [`r${i}`])];
      }),
      initializers: layers.flatMap(({ name, rows, cols }, i) => [
        makeInitializer(`${name}.weight`, tensor('float', [rows, cols], normals(rows * cols, random(i + 1), 0.3))),
        makeInitializer(`${name}.bias`, tensor('float', [rows], normals(rows, random(i + 11), 0.1))),
      ]),
      inputs: [makeValueInfo('image', 'float', ['N', 24])],
      outputs: [makeValueInfo('logits', 'float', ['N', 12])],
    },
    17,
    8,
  );
}

export function smallFeeds(count: number, seed = 21): Record<string, Tensor> {
  return { image: tensor('float', [count, 24], normals(24 * count, random(seed))) };
}

/** Labels are drawn at random, some of them to be ignored. */
export function smallData(count: number, seed = 21): Dataset {
  const next = random(seed + 1);
  const labels = BigInt64Array.from({ length: count }, () => BigInt(Math.floor(13 * next()) - 1));
  return datasetFromArrays(
    new Map(Object.entries({ ...smallFeeds(count, seed), labels: tensor('int64', [count], labels) })),
    'small data',
  );
}
